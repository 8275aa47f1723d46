"""Tells when a loop on a thread of its own does not come round any more."""

from __future__ import annotations

import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from pi0_ros.bridge.status import diagnostics
from pi0_ros.nodes import qos
from pi0_ros.nodes.clocks import STEADY
from pi0_ros.nodes.disposal import dispose

CHECK_S = 0.25  # how often the thread of the callbacks looks at the loop


class LoopWatch:
    """Reports a hung loop on /diagnostics and in the log, from the thread of the callbacks.

    A loop that raises is reported by its thread; one that waits for ever, in a driver, a lock or a
    device, cannot say so itself. Nothing is ended: what hangs may come back, and that is said, too.

    Args:
        node: Carries the publisher and the timer.
        work: What a round of the loop is, for sentences: ``planning``.
        limit_s: Returns the longest that a round may take [s, monotonic].
        changed: Called with the sentence when the loop hangs, again at each check while it does,
            and with None when it is back.
    """

    def __init__(
        self,
        node: Node,
        work: str,
        limit_s: Callable[[], float],
        changed: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        """Watch from now on."""
        self._node, self._work, self._limit_s, self._changed = node, work, limit_s, changed
        self._at = time.monotonic()
        self._is_hung = False
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", qos.STATUS)
        self._timer = node.create_timer(CHECK_S, self._check, clock=STEADY)

    def beat(self) -> None:
        """Say that a round begins; called by the loop."""
        self._at = time.monotonic()

    def destroy(self) -> None:
        """Stop watching."""
        dispose(self._node, [self._timer, self._diagnostics])

    def _check(self) -> None:
        since_s, limit_s = time.monotonic() - self._at, self._limit_s()
        was_hung, self._is_hung = self._is_hung, since_s > limit_s
        if self._is_hung:
            said = f"{self._work} has taken {since_s:.1f} s, limit {limit_s:.1f}"
            if not was_hung:
                self._node.get_logger().error(said)
            self._publish([said])
            self._changed(said)
        elif was_hung:
            self._node.get_logger().info(f"{self._work} goes on")
            self._publish([])
            self._changed(None)

    def _publish(self, problems: list[str]) -> None:
        name = f"{self._node.get_fully_qualified_name()}: {self._work}"
        now_ns = int(self._node.get_clock().now().nanoseconds)
        self._diagnostics.publish(diagnostics(now_ns, name, problems, {}, failed=bool(problems)))
