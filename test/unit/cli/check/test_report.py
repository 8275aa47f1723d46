from __future__ import annotations

import json

import pytest
from rich.console import Console

from pi0_ros.cli.check.finding import not_checked, note, ok, warning, wrong
from pi0_ros.cli.check.report import as_json, show

LINES = (
    ok("joints", "all"),
    note("clock", "the system's"),
    warning("camera eye", "slow", "hurry"),
    not_checked("running robot", "none", "start it"),
)


def test_lines_are_piped_with_how_to_mend_them(capsys: pytest.CaptureFixture[str]) -> None:
    show(Console(), "slider", (*LINES, wrong("limits", "upper [2] is wide", "lower it")))
    assert capsys.readouterr().out.splitlines() == [
        "ok: joints: all",
        "note: clock: the system's",
        "warning: camera eye: slow -> hurry",
        "not checked: running robot: none -> start it",
        "wrong: limits: upper [2] is wide -> lower it",
        "slider does NOT fit: 1 ok, 1 note, 1 warning, 1 wrong, 1 not checked",
    ]


def test_only_what_is_wrong_makes_a_robot_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    show(Console(), "slider", LINES)
    assert capsys.readouterr().out.endswith("slider fits: 1 ok, 1 note, 1 warning, 1 not checked\n")
    assert json.loads(as_json("slider", LINES))["fits"] is True


def test_a_terminal_gets_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    show(Console(force_terminal=True, width=70), "slider", LINES)
    said = capsys.readouterr().out
    assert "how to mend it" in said
    assert "\x1b[33mwarning" in said


def test_a_finding_that_is_not_ok_must_say_how_to_mend_it() -> None:
    with pytest.raises(ValueError, match="camera is warning and has no remedy: slow"):
        warning("camera", "slow", "")
