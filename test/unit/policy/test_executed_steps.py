"""The numbers of these tests: 20 actions a second, 50 ms each."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.policy.executed_steps import ExecutedSteps
from pi0_ros.policy.progress import Progress

MS = 1_000_000


def report(at_ms: float, step: float, *, start_ms: float = 0, **changes: Any) -> Progress:
    """A report of the first chunk of the task, playing at full speed."""
    known = {"sequence": 7, "rate": 1.0, "is_executing": True}
    return Progress(
        **{**known, **changes},
        start_ns=round(start_ms * MS),
        step=step,
        at_ns=round(at_ms * MS),
    )


def holds(at_ms: float, step: float = 0.0, **changes: Any) -> Progress:
    return report(at_ms, step, rate=0.0, is_executing=False, **changes)


@pytest.fixture
def steps() -> ExecutedSteps:
    return ExecutedSteps(50 * MS, sequence=7, start_ns=0)


def test_without_a_report_none_are_executed(steps) -> None:
    assert steps.at(10_000 * MS) == 0


def test_from_standing_a_chunk_begins_with_its_first_action(steps) -> None:
    steps.take(holds(0))
    steps.take(report(100, 2.0))
    assert steps.at(100 * MS) == 2.0
    assert steps.at(150 * MS) == 3.0


def test_between_two_reports_it_goes_on_at_the_rate(steps) -> None:
    steps.take(report(100, 2.0, rate=0.5))
    assert steps.at(200 * MS) == 3.0
    steps.take(report(200, 3.0, rate=0.0))
    assert steps.at(900 * MS) == 3.0


def test_a_report_that_was_outrun_takes_nothing_back(steps) -> None:
    steps.take(report(0, 0.0))
    assert steps.at(100 * MS) == 2.0
    steps.take(report(100, 1.5, rate=0.0))  # it slowed meanwhile
    assert steps.at(100 * MS) == 2.0
    steps.take(report(200, 2.5))
    assert steps.at(200 * MS) == 2.5


def test_while_moving_the_next_chunk_goes_on_where_it_is_joined(steps) -> None:
    steps.take(report(0, 0.0))
    steps.take(report(800, 16.0))  # then at 850 chunk 8 of 750 takes over, at its action 2
    steps.take(report(900, 3.0, sequence=8, start_ms=750))
    assert steps.at(900 * MS) == 18.0
    assert steps.at(950 * MS) == 19.0


def test_after_a_hold_the_next_chunk_begins_anew(steps) -> None:
    steps.take(report(0, 0.0))
    steps.take(report(1000, 20.0))
    steps.take(holds(1050, 21.0))
    steps.take(report(3000, 2.0, sequence=8, start_ms=2900))
    assert steps.at(3000 * MS) == 23.0


def test_actions_of_the_task_before_do_not_count(steps) -> None:
    steps.take(report(-100, 10.0, sequence=6, start_ms=-600))
    assert steps.at(0) == 0
    steps.take(report(100, 1.0))  # the motion goes on within chunk 7, joined at about 1
    steps.take(report(200, 3.0))
    assert steps.at(200 * MS) == 2.0


def test_a_chunk_of_a_policy_node_that_ran_before_does_not_count_whatever_its_sequence(
    steps,
) -> None:
    steps.take(report(100, 5.0, sequence=900, start_ms=-150))
    assert steps.at(100 * MS) == 0
    assert not steps.includes(report(100, 5.0, sequence=900, start_ms=-150))


@given(
    rates=st.lists(st.floats(0, 1), min_size=1, max_size=40),
    joins=st.sets(st.integers(1, 39)),
)
def test_whatever_the_rates_and_joins_all_consumed_trajectory_time_is_counted_once(
    rates, joins
) -> None:
    """Every 100 ms a report; at each of ``joins`` a chunk takes over that began 80 ms before."""
    steps = ExecutedSteps(50 * MS, sequence=0, start_ns=0)
    consumed, sequence, start_ms, place = 0.0, 0, 0.0, 0.0
    steps.take(holds(0, sequence=0))
    for tick, rate in enumerate(rates):
        at_ms = 100 * tick
        if tick in joins and tick:
            sequence, start_ms, place = sequence + 1, at_ms - 80, 0.8
        steps.take(report(at_ms, place, rate=rate, sequence=sequence, start_ms=start_ms))
        assert steps.at(at_ms * MS) == pytest.approx(consumed)
        consumed, place = consumed + 2 * rate, place + 2 * rate
    assert steps.at(100 * len(rates) * MS) == pytest.approx(consumed)
