from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pi0_ros.cli.main import app, main

runner = CliRunner()


def test_a_robot_that_fits_is_exit_code_0_and_json_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    words = ["check", "trossen_mobile", "--simulation", "--no-graph", "--json", str(file)]
    result = runner.invoke(app, words)
    assert result.exit_code == 0, result.output
    found = json.loads(file.read_text())
    assert (found["robot"], found["fits"]) == ("trossen_mobile", True)
    assert f"ok: {found['findings'][0]['topic']}: {found['findings'][0]['said']}" in result.output
    assert "running robot" not in result.output


@pytest.fixture
def written(tmp_path: Path, description: dict[str, Any]) -> Callable[[str], str]:
    """Write the cart with a URDF, and return its YAML."""

    def write(urdf: str) -> str:
        (tmp_path / "slider.urdf").write_text(urdf)
        text = yaml.safe_dump({**description, "urdf": str(tmp_path / "slider.urdf")})
        (tmp_path / "slider.yaml").write_text(text)
        return str(tmp_path / "slider.yaml")

    return write


def test_a_robot_that_does_not_fit_is_exit_code_1(
    written: Callable[[str], str], urdf_text: str
) -> None:
    file = written(urdf_text.replace('"slide"', '"glide"'))
    words = ["check", file, "--no-graph", "--simulation"]
    result = runner.invoke(app, words)
    assert result.exit_code == 1, result.output
    assert "wrong: joint slide: joint 'slide' is unknown; known: glide" in result.output


def test_a_xacro_that_does_not_expand_is_wrong(written: Callable[[str], str]) -> None:
    result = runner.invoke(app, ["check", written("<robot name='slider'><link"), "--no-graph"])
    assert result.exit_code == 1, result.output
    assert "wrong: URDF: xacro cannot expand" in result.output


@pytest.mark.parametrize(
    ("words", "says"),
    [(["ur5"], "Did you mean 'ur5e'?"),
     (["ur5e", "--checkpoint", "nowhere"], "checkpoint 'nowhere' is not a directory")],
)  # fmt: skip
def test_what_cannot_be_checked_is_exit_code_2(
    words: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["pi0", "check", *words, "--no-graph"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert says in capsys.readouterr().err


def test_the_help_says_that_nothing_moves_and_shows_an_example() -> None:
    result = runner.invoke(app, ["check", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    said = " ".join(result.output.replace("│", " ").split())
    assert "nothing is published or commanded" in said
    assert "Example: pi0 check ur5e_bimanual" in said
