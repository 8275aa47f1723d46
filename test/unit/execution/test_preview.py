from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.embodiment.loading import load_embodiment, load_urdf
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk, action_kinds
from pi0_ros.execution.preview import PlanPaths, RecentPlans

MS = 1_000_000
# floor -> 1 m up -> turn about z -> slide along x -> tool
CRANE = """<robot name="crane">
  <link name="floor"/><link name="boom"/><link name="tool"/>
  <joint name="turn" type="continuous"><parent link="floor"/><child link="boom"/>
    <origin xyz="0 0 1"/><axis xyz="0 0 1"/></joint>
  <joint name="slide" type="prismatic"><parent link="boom"/><child link="tool"/><axis xyz="1 0 0"/>
    <limit lower="0" upper="5" velocity="1" effort="1"/></joint>
</robot>"""
HERE = np.zeros(2)


def crane(*directions: str, turn: str = "position") -> Embodiment:
    """A crane, on wheels where directions of its base are given."""
    common = dict(velocity=1, acceleration=1)
    limits = dict(lower=-3, upper=5, home=0, **common)
    axes = [dict(name=d, index=2 + i, direction=d, **common) for i, d in enumerate(directions)]
    arm = dict(name="arm", type="joint_trajectory", topic="arm", rate_hz=10)
    wheels = dict(name="wheels", type="twist", topic="cmd_vel", rate_hz=10, joints=directions)
    return Embodiment.model_validate(
        dict(
            name="crane",
            title="A crane",
            urdf="none",
            policy=dict(rate_hz=10, horizon=11, execute=5),
            paddings=dict(paper=18),
            command=dict(rate_hz=100, lead_ms=40),
            arms=dict(boom=dict(tool_link="tool", joints=("turn", "slide"))),
            joints=(
                dict(name="turn", index=0, unit="rad", kind=turn, **limits),
                dict(name="slide", index=1, unit="m", **limits),
            ),
            base=dict(frame="floor", timeout_ms=300, axes=axes) if axes else None,
            cameras=(
                dict(name="eye", slot="base_0_rgb", topic="eye", frame="eye", width=8, height=8,
                     rate_hz=30, fovy_deg=45),
            ),
            controllers=(dict(joints=("turn", "slide"), **arm), *([wheels] if axes else [])),
        )
    )  # fmt: skip


def chunk(robot: Embodiment, actions: object, start_ms: int = 0) -> ActionChunk:
    """Actions that are 100 ms apart."""
    rows = np.array(actions, dtype=float)
    kinds = action_kinds(robot)
    return ActionChunk(robot.axis_names, kinds, rows, start_ms * MS, 100 * MS)


# --- paths ---------------------------------------------------------------------------------------


def test_the_tools_path_is_where_the_joints_lead_it_cut_at_the_step() -> None:
    robot = crane()
    out = [(0, 2), (0, 3), (0, 4)]  # the boom grows from 2 to 4 m, straight ahead
    path = PlanPaths(robot, CRANE).of(chunk(robot, out), 0.5, HERE)["boom"]
    np.testing.assert_allclose(path.executed, [[2, 0, 1], [2.5, 0, 1]])
    np.testing.assert_allclose(path.left, [[2.5, 0, 1], [3, 0, 1], [4, 0, 1]])


@pytest.mark.parametrize(("step", "executed", "left"), [(0, 1, 3), (1, 2, 2), (2, 3, 1)])
def test_no_point_is_drawn_twice_where_the_cut_is_at_an_action(step, executed, left) -> None:
    robot = crane()
    path = PlanPaths(robot, CRANE).of(chunk(robot, [(0, 2), (0, 3), (0, 4)]), step, HERE)["boom"]
    assert (len(path.executed), len(path.left)) == (executed, left)


def test_a_joint_driven_by_velocity_goes_on_from_where_it_is() -> None:
    robot = crane(turn="velocity")
    turning = [(np.pi * 5, 2)] * 3  # a quarter turn per 100 ms
    here = np.array([np.pi / 2, 0.0])
    path = PlanPaths(robot, CRANE).of(chunk(robot, turning), 1, here)["boom"]
    np.testing.assert_allclose(path.executed, [[2, 0, 1], [0, 2, 1]], atol=1e-12)
    np.testing.assert_allclose(path.left, [[0, 2, 1], [-2, 0, 1]], atol=1e-12)


