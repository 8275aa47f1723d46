"""The launch file under real ros2 launch, and its equality with `pi0 up`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("launch_ros", reason="launch comes with a ROS 2 distribution")
pytest.importorskip("launch_pytest", reason="launch_pytest comes with a ROS 2 distribution")

os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

import launch_pytest
import rclpy
from launch import LaunchContext, LaunchDescription
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node
from pi0_msgs.msg import ExecutorStatus

from pi0_ros.bringup import launch_arguments, plan
from pi0_ros.nodes import qos

LAUNCH_FILE = Path(__file__).parents[2] / "launch" / "ur5e_bimanual.launch.py"
PROMPT = "left arm reach the red block"


def described(**arguments: str) -> tuple[LaunchContext, list]:
    """Evaluate the launch file as ros2 launch would, without starting anything."""
    context = LaunchContext()
    context.launch_configurations.update(arguments)
    source = PythonLaunchDescriptionSource(str(LAUNCH_FILE))
    entities = list(source.get_launch_description(context).entities)
    actions = []
    while entities:
        entity = entities.pop(0)
        if isinstance(entity, Node | SetEnvironmentVariable):
            actions.append(entity)
        else:
            entities = [*(entity.visit(context) or []), *entities]
    return context, actions


def command_of(node: Node, context: LaunchContext) -> tuple[str, str, str, str]:
    """Package, executable, name and namespace of a node as launch_ros resolves them."""
    node._perform_substitutions(context)
    return (
        node.node_package,
        context.perform_substitution(node.node_executable[0])
        if isinstance(node.node_executable, list)
        else node.node_executable,
        node.node_name.rsplit("/", 1)[-1],
        node.expanded_node_namespace.strip("/"),
    )


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, {}),
        ({"namespace": "cell_1", "prompt": PROMPT}, {"namespace": "cell_1", "prompt": PROMPT}),
        ({"simulation": "false"}, {"simulation": False}),
        ({"use_sim_time": "true"}, {"use_sim_time": True}),
        ({"policy": "pi0", "checkpoint": "/c"}, {"policy": "pi0", "checkpoint": "/c"}),
    ],
    ids=str,
)
def test_the_launch_file_starts_what_pi0_up_starts(given, options):
    context, actions = described(**given)
    nodes = [action for action in actions if isinstance(action, Node)]
    expected = plan("ur5e_bimanual", **options)
    assert [command_of(node, context) for node in nodes] == [
        (n.package, n.executable, n.name, n.namespace) for n in expected.nodes
    ]
    for node, wanted in zip(nodes, expected.nodes, strict=True):
        assert evaluated_parameters(node) == dict(wanted.parameters)
        assert dict(node.expanded_remapping_rules or []) == dict(wanted.remappings)


def evaluated_parameters(node: Node) -> dict:
    """The parameters of a node as the YAML file that launch_ros hands to the process."""
    import yaml

    merged = {}
    for path, is_file in node._Node__expanded_parameter_arguments or []:
        if is_file:
            for content in yaml.safe_load(Path(path).read_text()).values():
                merged |= content["ros__parameters"]
    return merged


def test_the_launch_file_shares_the_environment_of_pi0_up():
    context, actions = described()
    environment = {}
    for action in actions:
        if isinstance(action, SetEnvironmentVariable):
            environment[context.perform_substitution(action.name[0])] = (
                context.perform_substitution(action.value[0])
            )
    assert environment == plan("ur5e_bimanual").environment


def test_rviz_comes_with_the_robots_description_when_asked_for():
    context, actions = described(launch_rviz="true")
    nodes = {node.node_package: node for node in actions if isinstance(node, Node)}
    assert {"robot_state_publisher", "rviz2"} <= set(nodes)
    publisher = nodes["robot_state_publisher"]
    publisher._perform_substitutions(context)
    urdf = evaluated_parameters(publisher)["robot_description"]
    assert urdf.startswith("<?xml")
    assert "left_tool_point" in urdf


def test_every_launch_argument_has_a_description():
    source = PythonLaunchDescriptionSource(str(LAUNCH_FILE))
    declared = source.get_launch_description(LaunchContext()).get_launch_arguments()
    assert {argument.name for argument in declared} == set(launch_arguments())
    assert all(len(argument.description) > 10 for argument in declared)


@launch_pytest.fixture
def running():
    """The whole robot, started by the launch file."""
    return LaunchDescription(
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(LAUNCH_FILE)),
                launch_arguments={"prompt": PROMPT}.items(),
            ),
            launch_pytest.actions.ReadyToTest(),
        ]
    )


@pytest.mark.launch(fixture=running)
def test_the_launched_robot_executes_a_chunk():
    rclpy.init()
    node = rclpy.create_node("listener")
    heard = []
    node.create_subscription(ExecutorStatus, "chunk_executor_node/status", heard.append, qos.STATUS)
    end = node.get_clock().now().nanoseconds + 40 * 10**9
    while not any(status.state == ExecutorStatus.EXECUTING for status in heard):
        assert node.get_clock().now().nanoseconds < end, heard[-1:]
        rclpy.spin_once(node, timeout_sec=0.1)
    node.destroy_node()
    rclpy.shutdown()
