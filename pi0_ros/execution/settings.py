"""Times and thresholds of the executor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExecutorSettings:
    """Times [ns] and thresholds of the executor."""

    ramp_ns: int = 400_000_000  # from full speed to standing along the path, and back
    fade_ns: int = 300_000_000  # least time in which a disagreement between chunks fades
    fade_share: float = 0.5  # of velocity and acceleration limits that a fade may use
    joint_state_age_ns: int = 200_000_000  # older joint states mean: hold
    tracking_error: float = 0.2  # greatest |commanded - measured| [rad or m] before a hold
