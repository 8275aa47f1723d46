from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from pi0_ros.cli.main import app
from pi0_ros.embodiment.axes import Joint
from pi0_ros.embodiment.files import find_embodiment, known_embodiments, share_directory
from pi0_ros.embodiment.schema import documented, embodiment_schema
from pi0_ros.embodiment.strict import Spec

CHECKED_IN = share_directory() / "config" / "embodiment.schema.json"
FIRST_LINE = "# yaml-language-server: $schema=../embodiment.schema.json"


def errors(description: object) -> list[jsonschema.ValidationError]:
    return list(jsonschema.Draft202012Validator(embodiment_schema()).iter_errors(description))


def test_the_schema_that_is_checked_in_is_the_one_of_the_code(tmp_path: Any) -> None:
    made = tmp_path / "made.json"
    assert CliRunner().invoke(app, ["schema", "--out", str(made)]).exit_code == 0
    said = "mend it with: pi0 schema --out config/embodiment.schema.json"
    assert made.read_text() == CHECKED_IN.read_text(), said


def test_the_schema_is_printed_where_no_file_is_named() -> None:
    assert json.loads(CliRunner().invoke(app, ["schema"]).output) == embodiment_schema()


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(embodiment_schema())


@pytest.mark.parametrize("name", known_embodiments())
def test_an_editor_finds_the_schema_and_nothing_wrong(name: str) -> None:
    text = find_embodiment(name).read_text()
    assert text.splitlines()[0] == FIRST_LINE
    assert errors(yaml.safe_load(text)) == []


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"titel": "x"}, []),
        ({"cameras": []}, ["cameras"]),
        ({"policy": {"rate_hz": 20, "horizon": 1, "execute": 1}}, ["policy", "horizon"]),
        ({"scene": {"blocks_x": [0.1, 0.2, 0.3]}}, ["scene", "blocks_x"]),
        ({"arms": {" left": {"tool_link": "t", "joints": ["slide"]}}}, ["arms"]),
    ],
)
def test_an_editor_finds_a_mistake(
    description: dict[str, Any], change: dict[str, Any], at: list[str]
) -> None:
    assert errors(description) == []
    assert at in [list(error.absolute_path) for error in errors({**description, **change})]


@pytest.mark.parametrize("key", ["mode", "options"])
def test_a_controller_has_the_keys_of_its_own_type_only(
    description: dict[str, Any], key: str
) -> None:
    description["controllers"][0][key] = 1
    assert [list(error.absolute_path) for error in errors(description)] == [["controllers", 0]]


def test_a_controller_of_a_type_that_another_package_brings_may_have_options(
    description: dict[str, Any],
) -> None:
    description["controllers"][0] |= {"type": "of_mine", "options": {"speed": 3}}
    assert errors(description) == []


def test_everything_in_the_schema_is_explained() -> None:
    schema = embodiment_schema()
    for name, kind in {"the robot": schema, **schema["$defs"]}.items():
        assert kind["description"], name
        for key, field in kind["properties"].items():
            assert field["description"], f"{name}.{key}"


def test_words_come_from_docstrings_those_of_a_parent_included() -> None:
    title, words = documented(Joint)
    assert title == "One joint: its unit, its limits, its place at home."
    assert words["lower"] == "Least position [unit]."
    assert words["velocity"] == "Greatest speed [unit/s]."  # of Axis


def test_words_over_several_lines_are_one_line() -> None:
    class Long(Spec):
        """What it is,
        and more.

        Attributes:
            one: Begins here,
                goes on in ``code``.
            two: Ends.
        """

    assert documented(Long) == (
        "What it is, and more.",
        {"one": "Begins here, goes on in `code`.", "two": "Ends."},
    )
