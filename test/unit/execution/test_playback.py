from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi0_ros.execution.chunk import action_kinds
from pi0_ros.execution.follower import Motion
from pi0_ros.execution.limits import HEADROOM, JointLimits
from pi0_ros.execution.playback import Playback
from pi0_ros.execution.reference import ChunkCurve
from pi0_ros.execution.settings import ExecutorSettings
from pi0_ros.execution.smoothing import PathLimits

MS = 1_000_000
TICK = 10 * MS
REST = np.zeros(4)


@pytest.fixture(scope="session")
def limits(mobile):
    return JointLimits.of(mobile)


@pytest.fixture
def playback(limits):
    """Of turn, base_x, base_yaw, slide: 0.4 s from standing to full speed."""
    return Playback(limits, ExecutorSettings())


@pytest.fixture(scope="session")
def plan(mobile, make_chunk):
    """A chunk of the mobile robot from actions (H, 4)."""

    def make(actions, **rest):
        return make_chunk(actions, names=mobile.axis_names, kinds=action_kinds(mobile), **rest)

    return make


@pytest.fixture(scope="session")
def cruise(plan):
    """Turn at 0.5 rad/s while the base drives 0.2 m/s and turns left 0.3 rad/s, for a second."""
    return plan([(0.05 * i, 0.2, 0.3, 0) for i in range(11)])


def play(playback, seconds, share=1.0, position=REST):
    """Go exactly where it is wanted; positions (N + 1, 4) with the start, velocities (N, 4)."""
    positions, velocities, now = [position], [], Motion.resting(position)
    for _ in range(round(seconds * 100)):
        now, _ = playback.step(now, share, TICK)
        positions.append(now.position)
        velocities.append(now.velocity)
    return np.array(positions), np.array(velocities)


def test_without_a_chunk_it_rests_where_it_is(playback):
    where = np.array([1.0, 2.0, 3.0, 0.5])
    wanted, passed_ns = playback.step(Motion.resting(where), 1.0, TICK)
    assert wanted.position.tolist() == where.tolist()
    assert wanted.velocity.tolist() == [0, 0, 0, 0]
    assert passed_ns == 0
    assert playback.chunk is None
    assert not playback.is_over


def test_at_full_speed_a_base_drives_as_fast_as_its_actions_say(playback, cruise):
    playback.join(cruise, Motion.resting(REST), 0)
    positions, velocities = play(playback, 0.6)
    assert playback.rate == 1.0
    assert velocities[-1].tolist() == pytest.approx([0.5, 0.2, 0.3, 0], abs=1e-6)
    moved = positions[-1] - positions[-2]
    assert moved.tolist() == pytest.approx([0.005, 0.002, 0.003, 0], abs=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_however_slowly_it_is_played_a_base_goes_as_far_as_was_planned(playback, cruise, share):
    playback.join(cruise, Motion.resting(REST), 0)
    positions, velocities = play(playback, 1.5 + 1 / share, share)
    assert playback.is_over
    assert playback.rate == 0
    assert positions[-1].tolist() == pytest.approx([0.5, 0.2, 0.3, 0], abs=2e-4)
    assert velocities[-1].tolist() == [0, 0, 0, 0]


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    seed=st.integers(0, 10_000),
    shares=st.lists(st.floats(0.2, 1), min_size=1, max_size=5),
    joined_ms=st.integers(0, 900),
)
def test_the_way_of_a_base_is_the_integral_of_its_planned_velocity(
    limits, plan, seed, shares, joined_ms
):
    random = np.random.default_rng(seed)
    chunk = plan(random.uniform(-0.3, 0.3, (11, 4)))
    chunk = replace(chunk, actions=chunk.actions * [0, 1, 1, 0])  # the arm stands
    playback = Playback(limits, ExecutorSettings())
    playback.join(chunk, Motion.resting(REST), joined_ms * MS)
    now = Motion.resting(REST)
    while not playback.is_over:
        share = shares[int(playback.elapsed_ns / 100 / MS) % len(shares)]
        now, _ = playback.step(now, share, TICK)
    unlimited = PathLimits(np.full(4, np.inf), np.full(4, np.inf), np.zeros(4))
    curve = ChunkCurve(chunk, chunk.by_velocity, unlimited)
    halves = np.linspace(joined_ms, 1000, 401)[1::2] * MS
    velocities = np.array([curve.at(round(ns)).position for ns in halves])
    way = velocities.mean(axis=0) * (1 - joined_ms / 1000)
    np.testing.assert_allclose(now.position[1:3], way[1:3], atol=0.007)  # a tick of 0.6 m/s


