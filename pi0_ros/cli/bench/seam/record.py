"""What one run left behind: commands cycle by cycle, measured positions, what the executor said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState

from pi0_ros.bridge.joint_states import positions_by_name
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.cli.bench.seam.measures import Series
from pi0_ros.embodiment.vector import ordered


@dataclass(eq=False)
class Record:
    """Messages of one run as they came, decoded when it is over.

    Attributes:
        start_ns: Stamp of the first observation [ns, node clock].
        commands: ``~/controller_state`` of the simulated robot, serialized.
        measured: ``joint_states``, serialized.
        reasons: How often the executor gave which reason or note.
        late_ms: How late each message was sent [ms].
        lost: Messages of ``~/controller_state`` that were sent and did not arrive.
    """

    start_ns: int = 0
    commands: list[bytes] = field(default_factory=list)
    measured: list[bytes] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    late_ms: list[float] = field(default_factory=list)
    lost: int = 0


def series(messages: list[bytes], joints: tuple[str, ...]) -> Series:
    """Decode joint states, in the order of their stamps."""
    decoded = [deserialize_message(message, JointState) for message in messages]
    instants = np.array([to_ns(message.header.stamp) for message in decoded], dtype=np.int64)
    rows = [ordered(joints, positions_by_name(message)) for message in decoded]
    order = np.argsort(instants, kind="stable")
    return Series(instants[order], np.reshape(rows, (len(rows), len(joints)))[order])
