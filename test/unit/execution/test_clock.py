from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi0_ros.execution.clock import TrajectoryClock

MS = 1_000_000
FAR = 10_000 * MS
TICK = 10 * MS


def rates(clock, count, target=1.0, remaining_ns=FAR, **more):
    """Rates after each of a number of ticks of 10 ms."""
    found = []
    for _ in range(count):
        clock.step(TICK, target, remaining_ns, **more)
        found.append(clock.rate)
    return found


def test_the_rate_rises_from_standing_to_full_speed_within_the_ramp():
    risen = rates(TrajectoryClock(400 * MS), 45)
    assert risen[19] == pytest.approx(0.5, abs=0.05)
    assert risen[34] < 1.0
    assert risen[40:] == [1.0] * 5


def test_the_slope_of_the_rate_never_jumps():
    clock = TrajectoryClock(400 * MS)
    found = [0.0, *rates(clock, 60), *rates(clock, 25, 0.3), *rates(clock, 60, 0.0)]
    slopes = [(after - before) * 100 for before, after in pairwise(found)]
    # 1.5 and 4.5 in a ramp of 0.4 s: at most 3.75 per s, changed by 28.125 per s².
    assert max(map(abs, slopes)) <= 3.75 + 1e-9
    changes = [abs(b - a) * 100 for a, b in pairwise(slopes)]
    assert max(changes) <= 28.125 * 1.5  # the last bit to 0 and 1 is cut off


def test_at_full_speed_trajectory_time_is_time_to_the_nanosecond():
    clock = TrajectoryClock(400 * MS)
    for _ in range(500):
        passed = clock.step(3 * MS, 1.0, FAR)
    assert clock.rate == 1.0
    assert passed == 3 * MS


def test_half_the_speed_is_half_the_time():
    clock = TrajectoryClock(400 * MS)
    for _ in range(100):
        passed = clock.step(TICK, 0.5, FAR)
    assert passed == 5 * MS


def test_a_pause_slows_down_within_the_ramp_and_stands():
    clock = TrajectoryClock(400 * MS)
    rates(clock, 60)
    fallen = rates(clock, 60, 0.0)
    assert fallen[19] == pytest.approx(0.5, abs=0.05)
    assert fallen[45:] == [0.0] * 15


def test_a_path_that_allows_less_slows_down_longer():
    clock = TrajectoryClock(200 * MS)
    # A slope of 2 per s that comes within 0.1 s: 0.6 s in all.
    risen = rates(clock, 65, gentlest=(2.0, 20.0))
    assert risen[29] == pytest.approx(0.5, abs=0.05)
    assert risen[55] < 1.0 == risen[64]


@pytest.mark.parametrize("wanted", [-1.0, 2.0])
def test_a_wanted_rate_beyond_0_and_1_is_held_to_them(wanted):
    assert rates(TrajectoryClock(400 * MS), 60, wanted)[-1] == (1.0 if wanted > 0 else 0.0)


def test_no_time_passes_at_the_end_of_the_path():
    clock = TrajectoryClock(400 * MS)
    assert clock.step(TICK, 1.0, 0) == 0
    assert clock.step(TICK, 1.0, -5) == 0
    assert clock.rate == 0.0


def test_standing_at_once_takes_no_ramp():
    clock = TrajectoryClock(10 * MS)
    clock.step(TICK, 1.0, FAR)
    clock.stand()
    assert (clock.rate, clock.slope) == (0.0, 0.0)


@pytest.mark.parametrize("tick_ns", [MS, 2 * MS, TICK])
@settings(deadline=None, derandomize=True, max_examples=50)
@given(path_ms=st.integers(1, 3000), target=st.floats(0.05, 1.0))
def test_every_path_ends_exactly_at_its_end_and_slowly(tick_ns, path_ms, target):
    clock, left, before = TrajectoryClock(400 * MS), path_ms * MS, 0.0
    for _ in range(100_000):
        left -= clock.step(tick_ns, target, left)
        assert abs(clock.rate - before) <= 3.75 * tick_ns / 1e9 + 1e-9
        before = clock.rate
        if left == 0:
            break
    assert left == 0
    assert before <= 0.02
