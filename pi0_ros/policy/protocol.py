"""What a policy is: one observation in, one chunk out."""

from __future__ import annotations

from typing import Protocol

from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.observation.observation import Observation


class CannotPlan(Exception):
    """The policy has no plan for this observation; the message says why and what would help."""


class Policy(Protocol):
    """Turns observations into plans. Called from one thread at a time."""

    name: str

    def warm_up(self) -> None:
        """Do everything that is slow only once, before the robot is enabled."""

    def check_prompt(self, prompt: str) -> str | None:
        """Return what is wrong with a sentence and what is allowed, None where nothing is."""

    def plan(self, observation: Observation, previous: ActionChunk | None) -> ActionChunk:
        """Plan from one observation.

        Args:
            observation: Complete and fresh.
            previous: The chunk that is running, None at the start.

        Returns:
            A chunk that starts at the observation's stamp, in ROS units.

        Raises:
            CannotPlan: There is no plan for this observation.
        """
