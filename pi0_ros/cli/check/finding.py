"""What one check found: where, how bad, in which words, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Level(str, Enum):
    """How a check ended; only ``wrong`` makes a robot not fit."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    WRONG = "wrong"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Finding:
    """One line of a report.

    Attributes:
        topic: What was looked at, ``camera base_camera``.
        level: How it is.
        said: What was found, with the value and what it should be.
        remedy: How to mend it; empty only where nothing is to be mended.

    Raises:
        ValueError: Something is to be mended and it is not said how.
    """

    topic: str
    level: Level
    said: str
    remedy: str = ""

    def __post_init__(self) -> None:
        """Insist on a remedy."""
        if not self.remedy and self.level not in (Level.OK, Level.NOTE):
            raise ValueError(f"{self.topic} is {self.level.value} and has no remedy: {self.said}")


Findings = tuple[Finding, ...]


def ok(topic: str, said: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(topic, Level.OK, said)


def note(topic: str, said: str) -> Finding:
    """Say what is good to know and needs nothing."""
    return Finding(topic, Level.NOTE, said)


def warning(topic: str, said: str, remedy: str) -> Finding:
    """Say what works, and probably not as meant."""
    return Finding(topic, Level.WARNING, said, remedy)


def wrong(topic: str, said: str, remedy: str) -> Finding:
    """Say what does not fit."""
    return Finding(topic, Level.WRONG, said, remedy)


def not_checked(topic: str, said: str, remedy: str) -> Finding:
    """Say what could not be looked at."""
    return Finding(topic, Level.NOT_CHECKED, said, remedy)


def unless(faults: Iterable[Finding], fine: Finding) -> Findings:
    """Return the faults, or where there are none what is fine."""
    return tuple(faults) or (fine,)


def is_fit(findings: Iterable[Finding]) -> bool:
    """Whether nothing is wrong."""
    return all(finding.level != Level.WRONG for finding in findings)
