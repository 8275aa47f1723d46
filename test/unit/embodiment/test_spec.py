from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pi0_ros.embodiment.axes import GripperMap, Joint
from pi0_ros.embodiment.controllers import TwistController
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.timing import CommandTiming, PolicyTiming

Description = dict[str, Any]
Refusal = Callable[[Description], str]
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


def on_wheels(description: Description, *directions: str) -> Description:
    """Put the slider on a base that moves in these directions."""
    limits = {"velocity": 1.0, "acceleration": 2.0}
    axes = [
        {"name": f"base_{direction}", "direction": direction, "index": 14 + at, **limits}
        for at, direction in enumerate(directions)
    ]
    description["base"] = {"frame": "base_footprint", "timeout_ms": 300, "axes": axes}
    twist = {"name": "base", "type": "twist", "topic": "cmd_vel", "rate_hz": 50}
    description["controllers"].append({**twist, "joints": [axis["name"] for axis in axes]})
    return description


def test_the_smallest_description_is_a_robot(description: Description) -> None:
    robot = Embodiment.model_validate(description)
    assert robot.joint_names == robot.axis_names == ("slide", "grip")
    assert robot.state_joints == robot.joints
    assert robot.index("grip") == 1
    np.testing.assert_array_equal(robot.home, [0.5, 0.5])
    (source,) = robot.state_sources
    assert (source.topic, source.joints) == ("joint_states", ("slide", "grip"))


def test_joints_are_sorted_by_their_index(description: Description) -> None:
    put(description, ("joints", 0, "index"), 7)
    robot = Embodiment.model_validate(description)
    assert robot.joint_names == ("grip", "slide")
    assert robot.index("slide") == 1


def test_a_base_adds_its_velocities_to_an_action_and_nothing_to_the_state(
    description: Description,
) -> None:
    robot = Embodiment.model_validate(on_wheels(description, "x", "yaw"))
    assert robot.axis_names == ("slide", "grip", "base_x", "base_yaw")
    assert [joint.name for joint in robot.state_joints] == ["slide", "grip"]
    assert [axis.unit for axis in robot.axes] == ["m", "rad", "m", "rad"]
    np.testing.assert_array_equal(robot.by_velocity, [False, False, True, True])
    np.testing.assert_array_equal(robot.joint_columns, [0, 1])


def test_a_lift_behind_the_base_stands_behind_it_in_an_action(description: Description) -> None:
    put(on_wheels(description, "x", "y", "yaw"), ("joints", 1, "index"), 17)
    robot = Embodiment.model_validate(description)
    assert robot.axis_names == ("slide", "base_x", "base_y", "base_yaw", "grip")
    assert robot.base is not None
    assert robot.base.is_holonomic
    np.testing.assert_array_equal(robot.joint_columns, [0, 4])


def test_a_joint_that_is_not_observed_is_commanded_and_no_part_of_the_state(
    description: Description,
) -> None:
    robot = Embodiment.model_validate(put(description, ("joints", 0, "observed"), False))
    assert [joint.name for joint in robot.state_joints] == ["grip"]
    assert robot.axis_names == ("slide", "grip")


