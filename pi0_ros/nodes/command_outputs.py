"""What commands the controllers, each at its own rate: topics and actions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64

from pi0_ros.bridge.commands import CommandEncoder, make_encoder
from pi0_ros.bridge.joint_states import joint_state
from pi0_ros.bridge.stamps import SECOND_NS
from pi0_ros.embodiment.controllers import Controller, JointTrajectoryController
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.cadence import Cadence
from pi0_ros.execution.horizon import CommandWindow
from pi0_ros.nodes import qos
from pi0_ros.nodes.controller_facts import ControllerFacts
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.goal_output import GoalOutput
from pi0_ros.nodes.speed_sliders import as_share

APPEARING_S = 0.2  # from the first sight of a subscriber until it hears us, and longer


@dataclass(eq=False)
class _Output:
    """One controller: its encoder, where messages go, and when it is served.

    ``drives`` says whether it moves a base, ``leads`` whether it moves an arm or a lift;
    ``until_ns``, up to when it has samples to play, is unknown of one that plays no windows.
    """

    controller: Controller
    encoder: CommandEncoder
    channel: Any
    cadence: Cadence
    drives: bool
    leads: bool
    until_ns: int | None = None

    def serve(self, window: CommandWindow, now_ns: int) -> None:
        self.cadence.happen(now_ns)
        if isinstance(self.controller, JointTrajectoryController):
            self.until_ns = window.end_ns
        message = self.encoder.encode(window, now_ns)
        if message is not None:
            self.channel.publish(message)
        elif isinstance(self.channel, GoalOutput):
            self.channel.retry()

    def restart(self) -> None:
        self.cadence.restart()
        self.until_ns = None


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
        tick_ns = embodiment.command.period_ns
        controllers = () if dry_run else embodiment.controllers
        # All of them first: where one cannot be made, nothing is left behind on the node.
        encoders = [make_encoder(controller, embodiment) for controller in controllers]
        self._node = node
        self._names = embodiment.axis_names
        self._is_served = False
        self._echo = node.create_publisher(JointState, "~/command", qos.COMMANDS)
        self._echo_cadence = Cadence(round(SECOND_NS / echo_hz), tick_ns)
        leading = {joint.name for joint in embodiment.joints if joint.gripper is None}
        self._unheard_at: float | None = None  # when an arm's topic had no subscriber, last
        self._outputs = [
            _Output(
                controller,
                encoder,
                _channel(node, encoder.message_type, controller.topic),
                Cadence(round(SECOND_NS / controller.rate_hz), tick_ns),
                drives=controller.joints[0] not in embodiment.joint_names,
                leads=not leading.isdisjoint(controller.joints),
            )
            for encoder, controller in zip(encoders, controllers, strict=True)
        ]
        self._cadences = [self._echo_cadence, *(output.cadence for output in self._outputs)]
        self._sliders = [self._listen(each) for each in self._outputs if _is_scaled(each)]
        windowed = [c for c in controllers if isinstance(c, JointTrajectoryController)]
        self._facts = ControllerFacts(node, windowed, self._set_splices)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with who takes the commands, and who else gives them."""
        return (*self._rivals(), *self._facts.problems)

    @property
    def facts(self) -> dict[str, str]:
        """What the controllers said about themselves, for /diagnostics."""
        return self._facts.values

    def unheard(self) -> str:
        """Name the arms' topics that nobody takes, or did not a moment ago.

        Whoever appears has not heard of us at once, though we have of it.
        """
        missing = [
            output.controller.topic
            for output in self._outputs
            if output.leads
            and isinstance(output.channel, Publisher)
            and not output.channel.get_subscription_count()
        ]
        now = time.monotonic()  # discovery knows no simulated time
        if missing or self._unheard_at is None:
            self._unheard_at = now
        if missing:
            return " and ".join(missing)
        is_settled = now - self._unheard_at >= APPEARING_S
        return "" if is_settled or not self._outputs else "commands yet"

    def is_due(self, now_ns: int) -> bool:
        """Say whether anybody is served at a tick at ``now_ns`` [ns, node clock]."""
        return any(cadence.is_due(now_ns) for cadence in self._cadences)

    def publish(self, window: CommandWindow, now_ns: int) -> int:
        """Serve whoever is due at ``now_ns`` [ns, node clock].

        Returns:
            Until when all that play windows have samples [ns, node clock].
        """
        self._is_served = True
        for output in self._outputs:
            if output.cadence.is_due(now_ns):
                output.serve(window, now_ns)
        if self._echo_cadence.is_due(now_ns):
            self._echo_cadence.happen(now_ns)
            self._echo.publish(joint_state(self._names, now_ns, *window.at(now_ns)))
        known = (output.until_ns for output in self._outputs if output.until_ns is not None)
        return min(known, default=window.end_ns)

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
            output.restart()

    def destroy(self) -> None:
        """Drop the publishers and action clients."""
        channels = (output.channel for output in self._outputs)
        dispose(self._node, [self._facts, self._echo, *self._sliders, *channels])

    def _rivals(self) -> Iterator[str]:
        """Name the topics on which somebody else commands, too."""
        for output in self._outputs:
            topic = output.controller.topic
            if (
                not isinstance(output.channel, GoalOutput)
                and self._node.count_publishers(topic) > 1
            ):
                ours = self._node.get_fully_qualified_name()
                names = {
                    f"{one.node_namespace.rstrip('/')}/{one.node_name}"
                    for one in self._node.get_publishers_info_by_topic(topic)
                }
                others = ", ".join(sorted(names - {ours})) or "another node of this name"
                yield f"{topic}: {others} can command it, too"

    def _listen(self, output: _Output) -> Any:
        """Let a scaled controller's encoder hear the slider that scales it."""
        slider = output.controller.speed_scaling
        assert slider is not None  # the YAML lets no other pass
        hear: Any = output.encoder

        def on_share(message: Float64) -> None:
            now_ns = int(self._node.get_clock().now().nanoseconds)
            hear.hear_speed(as_share(message, slider.full), now_ns)

        return self._node.create_subscription(Float64, slider.topic, on_share, qos.JOINT_STATES)

    def _set_splices(self, controller: str, splices: bool) -> None:
        for output in self._outputs:
            if output.controller.name == controller:
                encoder: Any = output.encoder
                encoder.splices = splices


def _is_scaled(output: _Output) -> bool:
    return isinstance(output.controller, JointTrajectoryController) and output.controller.scaled


def _channel(node: Node, message_type: Any, name: str) -> Any:
    """Return an action's client where the messages are goals, a publisher otherwise."""
    if hasattr(message_type, "Goal"):
        return GoalOutput(node, message_type, name)
    return node.create_publisher(message_type, name, qos.COMMANDS)
