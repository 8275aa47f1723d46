"""A bring-up in the background for demo and benchmarks, in a ROS domain of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

STOP_TIMEOUT_S = 15.0


def isolate_domain(default: int = 88) -> None:
    """Keep this process and its children among themselves, on this machine.

    A demo that shared the default domain could drive a real robot with the same topics.
    """
    os.environ["ROS_DOMAIN_ID"] = os.environ.get("PI0_DOMAIN_ID", str(default))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


class Stack:
    """Runs ``pi0 up`` with its log in a file; use it as a context.

    Args:
        arguments: What follows ``pi0 up``.
        log: File that gets the output.
    """

    def __init__(self, arguments: list[str], log: Path) -> None:
        """Remember what to run."""
        self._arguments = arguments
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Stack:
        """Start all nodes."""
        command = [sys.executable, "-m", "pi0_ros.cli.main", "up", *self._arguments]
        with self.log.open("wb") as sink:
            self._process = subprocess.Popen(
                command, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all nodes and wait for them."""
        self.stop()

    def died(self) -> int | None:
        """Return the exit code where the bring-up ended by itself, None while it runs."""
        return self._process.poll() if self._process else None

    def stop(self) -> int:
        """Send SIGINT, wait, and return the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()

    def last_lines(self, count: int = 15) -> str:
        """Return the end of the log, for errors."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
