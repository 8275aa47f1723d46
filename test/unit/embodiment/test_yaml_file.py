from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pi0_ros.embodiment.files import EmbodimentError, find_embodiment, known_embodiments
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.schema import embodiment_schema
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.strict import NAME, TOPIC, Name, Spec
from pi0_ros.embodiment.yaml_file import read_spec

SCHEMA = embodiment_schema()
INF = float("inf")
Keys = tuple[str | int, ...]
Schema = dict[str, Any]
Change = tuple[Keys, object]  # where, and what shall stand there instead
GONE = object()


class Pair(Spec):
    """Two things.

    Attributes:
        name: Of it.
        numbers: Of it.
        child: Of it.
    """

    name: Name
    numbers: tuple[float, ...] = ()
    child: Pair | None = None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pair.yaml"


def refusal(file: Path, content: str | bytes) -> str:
    """Return what is said about a file with this content."""
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(EmbodimentError) as caught:
        read_spec(file, Pair, "a pair")
    assert str(file) in str(caught.value)
    return str(caught.value)


def test_a_list_in_the_file_is_a_tuple_and_a_whole_number_is_a_number(file: Path) -> None:
    file.write_text("name: a\nnumbers: [1, 2.5]\n")
    assert read_spec(file, Pair, "a pair") == Pair(name="a", numbers=(1.0, 2.5))


def test_anchors_aliases_and_merge_keys_are_yaml(file: Path) -> None:
    file.write_text(
        "name: a\nchild: &c {name: b, child: {name: d, numbers: &n [1]}}\nnumbers: *n\n"
    )
    assert read_spec(file, Pair, "a pair").numbers == (1.0,)
    file.write_text(
        "name: a\nchild:\n  name: &x b\n  child: {<<: {name: c, numbers: [1]}, name: *x}"
    )
    grandchild = Pair(name="b", numbers=(1.0,))
    assert read_spec(file, Pair, "a pair").child == Pair(name="b", child=grandchild)


def test_a_byte_order_mark_is_no_part_of_the_first_key(file: Path) -> None:
    file.write_bytes("\ufeffname: ä\r\n".encode())
    assert read_spec(file, Pair, "a pair").name == "ä"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("name: a\nname: b\n", ["key 'name' stands twice, first in line 1", "line 2, column 1"]),
        ("child: {name: a, numbers: [], name: b}", ["'name' stands twice", "line 1, column 31"]),
        ("a: &a {name: x}\nb: {<<: *a, <<: *a}", ["'<<' stands twice", "line 2"]),
        ("1: a", ["key 1 is not a text; put it in quotes", "line 1"]),
        ("name: a\non: b", ["key on is not a text", "line 2"]),
        ("~: a", ["key ~ is not a text"]),
        ("[a, b]: c", ["key [a, b] is not a text"]),
        ("name: [a\n", ["expected ',' or ']'", "line 2"]),
        ("name: a\n\tnumbers: b", ["cannot start any token", "line 2"]),
        ("name: *a", ["undefined alias 'a'", "line 1"]),
        ("name: &a [*a]", ["recursive", "line 1"]),
        ("name: a\n---\nname: b\n", ["single document", "line 2"]),
        ("name: !!python/object:os.system x", ["could not determine a constructor", "line 1"]),
        ("name: 2026-13-01", ["month must be in 1..12", "line 1"]),
        ("name: " + "9" * 5000, ["limit", "line 1"]),
        ("name: \x01", ["not allowed"]),
        (b"name: \xff\xfe", ["utf-8", "position 6"]),
        ("name: a".encode("utf-16"), ["utf-8"]),
        ("[" * 5000, ["recursion"]),
    ],
    ids=range(19),
)
def test_what_is_no_yaml_is_told_with_its_place(
    file: Path, content: str | bytes, says: list[str]
) -> None:
    said = refusal(file, content)
    assert "is not valid YAML: " in said
    for words in says:
        assert words in said


