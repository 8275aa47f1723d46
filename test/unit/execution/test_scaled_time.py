from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.execution.scaled_time import FARTHEST_NS, LEAST_FACTOR, TAKEN_UP_NS, ScaledTime

MS = 1_000_000
NOW = 10_000 * MS


def windows(time: ScaledTime, count: int, first_ns: int = NOW, every_ms: int = 20):
    return [time.window(first_ns + i * every_ms * MS) for i in range(count)]


def behind_ns(made) -> int:
    return made.at_ns - made.reference_ns


def test_at_full_speed_every_instant_is_itself() -> None:
    made = windows(ScaledTime(), 3)[-1]
    assert (made.pace, behind_ns(made)) == (1.0, 0)
    assert made.at_ns == NOW + 40 * MS + TAKEN_UP_NS


def test_at_half_speed_the_reference_takes_half_of_the_controllers_time() -> None:
    time = ScaledTime()
    time.hear(0.5, NOW)
    made = windows(time, 3)[-1]
    assert (made.pace, behind_ns(made)) == (2.0, 0)


def test_what_a_window_for_another_speed_lost_is_known_and_made_up_for() -> None:
    time = ScaledTime()
    windows(time, 2)
    time.hear(0.5, NOW + 30 * MS)  # half-way to the next window, which was made for full speed
    made = windows(time, 1, NOW + 40 * MS)[0]
    assert behind_ns(made) == 5 * MS  # half of 10 ms
    assert made.pace == pytest.approx(2 * (1 + 5 / 400))
    later = windows(time, 200, NOW + 60 * MS)
    lags = [behind_ns(each) for each in later]
    assert lags == sorted(lags, reverse=True)
    assert lags[-1] < 1000


def test_a_faster_slider_lets_the_controller_run_ahead() -> None:
    time = ScaledTime()
    time.hear(0.5, NOW)
    windows(time, 2)
    time.hear(1.0, NOW + 30 * MS)
    assert behind_ns(time.window(NOW + 40 * MS)) == -10 * MS  # 10 ms at twice the pace


def test_all_that_was_heard_between_two_windows_counts() -> None:
    time = ScaledTime()
    windows(time, 1)
    time.hear(0.0, NOW + 5 * MS)
    time.hear(1.0, NOW + 8 * MS)
    assert behind_ns(time.window(NOW + 20 * MS)) == 3 * MS


def test_after_a_pause_it_begins_anew() -> None:
    time = ScaledTime()
    windows(time, 1)
    time.hear(0.5, NOW)
    assert behind_ns(time.window(NOW + 500 * MS)) == 0
    assert behind_ns(time.window(NOW - 500 * MS)) == 0, "and after a clock that jumped back"


@given(
    heard=st.lists(st.tuples(st.integers(0, 2000), st.floats(-1.0, 2.0)), max_size=40),
    asked=st.lists(st.integers(0, 2000), min_size=1, max_size=40),
)
def test_no_slider_makes_a_window_that_is_far_off_or_endless(heard, asked) -> None:
    time = ScaledTime()
    for at_ms, factor in heard:
        time.hear(factor, NOW + at_ms * MS)
    for at_ms in asked:
        made = time.window(NOW + at_ms * MS)
        assert abs(behind_ns(made)) <= FARTHEST_NS
        assert 0.9 <= made.pace <= 1.1 / LEAST_FACTOR
