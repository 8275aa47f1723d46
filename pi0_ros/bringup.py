"""Which nodes run for a robot, and how: one plan for the launch files and for `pi0 up`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.files import find_embodiment, find_urdf, share_directory

Value = str | int | float | bool


@dataclass(frozen=True)
class NodePlan:
    """One node.

    Attributes:
        executable: Its name in the package, also its node name.
        package: The package of the executable.
        namespace: ROS namespace, empty for the root.
        parameters: Its parameters.
        remappings: From relative topic to relative topic.
        arguments: Plain command line arguments.
    """

    executable: str
    package: str = "pi0_ros"
    namespace: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    remappings: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Node name."""
        return self.executable

    def ros_arguments(self) -> list[str]:
        """Return what ``--ros-args`` takes, with the same meaning as the launch action."""
        words = ["-r", f"__node:={self.name}"]
        if self.namespace:
            words += ["-r", f"__ns:=/{self.namespace.strip('/')}"]
        for key, value in self.parameters.items():
            words += ["-p", f"{key}:={_yaml(value)}"]
        for source, target in self.remappings.items():
            words += ["-r", f"{source}:={target}"]
        return words

    def command(self) -> list[str]:
        """Return the command that runs one of our own nodes without ``ros2``."""
        module = f"{self.package}.nodes.{self.executable}"
        return [sys.executable, "-m", module, *self.arguments, "--ros-args", *self.ros_arguments()]


@dataclass(frozen=True)
class BringUp:
    """All nodes of one robot and the environment that they share."""

    nodes: tuple[NodePlan, ...]
    environment: Mapping[str, str]


def plan(
    embodiment: str,
    *,
    policy: str = "scripted",
    checkpoint: str = "",
    prompt: str = "",
    simulation: bool = True,
    namespace: str = "",
    use_sim_time: bool = False,
    overrides: Mapping[str, Mapping[str, Value]] | None = None,
) -> BringUp:
    """Plan the bring-up of a robot.

    Args:
        embodiment: Name or YAML of the robot.
        policy: Which policy plans.
        checkpoint: Directory of its weights or owner/name on the Hugging Face Hub; may be empty.
        prompt: Sentence to follow from the start.
        simulation: Run the simulated robot, and let the executor command it at once; otherwise a
            driver is expected, and the executor waits for ``~/enable``.
        namespace: ROS namespace of all nodes.
        use_sim_time: Follow /clock; the simulated robot then drives it.
        overrides: Further parameters by node.

    Raises:
        EmbodimentError: The robot is unknown. (Each node checks the content of the YAML itself:
            ros2 launch runs on the distribution's Python, without our packages.)
        ValueError: A parameter is overridden for a node that is not in the plan.
    """
    find_embodiment(embodiment)
    common: dict[str, Value] = {"embodiment": embodiment, "use_sim_time": use_sim_time}
    policy_parameters = {**common, "policy": policy, "checkpoint": checkpoint, "prompt": prompt}
    nodes = [
        NodePlan("policy_node", parameters=policy_parameters),
        NodePlan(
            "chunk_executor_node",
            parameters={**common, "enable_on_activate": simulation},
            remappings={"action_chunk": "policy_node/action_chunk"},
        ),
    ]
    if simulation:
        nodes.append(
            NodePlan(
                "sim_robot_node",
                parameters={"embodiment": embodiment, "publish_clock": use_sim_time},
            )
        )
    changed = overrides or {}
    names = [node.name for node in nodes]
    for name in changed:
        if name not in names:
            raise ValueError(unknown_name("node", name, names))
    placed = tuple(_placed(node, namespace, changed.get(node.name, {})) for node in nodes)
    return BringUp(placed, shared_environment())


def shared_environment() -> dict[str, str]:
    """Return what all processes need so that images arrive without loss and loops keep time.

    Fast DDS's default shared-memory segment is smaller than one 640x480 image; fresh 1 MB buffers
    cost 2 ms of page faults each unless malloc keeps them; numpy's OpenBLAS would hand 6x6 systems
    to a second thread that spins while it waits and starves the loops. (torch has its own threads:
    parameter ``threads`` of policy_node.)
    """
    return {
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(share_directory() / "config" / "fastdds.xml"),
        "MALLOC_MMAP_THRESHOLD_": str(64 << 20),
        "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
        "OPENBLAS_NUM_THREADS": "1",
    }


