"""The numbers of these tests: two joints, ten actions a second; the plan turns by 0.05 each."""

from __future__ import annotations

import numpy as np
import pytest

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionKind
from pi0_ros.execution.shadow import ShadowComparison

MS = 1_000_000


def pose(turn: float, slide: float = 0.0) -> np.ndarray:
    return np.array([turn, slide])


@pytest.fixture
def comparison(robot: Embodiment) -> ShadowComparison:
    return ShadowComparison(robot)


def test_a_pose_is_compared_with_the_line_between_two_actions(comparison, make_chunk) -> None:
    comparison.take_chunk(make_chunk(start_ms=1000))
    comparison.take_pose(1250 * MS, pose(0.1, 0.3))  # the plan is at 2.5 actions: 0.125 and 0
    assert comparison.newest == pytest.approx([0.025, -0.3])
    assert comparison.mean == pytest.approx([0.025, 0.3])
    assert comparison.largest == pytest.approx([0.025, 0.3])
    assert comparison.samples == 1


def test_mean_and_largest_are_of_absolute_differences_of_all_poses(comparison, make_chunk) -> None:
    comparison.take_chunk(make_chunk(start_ms=0))
    for stamp_ms, off in ((0, 0.1), (100, -0.3), (200, 0.2)):
        comparison.take_pose(stamp_ms * MS, pose(0.05 * stamp_ms / 100 - off))
    assert comparison.newest[0] == pytest.approx(0.2)
    assert comparison.mean[0] == pytest.approx(0.2)
    assert comparison.largest[0] == pytest.approx(0.3)
    assert comparison.samples == 3


def test_before_any_pose_all_is_zero_and_nothing_is_divided_by_it(comparison) -> None:
    assert comparison.samples == 0
    assert comparison.mean.tolist() == [0, 0]
    assert comparison.ahead.mean == {}


@pytest.mark.parametrize("stamp_ms", [999, 2001])
def test_a_pose_before_or_after_all_plans_does_not_count(comparison, make_chunk, stamp_ms) -> None:
    comparison.take_chunk(make_chunk(start_ms=1000))  # 11 actions: to 2000
    comparison.take_pose(stamp_ms * MS, pose(9))
    assert comparison.samples == 0
    comparison.take_pose(1000 * MS, pose(0))  # both ends of it do
    comparison.take_pose(2000 * MS, pose(0.5))
    assert comparison.samples == 2
    assert comparison.largest == pytest.approx([0, 0])


def test_a_plan_counts_only_until_the_next_one_takes_over(comparison, make_chunk) -> None:
    comparison.take_chunk(make_chunk(start_ms=0))
    comparison.take_chunk(make_chunk([(1, 0)] * 11, start_ms=500))
    comparison.take_pose(400 * MS, pose(0.2))  # a pose from before the new one began: the old one
    assert comparison.newest[0] == pytest.approx(0)
    comparison.take_pose(600 * MS, pose(0.2))
    assert comparison.newest[0] == pytest.approx(0.8)


def test_after_a_withdrawal_nothing_is_wanted(comparison, make_chunk) -> None:
    comparison.take_chunk(make_chunk(start_ms=0))
    comparison.take_pose(100 * MS, pose(0))
    comparison.take_chunk(make_chunk(np.zeros((0, 2)), start_ms=150))
    comparison.take_pose(200 * MS, pose(9))
    assert comparison.samples == 1
    assert comparison.largest[0] == pytest.approx(0.05)


def test_plans_from_before_a_jump_of_the_clock_count_no_more(comparison, make_chunk) -> None:
    comparison.take_chunk(make_chunk(start_ms=60_000))
    comparison.take_chunk(make_chunk(start_ms=1000))  # the clock was set back
    comparison.take_pose(1100 * MS, pose(0.05))
    assert comparison.newest[0] == pytest.approx(0)


def test_a_pose_that_is_not_finite_is_not_compared(comparison, make_chunk) -> None:
    comparison.take_chunk(make_chunk(start_ms=0))
    comparison.take_pose(0, pose(np.nan))
    assert comparison.samples == 0


def test_only_joints_that_are_given_positions_are_compared(mobile, driven, make_chunk) -> None:
    of_base = ShadowComparison(mobile)
    assert of_base.names == ("turn", "slide")
    kinds = [ActionKind.POSITION, ActionKind.VELOCITY, ActionKind.VELOCITY, ActionKind.POSITION]
    actions = [(0.3, 9, 9, 0.7)] * 11
    of_base.take_chunk(make_chunk(actions, names=mobile.axis_names, kinds=kinds))
    of_base.take_pose(0, pose(0.1, 0.1))  # of the joints alone: a base has no place among them
    assert of_base.newest == pytest.approx([0.2, 0.6])

    of_slide = ShadowComparison(driven)  # its turning joint is given velocities
    assert of_slide.names == ("slide",)
    of_slide.take_chunk(make_chunk([(9, 0.7)] * 11))
    of_slide.take_pose(0, pose(5, 0.1))
    assert of_slide.newest == pytest.approx([0.6])


def test_a_chunk_of_another_robot_is_refused_by_name(comparison, make_chunk) -> None:
    with pytest.raises(ValueError, match="has the names slide, turn; they must be turn, slide"):
        comparison.take_chunk(make_chunk(names=("slide", "turn")))


def test_the_error_ahead_follows_one_plan_to_its_end_whatever_comes_meanwhile(
    comparison, make_chunk
) -> None:
    comparison.take_chunk(make_chunk([(0, 0)] * 11, start_ms=0))
    for stamp_ms in range(0, 1001, 100):  # the operator turns by 0.1 per action
        if stamp_ms and stamp_ms % 300 == 0:  # plans that are right where they begin
            comparison.take_chunk(make_chunk([(stamp_ms / 1000, 0)] * 11, start_ms=stamp_ms))
        comparison.take_pose(stamp_ms * MS, pose(stamp_ms / 1000))
    assert comparison.largest[0] == pytest.approx(0.2)  # corrected every 300 ms
    grows = {begin: mean[0] for begin, mean in comparison.ahead.mean.items()}
    # 0, 0.1, 0.2; then 0.3, 0.4; then 0.5 to 0.9; then 1.0
    assert grows == pytest.approx({0.0: 0.1, 0.25: 0.35, 0.5: 0.7, 1.0: 1.0})
    comparison.take_pose(1100 * MS, pose(0.9))  # the next one followed began at 900
    assert comparison.ahead.mean[0.0][0] == pytest.approx(0.3 / 4)
