"""Statistics of more numbers than fit into memory, batch by batch, with openpi's quantiles."""

from __future__ import annotations

import numpy as np

from pi0_ros.embodiment.normalisation import Statistics

BINS = 5000
FIRST_MARGIN = 1e-10  # widens the first histogram, so that a constant has bins of some width


class RunningStatistics:
    """Mean, standard deviation and quantiles of (..., D) vectors that arrive in batches.

    The quantiles are those of openpi, whose checkpoints are trained with them: left edges of a
    histogram that is binned anew, bin by bin, whenever the range grows. They depend on the order
    of the batches.
    """

    def __init__(self) -> None:
        self._count = 0

    def update(self, batch: np.ndarray) -> None:
        """Take a batch into account.

        Args:
            batch: (..., D), the same D every time.

        Raises:
            ValueError: The batch is empty, not finite or of another width.
        """
        vectors = np.asarray(batch, dtype=np.float64).reshape(-1, np.shape(batch)[-1])
        if not vectors.size:
            raise ValueError(f"a batch of shape {np.shape(batch)} holds no numbers")
        if not np.isfinite(vectors).all():
            raise ValueError("a batch holds numbers that are not finite; leave these frames out")
        lower, upper = vectors.min(axis=0), vectors.max(axis=0)
        if self._count == 0:
            self._lower, self._upper = lower, upper
            self._edges = np.linspace(lower - FIRST_MARGIN, upper + FIRST_MARGIN, BINS + 1).T
            self._histograms = np.zeros((len(lower), BINS))
            self._mean = np.zeros(len(lower))
            self._mean_square = np.zeros(len(lower))
        elif lower.shape != self._lower.shape:
            raise ValueError(
                f"a batch has {len(lower)} dimensions, the ones before it {len(self._lower)}"
            )
        elif (lower < self._lower).any() or (upper > self._upper).any():
            self._widen(np.minimum(lower, self._lower), np.maximum(upper, self._upper))
        self._count += len(vectors)
        share = len(vectors) / self._count
        self._mean += (vectors.mean(axis=0) - self._mean) * share
        self._mean_square += ((vectors**2).mean(axis=0) - self._mean_square) * share
        for index, values in enumerate(vectors.T):
            self._histograms[index] += np.histogram(values, bins=self._edges[index])[0]

    def statistics(self) -> Statistics:
        """Return the statistics of everything so far.

        Raises:
            ValueError: There were fewer than two vectors.
        """
        if self._count < 2:
            raise ValueError(f"statistics need at least 2 vectors; there were {self._count}")
        variance = np.maximum(self._mean_square - self._mean**2, 0.0)
        return Statistics(
            mean=tuple(self._mean.tolist()),
            std=tuple(np.sqrt(variance).tolist()),
            q01=tuple(self._quantile(0.01).tolist()),
            q99=tuple(self._quantile(0.99).tolist()),
        )

    def _widen(self, lower: np.ndarray, upper: np.ndarray) -> None:
        """Move every bin's count into the bin of the wider histogram that holds its left edge."""
        edges = np.linspace(lower, upper, BINS + 1).T
        for index, counts in enumerate(self._histograms):
            left = self._edges[index, :-1]
            self._histograms[index] = np.histogram(left, bins=edges[index], weights=counts)[0]
        self._lower, self._upper, self._edges = lower, upper, edges

    def _quantile(self, share: float) -> np.ndarray:
        """Return the left edge of the bin in which a share of all counts is reached, (D,)."""
        reached = self._histograms.cumsum(axis=1)
        return np.array(
            [
                edges[np.searchsorted(counts, share * self._count)]
                for edges, counts in zip(self._edges, reached, strict=True)
            ]
        )
