"""What a policy is: one observation in, one chunk out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.observation.observation import Observation


class CannotPlan(Exception):
    """The policy has no plan for this observation; the message says why and what would help."""


class OutOfMemory(CannotPlan):
    """The device had no memory for this plan; it may have again later, for the same plan."""


@dataclass(frozen=True, eq=False)
class Continuation:
    """What is left of the chunk that the robot executes while a new one is made.

    Attributes:
        sequence: Of that chunk.
        step: Place within it at the new observation's stamp, by the steps really consumed
            [actions].
        actions: From that place on, one row per action of the new chunk, (T, A) in ROS units.
        delay: Actions of these that cannot change any more: all that the motion up to the take-over
            is made of; at most T. As many as T where the rest shall be forgotten.
        execute: Actions that are executed before the plan after the new one takes over.
    """

    sequence: int
    step: float
    actions: np.ndarray
    delay: int
    execute: int

    def end(self, horizon: int) -> int:
        """Where the overlap with a new chunk of so many actions ends [actions].

        Source: arXiv 2506.07339, equation 5: H - s.
        """
        return min(len(self.actions), max(horizon - self.execute, 0))


class Policy(Protocol):
    """Turns observations into plans. Called from one thread at a time.

    Attributes:
        name: As in the parameters.
        continues: Whether plans continue ``previous`` (real-time chunking).
    """

    name: str
    continues: bool

    def warm_up(self) -> None:
        """Do everything that is slow only once, before the robot is enabled."""

    def check_prompt(self, prompt: str) -> str | None:
        """Return what is wrong with a sentence and what is allowed, None where nothing is."""

    def plan(
        self, observation: Observation, previous: Continuation | None = None, sequence: int = 0
    ) -> ActionChunk:
        """Plan from one observation; the same three always give the same chunk.

        Args:
            observation: Complete and fresh.
            previous: What the new chunk shall continue; None where there is nothing, or where it
                cannot be continued.
            sequence: Number of the plan; a network's noise is drawn for it.

        Returns:
            A chunk that starts at the observation's stamp, in ROS units; ``frozen_steps``,
            ``previous_sequence`` and ``previous_step`` say whether it continues ``previous``.

        Raises:
            CannotPlan: There is no plan for this observation.
        """
