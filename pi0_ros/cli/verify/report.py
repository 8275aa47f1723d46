"""What a verification found: as a table, as one line, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pi0_ros.cli.verify.comparison import BEYOND, NOT_COMPARED, OK, Result

STYLES = {OK: "", BEYOND: "bold red", NOT_COMPARED: "dim"}


def passed(results: Sequence[Result]) -> bool:
    """Whether something was compared, and nothing is beyond its tolerance."""
    return _count(results, OK) > 0 and not _count(results, BEYOND)


def show(console: Console, results: Sequence[Result], conditions: str) -> None:
    """Print a table per set, what was not compared, what is wrong, and what it comes to."""
    for name, group in groupby(results, key=lambda one: one.set):
        of_set = list(group)
        table = Table(title=name, title_justify="left")
        table.add_column("tensor", overflow="fold")
        table.add_column("largest error", justify="right")
        table.add_column("tolerance")
        table.add_column("verdict")
        for one in of_set:
            if one.verdict != NOT_COMPARED:
                cells = (escape(cell) for cell in (*_row(one), one.verdict))
                table.add_row(*cells, style=STYLES[one.verdict])
        console.print(table)
        for reason, tensors in _left_out(of_set).items():
            _print(console, f"not compared: {reason}: {_several(tensors)}", STYLES[NOT_COMPARED])
    # Beside the tables, because a narrow terminal folds their columns.
    for one in results:
        if one.verdict == BEYOND:
            tensor, error, tolerance = _row(one)
            said = f"beyond: {one.set}: {tensor}: {error}, tolerance {tolerance}"
            _print(console, said, STYLES[BEYOND])
    _print(console, f"{conditions}: {_summary(results)}")


def as_json(results: Sequence[Result], about: dict[str, str]) -> str:
    """Write everything; an error that is not finite is null, and beyond its tolerance."""
    tensors = [
        {
            "set": one.set,
            "tensor": one.tensor,
            "verdict": one.verdict,
            "error": one.error if one.error is not None and math.isfinite(one.error) else None,
            "tolerance": one.tolerance.limit if one.tolerance else None,
            "measure": one.tolerance.measure if one.tolerance else None,
            "reason": one.reason,
        }
        for one in results
    ]
    document = {**about, "passed": passed(results), "tensors": tensors}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _row(one: Result) -> tuple[str, str, str]:
    """Return tensor, error and tolerance in words."""
    bound = one.tolerance
    assert one.error is not None
    assert bound is not None
    tolerance = f"{bound.limit:g} {bound.measure}" if bound.limit else "exact"
    return one.tensor, one.reason or f"{one.error:.2g}", tolerance


def _left_out(results: Sequence[Result]) -> dict[str, list[str]]:
    """List tensors that were not compared, by the reason."""
    found: dict[str, list[str]] = {}
    for one in results:
        if one.verdict == NOT_COMPARED:
            found.setdefault(one.reason, []).append(one.tensor)
    return found


def _several(tensors: Sequence[str]) -> str:
    """Name one or two tensors, or the first of many."""
    if len(tensors) < 3:
        return ", ".join(tensors)
    return f"{tensors[0]} and {len(tensors) - 1} more"


def _summary(results: Sequence[Result]) -> str:
    counts = ", ".join(f"{_count(results, verdict)} {verdict}" for verdict in STYLES)
    if passed(results):
        return f"{counts}. What was compared is what was recorded."
    return f"{counts}. This installation does NOT compute what was recorded."


def _count(results: Sequence[Result], verdict: str) -> int:
    return sum(one.verdict == verdict for one in results)
