"""The launch files under real ros2 launch, and their equality with `pi0 up`."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict, fields
from pathlib import Path

import pytest

pytest.importorskip("launch_ros", reason="launch comes with a ROS 2 distribution")
pytest.importorskip("launch_pytest", reason="launch_pytest comes with a ROS 2 distribution")

os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

import launch_pytest
import rclpy
import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LocalSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import ExecutableInPackage
from pi0_msgs.msg import ExecutorStatus

from pi0_ros.bringup import NodePlan, Options, plan
from pi0_ros.embodiment.files import known_embodiments
from pi0_ros.nodes import qos

LAUNCH = Path(__file__).parents[2] / "launch"
PROMPT = "left arm reach the red block"


@pytest.fixture(autouse=True)
def _configs_of_rviz_are_not_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def source(name: str) -> PythonLaunchDescriptionSource:
    return PythonLaunchDescriptionSource(str(LAUNCH / f"{name}.launch.py"))


def declared(name: str) -> dict[str, DeclareLaunchArgument]:
    found = source(name).get_launch_description(LaunchContext()).get_launch_arguments()
    return {argument.name: argument for argument in found}


def started(name: str, **arguments: str) -> tuple[LaunchContext, list]:
    """Evaluate a launch file as ros2 launch would, without starting anything."""
    context = LaunchContext()
    context.launch_configurations.update(arguments)
    entities = list(source(name).get_launch_description(context).entities)
    actions = []
    while entities:
        entity = entities.pop(0)
        if isinstance(entity, Node | SetEnvironmentVariable):
            actions.append(entity)
        else:
            entities = [*(entity.visit(context) or []), *entities]
    return context, actions


def nodes_of(name: str, **arguments: str) -> dict[str, Node]:
    """The nodes that a launch file starts, each with its words evaluated."""
    context, actions = started(name, **arguments)
    nodes = [action for action in actions if isinstance(action, Node)]
    for node in nodes:
        node._perform_substitutions(context)
        parts = [part for word in node.cmd for part in word]
        node.words = [
            # What is local to the process is its name and namespace: checked elsewhere.
            context.perform_substitution(part)
            for part in parts
            if not isinstance(part, LocalSubstitution | ExecutableInPackage)
        ]
    return {node.node_name.rsplit("/", 1)[-1]: node for node in nodes}


def asked(node: Node) -> dict[str, object]:
    """The parameters of a node in the YAML files that launch_ros hands to the process."""
    merged = {}
    for path, is_file in node._Node__expanded_parameter_arguments or []:
        if is_file and Path(path).name.startswith("launch_params_"):
            for content in yaml.safe_load(Path(path).read_text()).values():
                merged |= content["ros__parameters"]
    return merged


def said(node: Node, flag: str) -> list[str]:
    """The words that follow each flag on the command line of a node."""
    return [node.words[i + 1] for i, word in enumerate(node.words) if word == flag]


def assert_same(node: Node, wanted: NodePlan) -> None:
    """A node of the launch file is the one of the plan."""
    assert node.node_package == wanted.package
    assert node.expanded_node_namespace.strip("/") == wanted.namespace.strip("/")
    assert asked(node) == dict(wanted.parameters)
    assert dict(node.expanded_remapping_rules or []) == dict(wanted.remappings)
    assert said(node, "--log-level") == [wanted.log_level]
    assert node._ExecuteLocal__respawn is wanted.respawn  # launch has no getter
    defaults = [f"{name}:={str(value).lower()}" for name, value in wanted.defaults.items()]
    assert said(node, "-p") == defaults


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"namespace": "cell_1", "prompt": PROMPT},
        {"simulation": False},
        {"use_sim_time": True},
        {"policy": "pi0", "checkpoint": "/c"},
        {"tf_prefix": "cell_", "log_level": "warn"},
        {"publish_description": "true", "simulation": False},
        {"use_respawn": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("robot", ["ur5e_bimanual", "fibocom_mobile"])
def test_the_launch_file_starts_what_pi0_up_starts(robot, options):
    texts = {name: str(value) for name, value in options.items()}
    expected = plan(robot, Options(**options)).nodes
    found = nodes_of(robot, **texts)
    assert list(found) == [node.name for node in expected]
    for wanted in expected:
        assert_same(found[wanted.name], wanted)


@pytest.mark.parametrize("robot", known_embodiments())
def test_every_launch_file_starts_its_robot(robot):
    for wanted in plan(robot).nodes:
        assert_same(nodes_of(robot)[wanted.name], wanted)


def test_bringup_starts_any_robot_by_name_or_by_yaml(tmp_path):
    copy = tmp_path / "mine.yaml"
    copy.write_text((LAUNCH.parent / "config" / "embodiments" / "franka.yaml").read_text())
    for robot in ("franka", str(copy)):
        assert asked(nodes_of("bringup", embodiment=robot)["policy_node"])["embodiment"] == robot


def test_a_launch_file_shares_the_environment_of_pi0_up():
    context, actions = started("ur5e_bimanual")
    environment = {}
    for action in actions:
        if isinstance(action, SetEnvironmentVariable):
            environment[context.perform_substitution(action.name[0])] = (
                context.perform_substitution(action.value[0])
            )
    assert environment == plan("ur5e_bimanual").environment


@pytest.mark.parametrize("robot", known_embodiments())
def test_rviz_comes_with_the_robots_description_and_its_plan(robot):
    found = nodes_of(robot, launch_rviz="true", tf_prefix="cell_")
    assert list(found)[-3:] == ["preview_node", "robot_state_publisher", "rviz2"]
    urdf = asked(found["robot_state_publisher"])["robot_description"]
    assert urdf.startswith("<?xml")
    assert 'name="cell_' in urdf
    (config,) = said(found["rviz2"], "-d")
    assert yaml.safe_load(Path(config).read_text())["Visualization Manager"]["Displays"]


def test_a_file_of_parameters_stands_between_defaults_and_what_was_asked_for(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("/**: {ros__parameters: {enable_on_activate: false}}")
    words = nodes_of("franka", params_file=str(path))["chunk_executor_node"].words
    files = [word for word in words if word.endswith("mine.yaml") or "launch_params_" in word]
    assert files[0] == str(path)
    assert len(files) == 2
    assert words.index("enable_on_activate:=true") < words.index(str(path))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("params_file", "/none/mine.yaml", "params_file '/none/mine.yaml': there is no file"),
        ("policy", "p0", 'provided value "p0" is not valid'),
        ("simulation", "perhaps", 'provided value "perhaps" is not valid'),
        ("description", "mine", 'provided value "mine" is not valid'),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_starts(name, value, says):
    with pytest.raises((RuntimeError, ValueError), match=says):
        started("franka", **{name: value})


@pytest.mark.parametrize("name", [*known_embodiments(), "bringup"])
def test_every_launch_argument_is_explained(name):
    found = declared(name)
    options = {item.name for item in fields(Options)}
    assert set(found) == options | ({"embodiment"} if name == "bringup" else set())
    assert all(len(argument.description) > 10 for argument in found.values())


def test_launch_arguments_have_the_defaults_and_the_choices_of_the_plan():
    found, context = declared("franka"), LaunchContext()
    for name, default in asdict(Options()).items():
        text = "".join(part.perform(context) for part in found[name].default_value)
        assert text == (str(default).lower() if isinstance(default, bool) else default)
    assert found["policy"].choices == ["scripted", "pi0"]
    assert found["simulation"].choices[:2] == ["true", "false"]
    assert found["prompt"].choices is None


@launch_pytest.fixture
def running():
    """The whole robot, started by the launch file."""
    return LaunchDescription(
        [
            IncludeLaunchDescription(
                source("ur5e_bimanual"), launch_arguments={"prompt": PROMPT}.items()
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
