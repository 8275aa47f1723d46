"""The gate: checks an arriving chunk as a whole before any of it is played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pi0_ros.embodiment.axes import BaseAxis, Joint
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk, action_kinds
from pi0_ros.execution.chunk_motion import AxisBounds, ChunkMotion
from pi0_ros.execution.gate_settings import Check, Consequence, GateSettings
from pi0_ros.execution.reasons import Code, Reason

Axes = Sequence[Joint | BaseAxis]
MISTAKE = 10  # tolerances beyond a position limit are a mistake, not a miss
ROUNDING = 1e-6  # a limit met exactly is not exceeded [share of the limit]
LARGEST = 1e6  # [rad, m, or per s]; what lies beyond is no action, and overflows in the curve


@dataclass(frozen=True)
class Verdict:
    """What becomes of a chunk.

    Attributes:
        consequence: The strictest that a check led to.
        reason: Why it is not played; None where it is.
        scale: Greatest clock rate at which it is played, in (0, 1].
        findings: What all checks said, also those that let it pass.
    """

    consequence: Consequence = Consequence.PLAY
    reason: Reason | None = None
    scale: float = 1.0
    findings: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What one check said, what it leads to, and the clock rate at which it would be content."""

    reason: Reason
    consequence: Consequence
    scale: float = 1.0


def check_chunk(
    chunk: ActionChunk,
    embodiment: Embodiment,
    now_ns: int,
    playing_ns: int | None = None,
    measured: np.ndarray | None = None,
    settings: GateSettings | None = None,
) -> Verdict:
    """Judge a chunk; a withdrawal, which has no actions, by its form and order alone.

    Args:
        chunk: The plan.
        embodiment: The robot.
        now_ns: Instant of arrival [ns, node clock].
        playing_ns: Start of the chunk that plays [ns]; an older one comes too late.
        measured: Pose at the chunk's start, (J,) [rad or m]; without it there is no jump.
        settings: Consequences and thresholds.
    """
    settings = settings or GateSettings()
    found = (
        _of(Check.FORM, _check_form(chunk, embodiment), settings)
        or _of(Check.FINITE, _check_values(chunk), settings)
        or _of(Check.ORDER, _check_order(chunk, now_ns, playing_ns, settings), settings)
    )
    if found or chunk.is_withdrawal:
        return _verdict(found)
    motion, bounds, axes = ChunkMotion.of(chunk), AxisBounds.of(embodiment), embodiment.axes
    pose = np.full(len(axes), np.nan)
    if measured is not None:
        pose[embodiment.joint_columns] = measured
    return _verdict(
        [
            *_of(Check.TIME, _check_time(chunk, now_ns, settings), settings),
            *_check_limits(motion, bounds, axes, pose, settings),
            *_check_velocity(motion, bounds, axes, settings),
            *_check_acceleration(motion, bounds, axes, settings),
            *_check_jump(motion, bounds, axes, pose, settings),
        ]
    )


def _of(check: Check, reason: Reason | None, settings: GateSettings) -> list[Finding]:
    return [] if reason is None else [Finding(reason, settings.consequence(check))]


def _verdict(found: Sequence[Finding]) -> Verdict:
    """Return the strictest finding's consequence, and the lowest scale where the chunk plays."""
    if not found:
        return Verdict()
    worst = max(found, key=lambda finding: finding.consequence)
    findings = tuple(finding.reason for finding in found)
    if worst.consequence > Consequence.SCALE:
        return Verdict(worst.consequence, worst.reason, findings=findings)
    return Verdict(worst.consequence, None, min(one.scale for one in found), findings)


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
    if chunk.horizon == 1:
        return Reason(Code.CHUNK_TOO_SHORT, "1 action; at least 2 are needed, or none to withdraw")
    return None


def _check_values(chunk: ActionChunk) -> Reason | None:
    fine = np.abs(chunk.actions) <= LARGEST  # NaN compares false
    if fine.all():
        return None
    bad = np.argwhere(~fine)
    row, column = (int(i) for i in bad[0])
    return Reason(
        Code.CHUNK_NOT_FINITE,
        f"action {row} of {chunk.names[column]} is {chunk.actions[row, column]} "
        f"({len(bad)} such values)",
    )


def _check_order(
    chunk: ActionChunk, now_ns: int, playing_ns: int | None, settings: GateSettings
) -> Reason | None:
    # After the clock has jumped back, what plays is of the future, and nothing to compare with.
    if playing_ns is None or not chunk.start_ns < playing_ns <= now_ns + settings.future_ns:
        return None
    newer = (playing_ns - chunk.start_ns) / 1e9
    return Reason(
        Code.CHUNK_SUPERSEDED, f"a chunk of an observation {newer:.3f} s newer is playing"
    )


