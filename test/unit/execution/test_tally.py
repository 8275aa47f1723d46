from __future__ import annotations

import numpy as np
import pytest

from pi0_ros.execution.follower import Motion
from pi0_ros.execution.reasons import OK, Code, Reason
from pi0_ros.execution.tally import Tally

NAMES = ("turn", "slide")
NOBODY = np.array([False, False])


@pytest.fixture
def tally(limits):
    """Of 1 rad/s, 10 rad/s², 200 rad/s³ and 0.5 m/s, 5 m/s², 100 m/s³."""
    return Tally(limits)


def test_ticks_late_ticks_and_the_largest_ratios_are_counted(tally):
    rest = np.zeros(2)
    tally.ticked(
        Motion(rest, np.array([0.1, -0.3]), np.array([1.0, 0.0])), NOBODY, 0.01, late=False
    )
    tally.ticked(Motion(rest, np.array([0.2, 0.2]), np.array([-1.0, 2.0])), NOBODY, 0.01, late=True)
    assert (tally.ticks, tally.late_ticks) == (2, 1)
    # 0.3 of 0.5 m/s, 2 of 5 m/s², and in 10 ms 2 of 100 m/s³.
    assert tally.largest_ratios == pytest.approx((0.6, 0.4, 2.0))


def test_a_run_begins_without_a_jerk(tally):
    tally.ticked(Motion(np.zeros(2), np.zeros(2), np.array([2.0, 0.0])), NOBODY, 0.01, late=False)
    tally.begun(Motion.resting(np.zeros(2)))
    tally.ticked(Motion(np.zeros(2), np.zeros(2), np.zeros(2)), NOBODY, 0.01, late=False)
    assert tally.largest_ratios[2] == pytest.approx(1.0)


def test_chunks_are_counted_and_the_last_rejection_is_remembered(tally):
    tally.accepted(1.0)
    tally.accepted(0.5)
    for code in (Code.CHUNK_NAMES, Code.CHUNK_EXPIRED):
        tally.rejected(Reason(code))
    assert (tally.chunks_accepted, tally.chunks_scaled, tally.chunks_rejected) == (2, 1, 2)
    assert tally.last_rejection == Reason(Code.CHUNK_EXPIRED)


def test_axes_held_back_are_told_once(tally):
    rest = Motion.resting(np.zeros(2))
    tally.ticked(rest, np.array([False, True]), 0.01, late=False)
    tally.ticked(rest, NOBODY, 0.01, late=False)
    assert tally.take_touched(NAMES) == ("slide",)
    assert tally.take_touched(NAMES) == ()


def test_a_reason_is_a_code_and_a_sentence():
    assert str(Reason(Code.ESTOP, "release it")) == "estop: release it"
    assert str(OK) == "ok"
