from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi0_ros.execution.limits import HEADROOM, JointLimits, brakable

DT = 0.01
ROUNDING = 1e-6
often = settings(deadline=None, derandomize=True, max_examples=100)


def follow(limits, targets, position=(0.0, 0.0), velocities=None):
    """Follow (N, D) targets from standing; positions (N + 1, D) with the start, and touched."""
    targets = np.array(targets, dtype=float)
    velocities = np.zeros_like(targets) if velocities is None else velocities
    p, v = np.array(position, dtype=float), np.zeros(2)
    positions, touched = [p], []
    for target, slope in zip(targets, velocities, strict=True):
        p, v, held = limits.follow(p, v, target, slope, DT)
        positions.append(p)
        touched.append(held)
    return np.array(positions), np.array(touched)


def shares(limits, positions):
    """Largest share of the velocity and of the acceleration limit that was used."""
    v = np.diff(positions, axis=0, prepend=positions[:1]) / DT
    a = np.diff(v, axis=0) / DT
    return (np.abs(v) / limits.velocity).max(), (np.abs(a) / limits.acceleration).max()


def test_a_target_within_reach_is_met_exactly(limits):
    # At 10 rad/s² and 5 m/s², a hundredth of a second reaches 1 mrad and 0.5 mm.
    positions, touched = follow(limits, [(0.0008, 0.0004)])
    assert positions[-1].tolist() == [0.0008, 0.0004]
    assert not touched.any()


def test_a_target_beyond_the_acceleration_is_touched_and_reached_later(limits):
    positions, touched = follow(limits, [(0.1, 0.0)] * 100)
    assert touched[0].tolist() == [True, False]
    assert positions[1, 0] == pytest.approx(0.001)
    assert positions[-1, 0] == 0.1
    assert not touched[-1].any()


def test_a_standing_target_is_reached_without_overshoot_and_in_good_time(limits):
    positions, _ = follow(limits, [(1.0, 0.0)] * 150)
    assert positions[:, 0].max() == 1.0
    # 1 rad at 1 rad/s and 10 rad/s²: 1 s and 0.1 s for speeding up and braking.
    assert np.argmax(positions[:, 0] == 1.0) <= 120
    assert (np.diff(positions[:, 0]) >= 0).all()


def test_a_target_beyond_the_position_limit_is_approached_and_never_reached(limits):
    positions, touched = follow(limits, [(0.0, 7.0)] * 300)
    assert positions[:, 1].max() == 1.0
    assert positions[-1, 1] == 1.0
    assert touched[-1].tolist() == [False, True]
    assert shares(limits, positions)[1] <= 1 + ROUNDING


def test_a_joint_beyond_its_limit_stays_where_it_is_when_nothing_is_asked(limits):
    positions, _ = follow(limits, [(0.0, -0.02)] * 10, position=(0.0, -0.02))
    assert (positions[:, 1] == -0.02).all()


def test_a_joint_beyond_its_limit_comes_back_within_the_acceleration(limits):
    positions, _ = follow(limits, [(0.0, 0.5)] * 300, position=(0.0, -0.02))
    assert positions[-1, 1] == 0.5
    assert (np.diff(positions[:, 1]) >= 0).all()
    assert shares(limits, positions)[1] <= 1 + ROUNDING


def test_a_joint_beyond_its_limit_never_goes_farther(limits):
    positions, _ = follow(limits, [(0.0, -0.5)] * 50, position=(0.0, -0.02))
    assert (positions[:, 1] == -0.02).all()


@often
@given(
    seed=st.integers(0, 100_000),
    scale=st.sampled_from([0.01, 0.3, 3.0, 100.0, 1e6]),
    jump=st.integers(1, 60),
)
def test_no_sequence_of_targets_exceeds_a_limit(limits, seed, scale, jump):
    random = np.random.default_rng(seed)
    targets = np.repeat(random.normal(scale=scale, size=(300 // jump + 1, 2)), jump, axis=0)
    velocities = random.normal(scale=scale, size=targets.shape)
    positions, _ = follow(limits, targets, (0.0, 0.5), velocities)
    assert np.isfinite(positions).all()
    assert (positions >= limits.lower).all()
    assert (positions <= limits.upper).all()
    velocity, acceleration = shares(limits, positions)
    assert velocity <= 1 + ROUNDING
    assert acceleration <= 1 + ROUNDING


@often
@given(room=st.floats(0, 10), step=st.floats(0.001, 1))
def test_the_brakable_velocity_uses_the_room_and_no_more(room, step):
    v = float(brakable(np.array([room]), np.array([step / DT]), DT)[0])
    way = 0.0
    while v > 0:
        way, v = way + v * DT, v - step
    assert way == pytest.approx(room, rel=1e-9, abs=1e-9)


def test_one_step_of_room_is_left_in_one_step():
    assert brakable(np.array([0.0, 0.001]), np.array([10.0, 10.0]), DT).tolist() == [0.0, 0.1]


def test_a_path_twice_as_fast_as_a_joint_allows_is_played_at_half_the_rate(limits):
    assert limits.fastest_rate(np.array([2.0, 0.0])) == pytest.approx(HEADROOM / 2)
    assert limits.fastest_rate(np.array([0.2, -1.0])) == pytest.approx(HEADROOM / 2)


def test_a_path_within_the_limits_is_played_at_the_full_rate(limits):
    assert limits.fastest_rate(np.array([0.9, -0.4])) == 1.0


def test_a_path_at_the_velocity_limit_takes_as_long_to_stop_as_the_acceleration_needs(limits):
    # 0.9 rad/s at 90 % of 10 rad/s²; the slide's 0.09 m/s is gone sooner.
    assert limits.least_ramp_ns(np.array([0.9, 0.09])) == 100_000_000


def test_limits_are_in_the_order_of_the_axes(mobile):
    limits = JointLimits.of(mobile)
    assert limits.velocity.tolist() == [1, 0.5, 1, 0.5]
    assert limits.acceleration.tolist() == [10, 1, 2, 5]


def test_a_base_has_limits_of_velocity_and_acceleration_and_none_of_its_way(mobile):
    limits, far = JointLimits.of(mobile), np.array([0.0, 10_000.0, -10_000.0, 0.0])
    p, v = far, np.zeros(4)
    for _ in range(100):
        before = v
        speed = np.array([0, 100.0, -100.0, 0])
        p, v, touched = limits.follow(p, v, p + speed * DT, speed, DT)
        assert (np.abs(v - before) <= limits.acceleration * DT + ROUNDING).all()
        assert touched.tolist() == [False, True, True, False]
    assert v.tolist() == pytest.approx([0, 0.5, -1, 0])
    # Half a second from standing to full speed, then another half.
    assert (p - far)[1:3].tolist() == pytest.approx([0.3775, -0.755])
