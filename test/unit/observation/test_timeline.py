from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.observation.timeline import Timeline


def timeline(*stamps: int, capacity: int = 10) -> Timeline[str]:
    """A timeline whose values are their stamps as text."""
    made: Timeline[str] = Timeline(capacity)
    for stamp in stamps:
        made.add(stamp, str(stamp))
    return made


def stamps(made: Timeline[str]) -> tuple[int, ...]:
    return made.between(-1000, 1000)


def test_an_empty_timeline_has_nothing() -> None:
    empty = timeline()
    assert len(empty) == 0
    assert empty.latest_ns is None
    assert stamps(empty) == ()
    assert empty.nearest(5) is None
    assert empty.around(5) == (None, None)


def test_late_values_land_at_their_place() -> None:
    late = timeline(10, 30, 20)
    assert stamps(late) == (30, 20, 10)
    assert late.nearest(20) == (20, "20")


def test_the_latest_is_what_arrived_last_not_what_is_newest() -> None:
    assert timeline(10, 30, 20).latest_ns == 20


def test_a_repeated_stamp_replaces_the_value() -> None:
    repeated = timeline(10, 20)
    repeated.add(10, "again")
    assert len(repeated) == 2
    assert repeated.nearest(10) == (10, "again")
    assert repeated.latest_ns == 10


@pytest.mark.parametrize(
    ("low", "high", "inside"),
    [(10, 30, (30, 20, 10)), (11, 29, (20,)), (11, 19, ()), (0, 10, (10,)), (30, 99, (30,))],
)
def test_stamps_between_two_instants_include_both(
    low: int, high: int, inside: tuple[int, ...]
) -> None:
    assert timeline(10, 20, 30).between(low, high) == inside


def test_what_arrived_first_makes_room() -> None:
    assert stamps(timeline(10, 20, 30, capacity=2)) == (30, 20)


def test_after_the_clock_was_set_back_old_values_make_room_for_new_ones() -> None:
    assert stamps(timeline(900, 910, 920, 10, 20, capacity=3)) == (920, 20, 10)
    assert stamps(timeline(900, 910, 920, 10, 20, 30, capacity=3)) == (30, 20, 10)


def test_a_cleared_timeline_is_empty_and_starts_over() -> None:
    cleared = timeline(100, 110, capacity=2)
    cleared.clear()
    assert len(cleared) == 0
    assert cleared.latest_ns is None
    cleared.add(1, "1")
    cleared.add(2, "2")
    assert stamps(cleared) == (2, 1)


@pytest.mark.parametrize(
    ("at", "nearest"), [(-5, 10), (10, 10), (14, 10), (15, 10), (16, 20), (20, 20), (99, 20)]
)
def test_the_nearest_is_found_and_of_two_equals_the_older(at: int, nearest: int) -> None:
    assert timeline(10, 20).nearest(at) == (nearest, str(nearest))


@pytest.mark.parametrize(
    ("at", "before", "after"),
    [(5, None, 10), (10, 10, 10), (15, 10, 20), (20, 20, 20), (30, 30, 30), (99, 30, None)],
)
def test_the_neighbours_are_found_and_beyond_the_ends_there_is_none(
    at: int, before: int | None, after: int | None
) -> None:
    found = [None if n is None else n[0] for n in timeline(10, 20, 30).around(at)]
    assert found == [before, after]


@given(st.lists(st.integers(0, 50)), st.integers(1, 5), st.integers(-5, 55))
def test_it_answers_like_a_search_through_what_arrived_last(
    arrivals: list[int], capacity: int, at: int
) -> None:
    made = timeline(*arrivals, capacity=capacity)
    kept: list[int] = []
    for stamp in arrivals:
        if stamp not in kept:
            kept = [*kept, stamp][-capacity:]
    assert stamps(made) == tuple(sorted(kept, reverse=True))
    before, after = made.around(at)
    assert before == max(((s, str(s)) for s in kept if s <= at), default=None)
    assert after == min(((s, str(s)) for s in kept if s >= at), default=None)
    nearest = min(kept, key=lambda stamp: (abs(stamp - at), stamp), default=None)
    assert made.nearest(at) == (None if nearest is None else (nearest, str(nearest)))
