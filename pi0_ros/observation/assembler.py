"""From streams to one observation: complete, fresh and within skew, or the reasons why not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pi0_ros.embodiment.controllers import StateSource
from pi0_ros.embodiment.spec import Camera, Embodiment
from pi0_ros.observation.freshness import Freshness, Stream
from pi0_ros.observation.observation import Lack, NotReady, Observation
from pi0_ros.observation.states import StateHistory
from pi0_ros.observation.timeline import Timeline

IMAGES_KEPT = 16  # per camera: at 60 Hz a quarter of a second, by which positions may be late
FASTEST_STATES_HZ = 1000  # of any driver here; the history reaches back to the oldest usable image


class ObservationAssembler:
    """Collects the streams of one robot and assembles observations from them.

    Messages may come late, twice and in any order. An instant of ``snapshot`` that lies before the
    last one's by more than clocks may differ is a clock that started over, as that of a simulation:
    what came before it is forgotten.

    Args:
        embodiment: The robot.
        freshness: Limits on age, skew and gaps.
    """

    def __init__(self, embodiment: Embodiment, freshness: Freshness | None = None) -> None:
        """Start with every stream empty."""
        self._limits = freshness or Freshness()
        cameras, sources = embodiment.cameras, embodiment.state_sources
        oldest_ns = self._limits.age_of(cameras[0]) + self._limits.state_gap_ns
        capacity = 2 + FASTEST_STATES_HZ * oldest_ns // 10**9
        self._states = StateHistory(embodiment, self._limits.state_gap_ns, capacity)
        self._cameras: dict[str | int, Stream] = {
            one.name: self._stream(one, one.name, "image", Timeline(IMAGES_KEPT)) for one in cameras
        }
        told: dict[str | int, Stream] = {
            i: self._stream(sources[i], sources[i].topic, "position", self._states.timelines[i])
            for i in self._states.needed
        }
        self._streams = {**self._cameras, **told}
        self._unneeded = set(range(len(sources))).difference(told)
        self._reference = self._cameras[cameras[0].name]
        self._faults: dict[str | int, Lack] = {}
        self._now_ns: int | None = None

    def add_image(self, camera: str, stamp_ns: int, rgb: np.ndarray) -> None:
        """Take one image, (H, W, 3) uint8 RGB, of a camera by name; stamp [ns, node clock]."""
        self._faults.pop(camera, None)
        self._cameras[camera].values.add(stamp_ns, rgb)

    def add_positions(self, source: int, stamp_ns: int, positions: np.ndarray) -> None:
        """Take what a source of positions measured.

        Args:
            source: Its place among ``embodiment.state_sources``.
            stamp_ns: When it was measured [ns, node clock].
            positions: Of its joints (n,) [rad or m].
        """
        self._faults.pop(source, None)
        fault = self._states.add(source, stamp_ns, positions)
        if fault is not None:
            self.report_fault(source, fault)

    def report_fault(self, stream: str | int, fault: str) -> None:
        """Remember that a camera, by name, or a source, by place, told nothing usable.

        It lasts until the stream delivers again.
        """
        if stream not in self._unneeded:
            self._faults[stream] = Lack(self._streams[stream].name, "fault", fault)

    def clear(self) -> None:
        """Forget all streams, as after a jump of the clock."""
        for camera in self._cameras.values():
            camera.values.clear()
        self._states.clear()
        self._faults.clear()
        self._now_ns = None

    def snapshot(self, now_ns: int, prompt: str) -> Observation | NotReady:
        """Assemble the newest observation.

        The stamp is that of the newest reference image, itself fresh, for which every other camera
        has a fresh partner within the skew limit, and every source of positions one before and one
        after it, to interpolate between.

        Args:
            now_ns: Instant on the clock of the stamps [ns].
            prompt: The sentence to follow.

        Returns:
            The observation; or what is wrong with the streams; or, where nothing is, what the
            reference image lacks that lacks least.
        """
        if self._now_ns is not None and now_ns < self._now_ns - self._limits.future_ns:
            self.clear()
        self._now_ns = now_ns
        lacks = [*self._faults.values(), *self._stale(now_ns)]
        if not prompt.strip():
            lacks.append(Lack("prompt", "missing", "no prompt; call ~/set_prompt"))
        if lacks:
            return NotReady(tuple(lacks))
        attempts = []
        for reference_ns in self._reference.fresh(now_ns):
            attempt = self._assemble(reference_ns, now_ns, prompt)
            if isinstance(attempt, Observation):
                return attempt
            attempts.append(attempt)
        return min(attempts, key=lambda attempt: len(attempt.reasons))

    def _stream(
        self, one: Camera | StateSource, name: str, what: str, values: Timeline[np.ndarray]
    ) -> Stream:
        return Stream(name, what, values, self._limits.age_of(one), self._limits.future_ns)

    def _stale(self, now_ns: int) -> Iterator[Lack]:
        for key, stream in self._streams.items():
            lack = None if key in self._faults else stream.lack(now_ns)
            if lack is not None:
                yield lack

    def _assemble(self, reference_ns: int, now_ns: int, prompt: str) -> Observation | NotReady:
        images, stamps_ns, lacks = {}, [], []
        for camera in self._cameras.values():
            found = camera.values.nearest(reference_ns)
            assert found is not None, "a camera without an image is stale"
            stamp_ns, images[camera.name] = found
            stamps_ns.append(stamp_ns)
            skew_ns = abs(stamp_ns - reference_ns)
            if skew_ns > self._limits.camera_skew_ns:
                lacks.append(_skewed(camera.name, skew_ns, self._limits.camera_skew_ns))
            elif now_ns - stamp_ns > camera.age_ns:
                lacks.append(camera.why_stale(stamp_ns, now_ns))
        state = self._states.at(reference_ns)
        if isinstance(state, NotReady):
            return NotReady((*lacks, *state.reasons))
        if lacks:
            return NotReady(tuple(lacks))
        return Observation(images, state, prompt, reference_ns, tuple(stamps_ns))


def _skewed(name: str, skew_ns: int, limit_ns: int) -> Lack:
    skew, limit = skew_ns / 1e9, limit_ns / 1e9
    sentence = f"{name}: {skew:.3f} s away from the reference, limit {limit:.3f}"
    return Lack(name, "skewed", sentence)
