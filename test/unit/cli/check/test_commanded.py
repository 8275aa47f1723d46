from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pi0_ros.cli.check.commanded import check_controllers, check_nodes
from pi0_ros.cli.check.finding import Finding, Level, note, ok
from pi0_ros.cli.check.observed import Endpoint, Graph, LoadedController, Stream, Topic
from pi0_ros.embodiment.spec import Embodiment

ARRAY = "std_msgs/msg/Float64MultiArray"
FEEDBACK = "control_msgs/action/GripperCommand_FeedbackMessage"
EXECUTOR = "/chunk_executor_node"
START = "start its driver"


@pytest.fixture
def judged(changed: Callable[..., Embodiment], types: dict[str, str]) -> Callable[..., Any]:
    """Check the cart's controllers in a graph."""
    return lambda graph: check_controllers(changed(), graph, types, START)


def test_all_is_well_also_while_our_executor_commands(
    judged: Callable[..., Any], with_topic: Callable[..., Graph]
) -> None:
    ours = with_topic("slide/commands", publishers=(Endpoint(EXECUTOR, ARRAY),))
    assert judged(ours) == (
        ok("controller slide", "/driver takes /slide/commands"),
        ok("controller grip", "/driver takes /grip/cmd"),
        ok("controller base", "/driver takes /cmd_vel"),
    )


