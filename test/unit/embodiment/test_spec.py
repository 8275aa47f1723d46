from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pi0_ros.embodiment.spec import CommandTiming, Embodiment, GripperMap, Joint, PolicyTiming

Description = dict[str, Any]
Path = tuple[str | int, ...]
numbers = st.floats(-10.0, 10.0)


def put(description: Description, path: Path, value: object) -> Description:
    """Write one value into a description and return the description."""
    *way, last = path
    place: Any = description
    for step in way:
        place = place[step]
    place[last] = value
    return description


def refusal(description: Description) -> str:
    """Return what is said about a description that is no robot's."""
    with pytest.raises(ValidationError) as caught:
        Embodiment.model_validate(description)
    return str(caught.value)


def test_the_smallest_description_is_a_robot(description: Description) -> None:
    robot = Embodiment.model_validate(description)
    assert robot.joint_names == ("slide", "grip")
    assert robot.index("grip") == 1
    np.testing.assert_array_equal(robot.home, [0.5, 0.5])


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("joints", 0, "home"), 2.5, ["home 2.5 of slide", "[0.0, 2.0]"]),
        (("joints", 0, "velocity"), 0.0, ["joints.0.velocity", "greater than 0"]),
        (("joints", 0, "acceleration"), -1.0, ["joints.0.acceleration", "greater than 0"]),
        (("joints", 0, "unit"), "deg", ["joints.0.unit", "'rad' or 'm'", "'deg'"]),
        (("joints", 1, "gripper", "closed"), 0.0, ["open 0.0 and closed 0.0 must differ"]),
        (("joints", 1, "gripper", "model_open"), 0.0, ["model_open 0.0 and model_closed 0.0"]),
        (("joints",), [], ["joints", "at least 1 item"]),
        (("arms", "only", "joints"), [], ["arms.only.joints", "at least 1 item"]),
        (("arms", "only", "joints"), ["slid"], ["arm 'only'", "slid;", "known: slide, grip"]),
        (("cameras",), [], ["cameras", "at least 1 item"]),
        (("cameras", 0, "slot"), "base", ["cameras.0.slot", "'base_0_rgb'", "'base'"]),
        (("cameras", 0, "width"), 0, ["cameras.0.width", "greater than 0"]),
        (("cameras", 0, "height"), -480, ["cameras.0.height", "greater than 0", "-480"]),
        (("cameras", 0, "rate_hz"), 0, ["cameras.0.rate_hz", "greater than 0"]),
        (("cameras", 0, "fovy_deg"), 180.0, ["cameras.0.fovy_deg", "less than 180"]),
        (("controllers",), [], ["controllers", "at least 1 item"]),
        (("controllers", 0, "type"), "effort", ["'joint_trajectory' or 'forward_position'"]),
        (("controllers", 0, "rate_hz"), 0, ["controllers.0.rate_hz", "greater than 0"]),
        (("controllers", 0, "joints"), [], ["controllers.0.joints", "at least 1 item"]),
        (("controllers", 0, "joints"), ["elbow"], ["controller 'slide_controller'", "elbow"]),
        (("policy", "rate_hz"), 0, ["policy.rate_hz", "greater than 0"]),
        (("policy", "horizon"), 1, ["policy.horizon", "greater than or equal to 2"]),
        (("policy", "execute"), 0, ["policy.execute", "greater than or equal to 1"]),
        (("policy", "execute"), 51, ["policy.execute 51 exceeds policy.horizon 50"]),
        (("command", "rate_hz"), -1, ["command.rate_hz", "greater than 0"]),
        (("command", "lead_ms"), 0, ["command.lead_ms", "greater than 0"]),
    ],
)
def test_a_wrong_value_is_refused_with_its_place_and_what_is_allowed(
    description: Description, path: Path, value: object, says: list[str]
) -> None:
    text = refusal(put(description, path, value))
    for words in says:
        assert words in text


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("joints", 1, "name"), "slide", "joints must be unique; repeated: slide"),
        (("cameras", 1, "name"), "front", "cameras must be unique; repeated: front"),
        (("cameras", 1, "slot"), "base_0_rgb", "camera slots must be unique; repeated: base_0_rgb"),
        (
            ("controllers", 1, "name"),
            "slide_controller",
            "controllers must be unique; repeated: slide_controller",
        ),
        (
            ("controllers", 1, "joints"),
            ["grip", "slide"],
            "joints of controllers must be unique; repeated: slide",
        ),
    ],
)
def test_a_name_that_stands_twice_is_refused(
    description: Description, path: Path, value: object, says: str
) -> None:
    assert says in refusal(put(description, path, value))


