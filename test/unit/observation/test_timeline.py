from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.observation.timeline import Timeline, interpolate


def timeline(*stamps: int, capacity: int = 10) -> Timeline[str]:
    """A timeline whose values are their stamps as text."""
    made: Timeline[str] = Timeline(capacity)
    for stamp in stamps:
        made.add(stamp, str(stamp))
    return made


def ramp() -> Timeline[np.ndarray]:
    """Two joints: at 100 ns [0, 10], at 200 ns [1, 20]."""
    made: Timeline[np.ndarray] = Timeline(10)
    made.add(100, np.array([0.0, 10.0]))
    made.add(200, np.array([1.0, 20.0]))
    return made


def test_an_empty_timeline_has_nothing() -> None:
    empty = timeline()
    assert len(empty) == 0
    assert empty.newest_ns is None
    assert empty.newest_first() == ()
    assert empty.nearest(5) is None
    assert empty.around(5) is None


def test_late_values_land_at_their_place() -> None:
    late = timeline(10, 30, 20)
    assert late.newest_first() == (30, 20, 10)
    assert late.newest_ns == 30
    assert late.nearest(20) == (20, "20")


def test_a_repeated_stamp_replaces_the_value() -> None:
    repeated = timeline(10, 20)
    repeated.add(10, "again")
    assert len(repeated) == 2
    assert repeated.nearest(10) == (10, "again")


def test_the_oldest_value_makes_room() -> None:
    assert timeline(10, 20, 30, capacity=2).newest_first() == (30, 20)


def test_a_value_older_than_all_does_not_enter_a_full_timeline() -> None:
    full = timeline(20, 30, 10, capacity=2)
    assert full.newest_first() == (30, 20)
    assert full.nearest(0) == (20, "20")


def test_a_cleared_timeline_is_empty_and_takes_older_stamps() -> None:
    cleared = timeline(100)
    cleared.clear()
    assert cleared.newest_ns is None
    cleared.add(1, "1")
    assert cleared.newest_ns == 1


@pytest.mark.parametrize(
    ("at", "nearest"), [(-5, 10), (10, 10), (14, 10), (15, 10), (16, 20), (20, 20), (99, 20)]
)
def test_the_nearest_is_found_and_of_two_equals_the_older(at: int, nearest: int) -> None:
    assert timeline(10, 20).nearest(at) == (nearest, str(nearest))


@pytest.mark.parametrize(
    ("at", "before", "after"),
    [(5, 10, 10), (10, 10, 20), (15, 10, 20), (20, 20, 30), (30, 30, 30), (99, 30, 30)],
)
def test_the_neighbours_are_found_and_the_ends_held(at: int, before: int, after: int) -> None:
    assert timeline(10, 20, 30).around(at) == ((before, str(before)), (after, str(after)))


@pytest.mark.parametrize(
    ("at", "values"),
    [
        (50, [0.0, 10.0]),
        (100, [0.0, 10.0]),
        (125, [0.25, 12.5]),
        (150, [0.5, 15.0]),
        (200, [1.0, 20.0]),
        (999, [1.0, 20.0]),
    ],
)
def test_arrays_are_interpolated_and_the_ends_held(at: int, values: list[float]) -> None:
    np.testing.assert_allclose(interpolate(ramp(), at), values)


def test_nothing_is_interpolated_from_nothing() -> None:
    assert interpolate(Timeline(3), 5) is None


def test_a_single_value_is_held_on_both_sides() -> None:
    single: Timeline[np.ndarray] = Timeline(3)
    single.add(100, np.array([7.0]))
    for at in (0, 100, 200):
        np.testing.assert_array_equal(interpolate(single, at), [7.0])


def test_interpolation_is_exact_with_stamps_of_today() -> None:
    now_ns = 1_700_000_000_000_000_000  # a double counts only every 256th of these
    today: Timeline[np.ndarray] = Timeline(3)
    today.add(now_ns, np.array([0.0]))
    today.add(now_ns + 1000, np.array([1.0]))
    np.testing.assert_allclose(interpolate(today, now_ns + 250), [0.25], rtol=1e-12)


@given(st.lists(st.integers(0, 50)), st.integers(1, 5), st.integers(-5, 55))
def test_it_answers_like_a_search_through_all_values(
    stamps: list[int], capacity: int, at: int
) -> None:
    made = timeline(*stamps, capacity=capacity)
    kept: list[int] = []
    for stamp in stamps:
        kept = sorted({*kept, stamp})[-capacity:]
    assert made.newest_first() == tuple(reversed(kept))
    if kept:
        nearest = min(kept, key=lambda stamp: (abs(stamp - at), stamp))
        assert made.nearest(at) == (nearest, str(nearest))