def test_what_a_window_serves_is_not_streamed(description: Description) -> None:
    robot = Embodiment.model_validate(on_wheels(description, "x", "yaw"))
    np.testing.assert_array_equal(robot.streamed, [False, True, True, True])
    assert isinstance(robot.controllers[2], TwistController)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("joints", 0, "home"), 2.5, "joints.0.home: home 2.5 of slide is outside [0.0, 2.0]"),
        (("joints", 0, "lower"), 2, "joints.0.lower: lower 2.0 must be less than upper 2.0 (got 2"),
        (("joints", 0, "velocity"), 0.0, "joints.0.velocity: must be greater than 0 (got 0.0"),
        (("joints", 0, "upper"), 180, "joints.0.upper: must be less than or equal to 100"),
        (("joints", 0, "unit"), "deg", "joints.0.unit: must be 'rad' or 'm' (got \"deg\""),
        (("joints", 0, "index"), -1, "joints.0.index: must be greater than or equal to 0"),
        (("joints", 1, "kind"), "velocity", "joints.1.kind: gripper grip must be of kind position"),
        (("joints", 1, "gripper", "closed"), 0, "gripper.closed: open and closed are both 0.0"),
        (("joints", 1, "gripper", "closed"), 3, "joints.1.gripper.closed: gripper closed 3.0 of"),
        (("joints", 1, "gripper", "model_open"), 0.0, "model_open and model_closed are both 0.0"),
        (("arms", "only", "joints"), ["slid"], "known: grip, slide. Did you mean 'slide'?"),
        (("arms", "only", "joints"), ["grip"] * 2, "joints of arm 'only' must be unique"),
        (("cameras", 0, "slot"), "base_0_rg", "Did you mean 'base_0_rgb'?"),
        (("cameras", 0, "fovy_deg"), 180.0, "cameras.0.fovy_deg: must be less than 180"),
        (("cameras", 0, "topic"), "front image", "cameras.0.topic: must be words of letters"),
        (("controllers", 0, "type"), "joint_traj", "controllers.0.type: controller type 'joint_t"),
        (("controllers", 0, "joints"), ["elbow"], "'slide_controller' of type joint_trajectory"),
        (("controllers", 0, "names"), ["a", "b"], "has 1 joints and 2 names; give one name per"),
        (
            ("controllers", 0, "gripper"),
            {"open": 0, "closed": 255},
            "speaks of a gripper, and none",
        ),
        (("controllers", 1, "gripper"), {"open": 1, "closed": 1}, "open and closed are both 1.0"),
        (("controllers", 0, "scaled"), True, "controllers.0.scaled: slide_controller is scaled; g"),
        (("controllers", 1, "scaled"), True, "unknown"),
        (
            ("controllers", 1, "speed_scaling"),
            {"topic": "s", "full": 0},
            "full: must be greater th",
        ),
        (("controllers", 1, "type"), "gripper_comand", "Did you mean 'gripper_command'?"),
        (
            ("controllers",),
            [
                {
                    "name": "two",
                    "type": "interbotix_single",
                    "topic": "t",
                    "rate_hz": 50,
                    "joints": ["slide", "grip"],
                }
            ],
            "controllers.0.joints: interbotix_single takes one joint, not 2",
        ),
        (
            ("states",),
            [{"type": "arx_lift_status", "topic": "s", "joints": ["slide", "grip"]}],
            "states.0.joints: a lift is one joint, not 2",
        ),
        (("controllers", 1, "mode"), 3, "controllers.1.mode: key 'mode' is unknown; known: "),
        (("states",), [{"topic": "s", "joints": ["slide"]}], "no topic of `states` tells grip"),
        (("states",), [{"topic": "s", "joints": ["elbow"]}], "states.0.joints: joint 'elbow' is"),
        (("paddings", "paper"), 1, "paddings.paper is 1; the largest index is 1, so it must be at"),
        (("policy", "delta"), [1, 0], "policy.delta.1: delta counts numbers"),
        (("policy", "delta"), [2, -1], "policy.delta counts 3 numbers; the state has 2"),
        (("policy", "execute"), 51, "policy.execute: execute is 51; it must be at most horizon"),
        (("scene",), {"blocks_x": [1, 0]}, "scene.blocks_x: blocks_x is [1.0, 0.0]; the first"),
        (("scene",), {"overview": {"position": [0, 0, 1], "target": [0, 0, 0]}}, "no side is up"),
        (("provenance",), {"joint.home": "me"}, "key 'joint' is unknown; known: arms, "),
        (("urdf",), "none.urdf", "urdf 'none.urdf': no file "),
        (("openpi",), {"statistics": "x", "convention": "alhoa"}, "Did you mean 'aloha'?"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place_and_what_is_allowed(
    description: Description, refusal: Refusal, path: Path, value: object, says: str
) -> None:
    assert says in refusal(put(description, path, value))


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("joints", 1, "name"), "slide", "joints: joints must be unique; repeated: slide"),
        (("joints", 1, "index"), 0, "joints: indices of joints must be unique; repeated: 0"),
        (("cameras", 1, "name"), "front", "cameras must be unique; repeated: front"),
        (("cameras", 1, "slot"), "base_0_rgb", "camera slots must be unique; repeated: base_0_rgb"),
        (("cameras", 1, "topic"), "front/image_raw", "camera topics must be unique"),
        (
            ("controllers", 1, "name"),
            "slide_controller",
            "controllers must be unique; repeated: sl",
        ),
        (("controllers", 1, "topic"), "slide_controller", "topics of controllers must be unique"),
        (("controllers", 1, "joints"), ["grip", "slide"], "joints of controllers must be unique"),
        (("controllers", 1, "joints"), ["grip", "grip"], "controllers.1.joints: joints must be un"),
    ],
)
def test_what_stands_twice_is_refused(
    description: Description, refusal: Refusal, path: Path, value: object, says: str
) -> None:
    assert says in refusal(put(description, path, value))