def test_the_actions_of_a_base_are_played_when_they_are_due(playback, plan):
    velocities = [0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.2, 0.1, 0.0, 0.0, 0.0]
    playback.join(plan([(0, v, 0, 0) for v in velocities]), Motion.resting(REST), 0)
    _, played = play(playback, 0.8)
    assert playback.elapsed_ns == pytest.approx(605 * MS, abs=10 * MS)  # 0.4 s to speed up
    assert played[-1, 1] == pytest.approx(0.2, abs=0.002)


def test_a_base_goes_on_from_where_it_is_and_makes_up_for_nothing(playback, cruise):
    playback.join(cruise, Motion.resting(REST), 0)
    positions, _ = play(playback, 0.6)
    astray = positions[-1] * [1, 0, 0, 1] + [0, 7.0, -7.0, 0]
    wanted, _ = playback.step(Motion.resting(astray), 1.0, TICK)
    assert wanted.velocity[1:3].tolist() == pytest.approx([0.2, 0.3])
    assert wanted.position[1:3].tolist() == pytest.approx([7.002, -6.997])


def test_an_arm_that_trails_the_path_slows_the_clock(playback, cruise):
    playback.join(cruise, Motion.resting(REST), 0)
    positions, _ = play(playback, 0.6)
    behind = positions[-1] - [0.0075, 0, 0, 0]  # of 10 mrad, what 1 rad/s covers in 10 ms
    before = playback.elapsed_ns
    _, passed_ns = playback.step(Motion.resting(behind), 1.0, TICK)
    assert passed_ns == playback.elapsed_ns - before == pytest.approx(TICK / 2, rel=0.01)
    assert playback.pace.code.value == "path_trailed"
    far = positions[-1] - [0.02, 0, 0, 0]
    assert playback.step(Motion.resting(far), 1.0, TICK)[1] == round(0.3 * TICK)


def test_a_base_that_is_too_fast_slows_the_arm_as_well(playback, plan):
    playback.join(
        plan([(0.05 * i, 2.0, 0, 0) for i in range(31)]), Motion.resting(REST), 0
    )  # 0.5 m/s allowed
    _, velocities = play(playback, 5)
    assert playback.rate == pytest.approx(HEADROOM / 4)
    assert playback.pace.code.value == "velocity_limit"
    assert velocities[-1].tolist() == pytest.approx([HEADROOM / 8, HEADROOM / 2, 0, 0])


def test_an_arm_that_is_too_fast_slows_the_base_as_well(playback, plan):
    playback.join(
        plan([(0.2 * i, 0.2, 0, 0) for i in range(31)]), Motion.resting(REST), 0
    )  # 1 rad/s allowed
    _, velocities = play(playback, 2)
    assert velocities[-1].tolist() == pytest.approx([HEADROOM, HEADROOM * 0.1, 0, 0])


def test_a_chunk_that_the_gate_slows_is_played_as_slowly(playback, cruise):
    playback.join(cruise, Motion.resting(REST), 0, scale=0.5)
    _, velocities = play(playback, 0.6)
    assert velocities[-1].tolist() == pytest.approx([0.25, 0.1, 0.15, 0], abs=1e-6)
    assert str(playback.pace) == "chunk_scaled: 0.50 of full speed"


def test_a_base_starts_within_80_percent_of_its_acceleration(playback, plan):
    playback.join(plan([(0, 0.45, 0, 0) for _ in range(31)]), Motion.resting(REST), 0)
    _, velocities = play(playback, 0.8)
    # 0.45 m/s at 80 % of 1 m/s²: 0.56 s, and 0.05 s until that is there.
    assert velocities[54, 1] < 0.449
    assert velocities[70, 1] == pytest.approx(0.45)
    assert np.diff(velocities[:, 1]).max() <= 0.008 + 1e-9


