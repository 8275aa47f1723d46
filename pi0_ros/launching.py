"""The plan of a bring-up as launch actions; the launch files are calls of this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from pi0_ros.bringup import (
    RESPAWN_DELAY_S,
    NodePlan,
    Options,
    Value,
    parameter_words,
    plan,
)
from pi0_ros.embodiment.files import known_embodiments

TRUTHS = ("true", "false", "True", "False")  # the latter are what str() makes in a launch file


def launch_description(embodiment: str = "") -> Any:
    """Return the launch description of a robot; without one, of the argument ``embodiment``."""
    from launch import LaunchDescription  # type: ignore[attr-defined]  # our folder of that name
    from launch.actions import DeclareLaunchArgument, OpaqueFunction

    known = ", ".join(known_embodiments())
    which = DeclareLaunchArgument("embodiment", description=f"robot: {known}, or a YAML's path")
    options = [
        DeclareLaunchArgument(
            item.name,
            default_value=_text(item.default),
            description=item.metadata["description"],
            choices=_choices(item),
        )
        for item in fields(Options)
    ]
    start = OpaqueFunction(function=_actions, args=[embodiment])
    return LaunchDescription([*([] if embodiment else [which]), *options, start])


def options_of(texts: Mapping[str, str]) -> Options:
    """Read the options from the texts of launch arguments; others may be among them."""
    typed: dict[str, Any] = {
        item.name: texts[item.name].lower() == "true"
        if isinstance(item.default, bool)
        else texts[item.name]
        for item in fields(Options)
    }
    return Options(**typed)


def _actions(context: Any, embodiment: str) -> list[Any]:
    from launch.actions import SetEnvironmentVariable

    given = context.launch_configurations
    bring_up = plan(embodiment or given["embodiment"], options_of(given))
    environment = [SetEnvironmentVariable(*item) for item in bring_up.environment.items()]
    return [*environment, *(_node(node) for node in bring_up.nodes)]


def _node(node: NodePlan) -> Any:
    from launch_ros.actions import Node

    # Words come before files, so that params_file wins over defaults and loses to parameters.
    words = ["--ros-args", "--log-level", node.log_level, *parameter_words(node.defaults)]
    return Node(
        package=node.package,
        executable=node.executable,
        name=node.name,
        namespace=node.namespace,
        parameters=[*filter(None, (node.params_file, _parameters(node.parameters)))],
        remappings=list(node.remappings.items()),
        arguments=[*node.arguments, *words],
        output="screen",
        emulate_tty=True,
        respawn=node.respawn,
        respawn_delay=RESPAWN_DELAY_S,
    )


def _parameters(parameters: Mapping[str, Value]) -> dict[str, Any]:
    """Keep strings strings: launch_ros would read them as YAML, and `yes` as true."""
    from launch_ros.parameter_descriptions import ParameterValue

    return {
        name: ParameterValue(value, value_type=str) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def _choices(item: Field[Any]) -> list[str] | None:
    choices = TRUTHS if isinstance(item.default, bool) else item.metadata["choices"]
    return list(choices) or None


def _text(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)
