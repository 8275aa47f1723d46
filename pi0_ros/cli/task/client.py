"""A client of run_task that shows on a terminal how far the task is."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from uuid import uuid4

import rclpy
from action_msgs.srv import CancelGoal
from pi0_msgs.action import RunTask
from rcl_interfaces.msg import Log
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.console import Console

from pi0_ros.bridge.stamps import to_duration
from pi0_ros.cli.task.display import Display

REFUSED = "run_task refused: "  # what policy_node logs, for an action's refusal carries no reason
DISCOVERY_S = 0.5  # a server that does not know us yet would do the task, but not answer
ANSWER_S = 5.0  # longest wait for an answer of a server that is there
LOG_S = 1.0  # longest wait for a line of its log
SILENT_S = 5.0  # feedback comes five times a second
FAILED, NOT_STARTED, CANCELLED = 1, 2, 130
EXIT_CODES = {RunTask.Result.FAILED: FAILED, RunTask.Result.CANCELLED: CANCELLED}


class TaskError(Exception):
    """There is no result; the message says why.

    Args:
        message: Why.
        exit_code: Of the command.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        """Remember both."""
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Wish:
    """What the robot shall do, and until when; 0 is never.

    Attributes:
        prompt: The sentence.
        timeout_s: Longest time [s].
        steps: Most executed actions.
        settled_s: How long the plans ask for no motion [s].
    """

    prompt: str
    timeout_s: float
    steps: int
    settled_s: float

    def goal(self) -> RunTask.Goal:
        """Return it as the action's goal."""
        return RunTask.Goal(
            prompt=self.prompt,
            timeout=to_duration(round(self.timeout_s * 1e9)),
            max_steps=self.steps,
            settled=to_duration(round(self.settled_s * 1e9)),
        )


def run_task(wish: Wish, namespace: str, wait_s: float) -> int:
    """Carry a task out and return the exit code.

    Args:
        wish: What the robot shall do.
        namespace: Of the robot.
        wait_s: Look for the robot for so long [s].
    """
    console, errors = Console(), Console(stderr=True, style="red")
    for number in (signal.SIGINT, signal.SIGTERM):  # who ends us ends the task, too
        signal.signal(number, signal.default_int_handler)
    try:
        with TaskClient(namespace) as client, Display(console) as display:
            try:
                client.send(wish.goal(), wait_s, display.show)
                result = client.result()
            except KeyboardInterrupt:
                result = client.cancel()
    except TaskError as error:
        errors.print(f"pi0 task: {error}", markup=False, highlight=False, soft_wrap=True)
        return error.exit_code
    word = "failed: " if result.reason == RunTask.Result.FAILED else ""
    counted = f"{result.chunks} chunks, {result.steps} actions"
    console.print(f"{word}{result.message} ({counted})", markup=False, highlight=False)
    return EXIT_CODES.get(result.reason, 0)


class TaskClient:
    """Sends one goal and waits for what comes of it; use it as a context.

    Args:
        namespace: Of the robot.
    """

    def __init__(self, namespace: str) -> None:
        """Join the ROS domain."""
        self._context = rclpy.Context()
        no_handlers = SignalHandlerOptions.NO  # Ctrl-C must find the context alive
        rclpy.init(args=[], context=self._context, signal_handler_options=no_handlers)
        self._node = Node(
            f"pi0_task_{os.getpid()}",
            namespace=namespace,
            context=self._context,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._client = ActionClient(self._node, RunTask, "run_task")
        self._cancellation = CancelGoal.Request()
        self._cancellation.goal_info.goal_id.uuid = list(uuid4().bytes)
        cancel = "run_task/_action/cancel_goal"  # which is asked even where no answer came
        self._canceller = self._node.create_client(CancelGoal, cancel)
        self._refusal = ""
        self._node.create_subscription(Log, "/rosout", self._on_log, 10)
        self._sent: Any = None
        self._answer: Any = None
        self._heard_at = 0.0

    def __enter__(self) -> TaskClient:
        """Return it as it is."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the domain."""
        self._client.destroy()
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def send(
        self, goal: RunTask.Goal, wait_s: float, show: Callable[[RunTask.Feedback], None]
    ) -> None:
        """Send the goal.

        Args:
            goal: What to do.
            wait_s: Look for the server for so long [s].
            show: Called with each feedback.

        Raises:
            TaskError: It did not begin.
        """
        if not self._until(self._client.server_is_ready, wait_s):
            domain = os.environ.get("ROS_DOMAIN_ID", "0")
            place = f"ROS domain {domain}, namespace {self._node.get_namespace()}"
            said = f"nobody serves run_task in {place}; start the robot with `pi0 up`"
            raise TaskError(said, NOT_STARTED)
        self._until(lambda: False, DISCOVERY_S)

        def hear(message: Any) -> None:
            self._heard_at = time.monotonic()
            show(message.feedback)

        goal_id = self._cancellation.goal_info.goal_id
        self._sent = self._client.send_goal_async(goal, hear, goal_id)
        if not self._until(self._sent.done, ANSWER_S):
            self._canceller.call_async(self._cancellation)  # it may have begun all the same
            said = f"policy_node did not answer within {ANSWER_S:g} s; look after the robot"
            raise TaskError(said, NOT_STARTED)
        if not self._sent.result().accepted:
            self._until(lambda: self._refusal, LOG_S)
            said = self._refusal or "the log of policy_node says why"
            raise TaskError(f"refused: {said}", NOT_STARTED)
        self._heard_at = time.monotonic()
        self._answer = self._sent.result().get_result_async()

    def result(self) -> RunTask.Result:
        """Wait for the result.

        Raises:
            TaskError: Nothing is heard any more.
        """
        while not self._until(self._answer.done, 0.1):
            if time.monotonic() - self._heard_at > SILENT_S:
                self._canceller.call_async(self._cancellation)
                said = (
                    f"policy_node was silent for {SILENT_S:g} s; the robot holds when its plan ends"
                )
                raise TaskError(said, FAILED)
        return self._answer.result().result

    def cancel(self) -> RunTask.Result:
        """Cancel what was sent and wait for its result.

        Raises:
            TaskError: No answer comes.
        """
        if self._sent is not None:
            self._canceller.call_async(self._cancellation)
            self._until(self._sent.done, ANSWER_S)
        if self._sent is None or (self._sent.done() and not self._sent.result().accepted):
            raise TaskError("cancelled before it began", CANCELLED)
        if self._answer is None and self._sent.done():
            self._answer = self._sent.result().get_result_async()
        if self._answer is None or not self._until(self._answer.done, ANSWER_S):
            raise TaskError("no answer to the cancellation; look after the robot", FAILED)
        return self._answer.result().result

    def _on_log(self, line: Log) -> None:
        if line.msg.startswith(REFUSED):
            self._refusal = line.msg.removeprefix(REFUSED)

    def _until(self, condition: Callable[[], Any], longest_s: float) -> Any:
        """Spin until a condition is truthy and return it, or what it is at the deadline."""
        deadline = time.monotonic() + longest_s
        while not (result := condition()) and time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)
        return result
