from __future__ import annotations

import numpy as np
import pytest

from pi0_ros.execution.chunk import ActionKind
from pi0_ros.execution.gate import check_chunk
from pi0_ros.execution.reasons import Code

MS = 1_000_000


def test_a_chunk_of_the_robot_in_time_passes(robot, make_chunk):
    assert check_chunk(make_chunk(start_ms=1000), robot, 1200 * MS) is None


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("turn", "glide"), "unknown glide; missing slide"),
        (("slide", "turn"), "another order"),
        (("turn", "turn"), "missing slide"),
    ],
)
def test_names_must_be_those_of_the_robot_in_order(robot, make_chunk, names, said):
    problem = check_chunk(make_chunk(names=names), robot, 0)
    assert problem.code is Code.CHUNK_NAMES
    assert problem.detail == f"{said}; the names must be two_joints's, in order"


def test_a_missing_column_is_named(robot, make_chunk):
    problem = check_chunk(make_chunk([[0], [1]], names=["turn"]), robot, 0)
    assert str(problem).startswith("chunk_names: missing slide")


def test_a_kind_that_the_robot_does_not_take_is_named_with_the_one_it_takes(robot, make_chunk):
    kinds = [ActionKind.POSITION, ActionKind.VELOCITY]
    problem = check_chunk(make_chunk(kinds=kinds), robot, 0)
    assert str(problem) == "chunk_kinds: slide comes as velocity; two_joints takes its position"


def test_a_mobile_robot_takes_velocities_for_its_base_and_positions_for_the_rest(
    mobile, make_chunk
):
    names, (position, velocity) = mobile.axis_names, ActionKind
    kinds = [position, velocity, velocity, position]
    assert check_chunk(make_chunk(np.zeros((11, 4)), names=names, kinds=kinds), mobile, 0) is None
    kinds[2] = position
    problem = check_chunk(make_chunk(np.zeros((11, 4)), names=names, kinds=kinds), mobile, 0)
    assert str(problem) == "chunk_kinds: base_yaw comes as position; two_joints takes its velocity"


def test_the_period_must_be_that_of_the_robot(robot, make_chunk):
    problem = check_chunk(make_chunk(period_ns=50 * MS), robot, 0)
    assert str(problem) == "chunk_period: 50000000 ns; two_joints plays 100000000 ns"


def test_one_action_is_no_path(robot, make_chunk):
    problem = check_chunk(make_chunk([(0, 0)]), robot, 0)
    assert str(problem) == "chunk_too_short: 1 actions; at least 2 are needed"


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e300, -2e6])
def test_a_number_that_is_no_action_is_named_with_its_place(robot, make_chunk, number):
    problem = check_chunk(make_chunk([(0, 0), (0, number), (0, number)]), robot, 0)
    assert problem.code is Code.CHUNK_NOT_FINITE
    assert problem.detail == f"action 1 of slide is {number} (2 such values)"


def test_a_chunk_expires_when_its_last_action_is_due(robot, make_chunk):
    chunk = make_chunk(start_ms=1000)
    assert check_chunk(chunk, robot, 2000 * MS - 1) is None
    problem = check_chunk(chunk, robot, 2250 * MS)
    assert str(problem) == "chunk_expired: its last action was due 0.250 s ago"
    assert check_chunk(chunk, robot, 2000 * MS).code is Code.CHUNK_EXPIRED


def test_clocks_may_differ_by_100_ms_but_not_by_more(robot, make_chunk):
    chunk = make_chunk(start_ms=1000)
    assert check_chunk(chunk, robot, 900 * MS) is None
    problem = check_chunk(chunk, robot, 500 * MS)
    assert str(problem) == "chunk_from_future: it starts 0.500 s from now; compare the clocks"


def test_an_older_observation_than_the_one_playing_is_superseded(robot, make_chunk):
    problem = check_chunk(make_chunk(start_ms=1000), robot, 1500 * MS, 1250 * MS)
    assert problem.code is Code.CHUNK_SUPERSEDED
    assert problem.detail == "a chunk of an observation 0.250 s newer is playing"


def test_another_plan_for_the_same_observation_passes(robot, make_chunk):
    assert check_chunk(make_chunk(start_ms=1000), robot, 1500 * MS, 1000 * MS) is None


def test_a_chunk_so_late_that_it_expired_is_still_only_superseded(robot, make_chunk):
    problem = check_chunk(make_chunk(start_ms=1000), robot, 2500 * MS, 2250 * MS)
    assert problem.code is Code.CHUNK_SUPERSEDED


def test_a_late_chunk_of_numbers_that_are_none_is_bad_all_the_same(robot, make_chunk):
    chunk = make_chunk([(0, 0), (0, np.nan)], start_ms=1000)
    assert check_chunk(chunk, robot, 1050 * MS, 1025 * MS).code is Code.CHUNK_NOT_FINITE


def test_what_plays_from_beyond_a_jump_of_the_clock_supersedes_nothing(robot, make_chunk):
    assert check_chunk(make_chunk(start_ms=100), robot, 200 * MS, 9000 * MS) is None