def test_a_joint_that_no_controller_commands_is_refused(
    description: Description, refusal: Refusal
) -> None:
    description["controllers"].pop()
    assert "controllers: no controller commands grip; add one, or drop" in refusal(description)


def test_a_state_of_nothing_is_refused(description: Description, refusal: Refusal) -> None:
    for joint in description["joints"]:
        joint["observed"] = False
    assert "joints: no joint is observed" in refusal(description)


@pytest.mark.parametrize("directions", [("x", "y"), ("y", "yaw"), ("x", "x", "yaw")])
def test_a_base_that_cannot_drive_is_refused(
    description: Description, refusal: Refusal, directions: tuple[str, ...]
) -> None:
    said = refusal(on_wheels(description, *directions))
    assert "base.axes: " in said
    assert "x, y and yaw" in said or "must be unique; repeated: x" in said


@pytest.mark.parametrize(
    ("of_slide", "of_base", "says"),
    [
        (
            ["base_x"],
            ["base_yaw"],
            "controllers.0.joints: joint of controller 'slide_controller' of",
        ),
        ([], ["base_x", "base_yaw", "slide"], "'base' of type twist 'slide' is unknown; known: ba"),
    ],
)
def test_a_base_takes_a_twist_and_a_joint_does_not(
    description: Description,
    refusal: Refusal,
    of_slide: list[str],
    of_base: list[str],
    says: str,
) -> None:
    controllers = on_wheels(description, "x", "yaw")["controllers"]
    controllers[0]["joints"], controllers[2]["joints"] = of_slide, of_base
    if not of_slide:
        del controllers[0]
    assert says in refusal(description)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (("titel",), "titel: key 'titel' is unknown; known: arms, "),
        (("policy", "horizont"), "Did you mean 'horizon'?"),
        (("joints", 0, "velocty"), "Did you mean 'velocity'?"),
        (("joints", 1, "gripper", "opened"), "Did you mean 'open'?"),
        (("cameras", 0, "topics"), "Did you mean 'topic'?"),
        (("arms", "only", "tool"), "Did you mean 'tool_link'?"),
    ],
)
def test_an_unknown_key_is_refused_with_the_key_that_was_meant(
    description: Description, refusal: Refusal, path: Path, says: str
) -> None:
    text = refusal(put(description, path, "x"))
    assert f"key '{path[-1]}' is unknown" in text
    assert says in text


def test_a_robot_cannot_be_changed(description: Description) -> None:
    robot = Embodiment.model_validate(description)
    with pytest.raises(ValidationError, match="frozen"):
        robot.joints[0].home = 1.0  # type: ignore[misc]


def joint(lower: float, upper: float, home: float) -> Joint:
    limits = {"velocity": 1.0, "acceleration": 1.0, "lower": lower, "upper": upper}
    return Joint.model_validate({"name": "j", "index": 0, "unit": "m", "home": home, **limits})


def test_without_a_jerk_the_acceleration_is_reached_in_50_ms(description: Description) -> None:
    assert Embodiment.model_validate(description).joints[0].greatest_jerk == 4.0 / 0.05
    put(description, ("joints", 0, "jerk"), 300.0)
    assert Embodiment.model_validate(description).joints[0].greatest_jerk == 300.0


@given(numbers, numbers, numbers)
def test_home_is_accepted_exactly_within_the_limits(
    lower: float, upper: float, home: float
) -> None:
    if lower <= home <= upper and lower < upper:
        assert joint(lower, upper, home).home == home
    else:
        with pytest.raises(ValidationError, match=r"home .* is outside|must be less than upper"):
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
