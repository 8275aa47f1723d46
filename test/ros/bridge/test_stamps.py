from __future__ import annotations

import pytest
from builtin_interfaces.msg import Duration, Time
from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.bridge.stamps import to_duration, to_ns, to_time

LAST_NS = 2**31 * 10**9 - 1  # the seconds of a message are 32 bits


@pytest.mark.parametrize(
    ("ns", "sec", "nanosec"),
    [(0, 0, 0), (1, 0, 1), (1_500_000_000, 1, 500_000_000), (LAST_NS, 2**31 - 1, 999_999_999)],
)
def test_an_instant_is_whole_seconds_and_the_rest(ns: int, sec: int, nanosec: int) -> None:
    assert to_time(ns) == Time(sec=sec, nanosec=nanosec)
    assert to_duration(ns) == Duration(sec=sec, nanosec=nanosec)
    assert to_ns(Time(sec=sec, nanosec=nanosec)) == ns


def test_a_negative_duration_has_negative_seconds_and_a_positive_rest() -> None:
    assert to_duration(-1) == Duration(sec=-1, nanosec=999_999_999)
    assert to_duration(-1_500_000_000) == Duration(sec=-2, nanosec=500_000_000)
    assert to_ns(Duration(sec=-2, nanosec=500_000_000)) == -1_500_000_000


@given(st.integers(-LAST_NS, LAST_NS))
def test_nothing_is_lost_on_the_way_there_and_back(ns: int) -> None:
    assert to_ns(to_duration(ns)) == ns
    assert to_ns(to_time(ns)) == ns
