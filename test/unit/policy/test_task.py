"""The numbers of these tests: 20 actions a second; chunks of 10, of which 5 are executed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pi0_ros.execution.chunk import ActionChunk, action_kinds
from pi0_ros.policy.progress import Progress
from pi0_ros.policy.task import End, StopConditions, Task, why_not_executing

MS = 1_000_000
S = 1000 * MS
EXECUTE = 5


@pytest.fixture
def one(robot):
    return robot(joints=1)


@pytest.fixture
def begin(one):
    """Begin a task at 10 s with some stop conditions."""

    def make(**conditions: int) -> Task:
        return Task(one, StopConditions(**conditions), 10 * S, EXECUTE)

    return make


def chunk(robot, start_ns: int, sequence: int = 0, per_action: float = 0.1) -> ActionChunk:
    actions = per_action * np.arange(10.0)[:, None]
    names, kinds = robot.axis_names, action_kinds(robot)
    return ActionChunk(names, kinds, actions, start_ns, 50 * MS, sequence=sequence)


def playing(at_ns: int, step: float, start_ns: int = 10 * S, **changes: Any) -> Progress:
    known = {"sequence": 0, "rate": 1.0, "is_executing": True}
    return Progress(**{**known, **changes}, start_ns=start_ns, step=step, at_ns=at_ns)


# --- stop conditions -----------------------------------------------------------------------------


def test_without_conditions_a_task_never_ends(begin, one) -> None:
    task = begin()
    task.take_chunk(chunk(one, 10 * S))
    task.advance(3000 * S, playing(3000 * S, 5.0))
    assert task.outcome() is None
    assert task.share == -1


def test_time_is_over_on_the_nodes_clock_even_without_any_plan(begin) -> None:
    task = begin(timeout_ns=2 * S)
    task.advance(11 * S, None)
    assert task.outcome() is None
    assert task.share == 0.5
    task.advance(12 * S, None)
    assert task.outcome().end is End.TIMED_OUT
    assert task.outcome().message == "the time of 2 s is over"
    assert task.share == 1.0


def test_a_clock_that_jumps_back_takes_no_time_away(begin) -> None:
    task = begin(timeout_ns=3 * S)
    for now_s in (11, 0, 1, 2):
        task.advance(now_s * S, None)
    assert task.elapsed_ns == 3 * S
    assert task.outcome().end is End.TIMED_OUT


def test_it_ends_when_so_many_actions_are_executed(begin, one) -> None:
    task = begin(max_steps=8, timeout_ns=100 * S)
    task.take_chunk(chunk(one, 10 * S))
    task.advance(10 * S + 350 * MS, playing(10 * S + 300 * MS, 6.0))
    assert (task.steps, task.outcome()) == (7, None)
    assert task.share == pytest.approx(7 / 8)  # more than 0.35 of 100 s
    task.advance(10 * S + 400 * MS, playing(10 * S + 300 * MS, 6.0))
    assert task.outcome().end is End.STEPS_DONE
    assert task.outcome().message == "8 actions were executed"


def test_actions_of_other_tasks_do_not_count(begin, one) -> None:
    task = begin(max_steps=1)
    before = playing(10 * S, 9.0, start_ns=9 * S)
    task.advance(10 * S, before)
    task.take_chunk(chunk(one, 10 * S, sequence=4))
    task.advance(10 * S + 50 * MS, before)
    assert (task.steps, task.step, task.chunk_age_ns) == (0, 0, 0)
    assert task.outcome() is None


def test_it_settles_when_the_executed_plans_stand_for_so_long(begin, one) -> None:
    task = begin(settled_ns=300 * MS)  # 6 actions
    task.take_chunk(chunk(one, 10 * S, per_action=0.0))
    for ms in range(0, 300, 50):
        task.advance(10 * S + ms * MS, playing(10 * S + ms * MS, ms / 50))
    assert task.outcome() is None
    task.advance(10 * S + 300 * MS, playing(10 * S + 300 * MS, 6.0))
    assert task.outcome().end is End.SETTLED
    assert task.outcome().message == "the plans asked for no motion for 0.3 s"


def test_plans_that_move_do_not_settle(begin, one) -> None:
    task = begin(settled_ns=300 * MS)
    task.take_chunk(chunk(one, 10 * S))
    for ms in range(0, 450, 50):
        task.advance(10 * S + ms * MS, playing(10 * S + ms * MS, ms / 50))
    assert task.outcome() is None


def test_a_robot_that_is_held_does_not_settle(begin, one) -> None:
    task = begin(settled_ns=300 * MS)
    task.take_chunk(chunk(one, 10 * S, per_action=0.0))
    for ms in range(0, 5000, 100):
        stopped = playing(10 * S + ms * MS, 1.0, rate=0.0, is_executing=False, reason="estop")
        task.advance(10 * S + ms * MS, stopped)
    assert task.outcome() is None


@pytest.mark.parametrize(
    ("conditions", "says"),
    [
        ({"timeout_ns": -1 * S}, "timeout is -1 s; it must be 0"),
        ({"settled_ns": -500 * MS}, "settled is -0.5 s; it must be 0"),
        ({"max_steps": -3}, "max_steps is -3; it must be 0"),
    ],
)
def test_conditions_below_zero_are_refused_by_name_and_value(conditions, says) -> None:
    with pytest.raises(ValueError, match=says):
        StopConditions(**conditions)


# --- what it tells meanwhile ---------------------------------------------------------------------


def test_it_tells_the_place_in_the_chunk_that_plays_and_the_age_of_its_observation(
    begin, one
) -> None:
    task = begin()
    task.take_chunk(chunk(one, 10 * S))
    task.advance(10 * S + 250 * MS, playing(10 * S + 200 * MS, 3.0))
    assert task.step == 4.0
    assert task.chunk_age_ns == 250 * MS


def test_nobody_heard_silent_and_holding_are_three_reasons_and_executing_is_none() -> None:
    assert "nothing heard of it" in why_not_executing(None, 0)[0]
    report = playing(10 * S, 1.0)
    assert why_not_executing(report, 10 * S + 500 * MS) == ()
    assert "silent for 1.5 s" in why_not_executing(report, 11 * S + 500 * MS)[0]
    stopped = playing(10 * S, 1.0, is_executing=False, reason="estop", detail="release it")
    assert why_not_executing(stopped, 10 * S) == ("chunk_executor_node: estop: release it",)
