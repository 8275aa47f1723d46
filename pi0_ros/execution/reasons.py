"""Why the executor does what it does: codes for machines, sentences for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Code(str, Enum):
    """Reason codes; the strings appear in pi0_msgs/ExecutorStatus."""

    OK = "ok"
    NOT_ENABLED = "not_enabled"
    STOP_REQUESTED = "stop_requested"
    ESTOP = "estop"
    JOINT_STATES_MISSING = "joint_states_missing"
    JOINT_STATES_STALE = "joint_states_stale"
    CONTROLLER_MISSING = "controller_missing"
    TRACKING_ERROR = "tracking_error"
    STALLED = "stalled"
    CLOCK_JUMP = "clock_jump"
    NO_CHUNK = "no_chunk"
    PLAN_WITHDRAWN = "plan_withdrawn"
    CHUNK_EXHAUSTED = "chunk_exhausted"
    CHUNK_MALFORMED = "chunk_malformed"
    CHUNK_NAMES = "chunk_names"
    CHUNK_KINDS = "chunk_kinds"
    CHUNK_PERIOD = "chunk_period"
    CHUNK_TOO_SHORT = "chunk_too_short"
    CHUNK_NOT_FINITE = "chunk_not_finite"
    CHUNK_EXPIRED = "chunk_expired"
    CHUNK_FROM_FUTURE = "chunk_from_future"
    CHUNK_SUPERSEDED = "chunk_superseded"
    CHUNK_STALE = "chunk_stale"
    CHUNK_LIMITS = "chunk_limits"
    CHUNK_VELOCITY = "chunk_velocity"
    CHUNK_ACCELERATION = "chunk_acceleration"
    CHUNK_JUMP = "chunk_jump"
    # What shapes the motion of a chunk that is played.
    SPEED_SCALING = "speed_scaling"
    CHUNK_SCALED = "chunk_scaled"
    VELOCITY_LIMIT = "velocity_limit"
    PATH_TRAILED = "path_trailed"
    JOINING = "joining"
    LIMITS_TOUCHED = "limits_touched"


@dataclass(frozen=True)
class Reason:
    """One code with the thing, the value and the limit in a sentence."""

    code: Code
    detail: str = ""

    def __str__(self) -> str:
        """Form ``code: detail``."""
        return f"{self.code.value}: {self.detail}" if self.detail else self.code.value


OK = Reason(Code.OK)
