from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pi0_msgs.msg import ExecutorStatus
from sensor_msgs.msg import JointState
from visualization_msgs.msg import Marker, MarkerArray

from pi0_ros.bridge.stamps import to_duration, to_ns, to_time
from pi0_ros.bridge.status import executor_status
from pi0_ros.embodiment.files import known_embodiments
from pi0_ros.embodiment.kinematics import Chain
from pi0_ros.embodiment.loading import load_embodiment, load_urdf
from pi0_ros.execution.chunk import ActionChunk, action_kinds
from pi0_ros.execution.executor import ChunkExecutor
from pi0_ros.execution.preview import RecentPlans
from pi0_ros.nodes import qos
from pi0_ros.nodes.preview_node import PreviewNode

MS = 1_000_000


class Preview:
    """A robot's plan as it is seen on ``~/plan``, and what the node hears."""

    def __init__(self, name: str, peer_of: Callable[..., Any], start: Callable[..., Any],
                 **options: Any) -> None:  # fmt: skip
        self.robot = load_embodiment(name, simulation=True, tf_prefix=options.get("tf_prefix", ""))
        self.peer = peer_of(self.robot)
        self.plans = self.peer.listen(MarkerArray, "preview_node/plan", qos.LATCHED)
        start(PreviewNode, embodiment=name, simulation=True, **options)

    def chunk(self, **changes: Any) -> ActionChunk:
        """A chunk from now on that stays at home and drives ahead at 0.1 m/s."""
        actions = np.zeros((self.robot.policy.horizon, len(self.robot.axes)))
        actions[:, self.robot.joint_columns] = self.robot.home
        for axis in self.robot.base.axes if self.robot.base else ():
            actions[:, self.robot.index(axis.name)] = 0.1 if axis.direction == "x" else 0.0
        names, kinds = self.robot.axis_names, action_kinds(self.robot)
        period_ns = self.robot.policy.period_ns
        return replace(ActionChunk(names, kinds, actions, self.peer.now_ns, period_ns), **changes)

    def publish_status(self, chunk: ActionChunk | None, step: float = 0.0) -> None:
        """Say what the executor would: it plays a chunk, or none."""
        now_ns = self.peer.now_ns
        status = ExecutorStatus(state=ExecutorStatus.EXECUTING, step=step)
        status.header.stamp = to_time(now_ns)
        if chunk is not None:
            status.chunk_age = to_duration(now_ns - chunk.start_ns)
        self.peer.publish("chunk_executor_node/status", status)

    def played(self, chunk: ActionChunk, step: float) -> dict[tuple[str, int], Marker]:
        """The lines once the executor is at a step of a chunk."""

        def hear() -> None:
            self.peer.publish_pose()
            self.peer.publish_chunk(chunk)
            self.publish_status(chunk, step)

        def seen() -> dict[tuple[str, int], Marker]:
            lines = {(m.ns, m.id): m for m in (self.plans[-1].markers if self.plans else ())}
            executed = [line.points for (_, id_), line in lines.items() if id_ == 0]
            return lines if executed and all(len(p) == int(step) + 2 for p in executed) else {}

        return self.peer.until(seen, hear)


@pytest.fixture
def preview(peer_of, start) -> Callable[..., Preview]:
    return lambda name="ur5e_bimanual", **options: Preview(name, peer_of, start, **options)


def points(marker: Marker) -> np.ndarray:
    return np.array([(p.x, p.y, p.z) for p in marker.points])


@pytest.mark.parametrize("name", known_embodiments())
def test_the_plan_of_every_robot_is_drawn_in_its_root(preview, name) -> None:
    shown = preview(name)
    robot = shown.robot
    lines = shown.played(shown.chunk(), 4.5)
    assert {ns for ns, _ in lines} == {*robot.arms, *(["base"] if robot.base else [])}
    assert {line.header.frame_id for line in lines.values()} == {
        robot.base.frame if robot.base else "world"
    }
    for arm, described in robot.arms.items():
        tool = Chain(load_urdf(robot), described.tool_link, robot.joint_names).position(robot.home)
        np.testing.assert_allclose(points(lines[arm, 1])[0], tool, atol=1e-9)
        assert len(lines[arm, 1].points) == robot.policy.horizon - 4
    if robot.base is not None:
        way = points(lines["base", 1])
        length_m = 0.1 * (robot.policy.horizon - 1 - 4.5) / robot.policy.rate_hz
        np.testing.assert_allclose(way[-1] - way[0], [length_m, 0, 0], atol=1e-9)