@pytest.mark.parametrize(
    ("content", "form"),
    [("", "empty"), ("# only words\n", "empty"), ("- a\n", "a list"), ("a", "one value")],
)
def test_a_yaml_of_another_form_is_told(file: Path, content: str, form: str) -> None:
    said = refusal(file, content)
    assert (
        f"does not describe a pair: it is {form}; write keys with values, such as `name: pair`"
        in said
    )


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(EmbodimentError, match="cannot be read: "):
        read_spec(tmp_path, Pair, "a pair")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("numbers: []", "  name: is missing (line 1)"),
        ("name: 010", "  name: must be a text; in quotes, where YAML reads it as some"),
        ("name: 010", "(got 010, line 1)"),
        ("name: a\nnumbers: 3", "  numbers: must be a list (got 3, line 2)"),
        ("name: a\nnumbers:\n  - 1\n  - 1e3\n", "1.0e+3 as 1000 (got 1e3, line 4)"),
        ("name: a\nnumbers: [true]", "  numbers.0: must be a number, without quotes; "),
        ("name: a\nnumbers: ['3']", "(got '3', line 2)"),
        ("name: a\nnumbers: [.nan]", "  numbers.0: must be a finite number (got .nan, line 2)"),
        ("name: a\nnumbers:\n", "  numbers: must be a list (got nothing, line 2)"),
        ("name: a\nchild: [x]\n", "  child: must be keys with values (line 2)"),
        ("name: a\nchild:\n  name: b\n  nam: c", "  child.nam: key 'nam' is unknown; known: chi"),
        ("name: a\nchild: {na me: b}", "  child.'na me': key 'na me' is unknown"),
        ("name: a\nchild: {<<: {name: 3}}", "  child.name: must be a text"),
    ],
)
def test_a_wrong_value_is_told_with_key_value_and_line(file: Path, content: str, says: str) -> None:
    assert says in refusal(file, content)


def test_all_wrong_values_are_told_at_once(file: Path) -> None:
    said = refusal(file, "name: 3\nnumbers: [a]\nchild: {}\n")
    assert [line.split(":")[0].strip() for line in said.splitlines()[1:]] == [
        "name",
        "numbers.0",
        "child.name",
    ]


def test_aliases_that_would_unfold_to_gigabytes_are_told_in_a_few_lines(file: Path) -> None:
    levels = [f"  - &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 9)]
    said = refusal(file, "\n".join(["name:", "  - &l0 [x]", *levels, "numbers: *l8"]))
    assert "name: must be a text" in said
    assert len(said) < 10_000


# --- the robots' YAML, broken in one place after the other -------------------------------------


def resolved(schema: Schema, value: object) -> Schema:
    """Follow references, and of several forms take that of the value."""
    while True:
        if "$ref" in schema:
            schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]]
        elif "anyOf" in schema:
            (form,) = [form for form in schema["anyOf"] if form != {"type": "null"}]
            schema = {**form, "nullable": True}
        elif "oneOf" in schema:
            forms = [resolved(form, None) for form in schema["oneOf"]]
            type_ = value["type"] if isinstance(value, dict) else ""
            schema = next(f for f in forms if type_ in allowed(f["properties"]["type"]))
        else:
            return schema


def allowed(schema: Schema) -> list[str]:
    return [schema["const"]] if "const" in schema else schema.get("enum", [])


def parts(schema: Schema, value: Any) -> Iterator[tuple[str | int, Schema]]:
    """The values within a value, and what the schema says about each."""
    if isinstance(value, dict):
        for key in value:
            of_names = next(iter(schema.get("patternProperties", {}).values()), None)
            yield key, schema["properties"][key] if of_names is None else of_names
    elif isinstance(value, list):
        for at in range(len(value)):
            yield at, schema["prefixItems"][at] if "prefixItems" in schema else schema["items"]


def places(
    value: Any, schema: Schema = SCHEMA, at: Keys = ()
) -> Iterator[tuple[Keys, Any, Schema]]:
    """All values of a description, with their keys and what the schema says about them."""
    if schema:  # options of other packages' controllers can be anything
        nullable = "anyOf" in schema
        schema = resolved(schema, value)
        yield at, value, {**schema, "nullable": nullable}
        for step, part in parts(schema, value):
            yield from places(value[step], part, (*at, step))


