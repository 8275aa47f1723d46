from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.cli.bench.fault_record import FaultRecord, Heard, Window, largest_step

PERIOD_S = 0.002


def window(at_s: float, positions: list[float], start_s: float | None = None) -> Window:
    """One joint's points 2 ms apart, stamped with their arrival unless said."""
    times = PERIOD_S * np.arange(len(positions))
    column = np.array(positions, dtype=float)[:, None]
    return Window(at_s, at_s if start_s is None else start_s, times, column)


def line(first: int, count: int) -> list[float]:
    """Points of a line with a slope of one per sample."""
    return [float(first + i) for i in range(count)]


def record(motion: list[tuple[float, float]] = [], **reasons: float) -> FaultRecord:  # noqa: B006
    """Motion as (instant, speed), and statuses by their reason: ``ok`` is executing."""
    heard = [Heard(at, reason == "ok", reason, i) for i, (reason, at) in enumerate(reasons.items())]
    return FaultRecord(motion, sorted(heard, key=lambda status: status.at_s))


# --- commands --------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(10, 30))
def test_windows_that_agree_where_they_overlap_add_no_step(every: int, length: int) -> None:
    windows = [window(i * every * PERIOD_S, line(i * every, length)) for i in range(5)]
    assert largest_step(windows, PERIOD_S) == pytest.approx(1.0)


def test_a_window_that_contradicts_the_one_before_is_a_step_where_it_takes_over() -> None:
    windows = [window(0.0, line(0, 10)), window(0.010, line(25, 10))]
    assert largest_step(windows, PERIOD_S) == pytest.approx(21.0)  # from sample 4 to 25


def test_what_a_replaced_window_held_later_is_never_played() -> None:
    windows = [window(0.0, [*line(0, 6), 99.0]), window(0.010, line(5, 5))]
    assert largest_step(windows, PERIOD_S) == pytest.approx(1.0)


def test_the_end_of_a_window_is_held_until_the_next_one() -> None:
    assert largest_step([window(0.0, line(0, 5)), window(9.0, line(4, 5))], PERIOD_S) == 1.0
    assert largest_step([window(0.0, line(0, 5)), window(9.0, line(7, 5))], PERIOD_S) == 3.0


def test_a_late_arrival_of_a_stamped_window_is_no_step() -> None:
    windows = [window(0.0, line(0, 30)), window(0.045, line(5, 30), start_s=0.010)]
    assert largest_step(windows, PERIOD_S) == pytest.approx(1.0)


def test_a_controller_whose_clock_jumps_ahead_jumps_to_the_end_of_its_window() -> None:
    windows = [window(0.0, line(0, 30)), window(0.010, line(29, 5), start_s=5.010)]
    assert largest_step(windows, PERIOD_S) == pytest.approx(25.0)  # from sample 4 to 29


def test_a_clock_that_jumps_back_lets_the_window_go_on_for_the_time_that_passed() -> None:
    windows = [window(8.0, line(0, 30)), window(8.010, line(5, 5), start_s=3.0)]
    assert largest_step(windows, PERIOD_S) == pytest.approx(1.0)


def test_without_windows_there_is_no_step() -> None:
    assert largest_step([], PERIOD_S) == 0.0
    assert FaultRecord().largest_step(0.0, math.inf, PERIOD_S) == 0.0


def test_the_worst_controller_counts_and_only_between_the_instants() -> None:
    made = FaultRecord(
        windows={
            "calm": [window(1.0, [0.0, 0.1])],
            "rough": [window(1.0, [0.0, 0.3]), window(5.0, [0.0, 7.0])],
        }
    )
    assert made.largest_step(0.5, 2.0, PERIOD_S) == pytest.approx(0.3)


# --- motion and reasons ----------------------------------------------------------------------


def test_a_robot_stands_from_its_last_motion_on() -> None:
    made = record([(1.0, 0.5), (1.1, 0.4), (1.2, 0.005), (1.3, 0.0)])
    assert made.last_motion_s(0.9) == 1.1
    assert not made.has_stood(1.25, 0.9)
    assert made.has_stood(1.35, 0.9)
    assert made.last_motion_s(1.15) == 1.15  # it stood all the time
    assert made.last_motion_s(0.9, 1.05) == 1.0


def test_a_robot_that_sends_nothing_any_more_counts_as_standing() -> None:
    assert record([(1.0, 0.5)]).has_stood(1.3, 0.9)


def test_the_first_hold_after_an_instant_and_all_reasons_are_kept() -> None:
    made = record(no_chunk=0.5, ok=1.0, chunk_stale=2.0, stalled=3.0)
    hold = made.first_hold(1.5)
    assert hold is not None
    assert (hold.at_s, hold.reason) == (2.0, "chunk_stale")
    assert made.reasons(1.5) == ("chunk_stale", "stalled")
    assert made.reasons(3.5) == ()
    assert made.first_hold(3.5) is None


def test_motion_counts_again_once_a_chunk_is_played_after_the_last_hold() -> None:
    motion = [(2.1, 0.5), (2.9, 0.5), (3.1, 0.001), (3.2, 0.2), (3.3, 0.2)]
    assert record(motion, stalled=2.0, ok=3.0).moves_again_s(1.0) == 3.2
    assert record(motion, ok=3.0, stalled=4.0).moves_again_s(1.0) == math.inf
    assert record([], stalled=2.0, ok=3.0).moves_again_s(1.0) == math.inf


def test_a_second_is_calm_when_nothing_but_playing_was_heard_in_it() -> None:
    made = record(stalled=1.0, ok=2.5)
    assert made.is_calm(2.6)
    assert not record(stalled=2.0, ok=2.5).is_calm(2.6)
    assert not record(stalled=1.0, ok=1.2).is_calm(2.6)  # silent since
    assert not record().is_calm(2.6)
