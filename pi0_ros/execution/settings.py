"""Times and thresholds of the executor."""

from __future__ import annotations

from dataclasses import dataclass, field

from pi0_ros.execution.gate_settings import GateSettings


@dataclass(frozen=True)
class ExecutorSettings:
    """Times [ns], thresholds and consequences of the executor.

    Attributes:
        ramp_ns: From full speed to standing along the path, and back.
        fade_ns: Least time in which a disagreement between chunks fades.
        fade_share: Of the limits of velocity, acceleration and jerk, what a fade may use.
        joint_state_age_ns: Older joint states mean: hold.
        tracking_error: Greatest |commanded - measured| of a turning joint before a hold [rad].
        tracking_error_m: The same of a sliding one [m]; grippers may differ, they hold things.
        open_loop_steps: Actions that are played from one observation at most; 0: twice the robot's
            ``execute``. A policy that died or hangs is noticed so.
        shadow: Nobody obeys: the robot goes where it likes, and each chunk begins there.
        gate: What becomes of chunks that ask for too much.
    """

    ramp_ns: int = 400_000_000
    fade_ns: int = 300_000_000
    fade_share: float = 0.5
    joint_state_age_ns: int = 200_000_000
    tracking_error: float = 0.2
    tracking_error_m: float = 0.05
    open_loop_steps: int = 0
    shadow: bool = False
    gate: GateSettings = field(default_factory=GateSettings)
