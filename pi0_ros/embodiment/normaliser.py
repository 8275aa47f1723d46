"""The arithmetic that brings a robot's numbers to a network's scale and back, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pi0_ros.embodiment.errors import unknown_name

# LeRobot adds it to a std, forward only, and puts it in place of a range that is zero.
LEROBOT_EPSILON = 1e-8
LEROBOT_RANGES = {
    "MIN_MAX": ("min", "max"),
    "QUANTILES": ("q01", "q99"),
    "QUANTILE10": ("q10", "q90"),
}
LEROBOT_MODES = ("IDENTITY", "MEAN_STD", *LEROBOT_RANGES)


class Normaliser(Protocol):
    """One vector's way to the network's scale and back.

    Statistics wider than the values serve with their first entries. Values wider than the
    statistics are refused forward; on the way back the rest passes, because a network's output is
    as wide as its padding.
    """

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """Bring (..., D) to the network's scale.

        Raises:
            ValueError: The values are wider than the statistics.
        """
        ...

    def denormalise(self, values: np.ndarray) -> np.ndarray:
        """Bring (..., D) back to the robot's units."""
        ...


@dataclass(frozen=True, eq=False)
class Identity:
    """Leaves numbers as they are."""

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """Return the values, (..., D)."""
        return np.array(values, dtype=np.float64)

    def denormalise(self, values: np.ndarray) -> np.ndarray:
        """Return the values, (..., D)."""
        return np.array(values, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class ZScore:
    """Distance from the mean in standard deviations.

    Attributes:
        mean: (D,).
        std: (D,), zero where a dimension never moved.
        epsilon: Added to ``std`` forward, so that nothing is divided by zero.
        inverse_epsilon: Added to ``std`` on the way back.
    """

    mean: np.ndarray
    std: np.ndarray
    epsilon: float
    inverse_epsilon: float

    def __post_init__(self) -> None:
        """Check the statistics."""
        _check_pair("mean", self.mean, "std", self.std)
        _refuse("std", self.std, self.std < 0, "at least 0")

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """Return (values - mean) / (std + epsilon), (..., D)."""
        width = _width(values, self.mean)
        values = np.asarray(values, dtype=np.float64)
        return np.asarray((values - self.mean[:width]) / (self.std[:width] + self.epsilon))

    def denormalise(self, values: np.ndarray) -> np.ndarray:
        """Return values * (std + inverse_epsilon) + mean, (..., D); beyond them mean 0, std 1."""
        values = np.asarray(values, dtype=np.float64)
        mean, std = (
            _resized(statistic, values.shape[-1], beyond)
            for statistic, beyond in ((self.mean, 0.0), (self.std, 1.0))
        )
        return np.asarray(values * (std + self.inverse_epsilon) + mean)


@dataclass(frozen=True, eq=False)
class Range:
    """Place within a range: -1 at its lower end, 1 at its upper; beyond, nothing is clipped.

    Attributes:
        lower: (D,).
        span: Upper less lower end, with its epsilon, (D,) above zero.
    """

    lower: np.ndarray
    span: np.ndarray

    def __post_init__(self) -> None:
        """Check the statistics."""
        _check_pair("lower", self.lower, "span", self.span)
        _refuse("span", self.span, self.span <= 0, "above 0: upper ends above lower ones")

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """Return (values - lower) / span * 2 - 1, (..., D)."""
        width = _width(values, self.lower)
        values = np.asarray(values, dtype=np.float64)
        return np.asarray((values - self.lower[:width]) / self.span[:width] * 2.0 - 1.0)

    def denormalise(self, values: np.ndarray) -> np.ndarray:
        """Return (values + 1) / 2 * span + lower, (..., D); beyond them the values as they are."""
        mapped = np.array(values, dtype=np.float64)
        width = min(mapped.shape[-1], len(self.lower))
        known = mapped[..., :width]
        mapped[..., :width] = (known + 1.0) / 2.0 * self.span[:width] + self.lower[:width]
        return mapped


def lerobot_normaliser(
    mode: str, feature: str, statistics: Mapping[str, np.ndarray], source: str
) -> Normaliser:
    """Make LeRobot's normaliser of one feature.

    Args:
        mode: One of ``LEROBOT_MODES``, as ``norm_map`` names it.
        feature: ``observation.state`` or ``action``.
        statistics: Vectors by ``<feature>.<statistic>``, as LeRobot's files hold them.
        source: Where they were read, for the errors.

    Raises:
        ValueError: The mode is unknown, or a statistic is missing or cannot be.
    """
    if mode not in LEROBOT_MODES:
        raise ValueError(f"{source}: {unknown_name('normalisation mode', mode, LEROBOT_MODES)}")
    if mode == "IDENTITY":
        return Identity()
    keys = [f"{feature}.{name}" for name in LEROBOT_RANGES.get(mode, ("mean", "std"))]
    missing = [key for key in keys if key not in statistics]
    if missing:
        raise ValueError(
            f"{source} lacks {', '.join(missing)}, which {mode} needs; save the policy again with "
            "the statistics of its dataset"
        )
    first, second = (np.asarray(statistics[key], dtype=np.float64) for key in keys)
    try:
        if mode == "MEAN_STD":
            return ZScore(first, second, epsilon=LEROBOT_EPSILON, inverse_epsilon=0.0)
        _check_pair(keys[0], first, keys[1], second)
        return Range(first, np.where(second == first, LEROBOT_EPSILON, second - first))
    except ValueError as error:
        raise ValueError(f"{source}, {' and '.join(keys)}: {error}") from error


def _check_pair(first: str, a: np.ndarray, second: str, b: np.ndarray) -> None:
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(
            f"{first} has shape {a.shape} and {second} {b.shape}; both must be vectors of one "
            "length"
        )
    for name, values in ((first, a), (second, b)):
        _refuse(name, values, ~np.isfinite(values), "finite")


def _refuse(name: str, values: np.ndarray, wrong: np.ndarray, allowed: str) -> None:
    if wrong.any():
        place = int(np.argmax(wrong))
        raise ValueError(f"{name} is {values[place]} at dimension {place}; it must be {allowed}")


def _width(values: np.ndarray, statistic: np.ndarray) -> int:
    width = values.shape[-1]
    if width > len(statistic):
        raise ValueError(
            f"a vector of {width} is wider than its statistics, which have {len(statistic)} "
            "dimensions; use the statistics of this robot"
        )
    return width


def _resized(statistic: np.ndarray, width: int, beyond: float) -> np.ndarray:
    """Cut a statistic to a width, or extend it with a constant, (width,)."""
    missing = max(width - len(statistic), 0)
    return np.pad(statistic[:width], (0, missing), constant_values=beyond)
