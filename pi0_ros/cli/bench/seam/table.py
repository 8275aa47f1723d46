"""The comparison of styles as a table."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table

LARGE = 10_000
COLUMNS = {
    "step_mrad": ("mrad/ cycle", 2),
    "velocity": ("rad/s", 2),
    "acceleration": ("rad/s²", 1),
    "jerk": ("rad/s³", 0),
    "command_delay_ms": ("delay ms", 1),
    "error_mrad": ("error mrad", 1),
}


def table(numbers: dict[str, Any], machine: str) -> Table:
    """Return one row per style: the mean over the seeds and, below it, the worst."""
    shown = Table(
        title="pi0 bench seam: peaks, delay and rms error of the commands, mean and worst",
        caption=machine,
        box=box.SIMPLE,
    )
    shown.add_column("style", no_wrap=True)
    for heading, _ in COLUMNS.values():
        shown.add_column(heading, justify="right", overflow="fold")
    shown.add_column("over limit", justify="right", overflow="fold")
    shown.add_column("goal")
    for name, each in numbers["styles"].items():
        cells = [
            f"{_short(each[key]['mean'], digits)}\n{_short(each[key]['worst'], digits)}"
            for key, (_, digits) in COLUMNS.items()
        ]
        goal = {True: "met", False: "missed", None: ""}[each.get("goal_met")]
        shown.add_row(name, *cells, str(each["violations"]), goal)
    return shown


def _short(number: float, digits: int) -> str:
    """Write a number in so few characters that the table fits a terminal."""
    return f"{number:.0e}" if abs(number) >= LARGE else f"{number:.{digits}f}"
