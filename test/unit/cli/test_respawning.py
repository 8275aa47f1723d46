from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pi0_ros.cli.respawning import respawning

LIFE = """
import signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: sys.exit(number))
print("alive", file=open({log!r}, "a"), flush=True)
while not {once}: time.sleep(0.01)
"""
CALL = "import sys; from pi0_ros.cli.respawning import respawn; sys.exit(respawn({}, {}))"


def lives(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def started(log: Path, count: int, *, once: bool, delay_s: float) -> subprocess.Popen[bytes]:
    """Respawn a command that ends at once, or when it is told to; wait for some of its lives."""
    command = [sys.executable, "-c", LIFE.format(log=str(log), once=once)]
    process = subprocess.Popen([sys.executable, "-c", CALL.format(command, delay_s)])
    deadline = time.monotonic() + 20
    while lives(log) < count:
        assert time.monotonic() < deadline, f"{lives(log)} lives, {count} wanted"
        time.sleep(0.01)
    return process


def test_a_command_that_ends_starts_again_until_a_signal(tmp_path: Path) -> None:
    process = started(tmp_path / "log", 3, once=True, delay_s=0.0)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.wait(20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_and_ends_the_command_for_good(tmp_path: Path, number: int) -> None:
    process = started(tmp_path / "log", 1, once=False, delay_s=0.0)
    process.send_signal(number)
    assert process.wait(20) == number
    assert lives(tmp_path / "log") == 1


def test_a_signal_ends_the_pause_between_two_lives(tmp_path: Path) -> None:
    process = started(tmp_path / "log", 1, once=True, delay_s=1000.0)
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    assert lives(tmp_path / "log") == 1


def test_the_command_runs_as_a_module_of_this_interpreter() -> None:
    command = respawning(["true", "-x"])
    assert command == [sys.executable, "-m", "pi0_ros.cli.respawning", "true", "-x"]
