from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi0_ros.execution.follower import Follower, Motion
from pi0_ros.execution.limits import JointLimits

DT = 0.01
ROUNDING = 1e-6
often = settings(deadline=None, derandomize=True, max_examples=100)


def follow(limits, targets, position=(0.0, 0.0), velocities=None, dt=DT):
    """Follow (N, A) targets from standing; positions (N + 1, A) with the start, and who was off."""
    targets = np.array(targets, dtype=float)
    velocities = np.zeros_like(targets) if velocities is None else velocities
    follower = Follower(targets.shape[1])
    follower.rest(np.array(position, dtype=float))
    positions, off = [follower.motion.position], []
    for target, velocity in zip(targets, velocities, strict=True):
        follower.step(Motion(target, velocity, 0 * target), limits, dt)
        positions.append(follower.motion.position)
        off.append(follower.is_off)
    return np.array(positions), np.array(off)


def shares(limits, positions, dt=DT):
    """Largest shares of velocity, acceleration and jerk that were used; it began standing."""
    v = np.diff(positions, axis=0, prepend=positions[:1]) / dt
    a = np.diff(v, axis=0, prepend=0 * positions[:1]) / dt
    j = np.diff(a, axis=0, prepend=0 * positions[:1]) / dt
    bounds = (limits.velocity, limits.acceleration, limits.jerk)
    return [float((np.abs(x) / most).max()) for x, most in zip((v, a, j), bounds, strict=True)]


def test_a_target_within_reach_is_met_exactly(limits):
    # At 200 rad/s³ and 100 m/s³, a hundredth of a second reaches 0.2 mrad and 0.1 mm.
    positions, off = follow(limits, [(0.00019, 0.00009)])
    assert positions[-1].tolist() == [0.00019, 0.00009]
    assert not off.any()


def test_a_target_out_of_reach_is_approached_and_met_later(limits):
    positions, off = follow(limits, [(0.1, 0.0)] * 200)
    assert off[0].tolist() == [True, False]
    assert positions[1, 0] == pytest.approx(0.0002)  # the jerk's share of one period
    assert positions[-1, 0] == 0.1
    assert not off[-1].any()


def test_a_standing_target_is_reached_in_good_time(limits):
    positions, _ = follow(limits, [(1.0, 0.0)] * 250)
    # 1 rad at 1 rad/s and 10 rad/s²: 1 s, 0.1 s for speeding up and braking, and closing in.
    assert np.argmax(np.abs(positions[:, 0] - 1.0) < 1e-3) <= 175
    assert positions[:, 0].max() <= 1.01
    assert positions[-1, 0] == 1.0


def test_a_path_within_the_limits_is_never_left(limits):
    t = np.arange(1, 400) * DT
    path = np.stack([0.3 * (1 - np.cos(1.5 * t)), 0.2 * (1 - np.cos(t))], axis=1)
    path -= path[0] * np.exp(-t[:, None] / 1e-3)  # it begins at rest
    positions, off = follow(limits, path)
    assert not off[5:].any()
    np.testing.assert_array_equal(positions[6:], path[5:])


def test_a_moving_target_is_caught_up_with(limits):
    t = np.arange(1, 400) * DT
    path = np.stack([0.3 + 0.5 * t, 0 * t], axis=1)
    positions, off = follow(limits, path, velocities=np.tile([0.5, 0.0], (len(t), 1)))
    assert not off[-50:].any()
    np.testing.assert_allclose(np.diff(positions[-50:, 0]), 0.005, atol=1e-9)


def test_a_target_beyond_the_position_limit_is_approached_and_never_reached(limits):
    positions, off = follow(limits, [(0.0, 7.0)] * 400)
    assert positions[:, 1].max() <= 1.0
    assert positions[-1, 1] == pytest.approx(1.0, abs=1e-6)
    assert off[-1].tolist() == [False, True]
    assert max(shares(limits, positions)) <= 1 + ROUNDING


def test_a_joint_beyond_its_limit_stays_where_it_is_when_nothing_is_asked(limits):
    positions, _ = follow(limits, [(0.0, -0.02)] * 10, position=(0.0, -0.02))
    assert (positions[:, 1] == -0.02).all()


def test_a_joint_beyond_its_limit_comes_back_within_its_limits(limits):
    positions, _ = follow(limits, [(0.0, 0.5)] * 300, position=(0.0, -0.02))
    assert positions[-1, 1] == 0.5
    assert max(shares(limits, positions)) <= 1 + ROUNDING


def test_a_joint_beyond_its_limit_never_goes_farther(limits):
    positions, _ = follow(limits, [(0.0, -0.5)] * 50, position=(0.0, -0.02))
    assert (positions[:, 1] >= -0.02 - 1e-9).all()


@pytest.mark.parametrize("dt", [0.001, 0.002, 0.01])
@often
@given(
    seed=st.integers(0, 100_000),
    scale=st.sampled_from([0.01, 0.3, 3.0, 100.0, 1e6]),
    jump=st.integers(1, 60),
    ramp_s=st.sampled_from([0.002, 0.05, 0.3]),
)
def test_no_sequence_of_targets_exceeds_a_limit(limits, dt, seed, scale, jump, ramp_s):
    random = np.random.default_rng(seed)
    targets = np.repeat(random.normal(scale=scale, size=(300 // jump + 1, 2)), jump, axis=0)
    velocities = random.normal(scale=scale, size=targets.shape)
    limits = replace(limits, jerk=limits.acceleration / ramp_s)
    positions, _ = follow(limits, targets, (0.0, 0.5), velocities, dt)
    assert np.isfinite(positions).all()
    assert (positions >= limits.lower).all()
    assert (positions <= limits.upper).all()
    assert max(shares(limits, positions, dt)) <= 1 + ROUNDING


def test_a_base_has_no_limit_of_its_way(mobile):
    limits, far = JointLimits.of(mobile), np.array([0.0, 10_000.0, -10_000.0, 0.0])
    follower = Follower(4)
    follower.rest(far)
    for _ in range(200):
        speed = np.array([0, 100.0, -100.0, 0])
        target = Motion(follower.motion.position + speed * DT, speed, 0 * speed)
        follower.step(target, limits, DT)
        assert follower.is_off.tolist() == [False, True, True, False]
    assert follower.motion.velocity.tolist() == pytest.approx([0, 0.5, -1, 0])


def test_an_axis_that_decelerates_harder_than_it_may_comes_back_without_a_jerk(limits):
    follower = Follower(2)
    follower.motion = Motion(np.array([0.0, 0.5]), np.array([0.9, 0.0]), np.array([-30.0, 0.0]))
    before = follower.motion.acceleration
    while abs(follower.motion.acceleration[0]) > 10:
        follower.step(Motion(np.array([1.0, 0.5]), np.zeros(2), np.zeros(2)), limits, DT)
        jerk = (follower.motion.acceleration - before) / DT
        before = follower.motion.acceleration
        assert (np.abs(jerk) <= limits.jerk * (1 + ROUNDING)).all()
