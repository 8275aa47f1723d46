"""Whether a process shares memory with others."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pi0_ros.bringup import shared_environment
from pi0_ros.nodes.transport import PROFILES, RANGE, without_shared_memory

THREADS = """
import pathlib, rclpy
rclpy.init()
node = rclpy.create_node("threads")
print([each.read_text().strip() for each in pathlib.Path("/proc/self/task").glob("*/comm")])
"""


def threads(environment: dict[str, str]) -> str:
    """Names of the threads of a process with a node."""
    words = [sys.executable, "-c", THREADS]
    return subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=60, check=True
    ).stdout


@pytest.mark.parametrize("reach", ["SUBNET", "LOCALHOST"])
def test_a_process_that_controls_shares_no_memory(reach):
    usual = {**os.environ, **shared_environment(), RANGE: reach}
    assert "dds.shm" in threads(usual)
    assert "dds.udp" in (alone := threads(without_shared_memory(usual)))
    assert "dds.shm" not in alone


def test_a_profile_of_the_users_own_is_kept():
    own = {PROFILES: "/etc/dds.xml", RANGE: "LOCALHOST"}
    assert without_shared_memory(own) == own
