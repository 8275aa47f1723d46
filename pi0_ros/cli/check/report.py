"""What a check found: as a table, as lines, and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pi0_ros.cli.check.finding import Finding, Level, is_fit

STYLES = {
    Level.OK: "green",
    Level.NOTE: "dim",
    Level.WARNING: "yellow",
    Level.WRONG: "bold red",
    Level.NOT_CHECKED: "dim yellow",
}


def show(console: Console, robot: str, findings: Sequence[Finding]) -> None:
    """Print a table on a terminal, one line each where it is piped; then what it comes to."""
    if console.is_terminal:
        console.print(_table(findings))
    else:
        for one in findings:
            _print(console, f"{one.level.value}: {one.topic}: {one.said}{_mending(one)}")
    counts = Counter(finding.level for finding in findings)
    summary = ", ".join(f"{counts[level]} {level.value}" for level in Level if counts[level])
    verdict = "fits" if is_fit(findings) else "does NOT fit"
    _print(console, f"{robot} {verdict}: {summary}")


def as_json(robot: str, findings: Sequence[Finding]) -> str:
    """Write everything."""
    lines = [{**asdict(one), "level": one.level.value} for one in findings]
    document = {"robot": robot, "fits": is_fit(findings), "findings": lines}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(box=box.SIMPLE)
    for title in ("check", "result", "found", "how to mend it"):
        table.add_column(title, overflow="fold")
    for one in findings:
        result = Text(one.level.value, style=STYLES[one.level])
        table.add_row(Text(one.topic), result, Text(one.said), Text(one.remedy))
    return table


def _mending(finding: Finding) -> str:
    return f" -> {finding.remedy}" if finding.remedy else ""


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
