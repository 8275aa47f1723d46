"""Goals to an action's server, from a thread that must not wait."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.task import Future


class GoalOutput:
    """Sends the newest goal as soon as the server is there.

    The loop only leaves the goal: it is sent by the node's executor of callbacks, because rclpy's
    action client must not send in one thread while another takes its answers.

    Args:
        node: Carries the client.
        action_type: Of the action.
        name: Of the action.
    """

    def __init__(self, node: Node, action_type: Any, name: str) -> None:
        """Make the client."""
        self._node, self._name = node, name
        self._client = ActionClient(node, action_type, name)
        self._wake = node.create_guard_condition(self._send)
        self._lock = threading.Lock()
        self._goal: Any = None  # the newest that is not sent yet
        self._is_missed = False  # whether the server was said to be missing

    def publish(self, goal: Any) -> None:
        """Take a goal, in place of one that is not sent yet."""
        with self._lock:
            self._goal = goal
        self._wake.trigger()

    def retry(self) -> None:
        """Send what is not sent yet, if the server is there by now.

        Called at the controller's rate while the robot is commanded: a goal that waits must not
        reach a server that appears after a stop.
        """
        with self._lock:
            is_waiting = self._goal is not None
        if is_waiting:
            self._wake.trigger()

    def destroy(self) -> None:
        """Drop the client."""
        self._node.destroy_guard_condition(self._wake)
        self._client.destroy()

    def _send(self) -> None:
        is_ready = self._client.server_is_ready()
        self._say(is_missed=not is_ready)
        if not is_ready:
            return
        with self._lock:
            goal, self._goal = self._goal, None
        if goal is not None:
            self._client.send_goal_async(goal).add_done_callback(self._on_answer)

    def _say(self, *, is_missed: bool) -> None:
        """Report once per change."""
        if is_missed == self._is_missed:
            return
        self._is_missed = is_missed
        if is_missed:
            self._node.get_logger().warning(
                f"no action server on {self._name}; the newest goal waits for it. Is the "
                "controller active?"
            )
        else:
            self._node.get_logger().info(f"the action server on {self._name} is there")

    def _on_answer(self, answer: Future) -> None:
        if not answer.result().accepted:
            self._node.get_logger().warning(
                f"the action server on {self._name} rejected a goal; its log says why",
                throttle_duration_sec=1.0,
            )
