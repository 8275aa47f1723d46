from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pi0_ros.cli.main import app

runner = CliRunner()


def test_its_help_tells_the_exit_codes_and_an_example() -> None:
    result = runner.invoke(app, ["task", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    said = " ".join(result.output.split())
    assert "Example: pi0 task 'left arm reach the red block' --settled 1" in said
    assert "1 if the task failed, 2 if it could not be started, 130 if it was cancelled" in said


@pytest.mark.parametrize("option", ["--timeout", "--steps", "--settled", "--wait"])
def test_a_limit_below_zero_is_refused_by_its_name(option: str) -> None:
    result = runner.invoke(app, ["task", "wave", option, "-1"])
    assert result.exit_code == 2
    assert option in result.output
