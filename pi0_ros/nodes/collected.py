"""Subscriptions that are emptied now and then, instead of waking the callbacks for each message."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile


class CollectedSubscription:
    """Takes what has arrived when it is asked to; messages wait in the middleware until then.

    rclpy gathers everything that a node waits for anew for each message: a millisecond of CPU time,
    which is half a core where a robot tells its joints 500 times a second. Taking a message costs a
    twentieth of that.

    Args:
        node: Carries the subscription.
        kind: Type of the messages.
        topic: Where they come from.
        hear: Gets each message, in the thread that collects.
        profile: Its depth bounds what waits.
    """

    def __init__(
        self, node: Node, kind: Any, topic: str, hear: Callable[[Any], None], profile: QoSProfile
    ) -> None:
        """Subscribe."""
        self._node, self._kind, self._hear = node, kind, hear
        self._order = threading.Lock()  # of messages, where several threads collect
        self._subscription = node.create_subscription(
            kind, topic, hear, profile, callback_group=_Unattended()
        )

    def collect(self) -> None:
        """Hand on what has arrived, in its order."""
        handle = self._subscription.handle
        with self._order, handle:
            while (taken := handle.take_message(self._kind, False)) is not None:
                self._hear(taken[0])

    def destroy(self) -> None:
        """Unsubscribe."""
        with self._order:
            self._node.destroy_subscription(self._subscription)


class _Unattended(CallbackGroup):
    """Of what no executor of callbacks waits for."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        pass
