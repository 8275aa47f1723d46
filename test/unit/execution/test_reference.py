from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi0_ros.execution.chunk import ActionKind
from pi0_ros.execution.reference import ChunkCurve, JoinLimits, OffsetFade, join

MS = 1_000_000
often = settings(deadline=None, derandomize=True, max_examples=100)
small = st.floats(-3, 3)


@pytest.fixture(scope="module")
def join_limits():
    return JoinLimits(300 * MS, np.array([0.5, 0.25]), np.array([5.0, 2.5]))


def random_chunk(make_chunk, seed):
    return make_chunk(np.random.default_rng(seed).uniform(-1, 1, (11, 2)))


def test_the_curve_meets_every_action_when_it_is_due(make_chunk):
    chunk = random_chunk(make_chunk, 0)
    curve = ChunkCurve(chunk)
    for i, action in enumerate(chunk.actions):
        np.testing.assert_allclose(curve.at(i * 100 * MS)[0], action, atol=1e-12)


def test_a_straight_chunk_is_a_straight_line(make_chunk):
    curve = ChunkCurve(make_chunk())  # 0.5 rad/s
    position, slope = curve.at(330 * MS)
    np.testing.assert_allclose(position, [0.165, 0], atol=1e-12)
    np.testing.assert_allclose(slope, [0.5, 0], atol=1e-12)


def test_the_ends_of_the_curve_are_held(make_chunk):
    curve = ChunkCurve(make_chunk([(1, 0), (2, 0)]))
    assert curve.at(-50 * MS)[0].tolist() == [1, 0]
    assert [part.tolist() for part in curve.at(500 * MS)] == [[2, 0], [0, 0]]


