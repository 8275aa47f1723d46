"""The measured state at an instant, whatever the rates and delays of the drivers that tell it."""

from __future__ import annotations

import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import state_of
from pi0_ros.observation.observation import Lack, NotReady
from pi0_ros.observation.timeline import Timeline


class StateHistory:
    """What every source of positions told; each is interpolated by itself.

    A slow driver, as of a gripper, is so at its right place between two of its messages, and does
    not lag behind a fast one. Sources of unobserved joints alone are not needed.

    Args:
        embodiment: The robot.
        gap_ns: Greatest time between two positions that are interpolated [ns].
        capacity: How many messages are kept of each source.

    Attributes:
        timelines: Positions (n,) [rad or m] of each of the robot's sources, in their order.
        needed: Places of the sources that tell of observed joints.
    """

    def __init__(self, embodiment: Embodiment, gap_ns: int, capacity: int) -> None:
        """Start with every source unheard."""
        self._embodiment = embodiment
        self._sources = embodiment.state_sources
        self._gap_ns = gap_ns
        self._columns = [
            [embodiment.joint_names.index(name) for name in source.joints]
            for source in self._sources
        ]
        self.timelines = tuple(Timeline[np.ndarray](capacity) for _ in self._sources)
        observed = {joint.name for joint in embodiment.state_joints}
        self.needed = tuple(
            place
            for place, source in enumerate(self._sources)
            if observed.intersection(source.joints)
        )

    def add(self, source: int, stamp_ns: int, positions: np.ndarray) -> str | None:
        """Take what a source measured at an instant.

        Args:
            source: Its place among ``embodiment.state_sources``.
            stamp_ns: When it was measured [ns].
            positions: Of the source's joints (n,) [rad or m].

        Returns:
            What is wrong with it; it is then not kept.
        """
        strange = np.flatnonzero(~np.isfinite(positions))
        if strange.size:
            told, first = self._sources[source], strange[0]
            return f"{told.topic}: {told.joints[first]} is {positions[first]}, not finite"
        self.timelines[source].add(stamp_ns, positions)
        return None

    def clear(self) -> None:
        """Forget everything, as after a jump of the clock."""
        for timeline in self.timelines:
            timeline.clear()

    def at(self, stamp_ns: int) -> np.ndarray | NotReady:
        """Interpolate linearly at an instant; nothing is extrapolated.

        Args:
            stamp_ns: On the clock of the stamps [ns].

        Returns:
            The state (S,) [rad or m], or which topics have no two positions close around it.
        """
        positions = np.zeros(len(self._embodiment.joints))
        lacks = []
        for source in self.needed:
            found = self._interpolate(source, stamp_ns)
            if isinstance(found, Lack):
                lacks.append(found)
            else:
                positions[self._columns[source]] = found
        return NotReady(tuple(lacks)) if lacks else state_of(self._embodiment, positions)

    def _interpolate(self, source: int, stamp_ns: int) -> np.ndarray | Lack:
        topic, (before, after) = (
            self._sources[source].topic,
            self.timelines[source].around(stamp_ns),
        )
        if after is None:
            behind = "" if before is None else f" {(stamp_ns - before[0]) / 1e9:.3f} s"
            return Lack(topic, "behind", f"{topic}: still{behind} behind the reference image")
        if before is None:
            late = (after[0] - stamp_ns) / 1e9
            return Lack(topic, "begun", f"{topic}: begins {late:.3f} s after the reference image")
        (t0, first), (t1, second) = before, after
        if t1 - t0 > self._gap_ns:
            gap, limit = (t1 - t0) / 1e9, self._gap_ns / 1e9
            sentence = f"{topic}: {gap:.3f} s without a position around the reference image"
            return Lack(topic, "gap", f"{sentence}, limit {limit:.3f}")
        if t1 == t0:
            return first
        return np.asarray(first + (second - first) * ((stamp_ns - t0) / (t1 - t0)))
