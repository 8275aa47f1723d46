"""When the robot acts: the model's rate and horizon, the commands' rate and lead."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from pi0_ros.embodiment.strict import Milliseconds, Misfit, Rate, Spec


def _is_a_count(number: int) -> int:
    if number == 0:
        raise Misfit("delta counts numbers, and a count is not 0; leave it out")
    return number


Count = Annotated[int, Field(ge=-1024, le=1024), AfterValidator(_is_a_count)]


class PolicyTiming(Spec):
    """How the model acts.

    Attributes:
        rate_hz: Actions per second [Hz].
        horizon: Actions in a chunk.
        execute: Actions that are played before the next plan.
        delta: Which numbers of an action are relative to the state at the chunk's start, in
            openpi's notation: (6, -1) means six that are and one that is not; the rest is not.
    """

    rate_hz: Rate
    horizon: int = Field(ge=2, le=1000)
    execute: int = Field(ge=1, le=1000)
    delta: tuple[Count, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> PolicyTiming:
        if self.execute > self.horizon:
            raise Misfit(
                f"execute is {self.execute}; it must be at most horizon, which is {self.horizon}",
                "execute",
            )
        return self

    @property
    def period_ns(self) -> int:
        """Time between two actions [ns]."""
        return round(1e9 / self.rate_hz)


class CommandTiming(Spec):
    """The executor's reference.

    Attributes:
        rate_hz: Rate of the reference [Hz].
        lead_ms: How far ahead of now it is committed [ms].
    """

    rate_hz: Rate
    lead_ms: Milliseconds

    @property
    def period_ns(self) -> int:
        """Time between two reference samples [ns]."""
        return round(1e9 / self.rate_hz)

    @property
    def lead_ns(self) -> int:
        """How far ahead of now samples are final [ns]."""
        return round(1e6 * self.lead_ms)