def test_frames_have_the_prefix(preview) -> None:
    shown = preview("arx_mobile", tf_prefix="cell_")
    lines = shown.played(shown.chunk(), 1.5)
    assert {line.header.frame_id for line in lines.values()} == {shown.robot.base.frame}
    assert shown.robot.base.frame.startswith("cell_")


def test_a_plan_that_is_over_is_taken_away_once(preview) -> None:
    shown = preview()
    chunk = shown.chunk()
    shown.played(chunk, 4.5)
    end = shown.robot.policy.horizon - 1
    gone = lambda: [m.action for m in shown.plans[-1].markers] == [Marker.DELETEALL]  # noqa: E731
    shown.peer.until(gone, lambda: shown.publish_status(chunk, float(end)))
    count = len(shown.plans)
    newer = shown.chunk()
    shown.played(newer, 1.5)  # the next plan follows: nothing else came in between
    assert all(m.action != Marker.DELETEALL for plan in shown.plans[count:] for m in plan.markers)


def test_who_comes_late_sees_the_plan(preview) -> None:
    shown = preview()
    chunk = shown.chunk()
    shown.played(chunk, 4.5)
    late = shown.peer.node.create_subscription
    heard: list[MarkerArray] = []
    late(MarkerArray, "preview_node/plan", heard.append, qos.LATCHED)
    shown.peer.until(lambda: heard)
    assert {marker.ns for marker in heard[0].markers} == {"left", "right"}


def test_without_an_executor_the_whole_plan_of_the_policy_is_shown_while_it_is_due(preview) -> None:
    shown = preview()
    chunk = shown.chunk()  # 2.45 s long
    shown.peer.until(
        lambda: shown.plans,
        lambda: (shown.peer.publish_pose(), shown.peer.publish_chunk(chunk)),
    )
    lines = {(m.ns, m.id): m for m in shown.plans[-1].markers}
    assert lines["left", 0].action == Marker.DELETE
    assert len(lines["left", 1].points) == chunk.horizon
    shown.peer.until(lambda: shown.plans[-1].markers[0].action == Marker.DELETEALL)
    assert shown.peer.now_ns >= chunk.end_ns


def test_a_chunk_of_another_robot_is_not_drawn(preview) -> None:
    shown = preview()
    names = (*shown.robot.axis_names[:-1], "elsewhere")
    shown.peer.publish_pose()
    shown.peer.publish_chunk(shown.chunk(names=names))
    lines = shown.played(shown.chunk(), 1.5)  # the sentinel: what came first was passed over
    assert {ns for ns, _ in lines} == {"left", "right"}
    assert all(len(plan.markers) == 4 for plan in shown.plans)


def test_joints_are_told_by_the_names_of_the_urdf(preview) -> None:
    shown = preview()
    heard = shown.peer.listen(JointState, "preview_node/joint_states")
    shown.peer.until(lambda: heard, shown.peer.publish_pose)
    assert tuple(heard[-1].name) == shown.robot.joint_names
    np.testing.assert_allclose(heard[-1].position, shown.robot.home)


def test_the_executors_own_report_leads_to_the_chunk_that_it_plays(robot) -> None:
    core, plans = ChunkExecutor(robot), RecentPlans()
    core.permission.is_enabled = True
    hold = np.tile(robot.home, (robot.policy.horizon, 1))
    for start_ms in (1000, 1100):
        plans.add(ActionChunk(robot.axis_names, action_kinds(robot), hold, start_ms * MS, 50 * MS))
    played = plans.shown(1100 * MS).chunk  # the newest
    for now_ms in range(1150, 1400, 2):
        core.measure(now_ms * MS, robot.home)
        core.advance(now_ms * MS)
        core.served(now_ms * MS, core.window(now_ms * MS).end_ns)
        if now_ms == 1200:
            assert core.accept(played, now_ms * MS) is None
    status = executor_status(core, 1400 * MS + 123, 500.0)
    plans.report(to_ns(status.header.stamp), to_ns(status.chunk_age), status.step)
    shown = plans.shown(1400 * MS)
    assert shown.is_played
    assert shown.chunk is played
    assert shown.step == pytest.approx(core.step_in_chunk(1400 * MS + 123))
