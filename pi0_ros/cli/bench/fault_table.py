"""`pi0 bench faults`: the matrix of faults, run and shown."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rclpy
from rich.console import Console
from rich.live import Live
from rich.table import Table

from pi0_ros.cli.bench.fault_cell import FaultCell, FaultError
from pi0_ros.cli.bench.faults import FAULTS, Fault, Outcome, run_fault
from pi0_ros.cli.bench.machine import machine
from pi0_ros.cli.stack import isolate_domain
from pi0_ros.embodiment.errors import unknown_name

COLUMNS = ("fault", "the executor says", "stands [s]", "moves again [s]", "step [mrad]")


def chosen(names: Sequence[str]) -> list[Fault]:
    """Return some faults by name, all without names.

    Raises:
        ValueError: There is no fault of a name.
    """
    known = {fault.name: fault for fault in FAULTS}
    for name in names:
        if name not in known:
            raise ValueError(unknown_name("fault", name, known))
    return [known[name] for name in names] or list(FAULTS)


def bench_faults(names: Sequence[str]) -> dict[str, Any]:
    """Run faults one after the other, those of one clock in one cell, and show a table.

    Args:
        names: Which; empty: all.

    Returns:
        By name of the fault, what was measured and what was not as it should be.
    """
    faults = chosen(names)
    isolate_domain()
    rclpy.init()
    results: dict[str, Any] = {}
    table = Table(*COLUMNS, title="pi0 bench faults", caption=machine())
    with Live(table, console=Console(), auto_refresh=False) as live:
        for simulated_time in (False, True):
            of_clock = [fault for fault in faults if fault.simulated_time is simulated_time]
            for fault, outcome in _run(of_clock, simulated_time=simulated_time):
                results[fault.name] = _numbers(fault, outcome)
                table.add_row(*_row(fault, outcome))
                live.refresh()
    rclpy.shutdown()
    return results


def _run(faults: list[Fault], *, simulated_time: bool) -> Any:
    """Yield each fault with its outcome, or with the error that ended it; then in a new cell."""
    left = list(faults)
    while left:
        folder = Path(tempfile.mkdtemp(prefix="pi0_faults_"))
        with FaultCell(folder, simulated_time=simulated_time) as cell:
            while left:
                fault = left.pop(0)
                try:
                    yield fault, run_fault(cell, fault)
                except FaultError as error:
                    yield fault, error
                    break
            else:
                shutil.rmtree(folder)  # the logs are for errors


def _numbers(fault: Fault, outcome: Outcome | FaultError) -> dict[str, Any]:
    bounds = {
        "stands_within_s": fault.stands_within_s,
        "recovers_within_s": fault.recovers_within_s,
    }
    if isinstance(outcome, FaultError):
        return {"what": fault.what, **bounds, "complaints": [str(outcome)]}
    return {
        "what": fault.what,
        "reasons": outcome.reasons,
        "holds_s": outcome.holds_s,
        "stands_s": outcome.stands_s,
        "largest_step_mrad": 1e3 * outcome.largest_step,
        "recovers_s": outcome.recovers_s,
        **bounds,
        "complaints": fault.complaints(outcome),
    }


def _row(fault: Fault, outcome: Outcome | FaultError) -> tuple[str, ...]:
    if isinstance(outcome, FaultError):
        return fault.name, str(outcome)
    held = ", ".join(outcome.reasons) or "-"
    at = "" if outcome.holds_s is None else f" after {outcome.holds_s:.2f} s"
    return (
        fault.name,
        held + at,
        _within(outcome.stands_s, fault.stands_within_s),
        _within(outcome.recovers_s, fault.recovers_within_s),
        f"{1e3 * outcome.largest_step:.1f}",
    )


def _within(value: float | None, bound: float | None) -> str:
    if value is None or bound is None:
        return "-"
    return f"{value:.2f} of {bound:.1f}" + ("" if value <= bound else " !")