def test_a_joint_that_no_controller_commands_is_refused(description: Description) -> None:
    description["controllers"].pop()
    assert "no controller commands grip; add one, or drop the joint" in refusal(description)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (("titel",), "key 'titel' is unknown; known: arms, "),
        (("policy", "horizont"), "Did you mean 'horizon'?"),
        (("joints", 0, "velocty"), "Did you mean 'velocity'?"),
        (("joints", 1, "gripper", "opened"), "Did you mean 'open'?"),
        (("cameras", 0, "topics"), "Did you mean 'topic'?"),
        (("arms", "only", "tool"), "Did you mean 'tool_link'?"),
    ],
)
def test_an_unknown_key_is_refused_with_the_key_that_was_meant(
    description: Description, path: Path, says: str
) -> None:
    text = refusal(put(description, path, "x"))
    assert f"key '{path[-1]}' is unknown" in text
    assert says in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "path",
    [
        ("joints", 0, "upper"),
        ("joints", 0, "velocity"),
        ("joints", 0, "home"),
        ("joints", 1, "gripper", "closed"),
        ("cameras", 0, "fovy_deg"),
        ("policy", "rate_hz"),
        ("command", "lead_ms"),
    ],
)
def test_a_number_that_is_not_finite_is_refused(
    description: Description, path: Path, value: float
) -> None:
    assert "finite number" in refusal(put(description, path, value))


@pytest.mark.parametrize("path", [("urdf",), ("policy",), ("joints", 0, "home")])
def test_a_missing_key_is_named(description: Description, path: Path) -> None:
    *way, last = path
    place: Any = description
    for step in way:
        place = place[step]
    del place[last]
    text = refusal(description)
    assert ".".join(map(str, path)) in text
    assert "Field required" in text


def test_a_robot_cannot_be_changed(description: Description) -> None:
    robot = Embodiment.model_validate(description)
    with pytest.raises(ValidationError, match="frozen"):
        robot.joints[0].home = 1.0  # type: ignore[misc]


def joint(lower: float, upper: float, home: float) -> Joint:
    return Joint(
        name="j", unit="m", lower=lower, upper=upper, velocity=1.0, acceleration=1.0, home=home
    )


@given(numbers, numbers, numbers)
def test_home_is_accepted_exactly_within_the_limits(
    lower: float, upper: float, home: float
) -> None:
    if lower <= home <= upper:
        assert joint(lower, upper, home).home == home
    else:
        with pytest.raises(ValidationError, match=r"home .* is outside"):
            joint(lower, upper, home)


@given(numbers, numbers, numbers, numbers)
def test_a_gripper_map_is_accepted_exactly_when_it_can_be_inverted(
    opened: float, closed: float, model_open: float, model_closed: float
) -> None:
    def build() -> GripperMap:
        return GripperMap(
            open=opened, closed=closed, model_open=model_open, model_closed=model_closed
        )

    if opened != closed and model_open != model_closed:
        assert build().closed == closed
    else:
        with pytest.raises(ValidationError, match="must differ"):
            build()


@pytest.mark.parametrize(("rate_hz", "period_ns"), [(20, 50_000_000), (3, 333_333_333)])
def test_periods_are_whole_nanoseconds(rate_hz: float, period_ns: int) -> None:
    assert PolicyTiming(rate_hz=rate_hz, horizon=2, execute=1).period_ns == period_ns
    assert CommandTiming(rate_hz=rate_hz, lead_ms=40).period_ns == period_ns


def test_a_lead_of_40_ms_is_40_million_nanoseconds() -> None:
    assert CommandTiming(rate_hz=500, lead_ms=40).lead_ns == 40_000_000
