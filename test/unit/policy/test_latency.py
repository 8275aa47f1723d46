from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.policy.latency import KEPT, LatencyForecast

LONGEST = 1000


def forecast(*latencies: int) -> int:
    made = LatencyForecast(LONGEST)
    for latency in latencies:
        made.add(latency)
    return made.expected_ns


def test_before_any_plan_no_latency_is_expected() -> None:
    assert forecast() == 0


def test_the_largest_of_the_last_plans_is_expected() -> None:
    assert forecast(50, 100, 300, 200) == 300


def test_the_first_plan_counts_until_there_is_another() -> None:
    assert forecast(900) == 900
    assert forecast(900, 100) == 100


def test_a_spike_leaves_the_window_after_eight_plans() -> None:
    assert forecast(100, 800, *[100] * (KEPT - 1)) == 800
    assert forecast(100, 800, *[100] * KEPT) == 100


def test_a_clock_that_jumps_or_a_process_that_hangs_is_no_latency() -> None:
    assert forecast(100, 200, -5000, LONGEST, 3_600_000) == 200
    assert forecast(-1, 3_600_000, 100) == 100


def test_a_restart_makes_the_next_plan_a_first_one() -> None:
    made = LatencyForecast(LONGEST)
    for latency in (100, 200, 300):
        made.add(latency)
    made.restart()
    assert made.expected_ns == 0
    made.add(900)
    assert made.expected_ns == 900
    made.add(100)
    assert made.expected_ns == 100


@given(st.lists(st.integers(-2000, 4000)))
def test_the_forecast_is_never_longer_than_a_chunk_and_no_recent_plan_was_slower(
    latencies: list[int],
) -> None:
    useful = [latency for latency in latencies if 0 <= latency < LONGEST]
    expected = max(useful[1:][-KEPT:], default=useful[0] if useful else 0)
    assert forecast(*latencies) == expected < LONGEST
