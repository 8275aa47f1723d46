"""Taking streams down while the node goes on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rclpy.guard_condition import GuardCondition
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.timer import Timer


def dispose(node: Node, entities: Iterable[Any]) -> None:
    """Destroy streams of a node, and whatever else has a ``destroy``.

    An rclpy entity must be destroyed by its node: one that destroys itself stays in the node's
    lists, and the executor of callbacks dies of it at its next turn.
    """
    by_kind = (
        (Publisher, node.destroy_publisher),
        (Subscription, node.destroy_subscription),
        (Service, node.destroy_service),
        (Timer, node.destroy_timer),
        (GuardCondition, node.destroy_guard_condition),
    )
    for entity in entities:
        for kind, destroy in by_kind:
            if isinstance(entity, kind):
                destroy(entity)
                break
        else:
            entity.destroy()
