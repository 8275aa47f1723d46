"""How smooth, how late and how right the commands of one run are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pi0_ros.cli.bench.seam.motion import AMPLITUDE_RAD, SPEED_RAD_S, wanted
from pi0_ros.embodiment.axes import Joint

PERIOD_ROUNDING_NS = 10
POSITION_ROUNDING = 1e-9  # [rad or m]
# Shares by which a limit met exactly may be exceeded by rounding: positions are told as float64,
# and a jerk is their third difference over 8e-9 s³.
ROUNDING = {"velocity": 1e-6, "acceleration": 1e-3, "jerk": 1e-2}


@dataclass(frozen=True, eq=False)
class Series:
    """Positions of J joints over time.

    Attributes:
        instants_ns: When, (N,) [ns, node clock].
        positions: (N, J) [rad or m].
    """

    instants_ns: np.ndarray
    positions: np.ndarray

    def between(self, first_ns: int, last_ns: int) -> Series:
        """Return what lies within two instants [ns]."""
        kept = (self.instants_ns >= first_ns) & (self.instants_ns <= last_ns)
        return Series(self.instants_ns[kept], self.positions[kept])


@dataclass(frozen=True)
class Measures:
    """Numbers of one run.

    Attributes:
        step_mrad: Largest change of the command in one control cycle; where cycles were skipped,
            its mean over them [mrad].
        velocity: Greatest speed of the command [rad/s].
        acceleration: Greatest acceleration of the command [rad/s²].
        jerk: Greatest jerk of the command [rad/s³].
        command_delay_ms: How far the command trails the wanted motion [ms].
        joint_delay_ms: How far the measured joint trails it [ms].
        error_mrad: Root mean square of command less wanted motion [mrad].
        position_violations: Samples of any joint beyond its range.
        velocity_violations: Samples of any joint beyond its greatest velocity.
        acceleration_violations: The same of accelerations.
        jerk_violations: The same of jerks.
        cycles_skipped: Control cycles that the simulated controllers missed, as their process was
            late: the machine's doing.
        longest_gap_ms: Longest time between two cycles [ms].
    """

    step_mrad: float
    velocity: float
    acceleration: float
    jerk: float
    command_delay_ms: float
    joint_delay_ms: float
    error_mrad: float
    position_violations: int
    velocity_violations: int
    acceleration_violations: int
    jerk_violations: int
    cycles_skipped: int
    longest_gap_ms: float

    @property
    def violations(self) -> int:
        """Samples beyond any limit."""
        return (
            self.position_violations
            + self.velocity_violations
            + self.acceleration_violations
            + self.jerk_violations
        )


def measure(
    commands: Series,
    measured: Series,
    joints: tuple[Joint, ...],
    moving: int,
    period_ns: int,
    start_ns: int,
) -> Measures:
    """Measure one run.

    Args:
        commands: What the controller commanded in each cycle, (N, J).
        measured: Measured positions, (M, J).
        joints: The J joints with their limits.
        moving: The one that moves.
        period_ns: One control cycle [ns].
        start_ns: When the wanted motion began at the joint's home [ns].

    Raises:
        ValueError: Nothing was heard.
    """
    if len(commands.instants_ns) < 4 or len(measured.instants_ns) < 4:
        raise ValueError("no commands were heard of sim_robot_node; its log says why")
    moved = [
        Series(each.instants_ns - start_ns, each.positions[:, moving] - joints[moving].home)
        for each in (commands, measured)
    ]
    off = moved[0].positions - wanted(moved[0].instants_ns / 1e9)
    rates = _rates(commands, period_ns)
    peaks = [float(np.abs(rate[:, moving]).max()) for rate in rates]
    cycles = np.diff(commands.instants_ns) / period_ns
    steps = np.abs(np.diff(moved[0].positions)) / np.maximum(cycles, 1.0)
    return Measures(
        step_mrad=1e3 * float(steps.max()),
        velocity=peaks[0],
        acceleration=peaks[1],
        jerk=peaks[2],
        command_delay_ms=delay_ms(moved[0]),
        joint_delay_ms=delay_ms(moved[1]),
        error_mrad=1e3 * float(np.sqrt(np.mean(off**2))),
        position_violations=_outside(commands.positions, joints),
        velocity_violations=_beyond(rates[0], joints, "velocity"),
        acceleration_violations=_beyond(rates[1], joints, "acceleration"),
        jerk_violations=_beyond(rates[2], joints, "jerk"),
        cycles_skipped=int(np.round(np.maximum(cycles - 1, 0)).sum()),
        longest_gap_ms=float(cycles.max() * period_ns / 1e6),
    )


def delay_ms(moved: Series) -> float:
    """Return how far a joint's offsets (N,) trail the wanted sine, by least squares [ms].

    A constant offset and another amplitude are fitted beside it, so that neither counts as delay.
    """
    phase = SPEED_RAD_S * moved.instants_ns / 1e9
    basis = np.stack([np.sin(phase), np.cos(phase), np.ones_like(phase)], axis=1)
    sine, cosine, _ = np.linalg.lstsq(basis, moved.positions, rcond=None)[0]
    if np.hypot(sine, cosine) < 0.1 * AMPLITUDE_RAD:
        return float("nan")  # it does not follow at all
    return float(np.arctan2(-cosine, sine) / SPEED_RAD_S * 1e3)


def _rates(commands: Series, period_ns: int) -> list[np.ndarray]:
    """Return velocity, acceleration and jerk from cycle to cycle, (n, J) each.

    Where a cycle is missing, what was commanded there is not known: no difference crosses it.
    """
    dt = period_ns / 1e9
    gaps = np.abs(np.diff(commands.instants_ns) - period_ns) > PERIOD_ROUNDING_NS
    values, broken, rates = commands.positions, np.zeros(len(commands.positions), bool), []
    for _ in range(3):
        values = np.diff(values, axis=0) / dt
        broken = broken[1:] | broken[:-1]
        if not rates:
            broken = broken | gaps
        rates.append(values[~broken] if (~broken).any() else np.zeros((1, values.shape[1])))
    return rates


def _outside(positions: np.ndarray, joints: tuple[Joint, ...]) -> int:
    lower, upper = np.array([(joint.lower, joint.upper) for joint in joints]).T
    below, above = positions < lower - POSITION_ROUNDING, positions > upper + POSITION_ROUNDING
    return int((below | above).sum())


def _beyond(rates: np.ndarray, joints: tuple[Joint, ...], kind: str) -> int:
    greatest = {
        "velocity": [joint.velocity for joint in joints],
        "acceleration": [joint.acceleration for joint in joints],
        "jerk": [joint.greatest_jerk for joint in joints],
    }[kind]
    return int((np.abs(rates) > np.array(greatest) * (1 + ROUNDING[kind])).sum())
