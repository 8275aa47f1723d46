from __future__ import annotations

import math

import numpy as np
import pytest

from pi0_ros.cli.bench.fault_record import Command, FaultRecord, Heard, largest_step

MS = 1_000_000


def commands(*positions: float, first: int = 0) -> list[Command]:
    """One joint's commands in a row, one per cycle of 2 ms."""
    return [
        Command(0.002 * i, 2 * MS * i, np.array([position]))
        for i, position in enumerate(positions, first)
    ]


def record(motion: list[tuple[float, float]] = [], **reasons: float) -> FaultRecord:  # noqa: B006
    """Motion as (instant, speed), and statuses by their reason: ``ok`` is executing."""
    heard = [Heard(at, reason == "ok", reason, i) for i, (reason, at) in enumerate(reasons.items())]
    return FaultRecord(motion, sorted(heard, key=lambda status: status.at_s))


# --- commands --------------------------------------------------------------------------------


def test_the_largest_change_from_cycle_to_cycle_counts() -> None:
    assert largest_step(commands(0.0, 0.1, 0.4, 0.3), 2 * MS) == pytest.approx(0.3)


def test_cycles_that_were_skipped_share_a_change() -> None:
    row = [*commands(0.0, 0.1), *commands(0.4, first=4)]  # three cycles later
    assert largest_step(row, 2 * MS) == pytest.approx(0.1)


def test_what_lies_before_and_after_a_frozen_robot_is_not_compared() -> None:
    assert largest_step([*commands(0.0, 0.1), *commands(9.0, first=50)], 2 * MS) == 0.1


def test_a_clock_that_went_back_lets_nothing_be_compared() -> None:
    assert largest_step([*commands(0.0, 0.1, first=9), *commands(5.0, 5.1)], 2 * MS) == (
        pytest.approx(0.1)
    )


def test_without_commands_there_is_no_step() -> None:
    assert largest_step([], 2 * MS) == 0.0
    assert FaultRecord().largest_step(0.0, math.inf, 2 * MS) == 0.0


def test_only_commands_between_the_instants_count() -> None:
    made = FaultRecord(commands=commands(0.0, 0.1, 0.2, 7.0))
    assert made.largest_step(-1.0, 0.005, 2 * MS) == pytest.approx(0.1)


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
