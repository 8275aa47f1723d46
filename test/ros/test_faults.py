"""Real processes that are killed, frozen and cut off while the robot moves; how that is judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pi0_ros.cli.bench.fault_cell import FaultCell, FaultError
from pi0_ros.cli.bench.fault_table import chosen
from pi0_ros.cli.bench.faults import FAULTS, QUIET, Fault, Outcome, run_fault
from pi0_ros.execution.reasons import Code

SLACK_S = 2.0  # others use this machine, too; the bounds themselves are `pi0 bench faults`
ATTEMPTS = 3  # what the machine does to one run it does not do to each

FROZEN = Fault("frozen", "it freezes", print, print, Code.CHUNK_STALE, 2.0, 1.0)
GOOD = Outcome(("chunk_stale",), holds_s=1.0, stands_s=1.5, largest_step=0.002, recovers_s=0.5)


class Cells:
    """One running cell at a time: made anew for the other clock, and after one that broke."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cell: FaultCell | None = None
        self._simulated_time = False

    def cell(self, *, simulated_time: bool) -> FaultCell:
        if self._cell is not None and self._simulated_time is not simulated_time:
            self.close()
        if self._cell is None:
            self._simulated_time = simulated_time
            self._cell = FaultCell(self._folder, simulated_time=simulated_time).__enter__()
        return self._cell

    def close(self) -> None:
        if self._cell is not None:
            self._cell.__exit__()
            self._cell = None


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    made = Cells(tmp_path_factory.mktemp("faults"))
    yield made
    made.close()


def run(cells: Cells, fault: Fault) -> list[str]:
    """Run one fault and return what was wrong."""
    try:
        outcome = run_fault(cells.cell(simulated_time=fault.simulated_time), fault)
    except FaultError as error:
        cells.close()
        return [str(error)]
    return fault.complaints(outcome, SLACK_S)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_the_robot_holds_with_a_reason_and_goes_on_when_the_cause_is_gone(
    cells: Cells, fault: Fault
) -> None:
    runs = []
    while len(runs) < ATTEMPTS and (not runs or runs[-1]):
        runs.append(run(cells, fault))
    assert runs[-1] == [], "\n".join("; ".join(complaints) for complaints in runs)


# --- how an outcome is judged --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"reasons": ("stalled",)}, "the executor said stalled, not chunk_stale"),
        ({"reasons": ()}, "the executor said nothing, not chunk_stale"),
        ({"reasons": ("stalled", "chunk_stale")}, None),
        ({"stands_s": 2.5}, "it stood after 2.50 s, limit 2.00"),
        ({"recovers_s": 1.25}, "it moved again after 1.25 s, limit 1.00"),
        ({"largest_step": 0.007}, "a command stepped by 7.0 mrad in 2 ms, limit 6.3"),
    ],
)
def test_each_thing_that_an_outcome_must_not_have_is_named(
    changes: dict[str, object], says: str | None
) -> None:
    assert FROZEN.complaints(replace(GOOD, **changes)) == ([says] if says else [])


def test_slack_is_added_to_the_bounds_in_time_only() -> None:
    late = replace(GOOD, stands_s=2.9, recovers_s=1.9, largest_step=0.007)
    assert len(FROZEN.complaints(late)) == 3
    assert len(FROZEN.complaints(late, slack_s=1.0)) == 1


def test_a_fault_that_must_not_be_noticed_is_not_to_hold() -> None:
    quiet = replace(FROZEN, reason=QUIET, remove=None, stands_within_s=None)
    assert quiet.complaints(replace(GOOD, reasons=(), stands_s=None)) == []
    assert quiet.complaints(replace(GOOD, stands_s=None)) == ["the executor held: chunk_stale"]


def test_an_executor_that_is_dead_need_not_say_anything() -> None:
    assert replace(FROZEN, reason=None).complaints(replace(GOOD, reasons=())) == []


def test_the_names_of_the_faults_are_unique_and_choose_them() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert [fault.name for fault in chosen(["estop", "camera_stops"])] == ["estop", "camera_stops"]
    assert chosen([]) == list(FAULTS)


def test_an_unknown_fault_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"fault 'estopp' is unknown.*Did you mean 'estop'"):
        chosen(["estopp"])
