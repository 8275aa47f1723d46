"""What the plan says on a command line, as rcl itself reads it."""

from __future__ import annotations

import pytest
from rclpy.node import Node

from pi0_ros.bringup import NodePlan

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
