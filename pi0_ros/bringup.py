"""Which nodes run for a robot, and how: one plan for the launch files and for `pi0 up`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.files import find_embodiment, share_directory
from pi0_ros.viewer import Viewer

Value = str | int | float | bool
RESPAWN_DELAY_S = 2.0  # as in Nav2: a node that cannot start does not fill the log


@dataclass(frozen=True)
class NodePlan:
    """One node.

    Attributes:
        executable: Its name in the package, also its node name.
        package: The package of the executable.
        namespace: ROS namespace, empty for the root.
        defaults: Parameters that the file of parameters may change.
        params_file: That file; empty: none.
        parameters: Parameters that were asked for.
        remappings: From relative topic to relative topic.
        arguments: Plain command line arguments.
        log_level: Least level that it logs.
        respawn: Start it again when it ends.
    """

    executable: str
    package: str = "pi0_ros"
    namespace: str = ""
    defaults: Mapping[str, Value] = field(default_factory=dict)
    params_file: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    remappings: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    log_level: str = "info"
    respawn: bool = False

    @property
    def name(self) -> str:
        """Node name."""
        return self.executable

    def ros_arguments(self) -> list[str]:
        """Return what ``--ros-args`` takes, with the same meaning as the launch action."""
        words = ["-r", f"__node:={self.name}", "--log-level", self.log_level]
        if self.namespace:
            words += ["-r", f"__ns:=/{self.namespace.strip('/')}"]
        words += parameter_words(self.defaults)
        if self.params_file:
            words += ["--params-file", self.params_file]
        words += parameter_words(self.parameters)
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


def _option(default: str | bool, description: str, *choices: str) -> Any:
    return field(default=default, metadata={"description": description, "choices": choices})


@dataclass(frozen=True)
class Options:
    """How a robot is brought up: the arguments of the launch files and of `pi0 up`.

    Raises:
        ValueError: An option is not one of its choices.
    """

    policy: str = _option("scripted", "which policy plans", "scripted", "pi0")
    checkpoint: str = _option(
        "", "the policy's weights: directory or owner/name on the Hugging Face Hub"
    )
    prompt: str = _option("", "sentence to follow from the start; empty: wait for ~/set_prompt")
    simulation: bool = _option(
        True, "run the simulated robot and command it at once; false: its driver is running"
    )
    namespace: str = _option("", "ROS namespace of all nodes")
    use_sim_time: bool = _option(
        False, "follow /clock; in simulation the simulated robot drives it"
    )
    params_file: str = _option(
        "",
        "YAML of further parameters for all nodes, below `/**:` and `ros__parameters:`; an "
        "option that differs from its default wins over it",
    )
    tf_prefix: str = _option("", "put before the robot's joints, links and frames")
    log_level: str = _option(
        "info", "least level that the nodes log", "debug", "info", "warn", "error"
    )
    use_respawn: bool = _option(
        False, f"start a node again {RESPAWN_DELAY_S:g} s after it ended by itself"
    )
    launch_rviz: bool = _option(
        False, "open RViz with the robot, its cameras and the plan that it executes"
    )
    publish_description: str = _option(
        "auto",
        "run robot_state_publisher; auto: with RViz in simulation, where no driver runs one",
        *("auto", "true", "false"),
    )
    description: str = _option(
        "own",
        "whose URDF robot_state_publisher gets: this package's, or the vendor's where installed",
        *("own", "vendor"),
    )

    def __post_init__(self) -> None:
        """Insist on the choices."""
        for item in fields(self):
            value, choices = getattr(self, item.name), item.metadata["choices"]
            if choices and value not in choices:
                raise ValueError(unknown_name(item.name, value, choices))

    def asked(self, *names: str) -> dict[str, Value]:
        """Return those of some options that differ from their defaults."""
        defaults = Options()
        values = {name: getattr(self, name) for name in names}
        return {n: value for n, value in values.items() if value != getattr(defaults, n)}


def plan(
    embodiment: str,
    options: Options | None = None,
    overrides: Mapping[str, Mapping[str, Value]] | None = None,
) -> BringUp:
    """Plan the bring-up of a robot.

    Args:
        embodiment: Name or YAML of the robot.
        options: How; in simulation by default.
        overrides: Further parameters by node.

    Raises:
        EmbodimentError: The robot is unknown. (Each node checks the content of the YAML itself:
            ros2 launch runs on the distribution's Python, without our packages.)
        ValueError: A parameter is overridden for a node that is not in the plan, or the file of
            parameters is missing or of another form.
    """
    find_embodiment(embodiment)
    options, changed = options or Options(), overrides or {}
    params_file = _checked_params_file(options.params_file)
    nodes = [*_robot(embodiment, options), *_viewer(embodiment, options)]
    names = [node.name for node in nodes]
    for name in changed:
        if name not in names:
            raise ValueError(unknown_name("node", name, names))
    placed = (
        replace(
            node,
            namespace=options.namespace,
            params_file=params_file,
            parameters={**node.parameters, **changed.get(node.name, {})},
            log_level=options.log_level,
            respawn=options.use_respawn,
        )
        for node in nodes
    )
    return BringUp(tuple(placed), shared_environment())


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


CHUNKS = {"action_chunk": "policy_node/action_chunk"}


def _common(embodiment: str, options: Options) -> dict[str, Value]:
    robot: dict[str, Value] = {"embodiment": embodiment, "simulation": options.simulation}
    return {**robot, **options.asked("tf_prefix", "use_sim_time")}


def _robot(embodiment: str, options: Options) -> list[NodePlan]:
    """Plan the policy, the executor and the simulated robot."""
    common = _common(embodiment, options)
    nodes = [
        NodePlan(
            "policy_node", parameters={**common, **options.asked("policy", "checkpoint", "prompt")}
        ),
        NodePlan(
            "chunk_executor_node",
            defaults={"enable_on_activate": options.simulation},
            parameters=common,
            remappings=CHUNKS,
        ),
    ]
    if options.simulation:
        robot = {"embodiment": embodiment, **options.asked("tf_prefix")}
        clock = {"publish_clock": options.use_sim_time}
        nodes.append(NodePlan("sim_robot_node", parameters={**robot, **clock}))
    return nodes


def _viewer(embodiment: str, options: Options) -> list[NodePlan]:
    """Plan what shows the robot; RViz and robot_state_publisher are of a ROS 2 distribution."""
    publishes = options.publish_description == "true" or (
        options.publish_description == "auto" and options.launch_rviz and options.simulation
    )
    viewer = Viewer(embodiment, options.tf_prefix)
    time = options.asked("use_sim_time")
    nodes = []
    if publishes or options.launch_rviz:
        common = _common(embodiment, options)
        nodes.append(NodePlan("preview_node", parameters=common, remappings=CHUNKS))
    if publishes:
        shown = {"robot_description": viewer.urdf(options.description), **time}
        # Drivers have names and topics of their own; preview_node tells the URDF's.
        told = {} if options.simulation else {"joint_states": "preview_node/joint_states"}
        publisher = "robot_state_publisher"
        nodes.append(NodePlan(publisher, publisher, parameters=shown, remappings=told))
    if options.launch_rviz:
        config = viewer.write_config(simulation=options.simulation)
        nodes.append(NodePlan("rviz2", "rviz2", parameters=time, arguments=("-d", str(config))))
    return nodes


def _checked_params_file(name: str) -> str:
    """Return the path of a file of parameters, of a form in which options win over it."""
    import yaml

    if not name:
        return ""
    path = Path(name).expanduser().resolve()
    if not path.is_file():
        raise ValueError(f"params_file '{name}': there is no file {path}")
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"params_file {path} is not valid YAML: {error}") from error
    match content:
        case {"/**": {"ros__parameters": dict()}} if len(content) == 1:
            return str(path)
    # rcl lets the key of a node beat what is said on the command line, and a bare name reaches no
    # node in a namespace.
    keys = ", ".join(map(str, content)) if isinstance(content, dict) else content
    raise ValueError(
        f"params_file {path} has the key {keys}; it must have one, /**:, and below it "
        "ros__parameters: with parameters by name"
    )


def parameter_words(parameters: Mapping[str, Value]) -> list[str]:
    """Return what ``--ros-args`` takes to set parameters, each of the type that it has."""
    return [w for key, value in parameters.items() for w in ("-p", f"{key}:={_yaml(value)}")]


def _yaml(value: Value) -> str:
    """Write a value so that rcl's parser reads the same type back."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # JSON's strings are YAML's, but for characters that YAML reads as line breaks or refuses.
        quoted = json.dumps(value, ensure_ascii=False)
        return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)
    return str(value)
