"""A managed node that says why a transition failed, and the main function of all our nodes."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import traceback
from collections.abc import Callable

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.lifecycle.node import LifecycleNodeMixin
from rclpy.signals import SignalHandlerOptions

SIGNAL_POLL_S = 0.1  # how soon a signal is noticed
FAREWELL_TURNS = 10  # of callbacks: what finishing began to answer, as an aborted goal's result


class ManagedNode(LifecycleNode):
    """Lifecycle with errors that are seen.

    rclpy swallows exceptions of transition callbacks; here each is logged, everything is torn
    down, and the transition fails. Subclasses implement :meth:`configure` (load, warm up, make
    publishers), :meth:`activate`, :meth:`deactivate` and :meth:`cleanup`.

    Attributes:
        failure: Why the node cannot go on; the process then ends with an exit code of 1.
    """

    failure: str | None = None

    def configure(self) -> None:
        """Load everything; may raise."""

    def activate(self) -> None:
        """Start working; may raise."""

    def deactivate(self) -> None:
        """Stop working; called only when active."""

    def cleanup(self) -> None:
        """Free what :meth:`configure` made; must work half-way, too."""

    def start(self) -> bool:
        """Configure and activate without a lifecycle manager; False where that failed."""
        success = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == success and self.trigger_activate() == success

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load, or log why not."""
        return self._guarded("configure", self.configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start working, or log why not."""
        return self._guarded(
            "activate", lambda: (self.activate(), LifecycleNodeMixin.on_activate(self, state))
        )

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop working."""
        return self._guarded(
            "deactivate", lambda: (self.deactivate(), LifecycleNodeMixin.on_deactivate(self, state))
        )

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything."""
        return self._guarded("clean up", self.cleanup)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything, from any state."""
        return self._guarded("shut down", self.finish)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured after a failed transition."""
        return TransitionCallbackReturn.SUCCESS

    def finish(self) -> None:
        """Stop working and free everything."""
        self.deactivate()
        self.cleanup()

    def _guarded(self, verb: str, work: Callable[[], object]) -> TransitionCallbackReturn:
        try:
            work()
        except Exception as error:
            expected = isinstance(error, ValueError | OSError | RuntimeError | ImportError)
            text = str(error) if expected and str(error) else traceback.format_exc()
            self.get_logger().error(f"cannot {verb}: {text}")
            self.get_logger().debug(traceback.format_exc())
            self.finish()
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS


def run(make: Callable[[], ManagedNode], argv: list[str] | None = None) -> int:
    """Run one node until Ctrl-C or SIGTERM.

    rclpy's own signal handlers would close the context before the node could say goodbye.

    Returns:
        0 after a clean stop, 1 where the node could not be made, started or go on.
    """
    node: ManagedNode | None = None
    executor: SingleThreadedExecutor | None = None
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        rclpy.init(args=argv, signal_handler_options=SignalHandlerOptions.NO)
        node = make()
        if node.get_parameter("autostart").value and not node.start():
            return 1
        gc.collect()
        gc.freeze()  # a full collection of all that was imported stops every thread for 0.1 s
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while not stopping.is_set() and node.failure is None:
            executor.spin_once(timeout_sec=SIGNAL_POLL_S)
        return 0 if node.failure is None else 1
    except (ValueError, rclpy.exceptions.ParameterException) as error:
        print(f"{sys.argv[0].rsplit('/', 1)[-1]}: {error}", file=sys.stderr)
        return 1
    finally:
        if node is not None:
            node.finish()
            if executor is not None:
                for _ in range(FAREWELL_TURNS):
                    executor.spin_once(timeout_sec=0.0)
            node.destroy_node()
        rclpy.try_shutdown()
