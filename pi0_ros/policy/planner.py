"""The planner: when to plan, from which observation, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.observation.observation import NotReady, Observation
from pi0_ros.policy.protocol import CannotPlan, Policy


@dataclass(frozen=True)
class Latency:
    """Times of the last plan [ns]: to make it, and the age of its observation when it was made."""

    inference_ns: int = 0
    observation_age_ns: int = 0


class Planner:
    """Plans again after ``execute`` actions of the running chunk, and at once for a new prompt.

    Args:
        embodiment: The robot.
        policy: Makes the plans.
        snapshot: Assembles the observation of an instant [ns] for a prompt.
        execute: Actions that are played before the next plan.
        clock: Returns now on the clock of the stamps [ns].
    """

    def __init__(
        self,
        embodiment: Embodiment,
        policy: Policy,
        snapshot: Callable[[int, str], Observation | NotReady],
        execute: int,
        clock: Callable[[], int],
    ) -> None:
        """Start without a prompt."""
        self._policy = policy
        self._snapshot = snapshot
        self._execute_ns = execute * embodiment.policy.period_ns
        self._clock = clock
        self._running: ActionChunk | None = None
        self._prompt = ""
        self.chunks = 0
        self.latency = Latency()

    @property
    def prompt(self) -> str:
        """The sentence being followed; empty: none."""
        return self._prompt

    def set_prompt(self, prompt: str) -> str | None:
        """Follow another sentence from the next plan on, or return what is wrong with it."""
        problem = self.check_prompt(prompt) if prompt.strip() else None
        if problem is None:
            self._prompt = prompt.strip()
            self._running = None
        return problem

    def check_prompt(self, prompt: str) -> str | None:
        """Return what is wrong with a sentence, None where it can be followed."""
        if not prompt.strip():
            return "the prompt is empty; say what the robot shall do"
        return self._policy.check_prompt(prompt)

    def forget(self) -> None:
        """Forget the running chunk, so that the next tick plans."""
        self._running = None

    def tick(self) -> ActionChunk | NotReady | None:
        """Plan if a plan is due; None where it is not, or the prompt changed meanwhile."""
        running, now_ns, prompt = self._running, self._clock(), self._prompt
        if running is not None and 0 <= now_ns - running.start_ns < self._execute_ns:
            return None
        result = self.plan(prompt)
        if prompt != self._prompt:
            return None
        if not isinstance(result, NotReady):
            self._running = result
        return result

    def plan(self, prompt: str) -> ActionChunk | NotReady:
        """Plan now for a sentence, due or not; the running chunk stays as it is."""
        started_ns = self._clock()
        observation = self._snapshot(started_ns, prompt)
        if isinstance(observation, NotReady):
            return observation
        try:
            chunk = self._policy.plan(observation, self._running)
        except CannotPlan as error:
            return NotReady((str(error),))
        finished_ns = self._clock()
        self.latency = Latency(finished_ns - started_ns, finished_ns - observation.stamp_ns)
        self.chunks += 1
        return replace(chunk, sequence=self.chunks - 1, inference_ns=self.latency.inference_ns)
