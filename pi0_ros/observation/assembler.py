"""From streams to one observation: complete, fresh and within skew, or the reasons why not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.observation.observation import NotReady, Observation
from pi0_ros.observation.timeline import Timeline, interpolate

IMAGES_KEPT = 4  # per camera: enough to find the partner of a late reference image
STATES_KEPT = 500  # one second at 500 Hz: older than any image that is still used


@dataclass(frozen=True)
class Freshness:
    """Limits on age and skew [ns]."""

    image_age_ns: int = 300_000_000
    state_age_ns: int = 200_000_000
    camera_skew_ns: int = 50_000_000
    future_ns: int = 100_000_000  # clocks of two machines may differ by this much


class ObservationAssembler:
    """Collects the streams of one robot and assembles observations from them.

    Args:
        embodiment: The robot.
        freshness: Limits on age and skew.
    """

    def __init__(self, embodiment: Embodiment, freshness: Freshness | None = None) -> None:
        """Start with every stream empty."""
        self._embodiment = embodiment
        self._freshness = freshness or Freshness()
        self._images = {c.name: Timeline[np.ndarray](IMAGES_KEPT) for c in embodiment.cameras}
        self._states: Timeline[np.ndarray] = Timeline(STATES_KEPT)
        self._faults: dict[str, str] = {}

    def add_image(self, camera: str, stamp_ns: int, rgb: np.ndarray) -> None:
        """Take one image, (H, W, 3) uint8 RGB, of a camera by name; stamp [ns, node clock]."""
        self._faults.pop(camera, None)
        self._images[camera].add(stamp_ns, rgb)

    def add_state(self, stamp_ns: int, state: np.ndarray) -> None:
        """Take the measured state (S,) [rad or m] of an instant [ns, node clock]."""
        if not np.isfinite(state).all():
            self._faults["joint_states"] = "joint_states holds a position that is not finite"
            return
        self._faults.pop("joint_states", None)
        self._states.add(stamp_ns, state)

    def report_fault(self, stream: str, fault: str) -> None:
        """Remember that a stream delivered something unusable, until it delivers again."""
        self._faults[stream] = fault

    def clear(self) -> None:
        """Forget all streams, as after a jump of the clock."""
        for timeline in self._images.values():
            timeline.clear()
        self._states.clear()

    def snapshot(self, now_ns: int, prompt: str) -> Observation | NotReady:
        """Assemble the newest observation.

        The stamp is that of the newest reference image, itself young enough, for which every other
        camera has a partner within the skew limit; joint positions are interpolated to it, if one
        of them is no further away than joint positions may be old.

        Args:
            now_ns: Instant on the clock of the stamps [ns].
            prompt: The sentence to follow.
        """
        reasons = [*self._faults.values(), *self._stale(now_ns)]
        if not prompt.strip():
            reasons.append("no prompt; call ~/set_prompt")
        if reasons:
            return NotReady(tuple(reasons))
        skewed: list[str] = []
        for reference_ns in self._images[self._embodiment.cameras[0].name].newest_first():
            if now_ns - reference_ns > self._freshness.image_age_ns:
                break
            images, reasons = self._partners(reference_ns)
            state = interpolate(self._states, reference_ns)
            if not reasons and state is not None:
                return Observation(images, state, prompt, reference_ns)
            skewed = skewed or reasons
        return NotReady(tuple(skewed))

    def _stale(self, now_ns: int) -> list[str]:
        limits = self._freshness
        streams = [
            *((n, "image", t.newest_ns, limits.image_age_ns) for n, t in self._images.items()),
            ("joint_states", "position", self._states.newest_ns, limits.state_age_ns),
        ]
        reasons = []
        for name, what, newest_ns, limit_ns in streams:
            if name in self._faults:
                continue
            if newest_ns is None:
                reasons.append(f"{name}: no {what} yet")
            elif now_ns - newest_ns > limit_ns:
                age, limit = (now_ns - newest_ns) / 1e9, limit_ns / 1e9
                reasons.append(f"{name}: {what} {age:.2f} s old, limit {limit:.2f}")
            elif newest_ns - now_ns > limits.future_ns:
                early, limit = (newest_ns - now_ns) / 1e9, limits.future_ns / 1e9
                reasons.append(
                    f"{name}: {what} {early:.2f} s ahead of now, limit {limit:.2f}; "
                    "compare the clocks"
                )
        return reasons

    def _partners(self, reference_ns: int) -> tuple[dict[str, np.ndarray], list[str]]:
        limits = self._freshness
        images, reasons = {}, []
        for name, timeline in self._images.items():
            found = timeline.nearest(reference_ns)
            if found is None:
                continue
            stamp_ns, images[name] = found
            reasons += _skew(name, abs(stamp_ns - reference_ns), limits.camera_skew_ns)
        state = self._states.nearest(reference_ns)
        if state is not None:
            reasons += _skew("joint_states", abs(state[0] - reference_ns), limits.state_age_ns)
        return images, reasons


def _skew(name: str, skew_ns: int, limit_ns: int) -> list[str]:
    if skew_ns <= limit_ns:
        return []
    skew, limit = skew_ns / 1e9, limit_ns / 1e9
    return [f"{name}: {skew:.3f} s away from the reference, limit {limit:.3f}"]
