"""What the demo leaves behind: video, contact sheet, plots and numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import cv2
import matplotlib as mpl
import numpy as np

from pi0_ros.cli.demo.episode import EpisodeRecord
from pi0_ros.cli.demo.timeline import CommandTimeline
from pi0_ros.embodiment.spec import Embodiment

mpl.use("Agg")
from matplotlib import pyplot as plt

Timelines = dict[str, CommandTimeline]
VIDEO_RATE_HZ = 10
SHEET_COLUMNS = 5


def write_report(
    out: Path, embodiment: Embodiment, records: list[EpisodeRecord], policy: str
) -> dict[str, Any]:
    """Write ``report.json``, ``demo.mp4``, ``contact_sheet.png``, ``joints.png``, ``seams.png``.

    Returns:
        The content of ``report.json``.
    """
    timelines = [record.timelines(embodiment) for record in records]
    report = numbers(embodiment, records, timelines, policy)
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    frames = [[_decode(jpeg) for jpeg in record.frames] for record in records]
    _write_video(out / "demo.mp4", records, frames)
    _write_contact_sheet(out / "contact_sheet.png", records, frames)
    _plot_joints(out / "joints.png", records, timelines)
    _plot_seams(out / "seams.png", records, timelines)
    return report


def numbers(
    embodiment: Embodiment, records: list[EpisodeRecord], timelines: list[Timelines], policy: str
) -> dict[str, Any]:
    """Summarise the episodes: steps, violations and latencies over all, success for each."""
    episodes = [_episode_numbers(*pair) for pair in zip(records, timelines, strict=True)]
    latencies = [chunk.inference_ns / 1e6 for record in records for _, chunk in record.chunks]
    ages = [(at - chunk.start_ns) / 1e6 for record in records for at, chunk in record.chunks]
    velocities = [joint.velocity for joint in embodiment.joints if joint.gripper is None]
    return {
        "robot": embodiment.name,
        "policy": policy,
        "success": sum(record.success for record in records),
        "episodes": episodes,
        "chunks": sum(len(record.chunks) for record in records),
        "latency_ms": _percentiles(latencies),
        "observation_age_at_arrival_ms": _percentiles(ages),
        "commands_per_s": round(float(np.mean([e["commands_per_s"] for e in episodes])), 1),
        "largest_step_rad": max(e["largest_step_rad"] for e in episodes),
        "step_allowed_rad": min(velocities) * embodiment.command.period_ns / 1e9,
        "limit_violations": sum(sum(e["limit_violations"].values()) for e in episodes),
        "largest_replacement_rad": max(e["largest_replacement_rad"] for e in episodes),
    }


def _episode_numbers(record: EpisodeRecord, by_name: Timelines) -> dict[str, Any]:
    timelines = by_name.values()
    violations = [timeline.violations() for timeline in timelines]
    held = sum(status.reason != "ok" for status in record.statuses)
    return {
        "prompt": record.prompt,
        "success": record.success,
        "duration_s": round(record.duration_s, 2),
        "final_distance_m": round(record.distances[-1][1], 4) if record.distances else None,
        "chunks": len(record.chunks),
        "commands_per_s": sum(t.messages for t in timelines) / max(record.duration_s, 1e-9),
        "largest_step_rad": max(t.largest_step() for t in timelines),
        "largest_replacement_rad": max(t.largest_replacement for t in timelines),
        # Of all joints, grippers included, by the executor's own count since it was activated.
        "largest_velocity_ratio": max(
            (s.largest_velocity_ratio for s in record.statuses), default=0
        ),
        "limit_violations": {key: sum(v[key] for v in violations) for key in violations[0]},
        "gaps": sum(len(t.runs()) - 1 for t in timelines),
        "limits_touched": sorted({n for s in record.statuses for n in s.limits_touched}),
        "statuses_not_ok": held,
    }


def _percentiles(values: list[float]) -> dict[str, float | None]:
    if not values:
        return {"p50": None, "p95": None}
    p50, p95 = np.percentile(values, [50, 95])
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1)}


def _decode(jpeg: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))


def _captioned(bgr: np.ndarray, text: str) -> np.ndarray:
    """Write a caption on a dark strip at the bottom."""
    image = bgr.copy()
    height = image.shape[0]
    cv2.rectangle(image, (0, height - 30), (image.shape[1], height), (30, 30, 30), -1)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(image, text, (10, height - 10), font, 0.55, (240, 240, 240), 1, cv2.LINE_AA)
    return image


def _write_video(path: Path, records: list[EpisodeRecord], frames: list[list[np.ndarray]]) -> None:
    pictures = [
        _captioned(frame, record.prompt)
        for record, episode in zip(records, frames, strict=True)
        for frame in episode
    ]
    if not pictures:
        return
    height, width, _ = pictures[0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=VIDEO_RATE_HZ)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())


def _write_contact_sheet(
    path: Path, records: list[EpisodeRecord], frames: list[list[np.ndarray]]
) -> None:
    rows = []
    for record, episode in zip(records, frames, strict=True):
        if not episode:
            continue
        picks = np.linspace(0, len(episode) - 1, SHEET_COLUMNS).round().astype(int)
        small = [cv2.resize(episode[i], (320, 240), interpolation=cv2.INTER_AREA) for i in picks]
        mark = "reached" if record.success else "not reached"
        small[0] = _captioned(small[0], record.prompt)
        small[-1] = _captioned(small[-1], f"{mark} after {record.duration_s:.1f} s")
        rows.append(np.hstack(small))
    if rows:
        cv2.imwrite(str(path), np.vstack(rows))


def _plot_joints(path: Path, records: list[EpisodeRecord], timelines: list[Timelines]) -> None:
    """Plot the commanded positions of each episode's arms, joins of chunks as lines."""
    figure, axes = plt.subplots(len(records), 2, figsize=(12, 3 * len(records)), squeeze=False)
    for row, record, by_name in zip(axes, records, timelines, strict=True):
        for axis, (name, timeline) in zip(row, by_name.items(), strict=True):
            seconds, positions = timeline.seconds_and_positions()
            axis.plot(seconds, positions)
            axis.set_title(f"{name.split('_')[0]} arm: {record.prompt}", fontsize=9)
            axis.set_xlabel("time [s]")
            axis.set_ylabel("commanded [rad]")
            axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _plot_seams(path: Path, records: list[EpisodeRecord], timelines: list[Timelines]) -> None:
    """Plot the step between consecutive commands: a jump at a join would stand out."""
    figure, axes = plt.subplots(len(records), 1, figsize=(12, 2.4 * len(records)), squeeze=False)
    for (axis,), record, by_name in zip(axes, records, timelines, strict=True):
        for name, timeline in by_name.items():
            seconds, positions = timeline.seconds_and_positions()
            steps = np.abs(np.diff(positions, axis=0)).max(axis=1) * 1000
            axis.plot(seconds[1:], steps, label=name.split("_")[0])
        origin = min((at for at, _ in record.chunks), default=0)
        for arrival, _ in record.chunks:
            axis.axvline((arrival - origin) / 1e9, color="gray", lw=0.5, ls=":")
        axis.set_title(f"{record.prompt} (dotted: a chunk arrives)", fontsize=9)
        axis.set_ylabel("step [mrad / 2 ms]")
        axis.legend(loc="upper right", fontsize=8)
        axis.grid(alpha=0.3)
    axes[-1][0].set_xlabel("time [s]")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)
