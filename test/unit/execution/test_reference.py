from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi0_ros.execution.chunk import ActionKind
from pi0_ros.execution.follower import Motion
from pi0_ros.execution.reference import ChunkCurve, JoinLimits, OffsetFade, join
from pi0_ros.execution.smoothing import PathLimits

MS = 1_000_000
often = settings(deadline=None, derandomize=True, max_examples=100)
small = st.floats(-3, 3)
SMOOTH, SHAPED = np.array([False, False]), np.array([True, True])
UNLIMITED = PathLimits(np.full(2, np.inf), np.full(2, np.inf), np.zeros(2))


def before(speed, turn=(0.0, 0.0)):
    """What was played before a join: a speed and an acceleration."""
    return Motion(np.zeros(len(speed)), np.array(speed), np.array(turn))


def difference(offset, slope, curvature=None):
    offset, slope = np.array(offset, float), np.array(slope, float)
    return Motion(offset, slope, 0 * offset if curvature is None else np.array(curvature))


@pytest.fixture(scope="module")
def join_limits():
    """No jerk that matters, unless a test is about it; nothing is shaped."""
    return JoinLimits(
        300 * MS, np.array([0.5, 0.25]), np.array([5.0, 2.5]), np.full(2, 1e6), SMOOTH, UNLIMITED
    )


def random_chunk(make_chunk, seed):
    return make_chunk(np.random.default_rng(seed).uniform(-1, 1, (11, 2)))


def test_the_curve_meets_every_action_when_it_is_due(make_chunk):
    chunk = random_chunk(make_chunk, 0)
    for shaped in (SMOOTH, SHAPED):
        curve = ChunkCurve(chunk, shaped, UNLIMITED)
        for i, action in enumerate(chunk.actions):
            np.testing.assert_allclose(curve.at(i * 100 * MS).position, action, atol=1e-12)


def test_a_straight_chunk_is_a_straight_line(make_chunk):
    curve = ChunkCurve(make_chunk(), SMOOTH, UNLIMITED)  # 0.5 rad/s
    path = curve.at(330 * MS)
    np.testing.assert_allclose(path.position, [0.165, 0], atol=1e-12)
    np.testing.assert_allclose(path.velocity, [0.5, 0], atol=1e-12)
    np.testing.assert_allclose(path.acceleration, [0, 0], atol=1e-11)


def test_the_ends_of_the_curve_are_held(make_chunk):
    curve = ChunkCurve(make_chunk([(1, 0), (2, 0)]), SMOOTH, UNLIMITED)
    assert curve.at(-50 * MS).position.tolist() == [1, 0]
    end = curve.at(500 * MS)
    assert [end.position.tolist(), end.velocity.tolist()] == [[2, 0], [0, 0]]


