"""What the plan says on a command line, as rcl itself reads it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from rclpy.node import Node

from pi0_ros.bringup import NodePlan, Options
from pi0_ros.nodes.parameters import ExecutorParameters, PolicyParameters, PreviewParameters

VALUES = [
    "left arm reach the red block",
    "",
    "yes",
    "12",
    "1e3",
    "null",
    'say "hello"',
    "it's a \\ backslash",
    "first: then, {all} [of] #it",
    "a:=b -r c:=d --ros-args",
    "two\nlines\tand\ra tab",
    "über π0 \N{ROBOT FACE}",
    "a line \u2028 separator, \x85 and a bell \x07",
    True,
    False,
    7,
    -3,
    0.5,
    2.0,
    1e-05,
    1e16,
]


@pytest.mark.parametrize("value", VALUES)
def test_every_value_arrives_in_a_node_as_it_was_written(value: str | int | float | bool) -> None:
    words = NodePlan("listener", parameters={"value": value}).ros_arguments()
    node = Node(
        "unnamed",
        cli_args=["--ros-args", *words],
        automatically_declare_parameters_from_overrides=True,
    )
    try:
        arrived = node.get_parameter("value").value
        assert node.get_name() == "listener"
    finally:
        node.destroy_node()
    assert arrived == value
    assert type(arrived) is type(value)


@pytest.mark.parametrize("namespace", ["cell_1", "/cell_1/", "factory/cell_1"])
def test_a_node_stands_in_its_namespace(namespace: str) -> None:
    words = NodePlan("listener", namespace=namespace).ros_arguments()
    node = Node("unnamed", cli_args=["--ros-args", *words])
    try:
        assert node.get_fully_qualified_name() == f"/{namespace.strip('/')}/listener"
    finally:
        node.destroy_node()


def arrived(node: NodePlan) -> dict[str, object]:
    """The parameters that a node gets from the words of its plan."""
    started = Node(
        "unnamed",
        cli_args=["--ros-args", *node.ros_arguments()],
        automatically_declare_parameters_from_overrides=True,
    )
    try:
        return {name: p.value for name, p in started.get_parameters_by_prefix("").items()}
    finally:
        started.destroy_node()


@pytest.mark.parametrize("namespace", ["", "cell_1"])
def test_a_file_wins_over_defaults_and_loses_to_what_was_asked_for(
    tmp_path: Path, namespace: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("/**: {ros__parameters: {default: 2, asked: 2, further: 2}}")
    found = arrived(
        NodePlan(
            "listener",
            namespace=namespace,
            defaults={"default": 1, "untouched": 1},
            params_file=str(path),
            parameters={"asked": 3},
        )
    )
    expected = {"default": 2, "untouched": 1, "asked": 3, "further": 2}
    assert expected.items() <= found.items()


def test_what_is_not_asked_for_is_the_nodes_default_too() -> None:
    """Options at their defaults are not said, so that a file of parameters can say them."""
    said = ("policy", "checkpoint", "prompt", "tf_prefix")
    defaults = {item.name: item.default for item in fields(PolicyParameters)}
    assert {name: defaults[name] for name in said} == {
        name: getattr(Options(), name) for name in said
    }
    for kind in (ExecutorParameters, PreviewParameters):
        assert kind().tf_prefix == Options().tf_prefix
