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
    TRACKING_ERROR = "tracking_error"
    STALLED = "stalled"
    CLOCK_JUMP = "clock_jump"
    NO_CHUNK = "no_chunk"
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


@dataclass(frozen=True)
class Reason:
    """One code with the thing, the value and the limit in a sentence."""

    code: Code
    detail: str = ""

    def __str__(self) -> str:
        """Form ``code: detail``."""
        return f"{self.code.value}: {self.detail}" if self.detail else self.code.value


OK = Reason(Code.OK)