def launch_arguments() -> dict[str, tuple[str, str]]:
    """Default and description of each launch argument, by name."""
    return {
        "policy": ("scripted", "which policy plans: scripted or pi0"),
        "checkpoint": (
            "",
            "the policy's weights: directory or owner/name on the Hugging Face Hub",
        ),
        "prompt": ("", "sentence to follow from the start; empty: wait for ~/set_prompt"),
        "simulation": ("true", "run the simulated robot; false: a driver is running"),
        "namespace": ("", "ROS namespace of all nodes"),
        "use_sim_time": ("false", "follow /clock; in simulation the simulated robot drives it"),
        "launch_rviz": ("false", "open RViz and publish the robot's description"),
        "log_level": ("info", "of all nodes: debug, info, warn, error"),
    }


def launch_description(embodiment: str) -> Any:
    """Turn the plan into launch actions; the launch files are calls of this function."""
    from launch import LaunchDescription  # type: ignore[attr-defined]  # our folder of that name
    from launch.actions import DeclareLaunchArgument, OpaqueFunction

    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in launch_arguments().items()
    ]
    return LaunchDescription(
        [*declared, OpaqueFunction(function=_launch_actions, args=[embodiment])]
    )


def _launch_actions(context: Any, embodiment: str) -> list[Any]:
    from launch.actions import SetEnvironmentVariable
    from launch_ros.actions import Node

    given = context.launch_configurations
    bring_up = plan(
        embodiment,
        policy=given["policy"],
        checkpoint=given["checkpoint"],
        prompt=given["prompt"],
        simulation=_truth("simulation", given["simulation"]),
        namespace=given["namespace"],
        use_sim_time=_truth("use_sim_time", given["use_sim_time"]),
    )
    nodes = list(bring_up.nodes)
    if _truth("launch_rviz", given["launch_rviz"]):
        nodes += viewer_nodes(embodiment, given["namespace"])
    environment = [SetEnvironmentVariable(*item) for item in bring_up.environment.items()]
    return [
        *environment,
        *(
            Node(
                package=node.package,
                executable=node.executable,
                name=node.name,
                namespace=node.namespace,
                parameters=[_for_launch(node.parameters)],
                remappings=list(node.remappings.items()),
                arguments=[*node.arguments, "--ros-args", "--log-level", given["log_level"]],
                output="screen",
                emulate_tty=True,
            )
            for node in nodes
        ),
    ]


def _for_launch(parameters: Mapping[str, Value]) -> dict[str, Any]:
    """Keep strings strings: launch_ros would read them as YAML, and `yes` as true."""
    from launch_ros.parameter_descriptions import ParameterValue

    return {
        name: ParameterValue(value, value_type=str) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def viewer_nodes(embodiment: str, namespace: str) -> list[NodePlan]:
    """Plan the nodes that show the robot; both come from a ROS 2 distribution."""
    import xacro
    import yaml

    description = yaml.safe_load(find_embodiment(embodiment).read_text())
    urdf = xacro.process_file(str(find_urdf(description["urdf"]))).toxml()
    config = str(share_directory() / "rviz" / "ur5e_bimanual.rviz")
    nodes = [
        NodePlan(
            "robot_state_publisher",
            "robot_state_publisher",
            parameters={"robot_description": urdf},
        ),
        NodePlan("rviz2", "rviz2", arguments=("-d", config)),
    ]
    return [_placed(node, namespace, {}) for node in nodes]


def _placed(node: NodePlan, namespace: str, overrides: Mapping[str, Value]) -> NodePlan:
    return NodePlan(
        node.executable,
        node.package,
        namespace,
        {**node.parameters, **overrides},
        node.remappings,
        node.arguments,
    )


def _truth(name: str, text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(f"launch argument {name}:={text} must be true or false")
    return text.lower() == "true"


def _yaml(value: Value) -> str:
    """Write a value so that rcl's parser reads the same type back."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # JSON's strings are YAML's, but for characters that YAML reads as line breaks or refuses.
        quoted = json.dumps(value, ensure_ascii=False)
        return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)
    return str(value)
