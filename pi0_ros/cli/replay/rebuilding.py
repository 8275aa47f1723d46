"""The very observations that recorded plans were made from, rebuilt from a bag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from pi0_ros.bridge.bags.recording import Kind, Sample
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.observation.observation import Lack, NotReady, Observation
from pi0_ros.observation.states import StateHistory

# The node's limit is a parameter, and what it refused has no chunk: here only a hole in the
# recording itself is to be noticed.
GAP_NS = 1_000_000_000
STATES_KEPT = 20_000  # of each source: 20 s of the fastest, and plans take less


class ObservationRebuilder:
    """Keeps what the chunks to come were made from, and nothing else.

    Positions without a stamp, as of ARX's lift, count as of their arrival, which was another one at
    the recorder than at the node: there a state may differ a little.

    Args:
        embodiment: The robot.
        chunks: All that will be asked for.
    """

    def __init__(self, embodiment: Embodiment, chunks: Iterable[ActionChunk]) -> None:
        """Note which images are needed."""
        self._embodiment = embodiment
        self._states = StateHistory(embodiment, GAP_NS, STATES_KEPT)
        self._images: dict[tuple[str, int], np.ndarray] = {}
        self._faults: dict[tuple[str, int], str] = {}
        self._needed = Counter(key for chunk in chunks for key in self._keys(chunk))

    def take(self, sample: Sample) -> None:
        """Take one message of a camera or of a source of states."""
        key = sample.stream.name, sample.stamp_ns
        if sample.stream.kind is Kind.IMAGE and key not in self._needed:
            return
        try:
            value = sample.value()
        except ValueError as error:  # the node had no use for it either
            self._faults[key] = f"is none: {error}"
            return
        if sample.stream.kind is Kind.IMAGE:
            self._images[key] = value
        else:
            stamp_ns, positions = value
            stamp_ns = sample.received_ns if stamp_ns is None else stamp_ns
            self._states.add(sample.stream.place, stamp_ns, positions)

    def has_images(self, chunk: ActionChunk) -> bool:
        """Whether all images of a chunk are there already."""
        return all(key in self._images for key in self._keys(chunk))

    def rebuild(self, chunk: ActionChunk) -> Observation | NotReady:
        """Return what a chunk was made from, or what of it is not in the bag."""
        lacks = list(self._lacks(chunk))
        state = self._states.at(chunk.start_ns)
        if isinstance(state, NotReady):
            lacks += state.reasons
        if lacks or isinstance(state, NotReady):
            return NotReady(tuple(lacks))
        images = {key[0]: self._images[key] for key in self._keys(chunk)}
        return Observation(images, state, chunk.prompt, chunk.start_ns, chunk.image_stamps_ns)

    def forget(self, chunk: ActionChunk) -> None:
        """Let go of the images of a chunk, but those that a later one needs, too."""
        for key in self._keys(chunk):
            self._needed[key] -= 1
            if not self._needed[key]:
                del self._needed[key]
                self._images.pop(key, None)
                self._faults.pop(key, None)

    def _keys(self, chunk: ActionChunk) -> list[tuple[str, int]]:
        cameras = [camera.name for camera in self._embodiment.cameras]
        return list(zip(cameras, chunk.image_stamps_ns, strict=False))

    def _lacks(self, chunk: ActionChunk) -> Iterator[Lack]:
        count = len(self._embodiment.cameras)
        if len(chunk.image_stamps_ns) != count:
            sentence = f"chunk names {len(chunk.image_stamps_ns)} images; the robot has {count}"
            yield Lack("images", "missing", sentence)
        for key in self._keys(chunk):
            if key not in self._images:
                camera, stamp_ns = key
                why = self._faults.get(key, "is not in the bag")
                sentence = f"{camera}: image of {stamp_ns / 1e9:.6f} s {why}"
                yield Lack(camera, "missing", sentence)
