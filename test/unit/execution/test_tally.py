from __future__ import annotations

import numpy as np

from pi0_ros.execution.reasons import OK, Code, Reason
from pi0_ros.execution.tally import Tally


def test_ticks_late_ticks_and_the_largest_velocity_ratio_are_counted():
    tally = Tally()
    tally.ticked(np.array([0.1, -0.6]), late=False)
    tally.ticked(np.array([0.3, 0.2]), late=True)
    assert (tally.ticks, tally.late_ticks, tally.largest_velocity_ratio) == (2, 1, 0.6)


def test_the_last_rejection_is_remembered():
    tally = Tally()
    tally.accepted()
    for code in (Code.CHUNK_NAMES, Code.CHUNK_EXPIRED):
        tally.rejected(Reason(code))
    assert (tally.chunks_accepted, tally.chunks_rejected) == (1, 2)
    assert tally.last_rejection == Reason(Code.CHUNK_EXPIRED)


def test_joints_held_back_are_told_once_sorted():
    tally = Tally()
    tally.touched(["turn"])
    tally.touched(["slide", "turn"])
    assert tally.take_touched() == ("slide", "turn")
    assert tally.take_touched() == ()


def test_a_reason_is_a_code_and_a_sentence():
    assert str(Reason(Code.ESTOP, "release it")) == "estop: release it"
    assert str(OK) == "ok"
