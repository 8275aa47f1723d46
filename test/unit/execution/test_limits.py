from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi0_ros.execution.limits import (
    CLOCK_SHARE,
    HEADROOM,
    JointLimits,
    brakable,
    stoppable,
    stopping_distance,
)

DT = 0.01
often = settings(deadline=None, derandomize=True, max_examples=100)


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


def test_a_stop_from_afar_is_the_stop_without_jerk_and_half_a_ramp_more():
    # 2 m/s at 1 m/s²: 2 m. Its deceleration comes and goes within 0.1 s: 0.1 m more.
    distance = stopping_distance(np.array([2.0]), np.array([1.0]), np.array([10.0]))
    assert distance.tolist() == pytest.approx([2.1])


def test_a_short_stop_never_gets_to_the_full_deceleration():
    # 0.1 m/s at 10 m/s³: a ramp of 0.1 s down and one up, at half the speed in the mean.
    distance = stopping_distance(np.array([0.1]), np.array([100.0]), np.array([10.0]))
    assert distance.tolist() == pytest.approx([0.01])


@often
@given(room=st.floats(1e-6, 100), acceleration=st.floats(0.1, 100), ramp_s=st.floats(0.001, 1))
def test_the_stoppable_speed_stops_exactly_in_the_room(room, acceleration, ramp_s):
    a, j = np.array([acceleration]), np.array([acceleration / ramp_s])
    speed = stoppable(np.array([room]), a, j)
    assert stopping_distance(speed, a, j).tolist() == pytest.approx([room])


def test_a_path_twice_as_fast_as_a_joint_allows_is_played_at_half_the_rate(limits):
    assert limits.fastest_rate(np.array([2.0, 0.0])) == pytest.approx(HEADROOM / 2)
    assert limits.fastest_rate(np.array([0.2, -1.0])) == pytest.approx(HEADROOM / 2)


def test_a_path_within_the_limits_is_played_at_the_full_rate(limits):
    assert limits.fastest_rate(np.array([0.9, -0.4])) == 1.0


def test_a_path_at_full_speed_lets_the_clock_change_as_its_acceleration_allows(limits):
    # 0.5 rad/s at 80 % of 10 rad/s² and of 200 rad/s³; the slide is slower.
    slope, curvature = limits.gentlest_clock(np.array([0.5, 0.1]))
    assert slope == pytest.approx(CLOCK_SHARE * 20)
    assert curvature == pytest.approx(CLOCK_SHARE * 400)


def test_a_gripper_slows_nobody(embodiment):
    limits = JointLimits.of(embodiment)
    snap = np.zeros(14)
    snap[[6, 13]] = 100.0
    assert limits.paced.tolist() == [True] * 6 + [False] + [True] * 6 + [False]
    assert limits.fastest_rate(snap) == 1.0


def test_limits_are_in_the_order_of_the_axes(mobile):
    limits = JointLimits.of(mobile)
    assert limits.velocity.tolist() == [1, 0.5, 1, 0.5]
    assert limits.acceleration.tolist() == [10, 1, 2, 5]
    assert limits.jerk.tolist() == [200, 20, 40, 100]  # acceleration is reached in 50 ms


def test_a_base_stops_from_its_greatest_speed_within_the_timeout_of_its_driver(mobile):
    limits = JointLimits.of(mobile).stopping(mobile)
    drives = [1, 2]
    a, j = limits.acceleration[drives], limits.jerk[drives]
    seconds = limits.velocity[drives] / a + a / j
    # 300 ms without the 40 ms that are committed already.
    assert (seconds < 0.26).all()
    assert (seconds > 0.15).all()
    assert limits.acceleration[[0, 3]].tolist() == [10, 5]


def test_a_robot_without_a_base_stops_as_it_goes(robot):
    limits = JointLimits.of(robot)
    assert limits.stopping(robot) is limits
