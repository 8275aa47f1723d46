"""One measured pose from the topics of several drivers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.observation.freshness import Freshness


@dataclass(frozen=True, eq=False)
class Pose:
    """Positions of all joints (J,) [rad or m] at an instant [ns, clock of the stamps]."""

    stamp_ns: int
    positions: np.ndarray


@dataclass(frozen=True)
class Lacking:
    """Why there is no pose: which topic lacks what."""

    reason: str


class MeasuredPositions:
    """The newest positions of every source of states, put together at the first source's rate.

    Args:
        embodiment: The robot; its first source sets the stamps.
        age_limit_ns: Greatest difference between the first source's stamp and another's [ns], where
            the robot's YAML gives a source none of its own.
    """

    def __init__(self, embodiment: Embodiment, age_limit_ns: int) -> None:
        """Start with every source unheard."""
        self._sources = embodiment.state_sources
        limits = Freshness(state_age_ns=age_limit_ns)
        self._limits_ns = [limits.age_of(source) for source in self._sources]
        self._columns = [
            [embodiment.joint_names.index(name) for name in source.joints]
            for source in self._sources
        ]
        self._stamps: list[int | None] = [None] * len(self._sources)
        self._faults = [f"no {source.topic} yet" for source in self._sources]
        self._positions: np.ndarray = np.zeros(len(embodiment.joints))

    def take(self, source: int, stamp_ns: int, positions: np.ndarray) -> Pose | Lacking | None:
        """Take what one source measured.

        Args:
            source: Its place among ``embodiment.state_sources``.
            stamp_ns: When it was measured [ns].
            positions: Of the source's joints (n,) [rad or m].

        Returns:
            The pose at each message of the first source; why there is none, if another source lacks
            something or the first is left behind; None where there is nothing to say.
        """
        self._stamps[source] = stamp_ns
        self._positions[self._columns[source]] = positions
        others = range(1, len(self._sources)) if source == 0 else (0,)
        for other in others:
            fault = self._fault(other, source, stamp_ns)
            if fault is not None:
                return Lacking(fault)
        return Pose(stamp_ns, self._positions.copy()) if source == 0 else None

    def miss(self, source: int, fault: str) -> Lacking:
        """Say that a source's message could not be used, until it delivers again."""
        self._stamps[source], self._faults[source] = None, fault
        return Lacking(fault)

    def _fault(self, other: int, source: int, stamp_ns: int) -> str | None:
        """Say why another source does not belong to an instant [ns]."""
        other_ns = self._stamps[other]
        if other_ns is None:
            return self._faults[other]
        age_ns = stamp_ns - other_ns
        # A source that is itself behind the first one is named at the first one's next message.
        limit_ns = self._limits_ns[other]
        if abs(age_ns) <= limit_ns or (age_ns < 0 and other == 0):
            return None
        topics = [each.topic for each in self._sources]
        how = "older" if age_ns > 0 else "newer"
        return (
            f"{topics[other]} is {abs(age_ns) / 1e9:.2f} s {how} than {topics[source]}, "
            f"limit {limit_ns / 1e9:.2f}"
        )