@often
@given(seed=st.integers(0, 10_000), ms=st.integers(0, 1000))
def test_the_curve_never_leaves_the_range_of_its_two_neighbours(make_chunk, seed, ms):
    chunk = random_chunk(make_chunk, seed)
    before = min(ms // 100, 9)
    two = chunk.actions[before : before + 2]
    position, _ = ChunkCurve(chunk).at(ms * MS)
    assert (position >= two.min(axis=0) - 1e-12).all()
    assert (position <= two.max(axis=0) + 1e-12).all()


@often
@given(seed=st.integers(0, 10_000), ms=st.integers(1, 999))
def test_the_slope_of_the_curve_is_its_derivative(make_chunk, seed, ms):
    curve = ChunkCurve(random_chunk(make_chunk, seed))
    before, after = curve.at(ms * MS - 1000)[0], curve.at(ms * MS + 1000)[0]
    np.testing.assert_allclose((after - before) / 2e-6, curve.at(ms * MS)[1], atol=5e-3)


def test_a_fade_begins_with_its_offset_and_slope_and_ends_with_none():
    fade = OffsetFade(np.array([1.0]), np.array([2.0]), np.array([300 * MS]))
    assert [float(part[0]) for part in fade.at(0)] == [1.0, 2.0]
    assert [float(part[0]) for part in fade.at(300 * MS)] == [0.0, 0.0]
    assert [float(part[0]) for part in fade.at(900 * MS)] == [0.0, 0.0]
    almost = [float(part[0]) for part in fade.at(300 * MS - 1)]
    np.testing.assert_allclose(almost, 0.0, atol=1e-12)


def test_half_of_an_offset_is_gone_after_half_the_time():
    fade = OffsetFade(np.array([1.0]), np.array([0.0]), np.array([300 * MS]))
    assert float(fade.at(150 * MS)[0][0]) == 0.5


def test_each_offset_fades_in_its_own_time():
    fade = OffsetFade(np.ones(2), np.zeros(2), np.array([300 * MS, 600 * MS]))
    assert fade.duration_ns == 600 * MS
    assert fade.at(150 * MS)[0][0] == 0.5
    assert [part.tolist()[0] for part in fade.at(450 * MS)] == [0.0, 0.0]
    assert fade.at(300 * MS)[0].tolist() == [0.0, 0.5]


@often
@given(offset=small, slope=small, share=st.floats(0.01, 0.99))
def test_the_slope_of_a_fade_is_its_derivative(offset, slope, share):
    fade = OffsetFade(np.array([offset]), np.array([slope]), np.array([1000 * MS]))
    t = round(share * 1000 * MS)
    before, after = fade.at(t - 1000)[0], fade.at(t + 1000)[0]
    np.testing.assert_allclose((after - before) / 2e-6, fade.at(t)[1], atol=1e-6)


@often
@given(
    seed=st.integers(0, 10_000),
    ms=st.integers(0, 1500),
    position=st.tuples(small, small),
    slope=st.tuples(small, small),
)
def test_a_join_is_continuous_in_position_and_velocity(
    make_chunk, join_limits, seed, ms, position, slope
):
    chunk = random_chunk(make_chunk, seed)
    reference = join(chunk, ms * MS, np.array(position), np.array(slope), join_limits)
    at_join = reference.at(ms * MS)
    np.testing.assert_allclose(at_join[0], position, atol=1e-12)
    np.testing.assert_allclose(at_join[1], slope, atol=1e-12)


@often
@given(seed=st.integers(0, 10_000), position=st.tuples(small, small))
def test_after_the_fade_the_reference_is_the_chunk_exactly(make_chunk, join_limits, seed, position):
    chunk = random_chunk(make_chunk, seed)
    reference = join(chunk, 0, np.array(position), None, join_limits)
    for ns in (reference.fade.duration_ns, reference.fade.duration_ns + 77 * MS):
        for part, expected in zip(reference.at(ns), reference.curve.at(ns), strict=True):
            assert (part == expected).all()


@often
@given(offset=st.tuples(small, small), turn=st.tuples(small, small))
def test_a_fade_keeps_its_share_of_velocity_and_acceleration(make_chunk, join_limits, offset, turn):
    stands = make_chunk(np.zeros((11, 2)))
    for o, t in ((offset, (0, 0)), ((0, 0), turn)):  # each part for itself
        fade = join(stands, 0, np.array(o), np.array(t), join_limits).fade
        times = np.linspace(0, fade.duration_ns, 200).astype(int).tolist()
        slopes = np.array([fade.at(ns)[1] for ns in times])
        assert (np.abs(slopes) <= np.maximum(join_limits.velocity, np.abs(t)) + 1e-9).all()
        curvature = np.diff(slopes, axis=0) / np.diff(times)[:, None] * 1e9
        assert (np.abs(curvature) <= join_limits.acceleration * (1 + 1e-6)).all()


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
    assert reference.at(0)[1].tolist() == pytest.approx([0.5, 0])


def by_velocity(make_chunk, seed=0):
    """A chunk of a position and a velocity."""
    return replace(random_chunk(make_chunk, seed), kinds=(ActionKind.POSITION, ActionKind.VELOCITY))


def test_a_velocity_is_its_own_speed_along_the_path(make_chunk, join_limits):
    chunk = by_velocity(make_chunk)
    value, speed = join(chunk, 0, np.zeros(2), None, join_limits).at(500 * MS)
    assert speed[1] == value[1] == pytest.approx(chunk.actions[5, 1])
    assert speed[0] != value[0]


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
    reference = join(chunk, ms * MS, np.array([0, where]), np.array(speed), join_limits)
    np.testing.assert_allclose(reference.at(ms * MS)[1], speed, atol=1e-12)
    end = reference.duration_ns
    assert reference.at(end)[0].tolist() == [chunk.actions[-1, 0], 0.0]


@often
@given(change=st.floats(-3, 3))
def test_the_fade_of_a_velocity_keeps_its_share_of_acceleration(make_chunk, join_limits, change):
    stands = replace(make_chunk(np.zeros((11, 2))), kinds=by_velocity(make_chunk).kinds)
    fade = join(stands, 0, np.zeros(2), np.array([0, change]), join_limits).fade
    times = np.linspace(0, fade.duration_ns, 200).astype(int).tolist()
    values, slopes = (np.array([fade.at(ns)[i][1] for ns in times]) for i in (0, 1))
    assert (np.abs(slopes) <= 2.5 + 1e-9).all()
    assert (np.abs(values) <= abs(change)).all()  # between the old velocity and the new one
    if abs(change) > 0.4:  # at 1.875 times 0.4 m/s in 0.3 s the share is used up
        assert np.abs(slopes).max() == pytest.approx(2.5, rel=1e-3)


def test_positions_fade_together_and_velocities_fade_together(make_chunk):
    limits = JoinLimits(300 * MS, np.full(4, 0.5), np.full(4, 5.0))
    position, velocity = ActionKind
    chunk = make_chunk(
        np.zeros((11, 4)), names="abcd", kinds=(position, position, velocity, velocity)
    )
    fade = join(chunk, 0, np.array([1.0, 0, 0, 0]), np.array([0, 0, 4.0, 0]), limits).fade
    assert fade.durations_ns.tolist() == [3750 * MS, 3750 * MS, 1500 * MS, 1500 * MS]


def test_the_last_velocity_of_a_chunk_is_not_held_beyond_its_end(make_chunk):
    curve = ChunkCurve(replace(make_chunk([(1, 0.2), (2, 0.2)]), kinds=tuple(ActionKind)))
    assert curve.at(100 * MS - 1)[0][1] == pytest.approx(0.2)
    assert curve.at(100 * MS)[0].tolist() == [2, 0]
