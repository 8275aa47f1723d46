from __future__ import annotations

import numpy as np
import pytest

from pi0_ros.execution.chunk import ActionChunk, ActionKind, action_kinds


def test_the_last_of_11_actions_is_due_10_periods_after_the_start(make_chunk):
    chunk = make_chunk(start_ms=1000)
    assert chunk.horizon == 11
    assert chunk.end_ns == 2_000_000_000


def test_a_chunk_needs_one_column_per_name(make_chunk):
    with pytest.raises(ValueError, match=r"shape \(2, 3\); expected \(H, 2\)"):
        make_chunk([(0, 0, 0), (1, 1, 1)])


def test_a_chunk_needs_two_dimensions():
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        ActionChunk(("turn", "slide"), (ActionKind.POSITION,) * 2, np.zeros(2), 0, 1)


def test_a_chunk_needs_one_kind_per_name(make_chunk):
    with pytest.raises(ValueError, match="1 kinds for 2 names"):
        make_chunk(kinds=[ActionKind.POSITION])


def test_the_kinds_of_a_robots_actions_are_those_of_its_axes(robot, mobile, driven):
    position, velocity = ActionKind
    assert action_kinds(robot) == (position, position)
    assert action_kinds(mobile) == (position, velocity, velocity, position)
    assert action_kinds(driven) == (velocity, position)


def test_a_chunk_tells_its_columns_of_velocities(mobile, make_chunk):
    chunk = make_chunk(np.zeros((2, 4)), names=mobile.axis_names, kinds=action_kinds(mobile))
    assert chunk.by_velocity.tolist() == [False, True, True, False]
