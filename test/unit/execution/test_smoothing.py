from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi0_ros.execution.smoothing import SHARE, PathLimits, smoothed

PERIOD_S = 0.02
often = settings(deadline=None, derandomize=True, max_examples=100)
LIMITS = PathLimits(np.array([5.0]), np.array([100.0]), np.array([0.03]))


def excess(actions, limits=LIMITS):
    """Largest shares of acceleration and jerk between actions."""
    turns = np.abs(np.diff(actions, 2, axis=0)).max() / PERIOD_S**2 / limits.acceleration[0]
    jerks = np.abs(np.diff(actions, 3, axis=0)).max() / PERIOD_S**3 / limits.jerk[0]
    return max(turns, jerks)


def test_what_a_robot_can_play_stays_exactly_as_it_is():
    t = PERIOD_S * np.arange(50)[:, None]
    for actions in (0.5 * t, t**2, 0.1 * np.sin(2 * t)):
        assert smoothed(actions, PERIOD_S, LIMITS)[0] is not actions
        np.testing.assert_array_equal(smoothed(actions, PERIOD_S, LIMITS)[0], actions)


@often
@given(seed=st.integers(0, 10_000), tremble=st.floats(0.0002, 0.003), speed=st.floats(-1, 1))
def test_a_trembling_line_becomes_playable_and_stays_close(seed, tremble, speed):
    t = PERIOD_S * np.arange(50)[:, None]
    actions = speed * t + np.random.default_rng(seed).normal(0, tremble, (50, 1))
    calm = smoothed(actions, PERIOD_S, LIMITS)[0]
    assert excess(calm) <= SHARE + 1e-9
    assert np.abs(calm - actions).max() <= 5 * tremble


def test_the_least_smoothing_that_does_is_taken():
    t = PERIOD_S * np.arange(50)[:, None]
    actions = 0.5 * t
    actions[25] += 0.0005  # 2.5 rad/s², 190 rad/s³
    calm = smoothed(actions, PERIOD_S, LIMITS)[0]
    assert np.abs(calm - actions).max() < 0.0005
    np.testing.assert_allclose(calm[:15], actions[:15], atol=1e-5)  # far away nothing changes


@often
@given(seed=st.integers(0, 10_000), horizon=st.integers(2, 60), size=st.floats(0.01, 10))
def test_nothing_is_moved_farther_than_it_may_be(seed, horizon, size):
    actions = np.random.default_rng(seed).normal(0, size, (horizon, 1))
    assert np.abs(smoothed(actions, PERIOD_S, LIMITS)[0] - actions).max() <= 0.03


def test_each_axis_gets_its_own_smoothing():
    t = PERIOD_S * np.arange(50)
    trembling = 0.001 * (-1.0) ** np.arange(50)
    limits = PathLimits(np.full(2, 5.0), np.full(2, 100.0), np.full(2, 0.03))
    calm = smoothed(np.stack([t, t + trembling], axis=1), PERIOD_S, limits)[0]
    assert calm[:, 0].tolist() == t.tolist()
    np.testing.assert_allclose(calm[5:-5, 1], t[5:-5], atol=1e-4)


@pytest.mark.parametrize("horizon", [2, 3])
def test_too_few_actions_to_tremble_stay_as_they_are(horizon):
    actions = np.arange(horizon, dtype=float)[:, None] ** 3
    assert smoothed(actions, PERIOD_S, LIMITS)[0].tolist() == actions.tolist()


def test_what_cannot_be_made_playable_is_told():
    jump = np.zeros((50, 2))
    jump[25:, 0] = 1.0
    limits = PathLimits(np.full(2, 5.0), np.full(2, 100.0), np.full(2, 0.03))
    assert smoothed(jump, PERIOD_S, limits)[1].tolist() == [True, False]