@pytest.mark.parametrize(
    ("topic", "change", "controller", "says", "mend"),
    [
        ("slide/commands", {"subscribers": ()}, "slide", "nobody takes /slide/commands",
         "`ros2 control list_controllers` tells what there is"),
        ("cmd_vel", {"subscribers": ()}, "base", "nobody takes /cmd_vel", START),
        ("grip/cmd/_action/feedback", {"publishers": ()}, "grip",
         "no server of action /grip/cmd", START),
        ("cmd_vel", {"subscribers": (Endpoint("/slate", "geometry_msgs/msg/TwistStamped"),)},
         "base", "/slate takes geometry_msgs/msg/TwistStamped on /cmd_vel; the YAML's type twist "
         "is geometry_msgs/msg/Twist", "correct type or topic"),
        ("grip/cmd/_action/feedback", {"publishers": (Endpoint("/hand", FEEDBACK.replace(
            "Gripper", "ParallelGripper")),)}, "grip",
         "/hand takes control_msgs/action/ParallelGripperCommand on /grip/cmd; the YAML's type "
         "gripper_command is control_msgs/action/GripperCommand", "correct type or topic"),
        ("slide/commands", {"subscribers": (Endpoint("/driver", ARRAY, "ERROR: durability;"),)},
         "slide", "QoS of /driver does not fit: ERROR: durability;", "the driver's subscription"),
        ("slide/commands", {"publishers": (Endpoint("/teleop", ARRAY), Endpoint(EXECUTOR, ARRAY))},
         "slide", "/teleop can command /slide/commands, too", "stop /teleop"),
        ("slide/commands", {"publishers": (Endpoint(EXECUTOR, ARRAY), Endpoint(EXECUTOR, ARRAY))},
         "slide", "/chunk_executor_node runs more than once", "--namespace"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_controller_is_told_with_how_to_mend_it(
    topic: str,
    change: dict[str, Any],
    controller: str,
    says: str,
    mend: str,
    judged: Callable[..., Any],
    with_topic: Callable[..., Graph],
    the_fault: Callable[..., Finding],
) -> None:
    fault = the_fault(judged(with_topic(topic, **change)))
    assert fault.topic == f"controller {controller}"
    assert fault.said == says
    assert mend in fault.remedy


def test_a_driver_outside_ros2_control_is_not_looked_for_in_it(
    judged: Callable[..., Any], with_topic: Callable[..., Graph], the_fault: Callable[..., Finding]
) -> None:
    assert the_fault(judged(with_topic("cmd_vel", subscribers=()))).remedy == START


def test_an_inactive_controller_is_told_with_the_command_that_switches(
    judged: Callable[..., Any], seen: Graph, the_fault: Callable[..., Finding]
) -> None:
    """The one that holds the same joint is deactivated; others and other managers are left."""
    slide, other = frozenset({"slide/position"}), frozenset({"lift/position"})
    loaded = (
        LoadedController("slide", "inactive", "/controller_manager", required=slide),
        LoadedController("moveit", "active", "/controller_manager", slide, slide),
        LoadedController("lift", "active", "/controller_manager", other, other),
        LoadedController("far", "active", "/other/controller_manager", slide, slide),
    )
    fault = the_fault(judged(replace(seen, controllers=loaded)))
    assert fault.topic == "controller slide"
    assert fault.said == "/controller_manager has it inactive"
    assert fault.remedy == (
        "`ros2 control switch_controllers --activate slide --deactivate moveit`"
    )


def test_another_controller_manager_is_named_in_the_command(
    judged: Callable[..., Any], seen: Graph, the_fault: Callable[..., Finding]
) -> None:
    loaded = (LoadedController("slide", "unconfigured", "/left/controller_manager"),)
    fault = the_fault(judged(replace(seen, controllers=loaded)))
    assert fault.remedy == (
        "`ros2 control switch_controllers --activate slide -c /left/controller_manager`"
    )


def test_an_active_controller_is_well(judged: Callable[..., Any], seen: Graph) -> None:
    loaded = (LoadedController("slide", "active", "/controller_manager"),)
    assert {one.level for one in judged(replace(seen, controllers=loaded))} == {Level.OK}


def test_a_controller_manager_that_cannot_be_asked_is_not_checked(
    judged: Callable[..., Any], seen: Graph, the_fault: Callable[..., Finding]
) -> None:
    unread = replace(seen, unread_managers=("/controller_manager",))
    fault = the_fault(judged(unread), Level.NOT_CHECKED)
    assert fault.said == "/controller_manager: controller_manager_msgs is not installed here"


def test_a_controller_whose_messages_are_not_installed_is_not_judged_again(
    changed: Callable[..., Embodiment], seen: Graph
) -> None:
    assert check_controllers(changed(), seen, {}, START) == ()


def test_our_nodes_tell_their_state_and_reason(seen: Graph) -> None:
    status = Topic("/chunk_executor_node/status", stream=Stream(said="no_chunk waiting"))
    graph = replace(
        seen,
        nodes={"/policy_node": "inactive", "/chunk_executor_node": "active"},
        topics={**seen.topics, "chunk_executor_node/status": status},
    )
    assert check_nodes(graph) == (
        note("/policy_node", "inactive"),
        note("/chunk_executor_node", "active; no_chunk waiting"),
    )


ARM = {"name": "slide", "type": "joint_trajectory", "topic": "slide/joint_trajectory",
       "rate_hz": 50, "joints": ["slide"]}  # fmt: skip
SLIDER = {"scaled": True, "speed_scaling": {"topic": "speed/factor", "full": 100}}
TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"


@pytest.fixture
def arm_judged(
    changed: Callable[..., Embodiment], types: dict[str, str], seen: Graph
) -> Callable[..., Any]:
    """Check the cart with a joint_trajectory_controller that has parameters."""

    def judge(parameters: dict[str, Any], tellers: tuple[str, ...] = (), **keys: Any) -> Any:
        robot = changed(controllers__0=ARM | keys)
        topics = {
            **seen.topics,
            ARM["topic"]: Topic("/slide/joint_trajectory", (), (Endpoint("/slide", TRAJECTORY),)),
            "speed/factor": Topic("/speed/factor", tuple(Endpoint(t, "any") for t in tellers)),
        }
        graph = replace(seen, topics=topics, parameters={"slide": parameters})
        return check_controllers(robot, graph, types | {ARM["topic"]: TRAJECTORY}, START)

    return judge


def test_a_trajectory_controller_of_other_joints_is_wrong(
    arm_judged: Callable[..., Any], the_fault: Callable[..., Finding]
) -> None:
    fault = the_fault(arm_judged({"joints": ["glide"]}))
    assert (fault.topic, fault.level) == ("controller slide", Level.WRONG)
    assert fault.said.startswith("it does not have slide and also has glide")


def test_a_controller_that_plays_windows_otherwise_is_a_warning_with_a_remedy(
    arm_judged: Callable[..., Any], the_fault: Callable[..., Finding]
) -> None:
    found = arm_judged({"joints": ["slide"], "allow_trajectory_replacement": True})
    fault = the_fault(found, Level.WARNING)
    assert "allow_trajectory_replacement is true" in fault.said
    assert "`ros2 param set slide allow_trajectory_replacement false`" in fault.remedy


def test_a_controller_that_fits_is_well_and_its_slider_is_told_of(
    arm_judged: Callable[..., Any],
) -> None:
    fits = {"joints": ["slide"], "speed_scaling_interface_name": "speed/factor"}
    found = arm_judged(fits, ("/broadcaster",), **SLIDER)
    assert found[0] == ok("controller slide", "/slide takes /slide/joint_trajectory")
    assert found[-1] == note("/speed/factor", "/broadcaster tells the speed")
    silent = arm_judged(fits, **SLIDER)[-1]
    assert silent == note("/speed/factor", "nobody tells the speed: full is assumed")
