"""The action run_task: follow a sentence until a stop condition is met, or it is cancelled."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from pi0_msgs.action import RunTask
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from rclpy.task import Future
from rclpy.timer import Timer

from pi0_ros.bridge.stamps import to_duration, to_ns
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.nodes.clocks import STEADY
from pi0_ros.policy.planner import Planner
from pi0_ros.policy.progress import Progress
from pi0_ros.policy.task import End, Outcome, StopConditions, Task, why_not_executing

CHECK_PERIOD_S = 0.02  # less than the time of an action, so that a task ends with the right one
CHECKS_PER_FEEDBACK = 10
TURNS_TO_ANSWER = 4  # of the executor of callbacks, from the end of a goal to its sent result
NOT_ACTIVE = "policy_node is not active"


@dataclass(frozen=True)
class Followed:
    """What a task is carried out with.

    Attributes:
        planner: Makes the plans.
        follow: Takes the sentence to follow, and returns what is wrong with it; an empty one
            withdraws the plan, too.
        progress: Returns what the executor told last.
        reasons: Returns why there is no plan at the moment; empty while planning.
        failure: Returns why planning ended for good, None while it goes on.
    """

    planner: Planner
    follow: Callable[[str], str | None]
    progress: Callable[[], Progress | None]
    reasons: Callable[[], tuple[str, ...]]
    failure: Callable[[], str | None]


@dataclass(eq=False)
class _Goal:
    """The goal that runs: how far it is, and who waits for its result."""

    handle: ServerGoalHandle
    prompt: str
    task: Task
    timer: Timer | None = None
    chunks: int = 0
    checks: int = 0
    result: Future = field(default_factory=Future)


class RunTaskServer:
    """Serves one goal at a time; while it runs, its prompt is the node's.

    A goal whose prompt is replaced is aborted, for what it asked for is not done any more. However
    a goal ends, its plan is withdrawn, unless another prompt is followed already.

    All methods but `take_chunk` are for the thread of the node's callbacks.

    Args:
        node: Carries the action server.
        embodiment: The robot.
        execute: Actions that are executed before the next plan takes over.
        followed: What tasks are carried out with.
    """

    def __init__(
        self, node: Node, embodiment: Embodiment, execute: int, followed: Followed
    ) -> None:
        """Start serving; goals are refused until it is opened."""
        self._node = node
        self._embodiment, self._steps_per_plan = embodiment, execute
        self._followed, self._planner = followed, followed.planner
        self._published: deque[ActionChunk] = deque()
        self._closed: str | None = NOT_ACTIVE
        self._is_ending = False
        self._goal: _Goal | None = None
        self._server = ActionServer(
            node,
            RunTask,
            "run_task",
            self._execute,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )

    def open(self) -> None:
        """Accept goals from now on."""
        self._closed = None

    def close(self, reason: str = NOT_ACTIVE) -> None:
        """Refuse goals from now on, and abort the one that runs, both with a reason."""
        self._closed = reason
        self._end(Outcome(End.FAILED, reason))

    def take_chunk(self, chunk: ActionChunk) -> None:
        """Take a chunk that was published; may come from any thread."""
        if self._goal is not None:
            self._published.append(chunk)

    def destroy(self) -> None:
        """Abort the goal that runs, and stop serving once its result is sent."""
        self.close()
        self._is_ending = True
        if self._goal is None:
            self._server.destroy()

    async def _destroy_after_answer(self) -> None:
        for _ in range(TURNS_TO_ANSWER):
            await _Turn()
        self._server.destroy()

    # --- a goal's beginning ------------------------------------------------------------------

    def _on_goal(self, request: RunTask.Goal) -> GoalResponse:
        problem = self._closed or self._planner.check_prompt(request.prompt)
        if self._goal is not None:
            problem = "another goal is running; cancel it first"
        try:
            _conditions(request)
        except ValueError as error:
            problem = problem or str(error)
        if problem:
            self._node.get_logger().warning(f"run_task refused: {problem}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _on_accepted(self, handle: ServerGoalHandle) -> None:
        conditions, now_ns = _conditions(handle.request), self._now_ns()
        task = Task(self._embodiment, conditions, now_ns, self._steps_per_plan)
        self._published.clear()
        self._goal = _Goal(handle, handle.request.prompt.strip(), task)
        self._followed.follow(self._goal.prompt)
        self._goal.timer = self._node.create_timer(CHECK_PERIOD_S, self._check, clock=STEADY)
        self._node.get_logger().info(f"run_task: {self._goal.prompt!r}")
        handle.execute()

    async def _execute(self, handle: ServerGoalHandle) -> RunTask.Result:
        """Return the goal's result to the action server once there is one."""
        goal = self._goal
        assert goal is not None, "a goal was executed that was not accepted"
        result = await goal.result
        self._goal = None
        if self._is_ending:
            self._node.executor.create_task(self._destroy_after_answer)
        return result

    # --- while it runs -----------------------------------------------------------------------

    def _check(self) -> None:
        goal, now_ns = self._goal, self._now_ns()
        if goal is None:
            return
        while self._published:
            chunk = self._published.popleft()
            if chunk.prompt == goal.prompt:
                goal.chunks += 1
                goal.task.take_chunk(chunk)
        progress = self._followed.progress()
        goal.task.advance(now_ns, progress)
        goal.checks += 1
        outcome = self._interruption(goal) or goal.task.outcome()
        if outcome is not None:
            self._end(outcome)
        elif goal.checks % CHECKS_PER_FEEDBACK == 0:
            reasons = (*self._followed.reasons(), *why_not_executing(progress, now_ns))
            goal.handle.publish_feedback(self._feedback(goal, reasons))

    def _interruption(self, goal: _Goal) -> Outcome | None:
        """Return what ends a goal whatever its conditions are."""
        failure = self._followed.failure()
        if goal.handle.is_cancel_requested:
            return Outcome(End.CANCELLED, "cancelled")
        if failure:
            return Outcome(End.FAILED, failure)
        prompt = self._planner.prompt
        if prompt != goal.prompt:
            said = f"was changed to '{prompt}'" if prompt else "was withdrawn"
            return Outcome(End.FAILED, f"the prompt {said} by ~/set_prompt")
        return None

    def _feedback(self, goal: _Goal, reasons: tuple[str, ...]) -> RunTask.Feedback:
        task = goal.task
        return RunTask.Feedback(
            elapsed=to_duration(task.elapsed_ns),
            chunks=goal.chunks,
            steps=task.steps,
            step=task.step,
            chunk_age=to_duration(task.chunk_age_ns),
            progress=task.share,
            latency=to_duration(self._planner.latency.inference_ns),
            waiting_for=list(reasons),
        )

    # --- its end -----------------------------------------------------------------------------

    def _end(self, outcome: Outcome) -> None:
        """End the goal that runs, if any, and withdraw its plan."""
        goal = self._goal
        if goal is None or goal.result.done():
            return
        if goal.timer is not None:
            self._node.destroy_timer(goal.timer)
        if self._planner.prompt == goal.prompt:
            self._followed.follow("")
        ends = {End.CANCELLED: goal.handle.canceled, End.FAILED: goal.handle.abort}
        ends.get(outcome.end, goal.handle.succeed)()
        self._node.get_logger().info(f"run_task ended: {outcome.message}")
        goal.result.set_result(
            RunTask.Result(
                reason=outcome.end,
                message=outcome.message,
                chunks=goal.chunks,
                steps=goal.task.steps,
            )
        )

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)


class _Turn:
    """Waits for the next turn of the executor of callbacks."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def _conditions(request: RunTask.Goal) -> StopConditions:
    """Return a goal's stop conditions; raises ValueError for those that cannot be meant."""
    return StopConditions(to_ns(request.timeout), request.max_steps, to_ns(request.settled))
