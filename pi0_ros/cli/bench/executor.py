"""Timing of the executor's loop in its own process, beside a policy that plans all the time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from pi0_msgs.msg import ActionChunk, ExecutorStatus
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.progress import Progress

from pi0_ros.bringup import CHUNKS, Value
from pi0_ros.cli.bench.loop_times import loop_times, ratios, work_times
from pi0_ros.cli.bench.machine_load import ProcessorTimes
from pi0_ros.cli.bench.model import bars
from pi0_ros.cli.bench.processes import robot_and_executor
from pi0_ros.cli.bench.robot_copy import copy_robot
from pi0_ros.cli.bench.seam.feeds import Chunks, Target
from pi0_ros.cli.bench.seam.motion import ChunkStream, Timing
from pi0_ros.cli.stack import Stack, isolate_domain
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.execution.reasons import Code
from pi0_ros.nodes import qos
from pi0_ros.policy.checkpoints.random_checkpoint import write_random_checkpoint

START_TIMEOUT_S = 60.0
WARM_UP_S = 2.0  # of ticks that are left out at the start
PROMPT = "left arm reach the red block"
BIAS_SD_RAD = 0.02  # chunks disagree as in pi0 bench seam
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
BARE_LOOP = "pi0_ros.cli.bench.bare_loop"
EXECUTOR = "chunk_executor_node"
BESIDE = {
    "pi0": "simulated robot and its cameras, π0 that plans all the time",
    "scripted": "simulated robot and its cameras, scripted policy",
    "none": "simulated robot; chunks come from here, no policy runs and no camera renders",
}


@dataclass(frozen=True)
class Conditions:
    """What is measured, and beside what.

    Attributes:
        embodiment: Name or YAML of the robot.
        seconds: How long [s].
        policy: ``pi0`` plans all the time, with random weights; ``scripted`` as in the demo;
            ``none``: chunks come from the benchmark.
        rate_hz: Of the executor's loop; 0: the robot's YAML [Hz].
        camera_rate_hz: Of the simulation's cameras, which render on the same cores [Hz].
    """

    embodiment: str = "ur5e_bimanual"
    seconds: float = 30.0
    policy: str = "pi0"
    rate_hz: float = 0.0
    camera_rate_hz: float = 15.0


Ended = Callable[[], str | None]


def bench_executor(
    conditions: Conditions, parameters: dict[str, dict[str, Value]]
) -> dict[str, Any]:
    """Run the robot and the executor, and beside them a loop that does nothing.

    Args:
        conditions: What is measured.
        parameters: Of the nodes, further ones.

    Returns:
        Rates [Hz], percentiles of ``|dt - period|`` [ms] and late ticks of both loops, their
        ratios; the executor's work per tick [µs], its CPU share [%], and what the machine did.
    """
    isolate_domain()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        robot_yaml = conditions.embodiment
        if conditions.rate_hz:
            rate = {"command": {"rate_hz": conditions.rate_hz}}
            robot_yaml = str(copy_robot(conditions.embodiment, folder, rate))
        period_ns = load_embodiment(robot_yaml).command.period_ns
        ticks, bare_ticks = folder / "ticks.npy", folder / "bare.npy"
        own: dict[str, Value] = {"timing_log": str(ticks), "embodiment": robot_yaml}
        asked = {**parameters, EXECUTOR: {**own, **parameters.get(EXECUTOR, {})}}
        with _running(conditions, folder, asked) as ended:
            watched = _watch(conditions, ended, period_ns, bare_ticks)
        # The executor writes its log when it ends.
        kept, bare = np.load(ticks), np.load(bare_ticks)[:, 0]
        kept = kept[(kept[:, 0] >= bare[0]) & (kept[:, 0] <= bare[-1])]
        loops = {
            "executor": loop_times(kept[:, 0], period_ns),
            "bare_loop": loop_times(bare, period_ns),
        }
    return {
        "beside": BESIDE[conditions.policy],
        **loops,
        "executor_over_bare_loop": ratios(loops["executor"], loops["bare_loop"]),
        "work_us_per_tick": work_times(kept),
        **watched,
    }


@contextmanager
def _running(
    conditions: Conditions, folder: Path, parameters: dict[str, dict[str, Value]]
) -> Iterator[Ended]:
    """Run the nodes until the context ends; yield what says which of them ended by itself."""
    if conditions.policy == "none":
        with robot_and_executor(conditions.embodiment, folder, parameters) as ended:
            yield ended
        return
    arguments = [conditions.embodiment, "--policy", conditions.policy, "--prompt", PROMPT]
    camera_rate: dict[str, Value] = {"camera_rate_hz": conditions.camera_rate_hz}
    settings = {**parameters}
    settings["sim_robot_node"] = camera_rate | settings.get("sim_robot_node", {})
    if conditions.policy == "pi0":
        checkpoint = folder / "random"
        write_random_checkpoint(checkpoint, load_embodiment(conditions.embodiment), seed=0)
        arguments += ["--checkpoint", str(checkpoint)]
        settings["policy_node"] = {"execute": 1} | settings.get("policy_node", {})
    for node, values in settings.items():
        for key, value in values.items():
            arguments += ["--param", f"{node}.{key}={value}"]
    with Stack(arguments, folder / "log.txt") as stack:
        yield lambda: None if stack.died() is None else f"a node ended:\n{stack.last_lines()}"


def _watch(conditions: Conditions, ended: Ended, period_ns: int, bare: Path) -> dict[str, Any]:
    """Wait until chunks are played, then let time pass; say what executor and machine did."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node("pi0_bench")
    watcher = _Watcher(node, ended)
    try:
        if conditions.policy == "none":
            watcher.feed(conditions.embodiment, conditions.seconds + 2 * START_TIMEOUT_S)
        watcher.spin(START_TIMEOUT_S, until=lambda: watcher.reason == Code.OK.value)
        pid = _pid_of(f"pi0_ros.nodes.{EXECUTOR}")
        watcher.spin(WARM_UP_S)
        with bars() as progress, _bare_loop(period_ns, conditions.seconds, bare) as finish:
            watcher.stalls, cpu, processor = 0, _cpu_ticks(pid), ProcessorTimes.now()
            watcher.spin(conditions.seconds, progress=progress)
            used_s = (_cpu_ticks(pid) - cpu) / TICKS_PER_S
            did = ProcessorTimes.now().since(processor)
            finish()
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return {
        "cpu_percent": round(100 * used_s / conditions.seconds, 1),
        "stalled": watcher.stalls,
        "machine_meanwhile": did,
    }


