"""The planner: when to plan, from which observation, what to continue, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk, withdrawal
from pi0_ros.observation.observation import NotReady, Observation
from pi0_ros.policy.continuation import Played, PublishedChunks, continue_played, lateness
from pi0_ros.policy.latency import LatencyForecast
from pi0_ros.policy.progress import Progress
from pi0_ros.policy.protocol import CannotPlan, Continuation, OutOfMemory, Policy
from pi0_ros.policy.retry import GrowingPause
from pi0_ros.policy.settings import REPLANS


@dataclass(frozen=True)
class Latency:
    """Times of the last plan [ns]: to make it, and the age of its observation when it was made."""

    inference_ns: int = 0
    observation_age_ns: int = 0


@dataclass(frozen=True, eq=False)
class _Task:
    """What a plan is made for; it is not wanted any more once the planner's ``epoch`` is over."""

    prompt: str
    epoch: int
    request: int


@dataclass(frozen=True, eq=False)
class _Made:
    """The newest plan, and what it was made for."""

    chunk: ActionChunk
    task: _Task


def unheard() -> Progress | None:
    """Report no progress: without an executor all is assumed to run at full speed."""
    return None


class Planner:
    """Plans when the next plan is due, and at once for a new prompt.

    A plan is due, by ``replan``:

    - ``executed``: so early that it will arrive when ``execute`` actions of the running chunk have
      really been executed. Where the robot stands, or plays very slowly, time counts instead, so
      that a plan to go on with is always young.
    - ``continuous``: with each observation that comes after the last plan.
    - ``on_demand``: only when asked, and once for each new prompt.

    `tick` and `plan` are for one thread; all else may come from another one while a plan is made.

    Args:
        embodiment: The robot.
        policy: Makes the plans.
        snapshot: Assembles the observation of an instant [ns] for a prompt.
        execute: Actions that are played before the next plan takes over.
        clock: Returns now on the clock of the stamps [ns].
        replan: One of ``REPLANS``.
        progress: Returns what the executor told last.

    Raises:
        ValueError: ``execute`` or ``replan`` is impossible.
    """

    def __init__(
        self,
        embodiment: Embodiment,
        policy: Policy,
        snapshot: Callable[[int, str], Observation | NotReady],
        execute: int,
        clock: Callable[[], int],
        replan: str = "executed",
        progress: Callable[[], Progress | None] = unheard,
    ) -> None:
        """Start without a prompt."""
        timing = embodiment.policy
        if not 1 <= execute <= timing.horizon:
            raise ValueError(
                f"execute is {execute}; {embodiment.name}'s chunks have {timing.horizon} actions, "
                f"so it must be from 1 to {timing.horizon}"
            )
        if replan not in REPLANS:
            raise ValueError(unknown_name("replan", replan, REPLANS))
        self._embodiment = embodiment
        self._policy = policy
        self._snapshot = snapshot
        self._clock = clock
        self._progress = progress
        self._execute = execute
        self._lead_ns = embodiment.command.lead_ns
        self._published = PublishedChunks()
        self._forecast = LatencyForecast((timing.horizon - 1) * timing.period_ns)
        self._pause = GrowingPause()
        self._prompt, self._epoch, self._requests = "", 0, 0
        self._made: _Made | None = None
        self._tried: tuple[_Task, int] | None = None
        self._sequences = count()
        self._unused: int | None = None  # the number of a plan that failed
        self.replan = replan
        self.chunks = 0
        self.latency = Latency()
        self.notes: tuple[str, ...] = ()

    # --- what to do --------------------------------------------------------------------------

    @property
    def prompt(self) -> str:
        """The sentence being followed; empty: none."""
        return self._prompt

    @property
    def forecast_ns(self) -> int:
        """Latency expected of the next plan, from snapshot to publication [ns]."""
        return self._forecast.expected_ns

    def set_prompt(self, prompt: str) -> str | None:
        """Follow another sentence from the next plan on, or return what is wrong with it."""
        problem = self.check_prompt(prompt) if prompt.strip() else None
        if problem is None:
            self._prompt = prompt.strip()
            self._epoch += 1
        return problem

    def check_prompt(self, prompt: str) -> str | None:
        """Return what is wrong with a sentence, None where it can be followed."""
        if not prompt.strip():
            return "the prompt is empty; say what the robot shall do"
        return self._policy.check_prompt(prompt)

    def request(self) -> None:
        """Make a plan due, from an observation that is made from now on."""
        self._requests += 1

    def forget(self) -> None:
        """Forget what was published, so that the next tick plans."""
        self._epoch += 1
        self._published.clear()

    def withdraw(self) -> ActionChunk | None:
        """Forget what was published and return the chunk that ends it, None where nothing was."""
        if self._published.is_empty:
            return None
        self.forget()
        return withdrawal(self._embodiment, self._clock(), next(self._sequences))

    def restart(self) -> None:
        """Forget everything but the prompt, also how long plans took."""
        self.forget()
        self._forecast.restart()

    # --- plans -------------------------------------------------------------------------------

    def tick(self) -> ActionChunk | NotReady | None:
        """Plan if a plan is due; None where it is not, or the prompt changed meanwhile."""
        now_ns = self._clock()
        task = _Task(self._prompt, self._epoch, self._requests)
        if self._pause.lasts(now_ns) or not self._is_due(task, now_ns):
            return None
        observation = self._snapshot(now_ns, task.prompt)
        if isinstance(observation, NotReady):
            return observation
        if self._was_tried(task, observation):
            return None
        self._tried = task, observation.stamp_ns
        previous, notes = self._to_continue(observation, now_ns)
        result = self._plan(observation, previous, now_ns)
        if task.epoch != self._epoch:
            return None
        return result if isinstance(result, NotReady) else self._kept(result, task, previous, notes)

    def plan(self, prompt: str) -> ActionChunk | NotReady:
        """Plan now for a sentence, due or not; what is running stays as it is."""
        now_ns = self._clock()
        observation = self._snapshot(now_ns, prompt)
        if isinstance(observation, NotReady):
            return observation
        return self._plan(observation, None, now_ns)

    @property
    def is_wanted(self) -> bool:
        """Whether the plan that `tick` returned last is still to be published."""
        return self._made is not None and self._made.task.epoch == self._epoch

    def _plan(
        self, observation: Observation, previous: Continuation | None, started_ns: int
    ) -> ActionChunk | NotReady:
        sequence = next(self._sequences) if self._unused is None else self._unused
        self._unused = sequence
        try:
            chunk = self._policy.plan(observation, previous, sequence)
        except OutOfMemory as error:
            self._pause.begin(self._clock())
            self._tried = None  # the same observation may do when there is memory again
            return NotReady.because(str(error), "out_of_memory")
        except CannotPlan as error:
            return NotReady.because(str(error))
        self._unused = None
        self._pause.end()
        finished_ns = self._clock()
        self.latency = Latency(finished_ns - started_ns, finished_ns - observation.stamp_ns)
        return replace(
            chunk,
            sequence=sequence,
            inference_ns=max(self.latency.inference_ns, 0),
            image_stamps_ns=observation.image_stamps_ns,
        )

    def _kept(
        self,
        chunk: ActionChunk,
        task: _Task,
        previous: Continuation | None,
        notes: tuple[str, ...],
    ) -> ActionChunk | NotReady:
        """Count on a plan from now on, unless nothing is left of it."""
        now_ns = self._clock()
        self._forecast.add(self.latency.inference_ns)
        if previous is not None and chunk.frozen_steps:
            late = lateness(self._played(now_ns), previous, now_ns + self._lead_ns)
            notes += (late,) if late else ()
        self.notes = (*chunk.notes, *notes)
        if chunk.end_ns <= now_ns:
            age, lasts = (now_ns - chunk.start_ns) / 1e9, (chunk.end_ns - chunk.start_ns) / 1e9
            return NotReady.because(
                f"inference takes {self.latency.inference_ns / 1e9:.2f} s, and its observation was "
                f"{age:.2f} s old at its end; a chunk lasts {lasts:.2f} s, so nothing is left of "
                "it. Use a faster device, a smaller checkpoint or fewer `steps`",
                "too_slow",
            )
        chunk = replace(chunk, notes=self.notes)
        self.chunks += 1
        self._published.add(chunk, now_ns)
        self._made = _Made(chunk, task)
        return chunk

    # --- when --------------------------------------------------------------------------------

    def _is_due(self, task: _Task, now_ns: int) -> bool:
        made = self._made
        if made is None or (made.task.epoch, made.task.request) != (task.epoch, task.request):
            return True
        if self.replan != "executed":
            return self.replan == "continuous"
        chunk, arrival_ns = made.chunk, now_ns + self.forecast_ns
        if now_ns < chunk.start_ns or arrival_ns >= chunk.end_ns:  # the clock jumped; or too old
            return True
        played = self._played(now_ns)
        if played is None or played.chunk is not chunk:
            played = Played(chunk, 0.0, chunk.start_ns, 1.0)
        return played.step_at(arrival_ns) >= self._execute

    def _was_tried(self, task: _Task, observation: Observation) -> bool:
        """Whether the same plan was made already: it would only come out the same."""
        if self._tried is None:
            return False
        before, stamp_ns = self._tried
        same = (before.epoch, before.request, stamp_ns)
        return same == (task.epoch, task.request, observation.stamp_ns)

    # --- what to continue --------------------------------------------------------------------

    def _played(self, now_ns: int) -> Played | None:
        return self._published.played(now_ns, self._progress())

    def _to_continue(
        self, observation: Observation, now_ns: int
    ) -> tuple[Continuation | None, tuple[str, ...]]:
        """Return what the next plan continues, and a note where there is something it cannot."""
        played = self._played(now_ns) if self._policy.continues else None
        if played is None or observation.stamp_ns < played.chunk.start_ns:
            return None, ()
        final_ns = now_ns + self.forecast_ns + self._lead_ns
        found = continue_played(played, observation, final_ns, self._execute)
        return (None, (f"rtc_fade: {found}",)) if isinstance(found, str) else (found, ())
