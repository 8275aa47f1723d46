"""Timing of the executor's loop in its own process, beside a policy that plans all the time."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from pi0_msgs.msg import ExecutorStatus
from rclpy.node import Node

from pi0_ros.cli.stack import Stack, isolate_domain
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.execution.executor import State
from pi0_ros.nodes import qos
from pi0_ros.policy.checkpoints.random_checkpoint import write_random_checkpoint

START_TIMEOUT_S = 60.0
CAMERA_RATE_HZ = 15.0  # the simulation renders on the same cores that are measured
WARM_UP_S = 2.0  # of ticks that are left out at the start
PROMPT = "left arm reach the red block"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def bench_executor(
    embodiment: str, seconds: float, policy: str, params: list[str]
) -> dict[str, Any]:
    """Run the whole stack and record the instant of every tick.

    Args:
        embodiment: Name of the robot.
        seconds: How long the loop is measured [s].
        policy: ``pi0`` plans all the time, with random weights; ``scripted`` as in the demo.
        params: Further parameters, ``node.name=value``.

    Returns:
        Rate [Hz], percentiles of ``|dt - period|`` [ms], late ticks, CPU share [%].
    """
    robot = load_embodiment(embodiment, simulation=True)
    isolate_domain()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, log = Path(folder) / "random", Path(folder) / "ticks.npy"
        settings = [
            f"sim_robot_node.camera_rate_hz={CAMERA_RATE_HZ}",
            f"chunk_executor_node.timing_log={log}",
        ]
        arguments = [embodiment, "--policy", policy, "--prompt", PROMPT]
        if policy == "pi0":
            write_random_checkpoint(checkpoint, robot, seed=0)
            arguments += ["--checkpoint", str(checkpoint)]
            settings.append("policy_node.execute=1")
        for setting in [*settings, *params]:
            arguments += ["--param", setting]
        with Stack(arguments, Path(folder) / "log.txt") as stack:
            cpu_share = _watch(stack, seconds)
        return {**_timing(np.load(log), robot.command.period_ns), "cpu_percent": cpu_share}


def _watch(stack: Stack, seconds: float) -> float:
    """Wait until chunks are played, then let time pass; return the executor's CPU share [%]."""
    rclpy.init()
    node = Node("pi0_bench")
    states: list[int] = []
    node.create_subscription(
        ExecutorStatus, "chunk_executor_node/status", lambda m: states.append(m.state), qos.STATUS
    )
    _spin_until(node, lambda: State.EXECUTING in states, START_TIMEOUT_S, stack)
    pid = _pid_of("pi0_ros.nodes.chunk_executor_node")
    before = _cpu_ticks(pid)
    _spin_until(node, lambda: False, seconds + WARM_UP_S, stack)
    used = (_cpu_ticks(pid) - before) / TICKS_PER_S
    node.destroy_node()
    rclpy.shutdown()
    return round(100 * used / (seconds + WARM_UP_S), 1)


def _spin_until(node: Node, condition: Any, timeout_s: float, stack: Stack) -> None:
    clock = node.get_clock()
    end = clock.now().nanoseconds + round(timeout_s * 1e9)
    while not condition() and clock.now().nanoseconds < end:
        if stack.died() is not None:
            raise RuntimeError(f"a node ended:\n{stack.last_lines()}")
        rclpy.spin_once(node, timeout_sec=0.1)


def _timing(instants_ns: np.ndarray, period_ns: int) -> dict[str, Any]:
    kept = instants_ns[instants_ns > instants_ns[0] + WARM_UP_S * 1e9]
    dt = np.diff(kept)
    off_ms = np.abs(dt - period_ns) / 1e6
    p50, p99, p999 = np.percentile(off_ms, [50, 99, 99.9])
    return {
        "seconds": round((kept[-1] - kept[0]) / 1e9, 1),
        "rate_hz": round(1e9 * len(dt) / (kept[-1] - kept[0]), 2),
        "jitter_ms": {
            "p50": round(float(p50), 3),
            "p99": round(float(p99), 3),
            "p99.9": round(float(p999), 3),
            "max": round(float(off_ms.max()), 3),
        },
        "later_than_5_ms": int((off_ms > 5).sum()),
    }


def _pid_of(module: str) -> int:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile
            continue
        if module.encode() in words:
            return int(entry.parent.name)
    raise RuntimeError(f"no process runs {module}")


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])  # user and system time, proc(5)
