"""What a robot was commanded in a bag, whoever commanded it: an operator, or our executor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sensor_msgs.msg import JointState

from pi0_ros.bridge.bags.recording import Kind, Recording, Sample, Stream
from pi0_ros.bridge.joint_states import positions_by_name
from pi0_ros.bridge.received_commands import MESSAGES, CommandDecoder
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.embodiment.controllers import Controller
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.controllers import Trajectory

ECHO = "chunk_executor_node/command"
BY_POSITION = ("joint_trajectory", "forward_position", "joint_state")

Pose = tuple[int, np.ndarray]
"""When a pose is due [ns, clock of the stamps] and positions of all joints (J,) [rad or m]."""


class CommandedPositions:
    """Commanded poses: the executor's ~/command, or else what each controller was sent.

    Of a trajectory its first point counts: a driver that streams has no use for the others.

    Args:
        recording: Where they are.

    Attributes:
        streams: What is read; empty where some joint's commands were not recorded.
    """

    def __init__(self, recording: Recording) -> None:
        """Look for the topics."""
        self._embodiment = recording.embodiment
        self._positions: np.ndarray = np.full(len(self._embodiment.joints), np.nan)
        echo = recording.find(Kind.COMMAND, ECHO, 0, JointState, partial(_echoed, self._embodiment))
        self.streams = (echo,) if echo is not None else self._controllers(recording)

    def take(self, sample: Sample) -> Pose | None:
        """Return the pose after a message; None until every joint was commanded.

        Raises:
            ValueError: The message is no command of this robot.
        """
        due_ns, by_name = sample.value()
        for name, position in by_name.items():
            self._positions[self._embodiment.joint_names.index(name)] = position
        if not np.isfinite(self._positions).all():
            return None
        return due_ns or sample.stamp_ns, self._positions.copy()

    def _controllers(self, recording: Recording) -> tuple[Stream, ...]:
        found = {}
        for place, one in enumerate(self._embodiment.controllers):
            if one.type in BY_POSITION:
                decode = _first_sample(one, self._embodiment)
                kind = MESSAGES[one.type]
                stream = recording.find(Kind.COMMAND, one.topic, place, kind, decode)
                if stream is not None:
                    found[stream] = one.joints
        told = {joint for joints in found.values() for joint in joints}
        return tuple(found) if told.issuperset(self._embodiment.joint_names) else ()


def _echoed(embodiment: Embodiment, message: JointState) -> tuple[int, dict[str, float]]:
    """Read ~/command, which names axes as the YAML does."""
    told = positions_by_name(message)
    by_name = {name: told[name] for name in embodiment.joint_names if name in told}
    return to_ns(message.header.stamp), by_name


def _first_sample(
    controller: Controller, embodiment: Embodiment
) -> Callable[[Any], tuple[int, dict[str, float]]]:
    """Return what reads a controller's message: when it is due [ns; 0: on arrival], and what."""
    decoder = CommandDecoder(controller, embodiment)
    joints = dict(zip(controller.driver_names, controller.joints, strict=True))

    def read(message: Any) -> tuple[int, dict[str, float]]:
        value, due_ns = decoder.decode(message), 0
        if isinstance(value, Trajectory):
            if not len(value.times_ns):
                return 0, {}
            due_ns = value.stamp_ns and value.stamp_ns + int(value.times_ns[0])
            value = dict(zip(value.names, value.positions[0], strict=True))
        elif isinstance(value, np.ndarray):
            value = dict(zip(joints, value, strict=True))
        unknown = sorted(set(value) - set(joints))
        if unknown:
            raise ValueError(f"{controller.topic} commands {', '.join(unknown)}, unknown joints")
        return due_ns, {joints[name]: float(number) for name, number in value.items()}

    return read
