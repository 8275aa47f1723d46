from __future__ import annotations

import numpy as np
import pytest

from pi0_ros.execution.horizon import TICKS_REMEMBERED, CommittedHorizon

PERIOD = 10


@pytest.fixture
def horizon():
    """Ticks of 10 ns, 40 ns ahead, one joint, restarted at 1003 ns."""
    horizon = CommittedHorizon(PERIOD, 40, 1, behind_ns=0)
    horizon.restart(1003)
    return horizon


def commit(horizon, *numbers):
    for number in numbers:
        horizon.commit(np.array([float(number)]), np.array([0.0]), PERIOD)


def test_the_first_sample_is_for_the_tick_at_or_before_now(horizon):
    assert horizon.next_ns == 1000
    commit(horizon, 0)
    assert horizon.next_ns == 1010


def test_the_lead_is_now_and_4_ticks_ahead(horizon):
    assert horizon.due(1003) == 5
    commit(horizon, 0, 1, 2, 3, 4)
    assert horizon.due(1009) == 0
    assert horizon.due(1010) == 1
    assert horizon.due(980) == -2


def test_a_lead_between_ticks_is_rounded_up():
    assert CommittedHorizon(PERIOD, 41, 1).lead_ticks == 5


def test_a_window_reaches_from_two_ticks_behind_to_the_end(horizon):
    commit(horizon, *range(10))
    window = horizon.window(1055)
    assert window.start_ns == 1030
    assert window.period_ns == PERIOD
    assert window.positions[:, 0].tolist() == [3, 4, 5, 6, 7, 8, 9]


def test_a_window_reaches_farther_behind_where_clocks_may_differ():
    horizon = CommittedHorizon(PERIOD, 40, 1, behind_ns=35)
    horizon.restart(1003)
    commit(horizon, *range(10))
    assert horizon.window(1055).start_ns == 1010


def test_a_window_never_reaches_behind_the_restart(horizon):
    commit(horizon, 0, 1)
    assert horizon.window(1003).start_ns == 1000


def test_there_is_no_window_beyond_the_end(horizon):
    commit(horizon, 0, 1)
    assert horizon.window(1030).positions[:, 0].tolist() == [1]
    assert horizon.window(1040) is None


def test_a_restart_forgets_all_samples(horizon):
    commit(horizon, 0, 1, 2)
    horizon.restart(1010)
    assert horizon.window(1010) is None
    assert horizon.position_at(1010) is None


def test_windows_that_overlap_are_equal_for_ever(horizon):
    committed = {}
    for tick in range(TICKS_REMEMBERED + 100):
        commit(horizon, tick)
        window = horizon.window(1000 + PERIOD * (tick - 3))
        for i, (position,) in enumerate(window.positions):
            assert committed.setdefault(window.start_ns + i * PERIOD, position) == position


def test_a_window_stays_as_it_was_when_more_is_committed(horizon):
    commit(horizon, 1, 2)
    window = horizon.window(1003)
    commit(horizon, *[9] * (TICKS_REMEMBERED + 10))
    assert window.positions[:, 0].tolist() == [1, 2]


def test_a_window_reads_the_sample_at_or_before_an_instant_and_holds_its_ends(horizon):
    commit(horizon, 5, 6, 7)
    window = horizon.window(1003)
    read = [float(window.at(ns)[0][0]) for ns in (0, 1000, 1019, 1020, 9999)]
    assert read == [5, 5, 6, 7, 7]


def test_the_command_of_an_instant_is_remembered(horizon):
    commit(horizon, *range(TICKS_REMEMBERED))
    assert horizon.position_at(999) is None
    assert horizon.position_at(1019).tolist() == [1]
    assert horizon.position_at(1000 + PERIOD * TICKS_REMEMBERED) is None


def test_the_oldest_command_is_forgotten_first(horizon):
    commit(horizon, *range(TICKS_REMEMBERED + 4 + 1))  # one more than behind and lead
    assert horizon.position_at(1000) is None
    assert horizon.position_at(1010).tolist() == [1]


def test_the_horizon_stands_when_every_sample_from_now_on_does(horizon):
    for velocity in (1.0, 0.0, 0.0, 0.0):
        horizon.commit(np.zeros(1), np.array([velocity]), PERIOD)
    assert not horizon.stands(1020)  # two ticks behind now, it moved
    assert horizon.stands(1030)


def test_controllers_are_left_at_the_end_of_their_window_or_at_their_last_sample():
    horizon = CommittedHorizon(PERIOD, 40, 2)
    horizon.restart(1000)
    for i in range(5):
        horizon.commit(np.array([float(i), float(i)]), np.zeros(2), PERIOD)
    streamed = np.array([False, True])
    assert horizon.left_at(1010, streamed).tolist() == [4, 1]
    assert horizon.left_at(5000, streamed).tolist() == [4, 4]  # served after the end


def test_trajectory_time_is_counted_from_an_instant_to_the_end(horizon):
    for passed in (0, 5, 10, 10):  # samples of 1000, 1010, 1020 and 1030 ns
        horizon.commit(np.zeros(1), np.zeros(1), passed)
    assert horizon.path_since(1020) == 10
    assert horizon.path_since(1009) == 25
    assert horizon.path_since(1039) == 0


def test_before_its_first_sample_no_trajectory_time_passed(horizon):
    assert horizon.path_since(1000) == 0
    for passed in (7, 10):
        horizon.commit(np.zeros(1), np.zeros(1), passed)
    assert horizon.path_since(0) == 10  # the first sample stands
    horizon.restart(2000)
    horizon.commit(np.zeros(1), np.zeros(1), 3)
    assert horizon.path_since(0) == 0
