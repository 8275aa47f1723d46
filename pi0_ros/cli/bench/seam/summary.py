"""Several runs in a few numbers, and what was aimed at."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import numpy as np

from pi0_ros.cli.bench.seam.measures import Measures

GOAL = {"step_mrad": 2.0, "command_delay_ms": 5.0, "violations": 0}


def summary(runs: list[Measures]) -> dict[str, dict[str, float]]:
    """Return mean and worst of each number over runs; delays are worst farthest from zero."""
    summed = {}
    for name in (field.name for field in fields(Measures)):
        values = np.array([asdict(run)[name] for run in runs], dtype=float)
        worst = values[np.argmax(np.abs(values))]
        summed[name] = {"mean": round(float(values.mean()), 4), "worst": round(float(worst), 4)}
    return summed


def meets_goal(numbers: dict[str, Any]) -> bool:
    """Say whether the worst step, the mean delay and the violations of all runs keep to the goal.

    The delay is a mean, because in one run chance disagreements add to it or take from it.
    """
    return (
        numbers["step_mrad"]["worst"] <= GOAL["step_mrad"]
        and abs(numbers["command_delay_ms"]["mean"]) <= GOAL["command_delay_ms"]
        and numbers["violations"] <= GOAL["violations"]
    )
