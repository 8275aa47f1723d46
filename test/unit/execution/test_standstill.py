from __future__ import annotations

import numpy as np

from pi0_ros.execution.standstill import Standstill

MS = 1_000_000


def after(*poses: float, every_ms: int = 100) -> Standstill:
    """One joint's positions, 100 ms apart."""
    made = Standstill()
    for i, position in enumerate(poses):
        made.take(i * every_ms * MS, np.array([0.0, position]))
    return made


def test_without_a_pose_it_is_not_known_and_does_not_stand() -> None:
    assert not Standstill().is_known
    assert not Standstill().stands


def test_it_stands_after_300_ms_at_one_place() -> None:
    assert not after(1.0, 1.0, 1.0).stands
    assert after(1.0, 1.0, 1.0, 1.0).stands


def test_noise_of_a_sensor_is_no_motion() -> None:
    assert after(1.0, 1.001, 0.999, 1.0015).stands


def test_a_joint_that_creeps_moves() -> None:
    assert not after(*(0.005 * i for i in range(20))).stands


def test_what_moved_must_stand_again() -> None:
    assert not after(1.0, 1.0, 1.0, 1.0, 1.1, 1.1, 1.1).stands
    assert after(1.0, 1.0, 1.0, 1.0, 1.1, 1.1, 1.1, 1.1).stands


def test_a_clock_that_jumps_back_begins_anew() -> None:
    made = after(1.0, 1.0, 1.0, 1.0)
    made.take(0, np.array([0.0, 1.0]))
    assert not made.stands
