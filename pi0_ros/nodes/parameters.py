"""Parameters: one frozen dataclass per node is the only place of a default, unit and range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.node import Node

from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.execution.gate_settings import RULES, Check, Consequence, GateSettings, choices
from pi0_ros.execution.settings import ExecutorSettings
from pi0_ros.nodes.realtime import RealtimeSettings, parse_cores
from pi0_ros.observation.freshness import Freshness
from pi0_ros.policy.settings import REPLANS, RTC

Parameters = TypeVar("Parameters")


class ParameterError(ValueError):
    """A parameter has a value that it must not have; the message names both and the allowed set."""


def parameter(default: Any, description: str, *, low: Any = None, high: Any = None,
              choices: tuple[str, ...] = ()) -> Any:  # fmt: skip
    """Declare one field: its default, what it means with its unit, its range or its choices."""
    said = f"{description}; one of: {', '.join(choices)}" if choices else description
    metadata = {"description": said, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=metadata)


def declare(node: Node, kind: type[Parameters]) -> Parameters:
    """Declare every field of a dataclass on a node and return the values that it got.

    Raises:
        ParameterError: A value has the wrong type, is outside its range or not among its choices.
    """
    values = {}
    for item in fields(kind):  # type: ignore[arg-type]
        value = node.declare_parameter(item.name, item.default, _descriptor(item.metadata)).value
        values[item.name] = _checked(item.name, value, item.default, item.metadata)
    return kind(**values)


def _descriptor(metadata: Mapping[str, Any]) -> ParameterDescriptor:
    """Describe a field to ROS tools; types and ranges are checked here, with clearer errors."""
    descriptor = ParameterDescriptor(
        description=metadata["description"], read_only=True, dynamic_typing=True
    )
    low, high = metadata["low"], metadata["high"]
    if isinstance(low, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return descriptor


def _checked(name: str, value: Any, default: Any, metadata: Mapping[str, Any]) -> Any:
    if isinstance(default, float) and type(value) is int:
        value = float(value)  # a user types 10 and means 10.0
    if type(value) is not type(default):
        raise ParameterError(
            f"{name} is {value!r}, a {type(value).__name__}; it must be a {type(default).__name__}"
        )
    low, high, choices = metadata["low"], metadata["high"], metadata["choices"]
    if low is not None and not low <= value <= high:
        raise ParameterError(f"{name} is {value}; it must be from {low} to {high}")
    if choices and value not in choices:
        raise ParameterError(unknown_name(name, value, choices))
    return value


@dataclass(frozen=True)
class CommonParameters:
    """What every node of ours has."""

    embodiment: str = parameter("ur5e_bimanual", "robot: a name in config/embodiments or a YAML")
    tf_prefix: str = parameter("", "put before the robot's joints, links and frames")
    simulation: bool = parameter(
        False, "speak as the simulated robot does, not as its real drivers do"
    )
    autostart: bool = parameter(True, "configure and activate without a lifecycle manager")


@dataclass(frozen=True)
class PolicyParameters(CommonParameters):
    """Parameters of policy_node."""

    policy: str = parameter("scripted", "which policy plans", choices=("scripted", "pi0"))
    checkpoint: str = parameter(
        "", "directory of the weights, or owner/name on the Hugging Face Hub; scripted has none"
    )
    tokenizer: str = parameter("", "sentencepiece file, where the checkpoint comes without one")
    prompt: str = parameter("", "sentence to follow from the start; empty: wait for ~/set_prompt")
    image_transport: str = parameter(
        "raw", "which camera topics are subscribed", choices=("raw", "compressed")
    )
    replan: str = parameter(
        "executed",
        "when the next plan is made: so that it is there when `execute` actions are executed; with "
        "each observation after the last plan; or for each new prompt and at ~/replan",
        choices=REPLANS,
    )
    execute: int = parameter(
        0, "actions that are played before the next plan; 0: the robot's YAML", low=0, high=1000
    )
    # Guided is the form that was shown on robots. It costs a backward pass through the expert per
    # step: 76 ms become 97 ms as published, and a small network's plan takes twice as long.
    rtc: str = parameter(
        "guided",
        "how policy pi0 continues the running chunk (real-time chunking); trained: by a checkpoint "
        "that was trained with simulated delay",
        choices=RTC,
    )
    image_age_ms: float = parameter(300.0, "oldest image that is used [ms]", low=1.0, high=10_000.0)
    state_age_ms: float = parameter(
        200.0, "age at which silent joint_states are missed [ms]", low=1.0, high=10_000.0
    )
    camera_skew_ms: float = parameter(
        50.0, "greatest time between two cameras' images [ms]", low=0.0, high=10_000.0
    )
    state_gap_ms: float = parameter(
        100.0,
        "greatest time between two joint_states that are interpolated to an image [ms]",
        low=1.0,
        high=10_000.0,
    )
    device: str = parameter("auto", "where a network runs: auto, cpu, cuda or cuda:N")
    dtype: str = parameter(
        "auto",
        "of the network; auto: bfloat16 on a GPU, float32 elsewhere",
        choices=("auto", "float32", "bfloat16"),
    )
    steps: int = parameter(10, "Euler steps of a network's sampler", low=1, high=1000)
    seed: int = parameter(0, "of a network's noise", low=0, high=2**31 - 1)
    niceness: int = parameter(
        10, "yield the CPU to control loops: 0 (none) to 19 (most), as nice(1)", low=0, high=19
    )
    threads: int = parameter(1, "of torch on the CPU; the loops need cores too", low=1, high=256)

    @property
    def freshness(self) -> Freshness:
        """What the observations' core takes of them."""
        return Freshness(
            image_age_ns=round(1e6 * self.image_age_ms),
            state_age_ns=round(1e6 * self.state_age_ms),
            camera_skew_ns=round(1e6 * self.camera_skew_ms),
            state_gap_ns=round(1e6 * self.state_gap_ms),
        )