class _Watcher:
    """Listens to the executor, and feeds it where there is no policy."""

    def __init__(self, node: Node, ended: Ended) -> None:
        self._node, self._ended = node, ended
        self.reason, self.stalls = "", 0
        node.create_subscription(ExecutorStatus, f"{EXECUTOR}/status", self._on_status, qos.STATUS)

    def feed(self, embodiment: str, seconds: float) -> None:
        """Publish a chunk every 8 actions from now on, for so long."""
        robot = load_embodiment(embodiment, simulation=True)
        period_ns = robot.policy.period_ns
        timing = Timing(period_ns, 8 * period_ns, 4 * period_ns, robot.command.lead_ns,
                        robot.policy.horizon)  # fmt: skip
        stream = ChunkStream.drawn(seconds, timing, BIAS_SD_RAD, 0.0, seed=0).at(self._now_ns())
        publisher = self._node.create_publisher(ActionChunk, CHUNKS["action_chunk"], qos.CHUNKS)
        feed = Chunks(Target.of(robot), stream, 0)
        self._node.create_timer(
            feed.interval_ns / 1e9, lambda: publisher.publish(feed.message(self._now_ns()))
        )

    def spin(
        self,
        seconds: float,
        until: Callable[[], bool] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Let time pass, or wait for a condition at most so long.

        Raises:
            RuntimeError: A node ended, or the condition does not hold in time.
        """
        task = progress.add_task("seconds", total=round(seconds)) if progress else None
        started = time.monotonic()
        while (passed := time.monotonic() - started) < seconds:
            if until is not None and until():
                return
            if (said := self._ended()) is not None:
                raise RuntimeError(said)
            if progress is not None and task is not None:
                progress.update(task, completed=int(passed))
            rclpy.spin_once(self._node, timeout_sec=0.1)
        if until is not None:
            raise RuntimeError(f"the executor plays no chunk after {seconds:.0f} s: {self.reason}")

    def _on_status(self, status: ExecutorStatus) -> None:
        if status.reason != self.reason and status.reason == Code.STALLED.value:
            self.stalls += 1
        self.reason = status.reason

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)


@contextmanager
def _bare_loop(period_ns: int, seconds: float, file: Path) -> Iterator[Callable[[], object]]:
    """Run a loop that does nothing beside what is measured; yield what waits for its end."""
    command = [sys.executable, "-m", BARE_LOOP, str(period_ns / 1e9), str(seconds), str(file)]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        yield lambda: process.wait(START_TIMEOUT_S)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _pid_of(module: str) -> int:
    """Return the process of this bench's ROS domain that runs a module."""
    ours = f"ROS_DOMAIN_ID={os.environ['ROS_DOMAIN_ID']}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
        if module.encode() in words and ours in environment:
            return int(entry.name)
    raise RuntimeError(f"no process runs {module}")


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])  # user and system time, proc(5)