def breaks(at: Keys, value: Any, schema: Schema) -> Iterator[Change]:
    """All ways in which one value can be wrong by what the schema says about it."""
    wrong_types: dict[str, list[object]] = {
        "string": [3, 2.5, True, [], {}],
        "integer": ["3", 3.5, 3.0, True, [], {}, INF, -INF, float("nan")],
        "number": ["3", "fast", True, [], {}, INF, -INF, float("nan")],
        "boolean": ["yes", 0, 1, [], {}],
        "array": ["x", 3, True, {}],
        "object": ["x", 3, True, []],
    }
    kind = schema.get("type", "string")
    if at:
        yield from ((at, wrong) for wrong in wrong_types[kind])
        if not schema["nullable"]:
            yield at, None
    yield from ((at, limit) for limit in beyond(schema, kind))
    if allowed(schema):
        yield at, f"{value}x"
    for pattern, texts in {
        NAME: ["", " x", "x ", "a\nb"],
        TOPIC: ["", "a b", "1a", "a//b", "a/", "~", "é", "a" * 201],
    }.items():
        if schema.get("pattern") == pattern:
            yield from ((at, text) for text in texts)
    if schema.get("minItems") and "prefixItems" not in schema:
        yield at, []
    if "prefixItems" in schema:
        yield (*at, len(value) - 1), GONE
    if "maxItems" in schema:
        yield at, (value * 9)[: schema["maxItems"] + 1]
    if schema.get("additionalProperties") is False:
        yield (*at, "zzz" if "properties" in schema else " zzz"), 1
    for key in schema.get("required", ()):
        yield (*at, key), GONE


def beyond(schema: Schema, kind: str) -> Iterator[float]:
    """Numbers just beyond the bounds, and far beyond."""
    step = 1 if kind == "integer" else 0.5
    huge = 10**30 if kind == "integer" else 1e30
    if "minimum" in schema:
        yield from (schema["minimum"] - step, -huge)
    if "exclusiveMinimum" in schema:
        yield from (schema["exclusiveMinimum"], -huge)
    if "maximum" in schema:
        yield from (schema["maximum"] + step, huge)
    if "exclusiveMaximum" in schema:
        yield from (schema["exclusiveMaximum"], huge)


def all_breaks(description: dict[str, Any]) -> list[Change]:
    return [change for place in places(description) for change in breaks(*place)]


def broken(description: dict[str, Any], change: Change) -> dict[str, Any]:
    (*way, last), value = change
    made = copy.deepcopy(description)
    place: Any = made
    for step in way:
        place = place[step]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return made


def assert_refused(file: Path, description: dict[str, Any], change: Change) -> None:
    """Insist that a broken description is refused with its file, key and value."""
    keys, value = change
    text = yaml.safe_dump(broken(description, change), sort_keys=False, allow_unicode=True)
    file.write_text(text)
    with pytest.raises(EmbodimentError) as caught:
        load_embodiment(str(file))
    said = str(caught.value)
    key = ".".join(str(key) if re.fullmatch(r"[\w/-]+", str(key)) else repr(key) for key in keys)
    assert f"{file} does not describe a robot:\n" in said
    assert f"  {key}: " in said, f"{change}: {said}"
    if value is GONE:
        assert "missing" in said or "controller type '' is unknown" in said
    elif not isinstance(value, list | dict):
        written = yaml.safe_dump(value, allow_unicode=True, width=1000).removesuffix("\n...\n")
        shown = " ".join(written.split())[:80]
        assert f"(got {shown}" in said, f"{change}: {said}"


def by_yaml(name: str) -> dict[str, Any]:
    return json.loads(json.dumps(yaml.safe_load(find_embodiment(name).read_text())))


ROBOTS = {name: by_yaml(name) for name in known_embodiments()}


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_each_robots_yaml_is_refused_once_it_is_broken_anywhere(
    tmp_path: Path, data: st.DataObject
) -> None:
    robot = ROBOTS[data.draw(st.sampled_from(sorted(ROBOTS)))]
    assert_refused(tmp_path / "broken.yaml", robot, data.draw(st.sampled_from(all_breaks(robot))))


