from __future__ import annotations

import pytest
from rcl_interfaces.msg import ParameterType, ParameterValue

from pi0_ros.bridge.controller_parameters import (
    controller_node,
    described,
    given,
    misfits,
    splices,
)

ARM = "left_scaled_joint_trajectory_controller"
UR = "speed_scaling_interface_name"
JTC = "speed_scaling.state_interface"


@pytest.fixture
def arm(robot):
    """A scaled controller of six joints."""
    return robot.controllers[0]


def said(controller, **parameters):
    """What does not fit, where the joints and UR's interface are right."""
    fits = {"joints": list(reversed(controller.joints)), UR: "speed_scaling/speed_scaling_factor"}
    return [fault.said for fault in misfits(controller, fits | parameters)]


def test_values_are_read_by_their_type_and_what_is_not_set_is_left_out():
    values = [
        ParameterValue(type=ParameterType.PARAMETER_STRING_ARRAY, string_array_value=["a", "b"]),
        ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=True),
        ParameterValue(),
        ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=0.5),
    ]
    names = ["joints", "allow_partial_joints_goal", "open_loop_control", "cmd_timeout"]
    assert given(names, values) == {
        "joints": ["a", "b"], "allow_partial_joints_goal": True, "cmd_timeout": 0.5,
    }  # fmt: skip


def test_a_controller_without_parameters_to_speak_of_fits(arm):
    assert misfits(arm, {}) == ()
    assert said(arm) == []


def test_joints_in_another_order_fit_and_others_do_not(arm):
    (fault,) = misfits(arm, {"joints": ["a", *arm.joints[1:]]})
    assert fault.is_refused
    assert fault.said == (
        "it does not have left_shoulder_pan_joint and also has a, and takes no partial goals: it "
        "refuses every window"
    )


def test_a_controller_of_more_joints_takes_partial_goals_or_refuses(arm):
    more = [*arm.joints, "torso"]
    (one,) = said(arm, joints=more)
    assert one.startswith("it also has torso, and takes no partial goals")
    assert said(arm, joints=more, allow_partial_joints_goal=True) == []


def test_the_drivers_names_are_compared_not_the_urdfs(arm):
    named = arm.model_copy(update={"names": tuple("abcdef")})
    assert said(named, joints=list("fedcba")) == []


def test_splicing_by_stamp_is_detected_and_has_a_remedy(arm):
    assert not splices({})
    assert not splices({"allow_trajectory_replacement": False})
    assert splices({"allow_trajectory_replacement": True})
    faults = misfits(arm, {"allow_trajectory_replacement": True})
    assert [fault.said for fault in faults] == [
        "allow_trajectory_replacement is true: each window is joined one control cycle late"
    ]
    assert f"`ros2 param set {ARM} allow_trajectory_replacement false`" in faults[0].remedy
    assert said(arm, allow_trajectory_replacement=False) == []


@pytest.mark.parametrize("name", [UR, JTC])
def test_a_controller_that_is_scaled_and_a_yaml_that_says_otherwise_do_not_fit(arm, name):
    plain = arm.model_copy(update={"scaled": False})
    (one,) = [fault.said for fault in misfits(plain, {name: "speed/factor"})]
    assert one == f"its time runs by the robot's slider ({name}), which the YAML does not say"
    assert misfits(plain, {name: ""}) == ()
    (other,) = [fault.said for fault in misfits(arm, {name: ""})]
    assert other.startswith("the YAML says that its time runs by the robot's slider")


@pytest.mark.parametrize(
    ("name", "value"), [("positions_upsampling.enable", True), ("interpolation_method", "none")]
)
def test_what_would_not_play_the_samples_as_they_are_is_named(arm, name, value):
    (one,) = said(arm, **{name: value})
    assert one.startswith(f"{name} is {str(value).lower()}: ")


def test_for_people_it_names_what_is_known():
    assert described({}) == "no parameter that matters"
    assert described({"joints": ["a"], "cmd_timeout": 0.5, "allow_partial_joints_goal": False}) == (
        "allow_partial_joints_goal false, cmd_timeout 0.5"
    )


def test_the_controllers_node_is_what_its_topic_is_below(arm):
    assert controller_node(arm) == ARM
    goals = arm.model_copy(update={"topic": "cell/arm/follow_joint_trajectory"})
    assert controller_node(goals) == "cell/arm"
    assert controller_node(arm.model_copy(update={"topic": "alone"})) == ARM
