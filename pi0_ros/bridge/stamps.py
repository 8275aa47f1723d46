"""Time between messages and values: nanoseconds inside, seconds and nanoseconds outside."""

from __future__ import annotations

from builtin_interfaces.msg import Duration, Time

SECOND_NS = 1_000_000_000


def to_ns(stamp: Time | Duration) -> int:
    """Return a message's time or duration [ns]."""
    return int(stamp.sec) * SECOND_NS + int(stamp.nanosec)


def to_time(ns: int) -> Time:
    """Return an instant [ns] as a message."""
    sec, nanosec = divmod(ns, SECOND_NS)
    return Time(sec=sec, nanosec=nanosec)


def to_duration(ns: int) -> Duration:
    """Return a duration [ns] as a message."""
    sec, nanosec = divmod(ns, SECOND_NS)
    return Duration(sec=sec, nanosec=nanosec)
