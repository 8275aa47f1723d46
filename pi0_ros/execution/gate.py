"""The gate: checks an arriving chunk as a whole before any of it is played."""

from __future__ import annotations

import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk, action_kinds
from pi0_ros.execution.reasons import Code, Reason

FUTURE_TOLERANCE_NS = 100_000_000  # clocks of two machines may differ by this much
LARGEST = 1e6  # [rad, m, or per s]; what lies beyond is no action, and overflows in the curve


def check_chunk(
    chunk: ActionChunk, embodiment: Embodiment, now_ns: int, playing_ns: int | None = None
) -> Reason | None:
    """Return why a chunk must not be played, or None when it may.

    Args:
        chunk: The plan.
        embodiment: The robot.
        now_ns: Instant of arrival [ns, node clock].
        playing_ns: Start of the chunk that plays [ns]; an older one comes too late.
    """
    return (
        _check_form(chunk, embodiment)
        or _check_values(chunk)
        or _check_order(chunk, now_ns, playing_ns)
        or _check_time(chunk, now_ns)
    )


def _check_form(chunk: ActionChunk, embodiment: Embodiment) -> Reason | None:
    if chunk.names != embodiment.axis_names:
        strange = sorted(set(chunk.names) - set(embodiment.axis_names))
        missing = sorted(set(embodiment.axis_names) - set(chunk.names))
        parts = [
            f"unknown {', '.join(strange)}" if strange else "",
            f"missing {', '.join(missing)}" if missing else "",
        ]
        said = "; ".join(part for part in parts if part) or "another order"
        return Reason(Code.CHUNK_NAMES, f"{said}; the names must be {embodiment.name}'s, in order")
    for name, kind, wanted in zip(chunk.names, chunk.kinds, action_kinds(embodiment), strict=True):
        if kind is not wanted:
            said = f"{name} comes as {kind.name.lower()}; {embodiment.name} takes its"
            return Reason(Code.CHUNK_KINDS, f"{said} {wanted.name.lower()}")
    expected_ns = embodiment.policy.period_ns
    if chunk.period_ns != expected_ns:
        return Reason(
            Code.CHUNK_PERIOD, f"{chunk.period_ns} ns; {embodiment.name} plays {expected_ns} ns"
        )
    if chunk.horizon < 2:
        return Reason(Code.CHUNK_TOO_SHORT, f"{chunk.horizon} actions; at least 2 are needed")
    return None


def _check_values(chunk: ActionChunk) -> Reason | None:
    bad = np.argwhere(~(np.abs(chunk.actions) <= LARGEST))  # NaN compares false
    if bad.size == 0:
        return None
    row, column = (int(i) for i in bad[0])
    return Reason(
        Code.CHUNK_NOT_FINITE,
        f"action {row} of {chunk.names[column]} is {chunk.actions[row, column]} "
        f"({len(bad)} such values)",
    )


def _check_order(chunk: ActionChunk, now_ns: int, playing_ns: int | None) -> Reason | None:
    # After the clock has jumped back, what plays is of the future, and nothing to compare with.
    if playing_ns is None or not chunk.start_ns < playing_ns <= now_ns + FUTURE_TOLERANCE_NS:
        return None
    newer = (playing_ns - chunk.start_ns) / 1e9
    return Reason(
        Code.CHUNK_SUPERSEDED, f"a chunk of an observation {newer:.3f} s newer is playing"
    )


def _check_time(chunk: ActionChunk, now_ns: int) -> Reason | None:
    if chunk.end_ns <= now_ns:
        late = (now_ns - chunk.end_ns) / 1e9
        return Reason(Code.CHUNK_EXPIRED, f"its last action was due {late:.3f} s ago")
    if chunk.start_ns > now_ns + FUTURE_TOLERANCE_NS:
        early = (chunk.start_ns - now_ns) / 1e9
        return Reason(
            Code.CHUNK_FROM_FUTURE, f"it starts {early:.3f} s from now; compare the clocks"
        )
    return None
