"""One task: a sentence that is followed until a stop condition is met."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.policy.executed_steps import ExecutedSteps
from pi0_ros.policy.progress import Progress
from pi0_ros.policy.settling import Settling

CHUNKS_KEPT = 16  # the executor plays the newest but one while the newest is on its way
NO_LIMIT = -1.0


class End(IntEnum):
    """Why a task ended; the numbers of pi0_msgs/RunTask."""

    TIMED_OUT = 0
    CANCELLED = 1
    FAILED = 2
    STEPS_DONE = 3
    SETTLED = 4


@dataclass(frozen=True)
class Outcome:
    """How a task ended, and why in a sentence."""

    end: End
    message: str


@dataclass(frozen=True)
class StopConditions:
    """What ends a task, whichever comes first; 0 is never.

    Attributes:
        timeout_ns: Time since its beginning [ns, node clock].
        max_steps: Executed actions.
        settled_ns: For how long the plans have asked for no motion, in the time of the actions
            that were executed meanwhile [ns]; a robot that is slowed or held takes longer.
    """

    timeout_ns: int = 0
    max_steps: int = 0
    settled_ns: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for name, value_ns in (("timeout", self.timeout_ns), ("settled", self.settled_ns)):
            if value_ns < 0:
                raise ValueError(f"{name} is {value_ns / 1e9:g} s; it must be 0 (never) or more")
        if self.max_steps < 0:
            raise ValueError(f"max_steps is {self.max_steps}; it must be 0 (never) or more")


class Task:
    """Says when to stop, from the plans that are made and from what the executor tells of them.

    Args:
        embodiment: The robot.
        conditions: What ends it.
        started_ns: Its beginning [ns, node clock].
        execute: Actions that are executed before the next plan takes over.

    Attributes:
        elapsed_ns: Since its beginning; a clock that jumps back takes nothing away [ns].
        step: Place within the chunk that plays [actions]; 0 where none of this task does.
        chunk_age_ns: Age of that chunk's observation; 0 where none plays [ns].
    """

    def __init__(
        self, embodiment: Embodiment, conditions: StopConditions, started_ns: int, execute: int
    ) -> None:
        """Start with nothing planned."""
        self._conditions = conditions
        self._period_ns = embodiment.policy.period_ns
        self._now_ns = started_ns
        self._chunks: deque[ActionChunk] = deque(maxlen=CHUNKS_KEPT)
        self._executed: ExecutedSteps | None = None
        self._settling = Settling(embodiment, execute)
        self._settled_steps = 0.0
        self._steps = self.step = 0.0
        self.elapsed_ns = self.chunk_age_ns = 0

    @property
    def steps(self) -> int:
        """Actions executed."""
        return int(self._steps)

    @property
    def share(self) -> float:
        """Largest share that is used of the timeout and of the steps, 0 to 1; -1 without either."""
        limits = self._conditions
        used = [
            amount / limit
            for amount, limit in (
                (self.elapsed_ns, limits.timeout_ns),
                (self._steps, limits.max_steps),
            )
            if limit
        ]
        return min(max(used), 1.0) if used else NO_LIMIT

    def take_chunk(self, chunk: ActionChunk) -> None:
        """Take a plan that was made for this task; the same again changes nothing."""
        if self._executed is None:
            self._executed = ExecutedSteps(self._period_ns, chunk.sequence, chunk.start_ns)
        if not self._chunks or self._chunks[-1].sequence != chunk.sequence:
            self._chunks.append(chunk)

    def advance(self, now_ns: int, progress: Progress | None) -> None:
        """Go on to an instant [ns, node clock] with the executor's newest report, if any."""
        self.elapsed_ns += max(now_ns - self._now_ns, 0)
        self._now_ns = now_ns
        self.step, self.chunk_age_ns = 0.0, 0
        if progress is None or self._executed is None:
            return
        self._executed.take(progress)
        self._steps = self._executed.at(now_ns)
        if not (progress.is_executing and self._executed.includes(progress)):
            return
        self.step = progress.step_at(now_ns, self._period_ns)
        self.chunk_age_ns = max(now_ns - progress.start_ns, 0)
        playing = next((c for c in self._chunks if c.sequence == progress.sequence), None)
        if playing is not None:
            self._settled_steps = self._settling.take(playing, self.step, self._steps)

    def outcome(self) -> Outcome | None:
        """Return how it ended, None while it goes on."""
        limits = self._conditions
        settled_ns = self._settled_steps * self._period_ns
        if 0 < limits.settled_ns <= settled_ns:
            said = f"the plans asked for no motion for {settled_ns / 1e9:.1f} s"
            return Outcome(End.SETTLED, said)
        if 0 < limits.max_steps <= self._steps:
            return Outcome(End.STEPS_DONE, f"{self.steps} actions were executed")
        if 0 < limits.timeout_ns <= self.elapsed_ns:
            return Outcome(End.TIMED_OUT, f"the time of {limits.timeout_ns / 1e9:g} s is over")
        return None


def why_not_executing(progress: Progress | None, now_ns: int) -> tuple[str, ...]:
    """Return why no plan is executed at an instant [ns, node clock]; empty where one is."""
    if progress is None:
        return ("chunk_executor_node: nothing heard of it; start it, or compare the namespaces",)
    if not progress.is_current(now_ns):
        silent_s = abs(now_ns - progress.at_ns) / 1e9
        return (f"chunk_executor_node: silent for {silent_s:.1f} s; start it again",)
    if progress.is_executing:
        return ()
    said = f": {progress.detail}" if progress.detail else ""
    return (f"chunk_executor_node: {progress.reason}{said}",)
