"""What the instants of a loop's ticks say about it."""

from __future__ import annotations

from typing import Any

import numpy as np

LATE_MS = 5.0


def loop_times(instants_ns: np.ndarray, period_ns: int) -> dict[str, Any]:
    """Return rate [Hz], percentiles of ``|dt - period|`` [ms], and ticks off by more than 5 ms.

    Args:
        instants_ns: Beginning of each tick, (N,) [ns].
        period_ns: What was aimed at [ns].
    """
    dt = np.diff(instants_ns)
    off_ms = np.abs(dt - period_ns) / 1e6
    p50, p99, p999 = np.percentile(off_ms, [50, 99, 99.9])
    return {
        "seconds": round((instants_ns[-1] - instants_ns[0]) / 1e9, 1),
        "rate_hz": round(1e9 * len(dt) / (instants_ns[-1] - instants_ns[0]), 2),
        "p50_ms": round(float(p50), 3),
        "p99_ms": round(float(p99), 3),
        "p99.9_ms": round(float(p999), 3),
        "max_ms": round(float(off_ms.max()), 3),
        "later_than_5_ms": int((off_ms > LATE_MS).sum()),
    }


def ratios(loop: dict[str, Any], bare: dict[str, Any]) -> dict[str, float]:
    """Return how many times as late a loop is as one that does nothing beside it."""
    keys = ("p50_ms", "p99_ms", "p99.9_ms", "max_ms")
    return {key.removesuffix("_ms"): round(loop[key] / bare[key], 2) for key in keys if bare[key]}


def work_times(ticks: np.ndarray) -> dict[str, float]:
    """Return percentiles of CPU time and duration of each tick, (N, 3) as LoopTiming, in [µs]."""
    spent = {}
    for name, column in (("cpu", 1), ("wall", 2)):
        for percent in (50, 99):
            spent[f"{name}_p{percent}"] = round(
                float(np.percentile(ticks[:, column], percent)) / 1e3
            )
    return spent
