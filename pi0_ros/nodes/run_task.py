"""The action run_task: follow a sentence until it is cancelled or the time is over."""

from __future__ import annotations

from collections.abc import Callable

from pi0_msgs.action import RunTask
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from rclpy.task import Future

from pi0_ros.bridge.stamps import to_duration, to_ns
from pi0_ros.nodes.clocks import STEADY
from pi0_ros.policy.planner import Planner

FEEDBACK_PERIOD_S = 0.2


class RunTaskServer:
    """Serves one goal at a time; while it runs, its prompt is the node's.

    Args:
        node: Carries the action server.
        planner: Follows the prompt.
        reasons: Returns why there is no plan at the moment; empty while planning.
        failure: Returns why planning ended for good, None while it goes on.
    """

    def __init__(
        self,
        node: Node,
        planner: Planner,
        reasons: Callable[[], tuple[str, ...]],
        failure: Callable[[], str | None],
    ) -> None:
        """Start serving."""
        self._node = node
        self._planner = planner
        self._reasons = reasons
        self._failure = failure
        self._is_busy = False
        self._server = ActionServer(
            node,
            RunTask,
            "run_task",
            self._execute,
            goal_callback=self._on_goal,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )

    def destroy(self) -> None:
        """Stop serving."""
        self._server.destroy()

    def _on_goal(self, request: RunTask.Goal) -> GoalResponse:
        problem = self._planner.check_prompt(request.prompt)
        if self._is_busy:
            problem = "another goal is running; cancel it first"
        if problem:
            self._node.get_logger().warning(f"run_task refused: {problem}")
            return GoalResponse.REJECT
        self._is_busy = True
        return GoalResponse.ACCEPT

    async def _execute(self, goal: ServerGoalHandle) -> RunTask.Result:
        planner, started_ns, before = self._planner, self._now_ns(), self._planner.chunks
        timeout_ns = to_ns(goal.request.timeout)
        planner.set_prompt(goal.request.prompt)
        try:
            while True:
                await self._sleep()
                elapsed_ns = self._now_ns() - started_ns
                chunks = planner.chunks - before
                result = self._result(goal, elapsed_ns, timeout_ns)
                if result is not None:
                    result.chunks = chunks
                    return result
                goal.publish_feedback(
                    RunTask.Feedback(
                        elapsed=to_duration(max(elapsed_ns, 0)),
                        chunks=chunks,
                        latency=to_duration(planner.latency.inference_ns),
                        waiting_for=list(self._reasons()),
                    )
                )
        finally:
            if planner.prompt == goal.request.prompt.strip():
                planner.set_prompt("")
            self._is_busy = False

    def _result(
        self, goal: ServerGoalHandle, elapsed_ns: int, timeout_ns: int
    ) -> RunTask.Result | None:
        """End the goal if there is a reason to, and return it."""
        failure = self._failure()
        if goal.is_cancel_requested:
            goal.canceled()
            return RunTask.Result(reason=RunTask.Result.CANCELLED, message="cancelled")
        if failure:
            goal.abort()
            return RunTask.Result(reason=RunTask.Result.FAILED, message=failure)
        if self._planner.prompt != goal.request.prompt.strip():
            goal.abort()
            message = f"the prompt was changed to '{self._planner.prompt}'"
            return RunTask.Result(reason=RunTask.Result.FAILED, message=message)
        if 0 < timeout_ns <= elapsed_ns:
            goal.succeed()
            message = f"time is over after {elapsed_ns / 1e9:.1f} s"
            return RunTask.Result(reason=RunTask.Result.TIMED_OUT, message=message)
        return None

    async def _sleep(self) -> None:
        """Wait one feedback period without blocking the executor."""
        done: Future = Future()
        timer = self._node.create_timer(
            FEEDBACK_PERIOD_S, lambda: done.done() or done.set_result(None), clock=STEADY
        )
        await done
        self._node.destroy_timer(timer)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
