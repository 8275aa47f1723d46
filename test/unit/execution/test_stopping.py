from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import BPoly

from pi0_ros.execution.stopping import POINTS, Stop, Stopping

PERIOD_S = 0.002
V, A, J = 2.0, 5.0, 100.0  # limits of speed, acceleration and jerk


def stopping(joints: int = 1, room: float = 100.0, jerk: float = J) -> Stopping:
    """Joints that may move so far to either side of zero."""
    ones = np.ones(joints)
    return Stopping(-room * ones, room * ones, V * ones, A * ones, jerk * ones)


def moving(velocity: np.ndarray, acceleration: np.ndarray) -> np.ndarray:
    """Three positions, 2 ms apart, of which the last is zero, (3, J)."""
    before = velocity - acceleration * PERIOD_S
    return np.stack([-(velocity + before) * PERIOD_S, -velocity * PERIOD_S, 0 * velocity])


def played(stop: Stop, order: int) -> np.ndarray:
    """A derivative of what a controller plays between the points, every 1/1000 of it, (N, J)."""
    times_s = stop.times_ns / 1e9
    points = np.stack([stop.positions, stop.velocities, stop.accelerations], axis=1)
    curve = BPoly.from_derivatives(times_s, points)
    return np.asarray(curve(np.linspace(0, times_s[-1], 1001), order))


def test_a_joint_at_1_per_s_stops_with_nine_tenths_of_its_limits() -> None:
    stop = stopping().after(moving(np.array([1.0]), np.zeros(1)), PERIOD_S)
    # 4.5 per s² for 1 / 4.5 s, and the 0.05 s in which the jerk of 90 reaches it.
    assert stop.times_ns[-1] / 1e9 == pytest.approx(1 / 4.5 + 0.05, abs=1e-6)
    assert stop.positions[-1, 0] == pytest.approx((1 / 4.5 + 0.05) / 2, abs=1e-6)
    assert stop.accelerations.min() == pytest.approx(-4.5, abs=1e-6)


def test_it_begins_where_and_how_the_joint_moves_and_ends_standing() -> None:
    v, a = np.array([0.7, -1.2]), np.array([2.0, 3.0])
    stop = stopping(2).after(moving(v, a) + np.array([4.0, -3.0]), PERIOD_S)
    np.testing.assert_allclose(stop.positions[0], [4, -3])
    np.testing.assert_allclose(stop.velocities[0], v)
    np.testing.assert_allclose(stop.accelerations[0], a)
    np.testing.assert_array_equal([stop.velocities[-1], stop.accelerations[-1]], 0.0)
    assert stop.times_ns[0] == 0
    assert (np.diff(stop.times_ns) > 0).all()
    assert len(stop.times_ns) == POINTS + 1


def test_what_is_played_at_an_instant_is_known_up_to_the_end_and_after_it() -> None:
    stop = stopping().after(moving(np.array([1.0]), np.zeros(1)), PERIOD_S)
    end_ns = int(stop.times_ns[-1])
    position, velocity, acceleration = stop.at(end_ns // 2)
    assert 0.75 < position[0] / stop.positions[-1, 0] < 0.8  # 3/4 without the jerk's rounding
    assert velocity[0] == pytest.approx(0.5, abs=1e-3)  # it is symmetric
    assert acceleration[0] == pytest.approx(-4.5, abs=0.1)
    for elapsed_ns in (end_ns, 10 * end_ns):
        position, velocity, acceleration = stop.at(elapsed_ns)
        assert position[0] == pytest.approx(stop.positions[-1, 0])
        assert (velocity[0], acceleration[0]) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_it_is_mirrored_for_a_joint_that_moves_backwards() -> None:
    v, a = np.array([0.9]), np.array([-1.5])
    there = stopping().after(moving(v, a), PERIOD_S)
    back = stopping().after(moving(-v, -a), PERIOD_S)
    np.testing.assert_allclose(back.positions, -there.positions, atol=1e-15)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_from_fewer_than_three_positions_there_is_no_stop(rows: int) -> None:
    assert stopping().after(np.ones((rows, 1)), PERIOD_S) is None


def test_where_all_joints_stand_there_is_no_stop() -> None:
    assert stopping(2).after(np.full((3, 2), 1.5), PERIOD_S) is None
    assert stopping(2).after(moving(np.array([0.0, 1e-3]), np.zeros(2)), PERIOD_S) is not None


def test_with_little_room_it_stops_harder_and_not_beyond_the_limit() -> None:
    gentle = stopping(jerk=5000.0).after(moving(np.array([1.0]), np.zeros(1)), PERIOD_S)
    end = gentle.positions[-1, 0]
    hard = stopping(room=end - 0.01, jerk=5000.0).after(
        moving(np.array([1.0]), np.zeros(1)), PERIOD_S
    )
    assert hard.positions.max() <= end - 0.01
    assert hard.velocities[0, 0] == pytest.approx(1.0), "without a step"


def test_with_no_room_at_all_the_limit_is_what_counts() -> None:
    stop = stopping(room=0.05).after(moving(np.array([1.0]), np.zeros(1)), PERIOD_S)
    assert stop.positions.max() == pytest.approx(0.05)


share = st.floats(-1.0, 1.0)


@given(joints=st.lists(st.tuples(share, share), min_size=1, max_size=7))
def test_from_any_motion_within_the_limits_it_stops_within_them(joints) -> None:
    speed, acceleration = np.array(joints).T * np.array([[V], [A]])
    # A speed that the acceleration would take beyond the limit is none that an executor commits.
    speed = np.sign(speed) * np.minimum(
        np.abs(speed), np.maximum(V - acceleration**2 / (2 * 0.9 * J), 0.0)
    )
    stop = stopping(len(joints)).after(moving(speed, acceleration), PERIOD_S)
    if stop is None:
        assert np.abs(speed).max() < 1e-6
        return
    assert np.abs(played(stop, 1)).max() <= V * 1.001
    assert np.abs(played(stop, 2)).max() <= A * 1.03
    assert stop.times_ns[-1] / 1e9 < V / (0.9 * A) + 2 * A / (0.9 * J) + 0.05, "it ends soon"
    assert np.isfinite(stop.positions).all()


@given(room=st.floats(0.0, 1.0), speed=st.floats(-V, V), acceleration=st.floats(-A, A))
def test_it_never_ends_or_passes_beyond_a_position_limit(room, speed, acceleration) -> None:
    stop = stopping(room=room).after(moving(np.array([speed]), np.array([acceleration])), PERIOD_S)
    if stop is not None:
        assert np.abs(stop.positions[-1]).max() <= room + 1e-12
