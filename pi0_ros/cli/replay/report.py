"""What a replay found: in words, as tables, and as JSON."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pi0_ros.cli.replay.demonstration import Demonstration
from pi0_ros.cli.replay.parity import Outcome
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.shadow import ShadowComparison

SHOWN = 3  # examples of what is missing
EXPLAINS = (
    "another policy, checkpoint, seed, steps, rtc, execute, dtype, device, number of threads or "
    "version than recorded; joint states that either the node or the recorder lost; or, for "
    "`scripted`, what it remembers from before the bag"
)


@dataclass
class Cost:
    """What the replay took.

    Attributes:
        messages: Read.
        plans: Made.
        seconds: In all [s].
        planning_s: Of these, within the policy [s].
    """

    messages: int = 0
    plans: int = 0
    seconds: float = 0.0
    planning_s: float = 0.0

    def numbers(self) -> dict[str, float]:
        """Return them for JSON."""
        reading_us = 1e6 * (self.seconds - self.planning_s) / max(self.messages, 1)
        return {
            "messages": self.messages,
            "seconds": round(self.seconds, 3),
            "us_per_message": round(reading_us, 1),
            "ms_per_plan": round(1e3 * self.planning_s / max(self.plans, 1), 2),
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }

    def __str__(self) -> str:
        """Put them into a line."""
        n = self.numbers()
        return (
            f"{n['messages']} messages in {n['seconds']} s: {n['us_per_message']} us each, "
            f"{n['ms_per_plan']} ms per plan; {n['peak_memory_mb']} MB at most"
        )


@dataclass
class ParityReport:
    """How many plans came out the same, bit for bit.

    Attributes:
        embodiment: The robot.
        equal: Chunks that did.
        different: Those that did not.
        missing: Those that could not be planned again.
        largest: Largest |replanned - recorded| by axis, (A,) [rad, m, rad/s or m/s].
    """

    embodiment: Embodiment
    equal: int = 0
    different: list[Outcome] = field(default_factory=list)
    missing: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start with no difference."""
        self.largest: np.ndarray = np.zeros(len(self.embodiment.axes))

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        if outcome.is_equal:
            self.equal += 1
        elif outcome.replanned is None:
            self.missing.append(outcome)
        else:
            self.different.append(outcome)
            if outcome.difference.shape == self.largest.shape:
                self.largest = np.fmax(self.largest, outcome.difference)

    @property
    def exit_code(self) -> int:
        """0: all that could be compared is equal; 1: something differs; 2: nothing to compare."""
        if self.different:
            return 1
        return 0 if self.equal else 2

    def show(self, console: Console) -> None:
        """Print what was found."""
        total = self.equal + len(self.different) + len(self.missing)
        _print(
            console,
            f"{total} recorded chunks: {self.equal} planned again bit for bit, "
            f"{len(self.different)} differ, {len(self.missing)} could not be",
        )
        for outcome in self.missing[:SHOWN]:
            _print(console, f"  chunk {outcome.recorded.sequence}: {'; '.join(outcome.lacks)}")
        if not self.different:
            return
        first = self.different[0]
        number = first.recorded.sequence
        _print(console, f"The first that differs is chunk {number}. {_shape(first)}".strip())
        _print(console, f"What may explain it: {EXPLAINS}")
        table = Table("axis", "unit", "largest difference", box=box.SIMPLE)
        for axis, largest in zip(self.embodiment.axes, self.largest, strict=True):
            table.add_row(Text(axis.name), _unit(axis), f"{largest:.3g}")
        console.print(table)

    def numbers(self) -> dict[str, Any]:
        """Return what was found for JSON."""
        names = self.embodiment.axis_names
        return {
            "equal": self.equal,
            "different": [outcome.recorded.sequence for outcome in self.different],
            "missing": {str(o.recorded.sequence): list(o.lacks) for o in self.missing},
            "largest_difference": dict(zip(names, self.largest.tolist(), strict=True)),
        }


class DemonstrationReport:
    """How far the plans were from what was done, joint by joint.

    Args:
        done: What was compared.
    """

    def __init__(self, done: Demonstration) -> None:
        """Remember it."""
        self._done = done

    @property
    def exit_code(self) -> int:
        """0; 2: there was nothing to compare."""
        return 0 if self._done.measured.samples else 2

    def show(self, console: Console) -> None:
        """Print what was found."""
        done = self._done
        poses = f"{done.measured.samples} measured poses and {done.commanded.samples} commanded"
        _print(console, f"{done.count} plans against {poses} ones")
        for reason in tuple(done.reasons.values())[-SHOWN:]:
            _print(console, f"  at times no plan: {reason}")
        for what, comparison in (("measured", done.measured), ("commanded", done.commanded)):
            if comparison.samples:
                title = f"|plan - {what}| [rad or m], as played, and by time since the image"
                console.print(_table(title, comparison))

    def numbers(self) -> dict[str, Any]:
        """Return what was found for JSON."""
        return {
            "plans": self._done.count,
            "measured": _comparison(self._done.measured),
            "commanded": _comparison(self._done.commanded),
            "reasons": list(self._done.reasons.values()),
        }


def _table(title: str, comparison: ShadowComparison) -> Table:
    ahead = comparison.ahead.mean
    table = Table(title=Text(title), box=box.SIMPLE)
    table.add_column("joint", no_wrap=True)
    for head in ("mean", "largest", *(f"{begin:g} s +" for begin in ahead)):
        table.add_column(head, justify="right")
    for at, name in enumerate(comparison.names):
        numbers = comparison.mean[at], comparison.largest[at], *(m[at] for m in ahead.values())
        table.add_row(Text(name), *(f"{number:.4f}" for number in numbers))
    return table


def _comparison(comparison: ShadowComparison) -> dict[str, Any]:
    def by_joint(numbers: Sequence[float] | np.ndarray) -> dict[str, float]:
        return dict(zip(comparison.names, np.asarray(numbers).tolist(), strict=True))

    ahead = {f"{begin:g}": by_joint(mean) for begin, mean in comparison.ahead.mean.items()}
    return {
        "samples": comparison.samples,
        "mean": by_joint(comparison.mean),
        "largest": by_joint(comparison.largest),
        "mean_by_seconds_ahead": ahead,
    }


def _shape(outcome: Outcome) -> str:
    again = outcome.replanned
    assert again is not None
    if again.actions.shape == outcome.recorded.actions.shape:
        return ""
    return f"It has {outcome.recorded.actions.shape} actions, and now {again.actions.shape}."


def _unit(axis: Any) -> str:
    return f"{axis.unit}/s" if axis.kind == "velocity" else str(axis.unit)


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
