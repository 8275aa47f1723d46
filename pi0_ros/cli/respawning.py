"""Runs one command again whenever it ends: what `pi0 up --use-respawn` puts before a node.

honcho stops every process when one ends; this one does not end, its node does.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from pi0_ros.bringup import RESPAWN_DELAY_S

SIGNAL_POLL_S = 0.05  # how soon a signal is noticed between two lives of a node


def respawning(command: list[str]) -> list[str]:
    """Return the command that runs a command again whenever it ends."""
    return [sys.executable, "-m", "pi0_ros.cli.respawning", *command]


def respawn(command: list[str], delay_s: float = RESPAWN_DELAY_S) -> int:
    """Run a command, and again after a pause [s] each time it ends, until SIGINT or SIGTERM.

    Returns:
        Its exit code after the signal; 0 where it did not run then.
    """
    received: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: received.append(number))
    while not received:
        with subprocess.Popen(command) as node:
            code = _wait(node, received)
        if received:
            return code
        print(f"ended with {code}; starts again in {delay_s:g} s", flush=True)
        due = time.monotonic() + delay_s
        while not received and time.monotonic() < due:
            time.sleep(SIGNAL_POLL_S)
    return 0


def _wait(node: subprocess.Popen[bytes], received: list[int]) -> int:
    """Wait for the end of a node and pass the first signal on to it."""
    while not received:
        try:
            return node.wait(SIGNAL_POLL_S)
        except subprocess.TimeoutExpired:
            continue
    node.send_signal(received[0])
    return node.wait()


if __name__ == "__main__":
    sys.exit(respawn(sys.argv[1:]))
