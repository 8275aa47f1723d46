"""A robot's YAML that is wrong, handed to real processes: they say so, and nothing starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pi0_ros.embodiment.files import find_embodiment

NODES = ("chunk_executor_node", "policy_node", "sim_robot_node")
BREAKS = {
    "misspelt": ("joint_trajectory,", "joint_trajectry,", "Did you mean 'joint_trajectory'?"),
    "twice": ("name: ur5e_bimanual\n", "name: a\nname: b\n", "key 'name' stands twice"),
    "degrees": ("upper: 0.8", "upper: 180", "joints.6.upper: must be less than or equal to 100"),
    "cut": ("controllers:", "controllers: [", "is not valid YAML"),
    "no urdf": ("urdf: ur5e_bimanual.urdf.xacro", "urdf: none.xacro", "urdf 'none.xacro': no file"),
}


@pytest.fixture(params=BREAKS)
def broken(request, tmp_path) -> tuple[Path, str]:
    """The YAML of the two UR5e with one mistake, and what shall be said about it."""
    right, wrong, says = BREAKS[request.param]
    text = find_embodiment("ur5e_bimanual").read_text()
    assert right in text
    file = tmp_path / "broken.yaml"
    file.write_text(text.replace(right, wrong, 1))
    return file, says


def end(*words: str) -> subprocess.CompletedProcess:
    """Run a module to its end."""
    return subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, timeout=60, check=False
    )


def assert_told(ended: subprocess.CompletedProcess, file: Path, says: str, code: int) -> None:
    said = ended.stdout + ended.stderr
    assert str(file) in said
    assert says in said
    assert "Traceback" not in said
    assert ended.returncode == code


def test_a_node_ends_with_1_and_says_what_is_wrong(broken):
    file, says = broken
    module = "pi0_ros.nodes.chunk_executor_node"
    assert_told(end(module, "--ros-args", "-p", f"embodiment:={file}"), file, says, 1)


def test_pi0_up_ends_with_2_before_any_node_runs(broken):
    file, says = broken
    ended = end("pi0_ros.cli.main", "up", str(file))
    assert_told(ended, file, says, 2)
    assert not any(node in ended.stdout + ended.stderr for node in NODES)


@pytest.mark.parametrize("node", NODES)
def test_each_node_refuses_it(tmp_path, node):
    file = tmp_path / "broken.yaml"
    file.write_text("name: 3\n")
    ended = end(f"pi0_ros.nodes.{node}", "--ros-args", "-p", f"embodiment:={file}")
    assert_told(ended, file, "name: must be a text", 1)
