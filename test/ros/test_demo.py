"""`pi0 demo` and `pi0 bench` as a user runs them: real processes, real files."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import cv2

PI0 = [sys.executable, "-m", "pi0_ros.cli.main"]


def run_pi0(*words):
    environment = {**os.environ, "PI0_DOMAIN_ID": os.environ["ROS_DOMAIN_ID"]}
    return subprocess.run(
        [*PI0, *words], env=environment, capture_output=True, text=True, timeout=150, check=False
    )


def test_the_demo_reaches_every_block_within_limits_and_leaves_its_results(tmp_path, robot):
    ended = run_pi0("demo", "--out", str(tmp_path), "--seed", "7")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert [episode["success"] for episode in report["episodes"]] == [True] * 3
    assert report["limit_violations"] == 0
    assert report["largest_replacement_rad"] == 0.0
    assert 0 < report["largest_step_rad"] <= report["step_allowed_rad"]
    assert report["chunks"] >= 3
    assert all(0 < e["largest_velocity_ratio"] <= 1 for e in report["episodes"])
    assert report["latency_ms"]["p50"] <= report["latency_ms"]["p95"]
    video = cv2.VideoCapture(str(tmp_path / "demo.mp4"))
    camera = robot.cameras[0]
    assert video.read()[1].shape == (camera.height, camera.width, 3)
    sheet = cv2.imread(str(tmp_path / "contact_sheet.png"))
    assert sheet.shape == (3 * 240, 5 * 320, 3)
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("joints.png", "seams.png"))


def test_a_demo_that_does_not_arrive_in_time_fails_and_still_reports(tmp_path):
    ended = run_pi0("demo", "--out", str(tmp_path), "--timeout-s", "1")
    assert ended.returncode == 1
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["success"] == 0
