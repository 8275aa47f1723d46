"""Simulated robot and chunk executor, each in its own process, without a policy."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pi0_ros.bringup import Options, Value, plan, shared_environment

NODES = ("chunk_executor_node", "sim_robot_node")
STOP_TIMEOUT_S = 10.0
LOG_END = 2000  # characters that are shown of the log of a node that ended


@contextmanager
def robot_and_executor(
    embodiment: str, folder: Path, overrides: Mapping[str, Mapping[str, Value]]
) -> Iterator[Callable[[], str | None]]:
    """Run both until the context ends.

    Args:
        embodiment: Name or YAML of the robot.
        folder: Gets their logs.
        overrides: Further parameters by node.

    Yields:
        A function that says which of them ended by itself, with the end of its log.
    """
    environment = {**os.environ, **shared_environment()}
    running: dict[str, subprocess.Popen[bytes]] = {}
    nodes = [node for node in plan(embodiment, Options(), overrides).nodes if node.name in NODES]

    def ended() -> str | None:
        for name, process in running.items():
            if process.poll() is not None:
                log = (folder / f"{name}.log").read_text(errors="replace")
                return f"{name} ended with {process.returncode}:\n{log[-LOG_END:]}"
        return None

    try:
        for node in nodes:
            with (folder / f"{node.name}.log").open("wb") as log:
                # A session of its own: Ctrl-C is for the benchmark, which then ends them.
                running[node.name] = subprocess.Popen(
                    node.command(), env=environment, stdout=log, stderr=log, start_new_session=True
                )
        yield ended
    finally:
        _stop(running.values())


def _stop(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
