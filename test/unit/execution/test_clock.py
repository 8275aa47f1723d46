from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi0_ros.execution.clock import TrajectoryClock

MS = 1_000_000
FAR = 10_000 * MS


def test_the_rate_rises_from_standing_to_full_speed_within_the_ramp():
    clock = TrajectoryClock(400 * MS)
    rates = []
    for _ in range(5):
        clock.step(100 * MS, 1.0, FAR)
        rates.append(clock.rate)
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_at_full_speed_trajectory_time_is_time_to_the_nanosecond():
    clock = TrajectoryClock(400 * MS)
    for _ in range(500):
        passed = clock.step(3 * MS, 1.0, FAR)
    assert clock.rate == 1.0
    assert passed == 3 * MS


def test_half_the_speed_is_half_the_time():
    clock = TrajectoryClock(400 * MS)
    for _ in range(10):
        passed = clock.step(100 * MS, 0.5, FAR)
    assert passed == 50 * MS


def test_a_pause_slows_down_within_the_ramp_and_stands():
    clock = TrajectoryClock(400 * MS)
    for _ in range(4):
        clock.step(100 * MS, 1.0, FAR)
    passed = [clock.step(100 * MS, 0.0, FAR) for _ in range(5)]
    assert passed == [75 * MS, 50 * MS, 25 * MS, 0, 0]


def test_a_path_that_allows_less_deceleration_slows_down_longer():
    clock = TrajectoryClock(200 * MS)
    rates = []
    for _ in range(5):
        clock.step(100 * MS, 1.0, FAR, 400 * MS)
        rates.append(clock.rate)
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0]


@pytest.mark.parametrize("wanted", [-1.0, 2.0])
def test_a_wanted_rate_beyond_0_and_1_is_held_to_them(wanted):
    clock = TrajectoryClock(400 * MS)
    for _ in range(10):
        clock.step(100 * MS, wanted, FAR)
    assert clock.rate == (1.0 if wanted > 0 else 0.0)


def test_no_time_passes_at_the_end_of_the_path():
    clock = TrajectoryClock(400 * MS)
    assert clock.step(10 * MS, 1.0, 0) == 0
    assert clock.step(10 * MS, 1.0, -5) == 0
    assert clock.rate == 0.0


def test_standing_at_once_takes_no_ramp():
    clock = TrajectoryClock(10 * MS)
    clock.step(10 * MS, 1.0, FAR)
    clock.stand()
    assert clock.rate == 0.0


@settings(deadline=None, derandomize=True, max_examples=50)
@given(path_ms=st.integers(1, 3000), target=st.floats(0.05, 1.0))
def test_every_path_ends_exactly_at_its_end_and_slowly(path_ms, target):
    clock, left, before = TrajectoryClock(400 * MS), path_ms * MS, 0
    for _ in range(100_000):
        passed = clock.step(2 * MS, target, left)
        left -= passed
        assert abs(passed - before) <= 10_100  # 2 ms of a ramp of 400 ms: 0.005 of 2 ms
        before = passed
        if left == 0:
            break
    assert left == 0
    assert before <= 10_100
