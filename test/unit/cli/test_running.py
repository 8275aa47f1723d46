from __future__ import annotations

import io
import sys
from datetime import datetime
from pathlib import Path

import pytest
from honcho.printer import Message

from pi0_ros.bringup import BringUp, NodePlan
from pi0_ros.cli.running import WatchingPrinter, run_plan


def printer() -> WatchingPrinter:
    return WatchingPrinter(io.StringIO())


def said(text: str, name: str = "system") -> Message:
    return Message("line", text, datetime(2026, 1, 1), name, None)


def test_the_first_process_that_stopped_is_remembered() -> None:
    made = printer()
    assert made.first_stopped is None
    made.write(said("policy_node started (pid=7)\n"))
    assert made.first_stopped is None
    made.write(said("sim_robot_node stopped (rc=1)\n"))
    made.write(said("policy_node stopped (rc=-15)\n"))
    assert made.first_stopped == ("sim_robot_node", 1)


@pytest.mark.parametrize("code", [0, 1, -15, 137])
def test_its_exit_code_is_remembered(code: int) -> None:
    made = printer()
    made.write(said(f"policy_node stopped (rc={code})\n"))
    assert made.first_stopped == ("policy_node", code)


def test_a_node_that_talks_of_stopping_has_not_stopped() -> None:
    made = printer()
    made.write(said("policy_node stopped (rc=1)\n", name="sim_robot_node"))
    assert made.first_stopped is None


def test_lines_are_printed_with_the_name_of_their_node() -> None:
    made = printer()
    made.write(said("warming up\n", name="policy_node"))
    made.write(said(b"\xff from C++\n", name="sim_robot_node"))
    first, second = made.output.getvalue().splitlines()
    assert first.endswith("policy_node | warming up")
    assert second.endswith("sim_robot_node | \N{REPLACEMENT CHARACTER} from C++")


class Script(NodePlan):
    """A node whose process is one line of Python."""

    def command(self) -> list[str]:
        return [sys.executable, "-c", str(self.parameters["line"])]


def script(name: str, line: str, *, respawn: bool = False) -> Script:
    return Script(name, parameters={"line": line}, respawn=respawn)


def test_the_exit_code_tells_which_node_ended_first(capfd: pytest.CaptureFixture[str]) -> None:
    wait = "import signal, sys; signal.signal(15, lambda *_: sys.exit(0)); signal.pause()"
    bring_up = BringUp((script("first", wait), script("second", "raise SystemExit(3)")), {})
    assert run_plan(bring_up) == 11
    assert (
        "pi0 up: second ended with 3, so all were stopped (exit code 11)" in capfd.readouterr().out
    )


def test_a_node_that_respawns_ends_without_stopping_the_others(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "lives"
    once = f"open({str(log)!r}, 'a').write('x'); raise SystemExit(3)"
    until_twice = (
        "import os, time\n"
        f"while not os.path.exists({str(log)!r}) or os.path.getsize({str(log)!r}) < 2:\n"
        "    time.sleep(0.01)\n"
        "raise SystemExit(4)"
    )
    nodes = (script("first", once, respawn=True), script("second", until_twice))
    assert run_plan(BringUp(nodes, {})) == 11
    said = capfd.readouterr().out
    assert "ended with 3; starts again in 2 s" in said
    assert "pi0 up: second ended with 4" in said


def test_nodes_get_the_environment_of_the_plan(capfd: pytest.CaptureFixture[str]) -> None:
    line = "import os; print('profile', os.environ['PROFILE'])"
    assert run_plan(BringUp((script("only", line),), {"PROFILE": "fastdds.xml"})) == 10
    assert "only   | profile fastdds.xml" in capfd.readouterr().out
