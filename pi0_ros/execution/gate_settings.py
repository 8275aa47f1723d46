"""What the gate checks, what each check leads to, and which of that may be set."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Consequence(IntEnum):
    """What becomes of a chunk; a stricter one is greater."""

    PLAY = 0  # as it is; limits and joins of the executor do the rest
    SCALE = 1  # so slowly that it fits
    REJECT = 2  # not this chunk; what plays goes on
    HOLD = 3  # slow along the path and stand until a good one arrives


class Check(str, Enum):
    """What is checked, in this order."""

    FORM = "form"  # names, kinds, period, number of actions
    FINITE = "finite"  # numbers that can be actions
    ORDER = "order"  # not older than what plays
    TIME = "time"  # of a fresh observation, and not over
    LIMITS = "limits"  # positions, farther beyond than networks miss
    VELOCITY = "velocity"  # from action to action
    ACCELERATION = "acceleration"  # from step to step
    JUMP = "jump"  # from the measured pose to the first action
    FAR_OUT = "far_out"  # the same ten times as far
    PACE = "pace"  # velocity or acceleration fit only if played slower than `slowest`
    REACH = "reach"  # a jump farther than `farthest_ns`


@dataclass(frozen=True)
class Rule:
    """The consequence of a check, and those that a user may choose instead."""

    default: Consequence
    choices: tuple[Consequence, ...] = ()


PLAY, SCALE, REJECT, HOLD = Consequence
RULES = {
    Check.FORM: Rule(HOLD),
    Check.FINITE: Rule(HOLD),
    Check.ORDER: Rule(REJECT),
    Check.TIME: Rule(HOLD),
    Check.LIMITS: Rule(PLAY, (PLAY, REJECT, HOLD)),
    Check.VELOCITY: Rule(SCALE, (PLAY, SCALE, REJECT, HOLD)),
    Check.ACCELERATION: Rule(SCALE, (PLAY, SCALE, REJECT, HOLD)),
    Check.JUMP: Rule(PLAY, (PLAY, REJECT, HOLD)),
    Check.FAR_OUT: Rule(HOLD),
    Check.PACE: Rule(HOLD),
    Check.REACH: Rule(REJECT),
}


def choices(check: Check) -> tuple[str, ...]:
    """Name the consequences that a user may choose for a check, such as ``hold``."""
    return tuple(consequence.name.lower() for consequence in RULES[check].choices)


@dataclass(frozen=True)
class GateSettings:
    """Consequences and thresholds of the gate.

    Attributes:
        limits: Of an action beyond a position limit.
        velocity: Of actions too far apart.
        acceleration: Of steps that differ too much.
        jump: Of a first action far from the measured pose.
        slowest: Least clock rate at which a chunk that is too fast is played, in (0, 1].
        jump_ns: A jump is what an axis does not cover in this time at its greatest speed [ns].
        farthest_ns: The same of a jump that is no longer played [ns].
        chunk_age_ns: Greatest age of the observation when its chunk arrives [ns]; 0: what the
            executor plays from one observation; the gate alone then knows no limit.
        future_ns: Clocks of two machines may differ by this much [ns].
    """

    limits: Consequence = RULES[Check.LIMITS].default
    velocity: Consequence = RULES[Check.VELOCITY].default
    acceleration: Consequence = RULES[Check.ACCELERATION].default
    jump: Consequence = RULES[Check.JUMP].default
    slowest: float = 0.2
    jump_ns: int = 250_000_000
    farthest_ns: int = 1_000_000_000
    chunk_age_ns: int = 0
    future_ns: int = 100_000_000

    def __post_init__(self) -> None:
        """Insist on consequences that the table allows and on thresholds in order."""
        for check in (check for check, rule in RULES.items() if rule.choices):
            chosen = getattr(self, check.value)
            if chosen not in RULES[check].choices:
                raise ValueError(
                    f"{check.value} is {Consequence(chosen).name.lower()}; it must be one of "
                    f"{', '.join(choices(check))}"
                )
        if not 0 < self.slowest <= 1:
            raise ValueError(f"slowest is {self.slowest}; it must be above 0 and at most 1")
        if not 0 < self.jump_ns <= self.farthest_ns:
            raise ValueError(
                f"jump_ns is {self.jump_ns}; it must be above 0 and at most farthest_ns, "
                f"{self.farthest_ns}"
            )

    def consequence(self, check: Check) -> Consequence:
        """Return what a check leads to."""
        if RULES[check].choices:
            return Consequence(getattr(self, check.value))
        return RULES[check].default