def _gate(check: Check, of_what: str) -> Any:
    """Declare what a check of the gate leads to."""
    default = RULES[check].default.name.lower()
    return parameter(default, f"consequence {of_what}", choices=choices(check))


@dataclass(frozen=True)
class ExecutorParameters(CommonParameters):
    """Parameters of chunk_executor_node."""

    enable_on_activate: bool = parameter(
        False, "command the robot without waiting for ~/enable; for simulation"
    )
    dry_run: bool = parameter(False, "compute everything, publish no command (shadow mode)")
    ramp_ms: float = parameter(
        400.0, "from full speed to standing along the path, and back [ms]", low=10.0, high=10_000.0
    )
    fade_ms: float = parameter(
        300.0,
        "least time in which a disagreement between chunks fades [ms]",
        low=2.0,
        high=10_000.0,
    )
    joint_state_age_ms: float = parameter(
        200.0, "older joint_states mean: hold [ms]", low=1.0, high=10_000.0
    )
    tracking_error: float = parameter(
        0.2,
        "greatest |commanded - measured| of a turning joint before a hold [rad]",
        low=0.001,
        high=10.0,
    )
    tracking_error_m: float = parameter(
        0.05,
        "the same of a sliding joint [m]; grippers may differ, they hold things",
        low=0.0001,
        high=1.0,
    )
    open_loop_steps: int = parameter(
        0,
        "actions played from one observation at most; 0: twice the robot's execute",
        low=0,
        high=1000,
    )
    gate_limits: str = _gate(Check.LIMITS, "of an action beyond a position limit")
    gate_velocity: str = _gate(Check.VELOCITY, "of actions too far apart")
    gate_acceleration: str = _gate(Check.ACCELERATION, "of steps that differ too much")
    gate_jump: str = _gate(Check.JUMP, "of a first action far from the measured pose")
    gate_slowest: float = parameter(
        GateSettings.slowest,
        "least share of the speed at which a chunk that is too fast is played",
        low=0.01,
        high=1.0,
    )
    command_echo_hz: float = parameter(50.0, "rate of ~/command [Hz]", low=1.0, high=500.0)
    realtime_priority: int = parameter(
        0, "SCHED_FIFO priority of the loop's thread; 0: the usual scheduler", low=0, high=99
    )
    cpu_affinity: str = parameter("", "cores of the loop's thread, such as 2,3 or 2-5; empty: all")
    lock_memory: bool = parameter(False, "keep the whole process in memory")
    timing_log: str = parameter(
        "", "file that gets beginning, CPU time and duration of every tick; empty: none"
    )

    @property
    def realtime(self) -> RealtimeSettings:
        """What the loop wants of the kernel."""
        cores = parse_cores(self.cpu_affinity)
        return RealtimeSettings(self.realtime_priority, cores, self.lock_memory)

    @property
    def executor(self) -> ExecutorSettings:
        """What the executor's core takes of them."""
        return ExecutorSettings(
            ramp_ns=round(1e6 * self.ramp_ms),
            fade_ns=round(1e6 * self.fade_ms),
            joint_state_age_ns=round(1e6 * self.joint_state_age_ms),
            tracking_error=self.tracking_error,
            tracking_error_m=self.tracking_error_m,
            open_loop_steps=self.open_loop_steps,
            shadow=self.dry_run,
            gate=GateSettings(
                limits=Consequence[self.gate_limits.upper()],
                velocity=Consequence[self.gate_velocity.upper()],
                acceleration=Consequence[self.gate_acceleration.upper()],
                jump=Consequence[self.gate_jump.upper()],
                slowest=self.gate_slowest,
            ),
        )


@dataclass(frozen=True)
class PreviewParameters(CommonParameters):
    """Parameters of preview_node."""

    rate_hz: float = parameter(10.0, "of ~/plan, while there is a plan [Hz]", low=0.5, high=60.0)


@dataclass(frozen=True)
class SimParameters(CommonParameters):
    """Parameters of sim_robot_node."""

    seed: int = parameter(0, "of the blocks' places; each ~/reset draws the next", low=0,
                          high=2**31 - 1)  # fmt: skip
    joint_state_rate_hz: float = parameter(100.0, "of joint_states [Hz]", low=1.0, high=500.0)
    camera_rate_hz: float = parameter(
        0.0, "of every camera [Hz]; 0: the robot's YAML", low=0.0, high=120.0
    )
    overview_rate_hz: float = parameter(
        0.0, "of overview/image_raw, for people [Hz]; 0: none", low=0.0, high=60.0
    )
    publish_clock: bool = parameter(False, "drive /clock; start the other nodes with use_sim_time")
    clock_speed: float = parameter(
        1.0, "simulated time per wall time, with publish_clock", low=0.05, high=10.0
    )
