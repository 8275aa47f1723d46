"""Limits on age, skew and gaps, and what a stream lacks by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pi0_ros.embodiment.controllers import StateSource
from pi0_ros.embodiment.spec import Camera
from pi0_ros.observation.observation import Lack
from pi0_ros.observation.timeline import Timeline

MS = 1_000_000


@dataclass(frozen=True)
class Freshness:
    """Limits [ns]; those on age hold where the robot's YAML gives a stream none of its own.

    Attributes:
        image_age_ns: Oldest image that is used.
        state_age_ns: Age of its newest positions at which a source of states is missed.
        camera_skew_ns: Greatest time between the reference's image and another camera's.
        state_gap_ns: Greatest time between two positions that are interpolated.
        future_ns: How far a stamp may be ahead of now: clocks of two machines differ.
    """

    image_age_ns: int = 300 * MS
    state_age_ns: int = 200 * MS
    camera_skew_ns: int = 50 * MS
    # The slowest driver of a robot here, the Franka Hand's, has 15 Hz; at 30 Hz one may get lost.
    state_gap_ns: int = 100 * MS
    future_ns: int = 100 * MS

    def age_of(self, stream: Camera | StateSource) -> int:
        """Return the limit on the age of a camera's images or a source's positions [ns]."""
        if stream.age_ms is not None:
            return round(stream.age_ms * MS)
        return self.image_age_ns if isinstance(stream, Camera) else self.state_age_ns


@dataclass(frozen=True, eq=False)
class Stream:
    """What arrived of a camera or of a source of positions, and when it is fresh.

    Attributes:
        name: Of the camera, or the topic.
        what: It carries: ``image`` or ``position``.
        values: What arrived.
        age_ns: Oldest that is fresh [ns].
        future_ns: Furthest ahead of now that is believed [ns].
    """

    name: str
    what: str
    values: Timeline[np.ndarray]
    age_ns: int
    future_ns: int

    def fresh(self, now_ns: int) -> tuple[int, ...]:
        """Return the stamps of what is fresh at an instant [ns], newest first."""
        return self.values.between(now_ns - self.age_ns, now_ns + self.future_ns)

    def lack(self, now_ns: int) -> Lack | None:
        """Say why nothing of it is fresh at an instant [ns], by what arrived last."""
        latest_ns = self.values.latest_ns
        if latest_ns is None:
            return Lack(self.name, "missing", f"{self.name}: no {self.what} yet")
        newest, _ = self.values.around(now_ns + self.future_ns)
        if newest is not None and now_ns - newest[0] <= self.age_ns:
            return None
        return self.why_stale(latest_ns, now_ns)

    def why_stale(self, stamp_ns: int, now_ns: int) -> Lack:
        """Say how a stamp [ns] that is not fresh misses its limit."""
        age_ns = now_ns - stamp_ns
        if age_ns > 0:
            kind, off_ns, limit_ns = "old", age_ns, self.age_ns
            how, remedy = "old", ""
        else:
            kind, off_ns, limit_ns = "early", -age_ns, self.future_ns
            how, remedy = "ahead of now", "; compare the clocks"
        said = f"{off_ns / 1e9:.2f} s {how}, limit {limit_ns / 1e9:.2f}{remedy}"
        return Lack(self.name, kind, f"{self.name}: {self.what} {said}")