def test_a_base_drives_from_where_it_stands_and_takes_the_tool_along() -> None:
    robot = crane("x", "yaw")
    ahead = [(0, 2, 10, 0)] * 3  # 1 m per 100 ms
    paths = PlanPaths(robot, CRANE).of(chunk(robot, ahead), 1, HERE)
    np.testing.assert_allclose(paths["base"].executed, [[-1, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(paths["base"].left, [[0, 0, 0], [1, 0, 0]])
    np.testing.assert_allclose(paths["boom"].left, [[2, 0, 1], [3, 0, 1]])


def test_a_base_that_turns_drives_the_arc_and_swings_the_tool() -> None:
    robot = crane("x", "yaw")
    quarter = [(0, 2, 5 * np.pi, 5 * np.pi)] * 2  # radius 1 m, a quarter turn in 100 ms
    paths = PlanPaths(robot, CRANE).of(chunk(robot, quarter), 0, HERE)
    np.testing.assert_allclose(paths["base"].left, [[0, 0, 0], [1, 1, 0]], atol=1e-12)
    np.testing.assert_allclose(paths["boom"].left, [[2, 0, 1], [1, 3, 1]], atol=1e-12)


def test_a_holonomic_base_drives_sideways_in_its_own_frame() -> None:
    robot = crane("x", "y", "yaw")
    left = [(0, 2, 0, 10, 0)] * 2
    paths = PlanPaths(robot, CRANE).of(chunk(robot, left), 0, HERE)
    np.testing.assert_allclose(paths["base"].left, [[0, 0, 0], [0, 1, 0]], atol=1e-12)


@given(
    st.lists(st.tuples(*[st.floats(-1, 1)] * 3), min_size=2, max_size=12),
    st.floats(0, 1),
)
def test_the_base_stands_at_the_origin_at_every_step(speeds: list, share: float) -> None:
    robot = crane("x", "y", "yaw")
    plan = chunk(robot, [(0, 0, *speed) for speed in speeds])
    path = PlanPaths(robot, CRANE).of(plan, share * (len(speeds) - 1), HERE)["base"]
    np.testing.assert_allclose(path.left[0], 0, atol=1e-12)
    np.testing.assert_allclose(path.executed[-1], 0, atol=1e-12)


def test_the_frame_is_the_base_or_else_the_root_of_the_urdf() -> None:
    assert PlanPaths(crane("x", "yaw"), CRANE).frame == "floor"
    assert PlanPaths(crane(), CRANE).frame == "floor"
    robot = load_embodiment("ur5e_bimanual")
    assert PlanPaths(robot, load_urdf(robot)).frame == "world"


def test_a_chunk_of_another_robot_is_refused_with_both_names() -> None:
    paths = PlanPaths(crane(), CRANE)
    with pytest.raises(ValueError, match="the chunk has turn, slide, x, yaw; crane has turn, slid"):
        paths.checked(chunk(crane("x", "yaw"), [(0, 0, 0, 0)] * 2))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_not_drawn(value: float) -> None:
    paths = PlanPaths(crane(), CRANE)
    with pytest.raises(ValueError, match="not finite"):
        paths.checked(chunk(crane(), [(0, value), (0, 0)]))


# --- which plan ----------------------------------------------------------------------------------


def straight(start_ms: int) -> ActionChunk:
    """Three actions that are due within 200 ms."""
    return chunk(crane(), [(0, 2), (0, 3), (0, 4)], start_ms)


def test_without_a_chunk_nothing_is_shown() -> None:
    plans = RecentPlans()
    assert plans.shown(0) is None
    plans.report(0, 0, 0.0)
    assert plans.shown(0) is None


def test_the_chunk_that_the_executor_plays_is_shown_although_a_newer_one_came() -> None:
    plans = RecentPlans()
    plans.add(straight(1000))
    plans.add(straight(1100))
    plans.report(at_ns=1150 * MS, age_ns=150 * MS, step=1.5)
    shown = plans.shown(1160 * MS)
    assert (shown.chunk.start_ns, shown.step, shown.at_ns) == (1000 * MS, 1.5, 1150 * MS)
    assert shown.is_played


def test_a_plan_that_was_played_to_its_end_is_over() -> None:
    plans = RecentPlans()
    plans.add(straight(1000))
    plans.report(1150 * MS, 150 * MS, 1.99)
    assert plans.shown(1150 * MS) is not None
    plans.report(1150 * MS, 150 * MS, 2.0)
    assert plans.shown(1150 * MS) is None


@pytest.mark.parametrize("at_ms", [1001, 1199])
def test_a_plan_that_nobody_plays_is_shown_whole_while_it_is_due(at_ms: int) -> None:
    plans = RecentPlans()
    plans.add(straight(1000))
    plans.report(at_ms * MS, 0, 0.0)  # without a chunk its age is none
    shown = plans.shown(at_ms * MS)
    assert (shown.step, shown.at_ns, shown.is_played) == (0, at_ms * MS, False)


@pytest.mark.parametrize("at_ms", [999, 1200, 5000])
def test_a_plan_that_nobody_plays_is_not_shown_when_it_is_not_due(at_ms: int) -> None:
    plans = RecentPlans()
    plans.add(straight(1000))
    assert plans.shown(at_ms * MS) is None


def test_an_executor_that_fell_silent_plays_nothing() -> None:
    plans = RecentPlans()
    plans.add(straight(1000))
    plans.report(1050 * MS, 50 * MS, 0.5)
    assert plans.shown(2049 * MS) is not None
    assert plans.shown(2050 * MS) is None


def test_only_the_last_chunks_are_kept() -> None:
    plans = RecentPlans()
    for start_ms in range(1000, 1009):
        plans.add(straight(start_ms))
    plans.report(1010 * MS, 10 * MS, 0.5)
    assert not plans.shown(1010 * MS).is_played  # the first of nine is forgotten
    plans.report(1010 * MS, 9 * MS, 0.5)
    assert plans.shown(1010 * MS).is_played
