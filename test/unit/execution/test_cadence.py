from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.execution.cadence import Cadence

PERIOD, TICK = 20, 2


@pytest.fixture
def cadence():
    return Cadence(PERIOD, TICK)


def served(cadence, instants):
    """The instants of some at which it is due, and happens."""
    found = []
    for now in instants:
        if cadence.is_due(now):
            cadence.happen(now)
            found.append(now)
    return found


def test_it_is_due_at_once_and_then_once_per_period(cadence):
    assert served(cadence, range(1000, 1061, TICK)) == [1000, 1020, 1040, 1060]


def test_the_tick_that_is_closest_serves(cadence):
    assert served(cadence, [1000, 1018, 1019, 1021]) == [1000, 1019]


def test_a_late_tick_serves_at_once_and_does_not_shift_the_next(cadence):
    assert served(cadence, [1000, 1035, 1038, 1040, 1060]) == [1000, 1035, 1040, 1060]


def test_ticks_that_are_caught_up_are_no_burst(cadence):
    late = range(1100, 1110)  # a loop that was away for five periods works off its ticks
    assert served(cadence, [1000, *late, 1119]) == [1000, 1100, 1119]


def test_a_clock_that_goes_back_serves_at_once(cadence):
    assert served(cadence, [1000, 400, 410, 420]) == [1000, 400, 420]


def test_after_a_restart_it_is_due_at_once(cadence):
    served(cadence, [1000])
    cadence.restart()
    assert cadence.is_due(1001)


@given(
    period=st.sampled_from([2, 4, 20, 100]),
    delays=st.lists(st.integers(0, 3), min_size=200, max_size=400),
)
def test_ticks_late_by_less_than_a_period_keep_the_mean_rate_exactly(period, delays):
    ticks = [1000 + TICK * i + min(delay, period - 1) for i, delay in enumerate(delays)]
    ticks.sort()
    found = served(Cadence(period, TICK), ticks)
    passed = (ticks[-1] - ticks[0]) / period
    assert abs(len(found) - 1 - passed) <= 1 + 3 / period
