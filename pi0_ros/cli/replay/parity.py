"""Recorded plans, planned again from the same inputs: bit for bit the same, or not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from pi0_ros.bridge.bags.recording import Recording
from pi0_ros.cli.replay.rebuilding import ObservationRebuilder
from pi0_ros.execution.chunk import NO_PREVIOUS, ActionChunk
from pi0_ros.observation.observation import NotReady, Observation
from pi0_ros.policy.continuation import continue_chunk
from pi0_ros.policy.protocol import CannotPlan, Continuation, Policy

BEFORE_NS = 2_000_000_000  # older than any image with which inference begins
AFTER_NS = 1_000_000_000  # what was not recorded so long after a chunk will not come


@dataclass(frozen=True, eq=False)
class Outcome:
    """One recorded chunk and what became of it.

    Attributes:
        recorded: The chunk.
        replanned: The same, planned here; None where it could not be.
        lacks: Why not: what the bag lacks, or what the policy says.
    """

    recorded: ActionChunk
    replanned: ActionChunk | None
    lacks: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether every bit of every action is the same."""
        again = self.replanned
        return again is not None and (
            again.actions.shape == self.recorded.actions.shape
            and again.actions.tobytes() == self.recorded.actions.tobytes()
        )

    @property
    def difference(self) -> np.ndarray:
        """Largest |replanned - recorded| by axis, (A,) [rad, m, rad/s or m/s]; NaN: no plan."""
        again, recorded = self.replanned, self.recorded.actions
        if again is None or again.actions.shape != recorded.shape:
            return np.full(recorded.shape[1], np.nan)
        return np.asarray(np.abs(again.actions - recorded).max(axis=0))


class Parity:
    """Plans every recorded chunk again.

    Args:
        recording: With chunks.
        policy: Made with the settings that policy_node had.
        execute: Actions that were executed before the next plan.
        span_ns: When the first chunk that counts may have been received, and before when the last
            [ns, the recorder's clock].
        told: Called with each chunk that is done.

    Attributes:
        messages: Read so far.
    """

    def __init__(
        self,
        recording: Recording,
        policy: Policy,
        execute: int,
        span_ns: tuple[int, int],
        told: Callable[[Outcome], None],
    ) -> None:
        """Read the chunks; they are small."""
        assert recording.chunks is not None
        self._recording, self._policy, self._execute = recording, policy, execute
        self._told = told
        start_ns, stop_ns = span_ns
        self._recorded: dict[int, ActionChunk] = {}
        self._pending: deque[tuple[int, ActionChunk]] = deque()
        for sample in recording.samples([recording.chunks], None, stop_ns):
            chunk = sample.value()
            if sample.received_ns < start_ns:
                self._recorded[chunk.sequence] = chunk
            elif not chunk.is_withdrawal:
                self._pending.append((sample.received_ns, chunk))
        self._inputs = ObservationRebuilder(recording.embodiment, (c for _, c in self._pending))
        self.messages = 0

    def plans(self) -> Iterator[tuple[int, ActionChunk | None]]:
        """Go through the bag.

        Yields:
            How far it is [ns, the recorder's clock], and a plan where one was made again.
        """
        if not self._pending:
            return
        begin_ns = min(at_ns - chunk.inference_ns for at_ns, chunk in self._pending) - BEFORE_NS
        streams = (*self._recording.cameras, *self._recording.states)
        for sample in self._recording.samples(streams, begin_ns):
            self.messages += 1
            self._inputs.take(sample)
            yield sample.received_ns, None
            while self._pending and self._is_ready(sample.received_ns):
                yield sample.received_ns, self._plan()
            if not self._pending:
                return
        while self._pending:
            yield self._pending[0][0], self._plan()

    def _is_ready(self, now_ns: int) -> bool:
        """Whether all that the next chunk was made from is there, or what lacks will not come."""
        received_ns, chunk = self._pending[0]
        if now_ns > received_ns + AFTER_NS:
            return True
        inputs = self._inputs
        return inputs.has_images(chunk) and isinstance(inputs.rebuild(chunk), Observation)

    def _plan(self) -> ActionChunk | None:
        _, chunk = self._pending.popleft()
        outcome = self._outcome(chunk)
        self._inputs.forget(chunk)
        self._recorded[chunk.sequence] = chunk
        self._told(outcome)
        return outcome.replanned

    def _outcome(self, chunk: ActionChunk) -> Outcome:
        observation = self._inputs.rebuild(chunk)
        if isinstance(observation, NotReady):
            return Outcome(chunk, None, observation.sentences)
        previous = self._previous(chunk)
        if isinstance(previous, str):
            return Outcome(chunk, None, (previous,))
        try:
            again = self._policy.plan(observation, previous, chunk.sequence)
        except CannotPlan as error:
            return Outcome(chunk, None, (f"the policy has no plan: {error}",))
        stamps_ns = observation.image_stamps_ns
        return Outcome(chunk, replace(again, sequence=chunk.sequence, image_stamps_ns=stamps_ns))

    def _previous(self, chunk: ActionChunk) -> Continuation | str | None:
        """Return what a chunk continued; a sentence where that is not in the bag."""
        if chunk.previous_step == NO_PREVIOUS or not self._policy.continues:
            return None
        before = self._recorded.get(chunk.previous_sequence)
        if before is None:
            return f"chunk {chunk.previous_sequence}, which it continues, is not in the bag"
        step, delay = chunk.previous_step, chunk.frozen_steps
        return continue_chunk(before, step, delay, self._execute, chunk.prompt)