def _check_time(chunk: ActionChunk, now_ns: int, settings: GateSettings) -> Reason | None:
    if chunk.end_ns <= now_ns:
        late = (now_ns - chunk.end_ns) / 1e9
        return Reason(Code.CHUNK_EXPIRED, f"its last action was due {late:.3f} s ago")
    if chunk.start_ns > now_ns + settings.future_ns:
        early = (chunk.start_ns - now_ns) / 1e9
        return Reason(
            Code.CHUNK_FROM_FUTURE, f"it starts {early:.3f} s from now; compare the clocks"
        )
    if 0 < settings.chunk_age_ns < now_ns - chunk.start_ns:
        age, limit = (now_ns - chunk.start_ns) / 1e9, settings.chunk_age_ns / 1e9
        return Reason(Code.CHUNK_STALE, f"its observation is {age:.3f} s old, limit {limit:.3f}")
    return None


def _check_limits(
    motion: ChunkMotion, bounds: AxisBounds, axes: Axes, pose: np.ndarray, settings: GateSettings
) -> list[Finding]:
    beyond = motion.beyond(bounds, pose)
    row, column = _worst(beyond)
    if beyond[row, column] <= 1:
        return []
    consequence = settings.limits
    if beyond[row, column] > MISTAKE:
        consequence = max(consequence, settings.consequence(Check.FAR_OUT))
    axis, asked = axes[column], motion.actions[row, column]
    limit = bounds.upper[column] if asked > bounds.upper[column] else bounds.lower[column]
    said = f"action {row} of {axis.name} asks for {asked:.4g} {axis.unit}, limit {limit:.4g}"
    played = "; played up to the limit" if consequence is Consequence.PLAY else ""
    return [Finding(Reason(Code.CHUNK_LIMITS, said + played), consequence)]


def _check_velocity(
    motion: ChunkMotion, bounds: AxisBounds, axes: Axes, settings: GateSettings
) -> list[Finding]:
    haste = motion.velocity_haste(bounds)
    row, column = _worst(haste)
    axis = axes[column]
    asked = abs(motion.steps[row, column]) / motion.period_s
    said = (
        f"action {row} of {axis.name} asks for {asked:.3g} {axis.unit}/s, limit {axis.velocity:.3g}"
    )
    reason = Reason(Code.CHUNK_VELOCITY, said)
    return _paced(Check.VELOCITY, reason, float(haste[row, column]), settings)


def _check_acceleration(
    motion: ChunkMotion, bounds: AxisBounds, axes: Axes, settings: GateSettings
) -> list[Finding]:
    haste = motion.acceleration_haste(bounds)
    row, column = _worst(haste)
    axis = axes[column]
    asked = abs(motion.turns[row, column]) / motion.period_s**2
    jitter = bounds.jitter[column] / motion.period_s**2
    said = (
        f"action {row} of {axis.name} asks for {asked:.3g} {axis.unit}/s², limit "
        f"{axis.acceleration:.3g} and {jitter:.3g} for jitter"
    )
    reason = Reason(Code.CHUNK_ACCELERATION, said)
    return _paced(Check.ACCELERATION, reason, float(haste[row, column]), settings)


def _paced(check: Check, reason: Reason, haste: float, settings: GateSettings) -> list[Finding]:
    """Complete a finding about actions that come so many times too fast, if they do."""
    if haste <= 1 + ROUNDING:
        return []
    consequence, scale, played = settings.consequence(check), 1 / haste, ""
    if scale < settings.slowest:
        consequence = max(consequence, settings.consequence(Check.PACE))
        played = f"; that fits at {scale:.2g} of the speed, less than {settings.slowest:g}"
    elif consequence is Consequence.SCALE:
        played = f"; played at {scale:.2g} of the speed"
    reason = Reason(reason.code, reason.detail + played)
    return [Finding(reason, consequence, scale if consequence is Consequence.SCALE else 1.0)]


def _check_jump(
    motion: ChunkMotion, bounds: AxisBounds, axes: Axes, pose: np.ndarray, settings: GateSettings
) -> list[Finding]:
    needed = motion.jump(bounds, pose)
    column = int(needed.argmax())
    seconds = float(needed[column])
    if seconds * 1e9 <= settings.jump_ns:
        return []
    axis, consequence, limit_ns = axes[column], settings.jump, settings.jump_ns
    if seconds * 1e9 > settings.farthest_ns:
        consequence = max(consequence, settings.consequence(Check.REACH))
        limit_ns = settings.farthest_ns
    far, limit = seconds * axis.velocity, limit_ns / 1e9 * axis.velocity
    said = (
        f"action 0 of {axis.name} is {far:.3g} {axis.unit} from where it was measured, "
        f"limit {limit:.3g}"
    )
    ramp = "; approached by a ramp" if consequence is Consequence.PLAY else ""
    return [Finding(Reason(Code.CHUNK_JUMP, said + ramp), consequence)]


def _worst(excess: np.ndarray) -> tuple[int, int]:
    """Return row and column of the greatest of (H, A)."""
    row, column = divmod(int(excess.argmax()), excess.shape[1])
    return row, column