def everything(description: dict[str, Any]) -> dict[str, Any]:
    """The slider with all that a description can have."""
    limits = {"velocity": 1.0, "acceleration": 2.0, "jerk": 40.0}
    extra = [f"j{at}" for at in range(10)]
    slide, grip = description["joints"]
    joints = [{**grip, "name": name, "index": 20 + at} for at, name in enumerate(extra)]
    base = [
        {"name": f"base_{axis}", "direction": axis, "index": at, **limits}
        for at, axis in enumerate(("x", "y", "yaw"), start=14)
    ]

    def controller(kind: str, joints: list[str], **more: Any) -> dict[str, Any]:
        return {"name": kind, "type": kind, "topic": kind, "rate_hz": 50, "joints": joints, **more}

    numbers = {"open": 0, "closed": 100}
    return {
        **description,
        "urdf_arguments": {"color": "red"},
        "policy": {**description["policy"], "delta": [1, -1]},
        "paddings": {"openpi": 32},
        "cameras": [{**camera, "age_ms": 1.5} for camera in description["cameras"]],
        "joints": [{**slide, "kind": "velocity", "observed": True, "jerk": 80.0}, grip, *joints],
        "base": {
            "frame": "f",
            "odometry": "o",
            "odometry_frame": "o",
            "timeout_ms": 1,
            "axes": base,
        },
        "controllers": [
            controller("joint_state", ["slide", "grip"], velocity=[1, 2], effort=[3, 4]),
            controller("twist_stamped", [axis["name"] for axis in base], frame="f"),
            controller("arx_robot_cmd", extra[:7], mode=5, names=list("abcdefg"), gripper=numbers),
            controller("gripper_command", [extra[7]], max_effort=5.0, deadband=0.1),
            controller("interbotix_single", [extra[8]], group="arm"),
            controller(
                "joint_trajectory",
                [extra[9]],
                scaled=True,
                speed_scaling={"topic": "slider", "full": 100},
            ),
        ],
        "states": [
            {"topic": "a", "type": "joint_state", "joints": ["slide", "grip"], "names": ["a", "b"]},
            {
                "topic": "b",
                "type": "arx_robot_status",
                "joints": extra,
                "gripper": numbers,
                "age_ms": 1,
            },
        ],
        "openpi": {"statistics": "s", "convention": None},
        "scene": {
            "table": {"center": [0, 0], "size": [1, 1], "height": 0},
            "blocks_x": [0, 1],
            "blocks_y": [0, 1],
            "floor": 0,
            "overview": {"position": [0, 0, 1], "target": [1, 1, 1]},
        },
        "driver": {"packages": ["p"], "start": ["s"], "moveit": ["m"], "note": "n"},
        "provenance": {"joints.home": "mine"},
    }


def as_read(value: Any) -> Any:
    """Values as the reader makes them: tuples for lists."""
    if isinstance(value, dict):
        return {key: as_read(part) for key, part in value.items()}
    return tuple(map(as_read, value)) if isinstance(value, list) else value


def test_a_description_that_has_everything_is_refused_whatever_is_broken(
    description: dict[str, Any],
) -> None:
    whole = everything(description)
    Embodiment.model_validate(as_read(whole), strict=True)
    changes = all_breaks(whole)
    assert len(changes) > 1500
    for change in changes:
        try:
            Embodiment.model_validate(as_read(broken(whole, change)), strict=True)
        except ValidationError:
            continue
        raise AssertionError(f"accepted: {change}")


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_what_is_broken_is_told_with_its_key_and_value(
    description: dict[str, Any], tmp_path: Path, data: st.DataObject
) -> None:
    whole = everything(description)
    change = data.draw(st.sampled_from(all_breaks(whole)))
    assert_refused(tmp_path / "broken.yaml", whole, change)


def test_the_whole_schema_is_broken_somewhere(description: dict[str, Any]) -> None:
    reached = {keys[-1] for keys, _, _ in places(everything(description)) if keys}
    kinds = {"the robot": SCHEMA, **SCHEMA["$defs"]}
    del kinds["PluginController"]
    missed = {key for kind in kinds.values() for key in kind["properties"]} - reached
    assert missed == set()


@pytest.mark.parametrize("name", known_embodiments())
@pytest.mark.parametrize(
    "rename",
    [
        lambda robot: (
            ("arms", next(iter(robot["arms"])), "joints", 0),
            robot["joints"][0]["name"],
        ),
        lambda robot: (("controllers", 0, "joints", 0), robot["controllers"][0]["joints"][0]),
        lambda robot: (("joints", 0, "name"), robot["joints"][0]["name"]),
    ],
)
def test_a_name_that_is_nobodys_is_refused_with_the_one_that_was_meant(
    tmp_path: Path, name: str, rename: Callable[[dict[str, Any]], tuple[Keys, str]]
) -> None:
    keys, right = rename(ROBOTS[name])
    file = tmp_path / "broken.yaml"
    file.write_text(yaml.safe_dump(broken(ROBOTS[name], (keys, f"{right}x"))))
    with pytest.raises(EmbodimentError, match=r"is unknown; known: .*Did you mean '"):
        load_embodiment(str(file))