@often
@given(seed=st.integers(0, 10_000), ms=st.integers(0, 1000))
def test_a_gripper_never_leaves_the_range_of_its_two_neighbours(make_chunk, seed, ms):
    chunk = random_chunk(make_chunk, seed)
    before = min(ms // 100, 9)
    two = chunk.actions[before : before + 2]
    position = ChunkCurve(chunk, SHAPED, UNLIMITED).at(ms * MS).position
    assert (position >= two.min(axis=0) - 1e-12).all()
    assert (position <= two.max(axis=0) + 1e-12).all()


@often
@given(seed=st.integers(0, 10_000), ms=st.integers(1, 999))
def test_slope_and_curvature_of_the_curve_are_its_derivatives(make_chunk, seed, ms):
    curve = ChunkCurve(random_chunk(make_chunk, seed), SMOOTH, UNLIMITED)
    ahead, behind, here = (curve.at(ms * MS + ns) for ns in (1000, -1000, 0))
    np.testing.assert_allclose((ahead.position - behind.position) / 2e-6, here.velocity, atol=5e-3)
    np.testing.assert_allclose(
        (ahead.velocity - behind.velocity) / 2e-6, here.acceleration, atol=5e-2
    )


@often
@given(seed=st.integers(0, 10_000), knot=st.integers(1, 9))
def test_the_curvature_of_an_arms_curve_is_continuous(make_chunk, seed, knot):
    curve = ChunkCurve(random_chunk(make_chunk, seed), SMOOTH, UNLIMITED)
    ahead, behind = (curve.at(knot * 100 * MS + ns).acceleration for ns in (0, -1))
    np.testing.assert_allclose(ahead, behind, atol=1e-3)


def test_a_fade_begins_with_its_difference_and_ends_with_none():
    fade = OffsetFade(difference([1.0], [2.0], [3.0]), np.full((3, 1), 300 * MS))
    begin, almost = fade.at(0), fade.at(300 * MS - 1)
    parts = (begin.position, begin.velocity, begin.acceleration)
    assert [float(part[0]) for part in parts] == pytest.approx([1.0, 2.0, 3.0])
    assert fade.at(300 * MS) is None
    np.testing.assert_allclose([almost.position, almost.velocity], 0.0, atol=1e-9)
    np.testing.assert_allclose(almost.acceleration, 0.0, atol=1e-5)


def test_half_of_an_offset_is_gone_after_half_the_time():
    fade = OffsetFade(difference([1.0], [0.0]), np.full((3, 1), 300 * MS))
    assert float(fade.at(150 * MS).position[0]) == pytest.approx(0.5)


def test_each_offset_fades_in_its_own_time():
    fade = OffsetFade(difference(np.ones(2), np.zeros(2)), np.tile([300 * MS, 600 * MS], (3, 1)))
    assert fade.duration_ns == 600 * MS
    assert fade.at(150 * MS).position[0] == pytest.approx(0.5)
    late = fade.at(450 * MS)
    assert [late.position[0], late.velocity[0]] == pytest.approx([0.0, 0.0], abs=1e-12)
    assert fade.at(300 * MS).position.tolist() == pytest.approx([0.0, 0.5], abs=1e-12)


@often
@given(offset=small, slope=small, curvature=small, share=st.floats(0.01, 0.99))
def test_slope_and_curvature_of_a_fade_are_its_derivatives(offset, slope, curvature, share):
    fade = OffsetFade(difference([offset], [slope], [curvature]), np.full((3, 1), 1000 * MS))
    t = round(share * 1000 * MS)
    ahead, behind, here = (fade.at(t + ns) for ns in (1000, -1000, 0))
    np.testing.assert_allclose((ahead.position - behind.position) / 2e-6, here.velocity, atol=1e-5)
    np.testing.assert_allclose(
        (ahead.velocity - behind.velocity) / 2e-6, here.acceleration, atol=1e-3
    )


@often
@given(
    seed=st.integers(0, 10_000),
    ms=st.integers(0, 1500),
    position=st.tuples(small, small),
    speed=st.tuples(small, small),
    turn=st.tuples(small, small),
)
def test_a_join_is_continuous_in_position_velocity_and_acceleration(
    make_chunk, join_limits, seed, ms, position, speed, turn
):
    chunk = random_chunk(make_chunk, seed)
    reference = join(chunk, ms * MS, np.array(position), before(speed, turn), join_limits)
    at_join = reference.at(ms * MS)
    np.testing.assert_allclose(at_join.position, position, atol=1e-9)
    np.testing.assert_allclose(at_join.velocity, speed, atol=1e-9)
    np.testing.assert_allclose(at_join.acceleration, turn, atol=1e-6)


@often
@given(seed=st.integers(0, 10_000), position=st.tuples(small, small))
def test_after_the_fade_the_reference_is_the_chunk_exactly(make_chunk, join_limits, seed, position):
    chunk = random_chunk(make_chunk, seed)
    reference = join(chunk, 0, np.array(position), None, join_limits)
    for ns in (reference.fade.duration_ns, reference.fade.duration_ns + 77 * MS):
        there, expected = reference.at(ns), reference.curve.at(ns)
        assert (there.position == expected.position).all()
        assert (there.velocity == expected.velocity).all()


@often
@given(
    offset=st.tuples(small, small),
    slope=st.tuples(small, small),
    curvature=st.tuples(small, small),
)
def test_a_fade_keeps_its_share_of_velocity_acceleration_and_jerk(
    make_chunk, join_limits, offset, slope, curvature
):
    stands, none = make_chunk(np.zeros((11, 2))), (0.0, 0.0)
    jerk = np.array([50.0, 25.0])
    limits = replace(
        join_limits, jerk=jerk, path=PathLimits(join_limits.acceleration, jerk, np.zeros(2))
    )
    for o, m, c in ((offset, none, none), (none, slope, none), (none, none, curvature)):
        fade = join(stands, 0, np.array(o), before(m, c), limits).fade
        times = np.linspace(0, fade.duration_ns - 1, 200).astype(int).tolist()
        slopes, turns = (
            np.array([getattr(fade.at(ns), what) for ns in times])
            for what in ("velocity", "acceleration")
        )
        most = np.maximum(limits.acceleration, np.abs(c)) * (1 + 1e-6)
        if o != none:
            assert (np.abs(slopes) <= limits.velocity + 1e-9).all()
        assert (np.abs(turns) <= most).all()
        if c == none:  # a curvature is gone within 0.3 s, whatever that takes
            jerks = np.diff(turns, axis=0) / np.diff(times)[:, None] * 1e9
            assert (np.abs(jerks) <= limits.jerk * (1 + 1e-3)).all()


def test_a_small_difference_fades_in_the_shortest_time(make_chunk, join_limits):
    reference = join(make_chunk(), 0, np.array([0.01, 0]), None, join_limits)
    assert reference.fade.duration_ns == 300 * MS


def test_a_radian_at_half_a_radian_per_second_takes_as_long_as_its_peak_needs(
    make_chunk, join_limits
):
    reference = join(make_chunk(), 0, np.array([1.0, 0]), None, join_limits)
    assert reference.fade.duration_ns == 3750 * MS  # peak slope 1.875 rad in T; 0.5 rad/s
    assert reference.duration_ns == 3750 * MS  # longer than the chunk: the ramp ends it


def test_where_the_clock_stands_any_slope_is_continuous(make_chunk, join_limits):
    reference = join(make_chunk(), 0, np.zeros(2), None, join_limits)
    assert reference.at(0).velocity.tolist() == pytest.approx([0.5, 0])


def by_velocity(make_chunk, seed=0):
    """A chunk of a position and a velocity."""
    return replace(random_chunk(make_chunk, seed), kinds=(ActionKind.POSITION, ActionKind.VELOCITY))


def test_a_velocity_is_its_own_speed_along_the_path(make_chunk, join_limits):
    chunk = by_velocity(make_chunk)
    path = join(chunk, 0, np.zeros(2), None, join_limits).at(500 * MS)
    assert path.velocity[1] == pytest.approx(chunk.actions[5, 1])
    assert path.position[1] == 0.0


@often
@given(
    seed=st.integers(0, 10_000),
    ms=st.integers(0, 1500),
    speed=st.tuples(small, small),
    where=small,
)
def test_a_velocity_is_continuous_at_a_join_wherever_its_joint_is(
    make_chunk, join_limits, seed, ms, speed, where
):
    chunk = by_velocity(make_chunk, seed)
    reference = join(chunk, ms * MS, np.array([0, where]), before(speed), join_limits)
    np.testing.assert_allclose(reference.at(ms * MS).velocity, speed, atol=1e-9)
    end = reference.at(reference.duration_ns)
    assert [end.position[0], end.velocity[1]] == [chunk.actions[-1, 0], 0.0]


@often
@given(change=st.floats(-3, 3))
def test_the_fade_of_a_velocity_keeps_its_share_of_acceleration(make_chunk, join_limits, change):
    stands = replace(make_chunk(np.zeros((11, 2))), kinds=by_velocity(make_chunk).kinds)
    fade = join(stands, 0, np.zeros(2), before([0, change]), join_limits).fade
    times = np.linspace(0, fade.duration_ns - 1, 200).astype(int).tolist()
    values = np.array([fade.at(ns).position[1] for ns in times])
    slopes = np.array([fade.at(ns).velocity[1] for ns in times])
    assert (np.abs(slopes) <= 2.5 + 1e-9).all()
    assert (np.abs(values) <= abs(change) + 1e-12).all()  # between the old velocity and the new one
    if abs(change) > 0.4:  # at 1.875 times 0.4 m/s in 0.3 s the share is used up
        assert np.abs(slopes).max() == pytest.approx(2.5, rel=1e-3)


def test_positions_fade_together_and_velocities_fade_together(make_chunk):
    limits = JoinLimits(
        300 * MS,
        np.full(4, 0.5),
        np.full(4, 5.0),
        np.full(4, 1e6),
        np.full(4, False),
        PathLimits(np.full(4, np.inf), np.full(4, np.inf), np.zeros(4)),
    )
    position, velocity = ActionKind
    chunk = make_chunk(
        np.zeros((11, 4)), names="abcd", kinds=(position, position, velocity, velocity)
    )
    was = Motion(np.zeros(4), np.array([0, 0, 4.0, 0]), np.zeros(4))
    fade = join(chunk, 0, np.array([1.0, 0, 0, 0]), was, limits).fade
    assert fade.durations_ns[0].tolist() == [3750 * MS, 3750 * MS, 1500 * MS, 1500 * MS]


def test_the_last_velocity_of_a_chunk_is_not_held_beyond_its_end(make_chunk):
    chunk = replace(make_chunk([(1, 0.2), (2, 0.2)]), kinds=tuple(ActionKind))
    curve = ChunkCurve(chunk, chunk.by_velocity, UNLIMITED)
    assert curve.at(100 * MS - 1).position[1] == pytest.approx(0.2)
    assert curve.at(100 * MS).position.tolist() == [2, 0]
