"""What `pi0 task` shows while a task runs."""

from __future__ import annotations

from types import TracebackType

from pi0_msgs.action import RunTask
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pi0_ros.bridge.stamps import to_ns


class Display:
    """The bar with what goes on now; the first reason of each kind is a line of its own, too.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        """Show nothing yet."""
        text = TextColumn("{task.description}", markup=False)
        self._bar = Progress(BarColumn(20), TimeElapsedColumn(), text, console=console)
        self._task: TaskID | None = None
        self._said: set[str] = set()

    def __enter__(self) -> Display:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bar as it is."""
        self._bar.stop()

    def show(self, feedback: RunTask.Feedback) -> None:
        """Show how far the task is."""
        if self._task is None:
            self._task = self._bar.add_task("", total=None)
        waiting_for = []  # whom, without the numbers
        for reason in feedback.waiting_for:
            name = reason.split(":")[0]
            if name not in self._said:
                said = f"waiting for {reason}"
                self._bar.console.print(said, markup=False, highlight=False, soft_wrap=True)
            self._said.add(name)
            waiting_for.append(name)
        age_s, latency_s = to_ns(feedback.chunk_age) / 1e9, to_ns(feedback.latency) / 1e9
        now = f"waiting for {', '.join(waiting_for)}" if waiting_for else f"{age_s:.2f} s old"
        self._bar.update(
            self._task,
            total=1.0 if feedback.progress >= 0 else None,
            completed=max(feedback.progress, 0.0),
            description=f"{feedback.steps} actions, {feedback.chunks} chunks in "
            f"{latency_s:.2f} s each, {now}",
        )
