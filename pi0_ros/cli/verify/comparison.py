"""Recorded numbers beside those that this installation computes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch

import numpy as np
import torch
from torch import Tensor

from pi0_ros.cli.verify.recording import Recording

OK, BEYOND, NOT_COMPARED = "ok", "beyond", "not compared"


@dataclass(frozen=True)
class Tolerance:
    """How an error is measured, and the largest one that rounding explains.

    Attributes:
        limit: The largest error.
        measure: What the error is, in words.
        of: Measures it, from found and recorded numbers in float64.
    """

    limit: float
    measure: str
    of: Callable[[Tensor, Tensor], Tensor]


def absolute(limit: float) -> Tolerance:
    """Bound the largest difference."""
    return Tolerance(limit, "largest", lambda a, b: (a - b).abs().max())


def scaled(limit: float) -> Tolerance:
    """Bound the largest difference divided by 1 + |x|: absolute and relative tolerance in one."""
    return Tolerance(limit, "of 1 + |x|", lambda a, b: ((a - b).abs() / (1 + b.abs())).max())


def root_mean_square(limit: float) -> Tolerance:
    """Bound the root of the mean square difference."""
    return Tolerance(limit, "rms", lambda a, b: (a - b).square().mean().sqrt())


def of_norm(limit: float) -> Tolerance:
    """Bound the norm of the difference by that of the recorded tensor."""
    return Tolerance(limit, "of the norm", lambda a, b: (a - b).norm() / b.norm())


EXACT = Tolerance(0, "entries differ", lambda a, b: (a != b).sum())


@dataclass(frozen=True)
class Result:
    """One tensor of a set.

    Attributes:
        set: The set.
        tensor: Its name there.
        error: What `Tolerance.of` measured; None where it was not compared.
        tolerance: Its bound.
        reason: Why it was not compared, or could not be.
    """

    set: str
    tensor: str
    error: float | None = None
    tolerance: Tolerance | None = None
    reason: str = ""

    @property
    def verdict(self) -> str:
        """One of the verdicts above; an error that is not a number is beyond any bound."""
        if self.error is None or self.tolerance is None:
            return NOT_COMPARED
        return OK if self.error <= self.tolerance.limit else BEYOND


class Comparison:
    """Compares the tensors of one recording, and remembers the results in order."""

    def __init__(self, name: str, recorded: Recording) -> None:
        """Start without results."""
        self.name = name
        self.recorded = recorded
        self.results: list[Result] = []

    def check(
        self,
        tensor: str,
        found: Tensor | np.ndarray,
        tolerance: Tolerance,
        *,
        recorded: Tensor | None = None,
        where: Tensor | None = None,
    ) -> None:
        """Compare one tensor.

        Args:
            tensor: Its name.
            found: What this installation computes.
            tolerance: The bound of the error.
            recorded: What it is compared with, where the recording does not hold it.
            where: True where the numbers mean something, (B, N) bool like the first two axes.

        Raises:
            ValueError: The recording does not hold it.
        """
        expected = self.recorded[tensor] if recorded is None else recorded
        mine = torch.tensor(found) if isinstance(found, np.ndarray) else found.detach().cpu()
        fits = mine.shape == expected.shape and expected.numel() > 0
        if where is not None and fits:
            fits = where.shape == mine.shape[:2]
            mine, expected = (mine[where], expected[where]) if fits else (mine, expected)
        if not fits:
            reason = f"shape {tuple(mine.shape)}, recorded {tuple(expected.shape)}"
            self.results.append(Result(self.name, tensor, math.inf, tolerance, reason))
            return
        error = tolerance.of(mine.double(), expected.double()).item()
        self.results.append(Result(self.name, tensor, error, tolerance))

    def leave_out(self, reason: str, *patterns: str) -> None:
        """Name the tensors that nobody asked for and that match, and why they do not count."""
        for name in self.recorded.unread:
            if any(fnmatch(name, pattern) for pattern in patterns):
                _ = self.recorded[name]  # asked for now
                self.results.append(Result(self.name, name, reason=reason))

    def complete(self) -> list[Result]:
        """Return all results; what is left in the recording is named, not passed over."""
        self.leave_out("unknown to this version of pi0_ros", "*")
        return self.results
