"""Smoothing: as little of it as a robot needs to play a chunk's positions, and never much."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# Of the limits of acceleration and jerk, what a smoothed path may use: a spline through its actions
# has more between them than their differences tell, and the clock and fades need some, too.
SHARE = 0.7
# Weights of third differences against deviations, up to a window of thirty actions.
STRENGTHS = (0.03, 0.3, 3.0, 30.0, 300.0, 3000.0, 30_000.0)


@dataclass(frozen=True, eq=False)
class PathLimits:
    """What a path of A axes must keep.

    Attributes:
        acceleration: Greatest acceleration, (A,) [per s²].
        jerk: Greatest jerk, (A,) [per s³].
        deviation: Greatest distance of a smoothed action from its own, (A,) [rad or m].
    """

    acceleration: np.ndarray
    jerk: np.ndarray
    deviation: np.ndarray


def smoothed(
    actions: np.ndarray, period_s: float, limits: PathLimits
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions that a robot can play, close to those of a chunk.

    A policy's actions tremble by a milliradian or two; at 50 Hz that is an acceleration which no
    robot has. Each axis gets the least smoothing with which its differences keep acceleration and
    jerk; where none suffices, the strongest that stays within the deviation. What is straight or
    a parabola stays as it is.

    Args:
        actions: (H, A) [rad or m].
        period_s: Time between two [s].
        limits: Of the axes.

    Returns:
        Positions, (H, A) [rad or m], and which axes cannot play theirs even so, (A,) bool.

    Source: Whittaker 1923, On a new method of graduation (third differences); Eilers 2003.
    """
    if len(actions) < 4:
        return actions, np.zeros(actions.shape[1], dtype=bool)
    chosen = np.array(actions)
    rough = _is_rough(actions, period_s, limits)
    is_playable = ~rough
    for matrix in _matrices(len(actions)):
        if not rough.any():
            break
        smoother = matrix @ actions
        rough &= np.abs(smoother - actions).max(axis=0) <= limits.deviation
        chosen = np.where(rough, smoother, chosen)
        is_calm = ~_is_rough(smoother, period_s, limits)
        is_playable |= rough & is_calm
        rough &= ~is_calm
    return chosen, ~is_playable


def _is_rough(actions: np.ndarray, period_s: float, limits: PathLimits) -> np.ndarray:
    """Say which axes exceed their limits, (A,) bool."""
    turns = np.abs(np.diff(actions, 2, axis=0)).max(axis=0) / period_s**2
    jerks = np.abs(np.diff(actions, 3, axis=0)).max(axis=0) / period_s**3
    return np.asarray((turns > SHARE * limits.acceleration) | (jerks > SHARE * limits.jerk))


@lru_cache(maxsize=8)
def _matrices(horizon: int) -> tuple[np.ndarray, ...]:
    """Matrices (H, H) that smooth, from the weakest to the strongest."""
    differences = np.diff(np.eye(horizon), 3, axis=0)
    penalty = differences.T @ differences
    return tuple(np.linalg.inv(np.eye(horizon) + weight * penalty) for weight in STRENGTHS)