def test_where_the_clock_is_to_stand_a_base_is_to_stand_at_once(playback, cruise):
    playback.join(cruise, Motion.resting(REST), 0)
    positions, _ = play(playback, 0.6)
    _, velocities = play(playback, 0.1, share=0.0, position=positions[-1])
    assert not velocities[:, 1:3].any()
    assert velocities[-1, 0] > 0.3  # the arm slows along its path


def test_a_new_plan_changes_the_velocity_of_a_base_smoothly(playback, plan, cruise):
    playback.join(cruise, Motion.resting(REST), 0)
    positions, _ = play(playback, 0.6)
    playback.join(plan([(0.2, 0, -0.3, 0)] * 11), Motion.resting(positions[-1]), 0)
    positions, velocities = play(playback, 0.6, position=positions[-1])
    steps = np.diff(np.vstack([[0.5, 0.2, 0.3, 0], velocities]), axis=0)
    # Half of 1 m/s² and of 2 rad/s²; 1.875 times 0.6 rad/s at 1 rad/s² takes 1.125 s.
    assert np.abs(steps[:, 1]).max() <= 0.005 + 1e-9
    assert np.abs(steps[:, 2]).max() <= 0.010 + 1e-9
    _, velocities = play(playback, 0.1, position=positions[-1])
    assert velocities[0, 1] > 0  # it fades together with the yaw


def test_a_plan_that_goes_on_with_the_same_velocity_changes_nothing(playback, plan, cruise):
    playback.join(cruise, Motion.resting(REST), 0)
    positions, _ = play(playback, 0.6)
    playback.join(plan([(positions[-1, 0], 0.2, 0.3, 0)] * 11), Motion.resting(positions[-1]), 0)
    _, velocities = play(playback, 0.5, position=positions[-1])
    np.testing.assert_allclose(velocities[:, 1:3], [[0.2, 0.3]] * 50, atol=1e-5)


def test_what_is_joined_while_the_clock_stands_has_no_velocity_to_fade_from(playback, plan, cruise):
    playback.join(cruise, Motion.resting(REST), 0)
    positions, _ = play(playback, 0.5)
    positions, _ = play(playback, 0.6, share=0.0, position=positions[-1])
    assert (playback.rate, playback.is_over) == (0.0, False)
    playback.join(plan([(0.2, -0.2, 0, 0)] * 11), Motion.resting(positions[-1]), 0)
    _, velocities = play(playback, 0.5, position=positions[-1])
    assert velocities[:, 1].max() < 0
    assert velocities[:, 2].tolist() == [0] * 50


def test_a_base_that_is_told_to_stop_does_not_roll_on_while_an_arm_comes_from_afar(
    playback, plan, cruise
):
    playback.join(cruise, Motion.resting(REST), 0)
    positions, _ = play(playback, 0.5)
    playback.join(plan([(3, 0, 0, 0)] * 11), Motion.resting(positions[-1]), 0)
    _, velocities = play(playback, 3, position=positions[-1])
    # 1.875 times 0.2 m/s at 0.5 m/s², and 0.3 rad/s at 1 rad/s²: 0.75 s and 0.5625 s.
    assert velocities[70, 1] > 0
    assert np.abs(velocities[80:, 1:3]).max() < 1e-12
    assert velocities[-1, 0] > 0.3


def test_when_the_plan_is_over_a_base_stands_though_an_arm_is_still_on_its_way(playback, plan):
    playback.join(plan([(3, 0.2, 0, 0)] * 11), Motion.resting(REST), 0)
    _, velocities = play(playback, 2)
    assert playback.elapsed_ns > 1000 * MS
    assert not playback.is_over
    assert velocities[-1, 1] == 0
    assert velocities[-1, 0] > 0.1


def test_after_the_end_it_rests_until_the_next_chunk(playback, cruise):
    playback.join(cruise, Motion.resting(REST), 0)
    positions, _ = play(playback, 0.5)
    playback.end()
    assert (playback.rate, playback.chunk) == (0.0, None)
    rested, velocities = play(playback, 0.1, position=positions[-1])
    assert (rested == positions[-1]).all()
    assert not velocities.any()
    playback.join(cruise, Motion.resting(rested[-1]), 0)
    _, velocities = play(playback, 0.01, position=rested[-1])
    assert 0 < velocities[0, 1] < 0.2 / 40  # from standing, not from 0.2 m/s
