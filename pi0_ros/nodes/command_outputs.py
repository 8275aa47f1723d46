"""What commands the controllers, each at its own rate: topics and actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState

from pi0_ros.bridge.commands import CommandEncoder, make_encoder
from pi0_ros.bridge.joint_states import joint_state
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.horizon import CommandWindow
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.goal_output import GoalOutput


@dataclass(frozen=True, eq=False)
class _Output:
    """One controller: its encoder, where messages go, and every how many ticks it is served.

    ``drives`` says whether it moves a base.
    """

    encoder: CommandEncoder
    channel: Any
    every: int
    drives: bool

    def serve(self, window: CommandWindow, now_ns: int) -> None:
        message = self.encoder.encode(window, now_ns)
        if message is not None:
            self.channel.publish(message)
        elif isinstance(self.channel, GoalOutput):
            self.channel.retry()


class CommandOutputs:
    """Serves every controller of a robot, and ~/command for recording.

    Args:
        node: Carries the publishers and action clients.
        embodiment: The robot with its controllers.
        echo_hz: Rate of ~/command [Hz].
        dry_run: Publish ~/command only (shadow mode).

    Raises:
        ImportError: A controller needs a message package that is not there.
        ValueError: A controller does not fit its type.
    """

    def __init__(
        self, node: Node, embodiment: Embodiment, echo_hz: float, *, dry_run: bool
    ) -> None:
        """Make the publishers; in a dry run the controllers get none."""
        rate_hz = embodiment.command.rate_hz
        controllers = () if dry_run else embodiment.controllers
        # All of them first: where one cannot be made, nothing is left behind on the node.
        encoders = [make_encoder(controller, embodiment) for controller in controllers]
        self._node = node
        self._names = embodiment.axis_names
        self._is_served = False
        self._echo = node.create_publisher(JointState, "~/command", qos.COMMANDS)
        self._echo_every = max(1, round(rate_hz / echo_hz))
        self._outputs = [
            _Output(
                encoder,
                _channel(node, encoder.message_type, controller.topic),
                max(1, round(rate_hz / controller.rate_hz)),
                drives=controller.joints[0] not in embodiment.joint_names,
            )
            for encoder, controller in zip(encoders, controllers, strict=True)
        ]

    def publish(self, tick: int, window: CommandWindow, now_ns: int) -> None:
        """Serve whoever is due at a tick; ``now_ns`` [ns, node clock]."""
        self._is_served = True
        for output in self._outputs:
            if tick % output.every == 0:
                output.serve(window, now_ns)
        if tick % self._echo_every == 0:
            self._echo.publish(joint_state(self._names, now_ns, *window.at(now_ns)))

    def rest(self, now_ns: int) -> None:
        """Say nothing more; a base that was told to move is told once to stand [ns, node clock].

        Usually it stands by then. Where a run broke off, it would roll on until its driver's
        timeout.
        """
        if not self._is_served:
            return
        self._is_served = False
        still = np.zeros((1, len(self._names)))
        for output in self._outputs:
            if output.drives:
                output.serve(CommandWindow(now_ns, 1, still, still), now_ns)

    def destroy(self) -> None:
        """Drop the publishers and action clients."""
        dispose(self._node, [self._echo, *(output.channel for output in self._outputs)])


def _channel(node: Node, message_type: Any, name: str) -> Any:
    """Return an action's client where the messages are goals, a publisher otherwise."""
    if hasattr(message_type, "Goal"):
        return GoalOutput(node, message_type, name)
    return node.create_publisher(message_type, name, qos.COMMANDS)
