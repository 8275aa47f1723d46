"""The publishers that command the controllers, each at its own rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import JointState

from pi0_ros.bridge.commands import CommandEncoder, make_encoder
from pi0_ros.bridge.joint_states import joint_state
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.horizon import CommandWindow
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose


@dataclass(frozen=True, eq=False)
class _Output:
    """One controller: its encoder, its publisher, and every how many ticks it is served."""

    encoder: CommandEncoder
    publisher: Any
    every: int


class CommandOutputs:
    """Serves every controller of a robot, and ~/command for recording.

    Args:
        node: Carries the publishers.
        embodiment: The robot with its controllers.
        echo_hz: Rate of ~/command [Hz].
        dry_run: Publish ~/command only (shadow mode).
    """

    def __init__(
        self, node: Node, embodiment: Embodiment, echo_hz: float, *, dry_run: bool
    ) -> None:
        """Make the publishers; in a dry run the controllers get none."""
        rate_hz = embodiment.command.rate_hz
        self._node = node
        self._names = embodiment.joint_names
        self._echo = node.create_publisher(JointState, "~/command", qos.COMMANDS)
        self._echo_every = max(1, round(rate_hz / echo_hz))
        self._outputs: list[_Output] = []
        for controller in () if dry_run else embodiment.controllers:
            encoder = make_encoder(controller, embodiment)
            publisher = node.create_publisher(encoder.message_type, controller.topic, qos.COMMANDS)
            every = max(1, round(rate_hz / controller.rate_hz))
            self._outputs.append(_Output(encoder, publisher, every))

    def publish(self, tick: int, window: CommandWindow, now_ns: int) -> None:
        """Serve whoever is due at a tick; ``now_ns`` [ns, node clock]."""
        for output in self._outputs:
            if tick % output.every == 0:
                output.publisher.publish(output.encoder.encode(window, now_ns))
        if tick % self._echo_every == 0:
            self._echo.publish(joint_state(self._names, now_ns, *window.at(now_ns)))

    def destroy(self) -> None:
        """Drop the publishers."""
        dispose(self._node, [self._echo, *(output.publisher for output in self._outputs)])
