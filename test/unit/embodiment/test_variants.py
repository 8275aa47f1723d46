from __future__ import annotations

from typing import Any

import pytest

from pi0_ros.embodiment.controllers import TwistController
from pi0_ros.embodiment.files import EmbodimentError, known_embodiments
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.variants import SIMULATED, prefixed, simulated

GRIP = {"name": "hand", "type": "gripper_command", "topic": "hand/gripper_cmd", "rate_hz": 10}


@pytest.fixture
def slider(description: dict[str, Any]) -> Embodiment:
    """The slider with a gripper whose driver counts to 255, and joints under other names."""
    description["controllers"][1] = {**GRIP, "joints": ["grip"]}
    description["controllers"][1]["gripper"] = {"open": 0, "closed": 255}
    description["states"] = [{"topic": "driver", "joints": ["slide", "grip"], "names": ["a", "b"]}]
    return Embodiment.model_validate(description)


def test_the_simulation_takes_a_grippers_action_as_positions_in_the_joints_own_units(
    slider: Embodiment,
) -> None:
    kept, changed = simulated(slider).controllers
    assert kept == slider.controllers[0]
    assert (changed.type, changed.topic, changed.rate_hz) == (
        "forward_position",
        "hand/commands",
        10,
    )
    assert changed.joints == ("grip",)
    assert changed.gripper is None


def test_the_simulation_takes_goals_of_trajectories_as_the_topic_beside_them(
    description: dict[str, Any],
) -> None:
    goals = {"type": "follow_joint_trajectory", "topic": "arm/follow_joint_trajectory"}
    scaled = {"scaled": True, "speed_scaling": {"topic": "speed", "full": 100}}
    description["controllers"][0] |= goals | scaled
    real = Embodiment.model_validate(description)
    (changed, _) = simulated(real).controllers
    assert (changed.type, changed.topic) == (
        "joint_trajectory", "slide_controller/joint_trajectory",
    )  # fmt: skip
    assert changed.scaled
    assert changed.speed_scaling == real.controllers[0].speed_scaling
    assert not real.streamed[0], "windows, as on the topic"


def test_the_simulation_tells_all_positions_on_one_topic_under_their_own_names(
    slider: Embodiment,
) -> None:
    (source,) = simulated(slider).state_sources
    assert source.topic == "joint_states"
    assert source.driver_names == slider.joint_names


@pytest.mark.parametrize("name", known_embodiments())
def test_every_robot_can_be_simulated_as_what_it_is(name: str) -> None:
    real, robot = load_embodiment(name), load_embodiment(name, simulation=True)
    assert {controller.type for controller in robot.controllers} <= set(SIMULATED)
    assert robot.axis_names == real.axis_names
    assert robot.axes == real.axes
    assert simulated(robot) == robot


def test_a_prefix_stands_before_joints_links_and_frames_and_nothing_else(
    slider: Embodiment,
) -> None:
    robot = prefixed(slider, "left_")
    assert robot.axis_names == ("left_slide", "left_grip")
    assert robot.arms["only"].tool_link == "left_tool"
    assert robot.arms["only"].joints == ("left_slide",)
    assert [camera.frame for camera in robot.cameras] == ["left_front", "left_wrist"]
    assert [camera.topic for camera in robot.cameras] == [c.topic for c in slider.cameras]
    assert [c.joints for c in robot.controllers] == [("left_slide",), ("left_grip",)]
    assert [c.topic for c in robot.controllers] == [c.topic for c in slider.controllers]
    assert robot.urdf_arguments == {"tf_prefix": "left_"}
    assert robot.name == slider.name


def test_no_prefix_changes_nothing(slider: Embodiment) -> None:
    assert prefixed(slider, "") is slider


@pytest.mark.parametrize("name", known_embodiments())
def test_every_robot_takes_a_prefix(name: str) -> None:
    plain, robot = load_embodiment(name), load_embodiment(name, tf_prefix="x_")
    assert robot.axis_names == tuple(f"x_{axis}" for axis in plain.axis_names)
    assert [axis.index for axis in robot.axes] == [axis.index for axis in plain.axes]
    if plain.base is not None:
        assert robot.base is not None
        assert robot.base.frame == f"x_{plain.base.frame}"
        frames = [c.frame for c in robot.controllers if isinstance(c, TwistController)]
        assert frames
        assert all(frame.startswith("x_") for frame in frames)


def test_the_driver_that_calls_joints_by_their_urdf_names_calls_them_with_the_prefix(
    slider: Embodiment,
) -> None:
    robot = prefixed(slider, "left_")
    assert robot.controllers[0].driver_names == ("left_slide",)
    assert robot.states[0].driver_names == ("a", "b")  # the driver's own names stay


@pytest.mark.parametrize("tf_prefix", [" left_", "x y", "1_", "/left_", "left-", "ü_"])
def test_a_prefix_that_cannot_begin_a_name_is_refused(slider: Embodiment, tf_prefix: str) -> None:
    with pytest.raises(EmbodimentError, match="must be a letter and then letters, digits, _ and /"):
        prefixed(slider, tf_prefix)
