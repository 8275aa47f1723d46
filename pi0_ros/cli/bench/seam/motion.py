"""What the policy of the benchmark wants: a known motion, and chunks that disagree about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

AMPLITUDE_RAD = 0.3
SPEED_RAD_S = 1.6  # of the sine's phase; 0.3 rad * 1.6 per s = 0.48 rad/s, its greatest speed


def wanted(seconds: np.ndarray | float) -> np.ndarray:
    """Return where the moving joint should be, from where it starts, at times [s] in [rad]."""
    return np.asarray(AMPLITUDE_RAD * np.sin(SPEED_RAD_S * np.asarray(seconds)))


@dataclass(frozen=True)
class Timing:
    """When the policy acts.

    Attributes:
        period_ns: Between two actions [ns].
        replan_ns: Between two observations that become chunks, whole periods [ns].
        latency_ns: From an observation to its chunk [ns].
        lead_ns: From a chunk's arrival to the first sample that it can still change [ns].
        horizon: Actions of a chunk, H.

    Raises:
        ValueError: Chunks would not overlap, or not by whole actions.
    """

    period_ns: int
    replan_ns: int
    latency_ns: int
    lead_ns: int = 60_000_000
    horizon: int = 50

    def __post_init__(self) -> None:
        """Check that each chunk reaches beyond the next one's arrival."""
        period_ms, replan_ms = self.period_ns / 1e6, self.replan_ns / 1e6
        if self.replan_ns <= 0 or self.replan_ns % self.period_ns:
            raise ValueError(
                f"--replan-ms {replan_ms:g} is no whole number of actions; one takes "
                f"{period_ms:g} ms"
            )
        if self.execute + self.delay >= self.horizon:
            raise ValueError(
                f"{self.execute} actions between two plans and {self.delay} until one takes over "
                f"leave nothing of the chunk's {self.horizon}; lower --replan-ms or --latency-ms"
            )

    @property
    def execute(self) -> int:
        """Actions between two plans, s."""
        return self.replan_ns // self.period_ns

    @property
    def delay(self) -> int:
        """Actions that are executed before a chunk takes over, d."""
        return -(-(self.latency_ns + self.lead_ns) // self.period_ns)


@dataclass(frozen=True, eq=False)
class ChunkStream:
    """Chunks of one policy: each is the wanted motion plus a bias of its own.

    Attributes:
        start_ns: Stamp of the first observation; the motion begins there [ns].
        timing: When the policy acts.
        biases: How far each chunk is off, (K,) [rad].
        noise: How far each action is off beside it, (K, H) [rad].
        continued: Whether each chunk continues the one before, as real-time chunking makes it.
    """

    start_ns: int
    timing: Timing
    biases: np.ndarray
    noise: np.ndarray
    continued: bool = False

    @staticmethod
    def drawn(seconds: float, timing: Timing, sd: float, noise_sd: float, seed: int) -> ChunkStream:
        """Draw the errors of a run.

        Seeds come in pairs, 0 and 1, 2 and 3, whose errors are each other's opposite: what a chance
        disagreement adds to a delay, it takes away in the other run, and the mean is free of it.

        Args:
            seconds: How long the run is [s].
            timing: When the policy acts.
            sd: Standard deviation of the biases [rad].
            noise_sd: Standard deviation of each action beside its chunk's bias [rad].
            seed: Of both.
        """
        count = math.ceil(seconds * 1e9 / timing.replan_ns) + 1
        random, sign = np.random.default_rng(seed // 2), 1 - 2 * (seed % 2)
        biases = sign * random.normal(0.0, sd, count)
        noise = sign * random.normal(0.0, noise_sd, (count, timing.horizon))
        return ChunkStream(0, timing, biases, noise)

    def at(self, start_ns: int, *, continued: bool = False) -> ChunkStream:
        """Return the same chunks beginning at an instant [ns]."""
        return replace(self, start_ns=start_ns, continued=continued)

    def observed_ns(self, number: int) -> int:
        """Stamp of a chunk's observation [ns]."""
        return self.start_ns + number * self.timing.replan_ns

    def arrives_ns(self, number: int) -> int:
        """Instant at which a chunk is there [ns]."""
        return self.observed_ns(number) + self.timing.latency_ns

    def newest(self, now_ns: int) -> int:
        """Return the number of the newest chunk that has arrived by an instant [ns]."""
        arrived = (now_ns - self.arrives_ns(0)) // self.timing.replan_ns
        return min(max(arrived, 0), len(self.biases) - 1)

    def actions(self, number: int) -> np.ndarray:
        """Return a chunk's actions of the moving joint, from where it starts, (H,) [rad]."""
        return self._continued[number] if self.continued else self._fresh(number)

    def _fresh(self, number: int) -> np.ndarray:
        due_ns = number * self.timing.replan_ns + np.arange(self.timing.horizon) * (
            self.timing.period_ns
        )
        return np.asarray(wanted(due_ns / 1e9) + self.biases[number] + self.noise[number])

    @cached_property
    def _continued(self) -> list[np.ndarray]:
        """All chunks, each made from what is left of the one before."""
        kept = continuation_weights(self.timing)
        chunks = [self._fresh(0)]
        for number in range(1, len(self.biases)):
            left = chunks[-1][self.timing.execute :]
            chunk = self._fresh(number)
            overlap = kept[: len(left)]
            chunk[: len(left)] = overlap * left + (1 - overlap) * chunk[: len(left)]
            chunks.append(chunk)
        return chunks


def continuation_weights(timing: Timing) -> np.ndarray:
    """Say how much of the previous chunk real-time chunking keeps in each action, (H,)."""
    from pi0_ros.model.realtime import overlap_weights  # it loads torch, which takes seconds

    horizon = timing.horizon
    weights = overlap_weights("exp", timing.delay, horizon - timing.execute, horizon)
    return np.asarray(weights.double().numpy())
