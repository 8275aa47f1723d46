from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pi0_msgs", reason="the workspace is not built; make setup builds it")

from diagnostic_msgs.msg import DiagnosticStatus
from pi0_msgs.msg import ExecutorStatus

from pi0_ros.bridge.stamps import to_ns
from pi0_ros.bridge.status import diagnostics, executor_status, is_problem
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk, action_kinds
from pi0_ros.execution.executor import ChunkExecutor, State
from pi0_ros.execution.follower import Motion

MS = 1_000_000
NOW = 10_000 * MS


def at_home(robot: Embodiment, **changes: object) -> ActionChunk:
    """A chunk that stays at home, seen 100 ms ago."""
    values: dict[str, object] = {
        "names": robot.axis_names,
        "kinds": action_kinds(robot),
        "actions": np.tile(robot.home, (50, 1)),
        "start_ns": NOW - 100 * MS,
        "period_ns": 50 * MS,
        "sequence": 4,
        "prompt": "wave",
    }
    return ActionChunk(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def core(robot: Embodiment) -> ChunkExecutor:
    """Enabled, at home, with a measured pose of now."""
    made = ChunkExecutor(robot)
    made.permission.is_enabled = True
    made.measure(NOW, robot.home)
    made.advance(NOW)
    return made


def test_a_new_executor_is_disabled_and_has_no_chunk(robot: Embodiment) -> None:
    made = executor_status(ChunkExecutor(robot), NOW, 500.0)
    assert made.state == ExecutorStatus.DISABLED
    assert made.reason == "not_enabled"
    assert to_ns(made.header.stamp) == NOW
    assert (made.prompt, made.sequence, to_ns(made.chunk_age)) == ("", 0, 0)
    assert (made.chunks_accepted, made.chunks_rejected, made.last_rejection) == (0, 0, "")
    assert made.loop_rate_hz == 500.0
    assert made.speed_scaling == 1.0


def test_without_a_chunk_it_holds_and_says_why(core: ChunkExecutor) -> None:
    made = executor_status(core, NOW, 500.0)
    assert made.state == ExecutorStatus.HOLDING
    assert made.reason == "no_chunk"
    assert made.detail
    assert made.ticks > 0


def test_a_chunk_that_is_played_is_told_with_its_age(
    core: ChunkExecutor, robot: Embodiment
) -> None:
    assert core.accept(at_home(robot), NOW) is None
    for ms in range(2, 502, 2):
        core.measure(NOW + ms * MS, robot.home)
        core.advance(NOW + ms * MS)
        core.served(NOW + ms * MS, core.window(NOW + ms * MS).end_ns)
    made = executor_status(core, NOW + 500 * MS, 500.0)
    assert (made.state, made.reason) == (ExecutorStatus.EXECUTING, "ok")
    assert (made.prompt, made.sequence) == ("wave", 4)
    assert to_ns(made.chunk_age) == 600 * MS
    assert made.chunks_accepted == 1
    # In actions of 50 ms; it stood when the chunk came, and took 0.4 s and the lead to speed up.
    assert 4.0 < made.step < 10.0
    assert made.clock_rate == 1.0
    assert (made.chunk_scale, made.seam_offset, made.notes) == (1.0, 0.0, [])


def test_what_shapes_the_motion_is_told(core: ChunkExecutor, robot: Embodiment) -> None:
    away = np.tile(robot.home, (50, 1))
    away[:, 0] += 1.0
    core.permission.speed_scaling = 0.5
    assert core.accept(at_home(robot, actions=away), NOW) is None
    core.advance(NOW + 2 * MS)
    made = executor_status(core, NOW + 2 * MS, 500.0)
    assert [note.split(":")[0] for note in made.notes] == ["chunk_jump", "speed_scaling", "joining"]
    assert made.seam_offset == pytest.approx(1.0)
    assert made.speed_scaling == 0.5


def test_a_rejected_chunk_is_told_with_reason_and_detail(
    core: ChunkExecutor, robot: Embodiment
) -> None:
    core.accept(at_home(robot, start_ns=0), NOW)
    made = executor_status(core, NOW, 500.0)
    assert made.chunks_rejected == 1
    assert made.last_rejection.startswith("chunk_expired: ")


def test_the_numbers_of_states_are_those_of_the_message() -> None:
    for state in State:
        assert getattr(ExecutorStatus, state.name) == int(state)


def test_touched_limits_are_told_once(core: ChunkExecutor) -> None:
    elbow = np.array([name == "left_elbow_joint" for name in core.axis_names])
    core.tally.ticked(Motion.resting(np.zeros(14)), elbow, 0.002, late=False)
    assert executor_status(core, NOW, 500.0).limits_touched == ["left_elbow_joint"]
    assert executor_status(core, NOW, 500.0).limits_touched == []


@pytest.mark.parametrize(
    ("problems", "failed", "level", "says"),
    [
        ([], False, DiagnosticStatus.OK, "ok"),
        (["no chunk", "no state"], False, DiagnosticStatus.WARN, "no chunk; no state"),
        (["thread ended"], True, DiagnosticStatus.ERROR, "thread ended"),
    ],
)
def test_diagnostics_are_ok_warning_or_error(
    problems: list[str], failed: bool, level: bytes, says: str
) -> None:
    made = diagnostics(NOW, "/policy_node", problems, {"chunks": 3, "rate": 19.5}, failed=failed)
    assert to_ns(made.header.stamp) == NOW
    (status,) = made.status
    assert (status.level, status.name, status.message) == (level, "/policy_node", says)
    assert {each.key: each.value for each in status.values} == {"chunks": "3", "rate": "19.5"}


def test_holding_and_stopping_deserve_a_warning() -> None:
    assert [state for state in State if is_problem(state)] == [State.HOLDING, State.STOPPED]
