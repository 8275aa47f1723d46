from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pi0_ros.embodiment.kinematics import Chain
from pi0_ros.embodiment.spec import Camera, Embodiment
from pi0_ros.execution.chunk import ActionKind
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.protocol import CannotPlan
from pi0_ros.policy.scripted import (
    CENTRE_M,
    ScriptedPolicy,
    Sighting,
    funnel_velocity,
    locate_block,
    remembered,
)
from pi0_ros.simulation.task import reach_goal

RED, BLUE, GRAY = (200, 10, 10), (10, 30, 200), (120, 120, 120)
LEFT_RED = "left arm reach the red block"

# 1 m above the height at which blocks are seen, looking down, the image's right along x.
LOOKING_DOWN = np.array([[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 1.025], [0, 0, 0, 1]])


@pytest.fixture
def policy(embodiment: Embodiment, urdf: str) -> ScriptedPolicy:
    return ScriptedPolicy(embodiment, urdf)


@pytest.fixture
def camera(embodiment: Embodiment) -> Camera:
    """90 degrees over 480 rows: 240 pixels to the metre at 1 m."""
    return embodiment.cameras[0].model_copy(update={"fovy_deg": 90.0})


def table(*squares: tuple[int, int, int, tuple[int, int, int]]) -> np.ndarray:
    """A gray image with squares of (middle column, middle row, side, color)."""
    image = np.full((480, 640, 3), GRAY, np.uint8)
    for column, row, side, color in squares:
        rows, columns = (slice(at - side // 2, at - side // 2 + side) for at in (row, column))
        image[rows, columns] = color
    return image


def tool(embodiment: Embodiment, urdf: str, arm: str, state: np.ndarray) -> np.ndarray:
    chain = Chain(urdf, embodiment.arms[arm].tool_link, embodiment.joint_names)
    return chain.position(state)


def follow(policy: ScriptedPolicy, view: Any, prompt: str, chunks: int = 3) -> np.ndarray:
    """Plan again from where the last chunk ends, and return the last action, (D,)."""
    state = view.state
    for _ in range(chunks):
        state = policy.plan(view.observation(prompt, state), None).actions[-1]
    return state


# --- finding a block -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "row", "x", "y"),
    [(320, 240, 0.0, 0.0), (440, 240, 0.5, 0.0), (320, 120, 0.0, 0.5), (200, 360, -0.5, -0.5)],
)
@pytest.mark.parametrize(("name", "color"), [("red", RED), ("blue", BLUE)])
def test_a_square_is_found_where_one_computes_it_in_the_head(
    camera: Camera, column: int, row: int, x: float, y: float, name: str, color: Any
) -> None:
    seen = locate_block(table((column, row, 20, color)), name, camera, LOOKING_DOWN, CENTRE_M)
    assert seen is not None
    np.testing.assert_allclose(seen.place, [x, y], atol=1e-9)
    assert seen.pixels == 400


def test_the_other_color_and_gray_are_not_the_block(camera: Camera) -> None:
    image = table((100, 100, 40, BLUE), (500, 300, 40, (255, 255, 255)))
    assert locate_block(image, "red", camera, LOOKING_DOWN, CENTRE_M) is None
    image = table((100, 100, 40, BLUE), (440, 240, 20, RED))
    seen = locate_block(image, "red", camera, LOOKING_DOWN, CENTRE_M)
    assert seen is not None
    np.testing.assert_allclose(seen.place, [0.5, 0.0], atol=1e-9)


def test_the_edge_of_a_hidden_block_is_no_sighting(camera: Camera) -> None:
    image = table()
    image[100, 100:139] = RED
    assert locate_block(image, "red", camera, LOOKING_DOWN, CENTRE_M) is None
    image[100, 139] = RED
    seen = locate_block(image, "red", camera, LOOKING_DOWN, CENTRE_M)
    assert seen is not None
    assert seen.pixels == 40


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("color", ["red", "blue"])
def test_a_rendered_block_is_found_within_5_mm(
    embodiment: Embodiment, urdf: str, look: Any, seed: int, color: str
) -> None:
    view = look(seed)
    optics = embodiment.cameras[0]
    pose = Chain(urdf, optics.frame, embodiment.joint_names).pose(view.state)
    seen = locate_block(view.image, color, optics, pose, CENTRE_M)
    assert seen is not None
    assert np.linalg.norm(seen.place - view.blocks[color][:2]) < 0.005


def at(x: float, pixels: int) -> Sighting:
    return Sighting(np.array([x, 0.0]), pixels)


def test_a_block_that_an_arm_hides_bit_by_bit_stays_where_it_was_seen_whole() -> None:
    known = at(0.5, 1000)
    for step, pixels in enumerate(range(950, 400, -50), start=1):
        known = remembered(known, at(0.5 - 0.003 * step, pixels))
    assert known is not None
    assert known.place[0] == pytest.approx(0.5 - 0.003 * 2)  # 950 and 900 of 1000 are a whole view


@pytest.mark.parametrize(("pixels", "x"), [(500, 0.6), (499, 0.5)])
def test_a_block_is_elsewhere_where_half_of_it_is_seen_there(pixels: int, x: float) -> None:
    known = remembered(at(0.5, 1000), at(0.6, pixels))
    assert known is not None
    assert known.place[0] == x


def test_a_block_that_is_out_of_sight_is_remembered() -> None:
    known = at(0.5, 1000)
    assert remembered(known, None) is known
    assert remembered(None, known) is known
    assert remembered(None, None) is None


# --- the plan ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("arm", "color"), [("left", "red"), ("right", "blue"), ("left", "blue")])
def test_the_plan_ends_at_the_tasks_goal(
    embodiment: Embodiment,
    urdf: str,
    policy: ScriptedPolicy,
    look: Any,
    seed: int,
    arm: str,
    color: str,
) -> None:
    view = look(seed)
    end = follow(policy, view, f"{arm} arm reach the {color} block")
    goal = reach_goal(view.blocks[color])
    assert np.linalg.norm(tool(embodiment, urdf, arm, end) - goal) < 0.010


def test_a_chunk_starts_at_the_observed_state_and_stamp(
    embodiment: Embodiment, policy: ScriptedPolicy, look: Any
) -> None:
    view = look(0)
    chunk = policy.plan(view.observation(LEFT_RED), None)
    np.testing.assert_array_equal(chunk.actions[0], view.state)
    assert chunk.actions.shape == (50, 14)
    assert chunk.names == embodiment.joint_names
    assert set(chunk.kinds) == {ActionKind.POSITION}
    assert chunk.start_ns == 7
    assert chunk.period_ns == 50_000_000
    assert chunk.prompt == LEFT_RED


@pytest.mark.parametrize("seed", range(3))
def test_no_joint_is_asked_for_more_than_its_speed(
    embodiment: Embodiment, policy: ScriptedPolicy, look: Any, seed: int
) -> None:
    chunk = policy.plan(look(seed).observation(LEFT_RED), None)
    allowed = np.array([joint.velocity for joint in embodiment.joints]) * 0.05
    assert (np.abs(np.diff(chunk.actions, axis=0)) <= allowed).all()


def test_the_tool_comes_from_above_and_keeps_pointing_down(
    embodiment: Embodiment, urdf: str, policy: ScriptedPolicy, look: Any
) -> None:
    view = look(1)
    goal = reach_goal(view.blocks["red"])
    chain = Chain(urdf, "left_tool_point", embodiment.joint_names)
    for action in policy.plan(view.observation(LEFT_RED), None).actions:
        pose = chain.pose(action)
        np.testing.assert_allclose(pose[:3, 2], [0, 0, -1], atol=0.02)
        if np.linalg.norm(pose[:2, 3] - goal[:2]) > 0.05:
            assert pose[2, 3] > goal[2] + 0.03


def test_the_other_arm_returns_home_slowly_and_the_grippers_open(
    embodiment: Embodiment, policy: ScriptedPolicy, look: Any
) -> None:
    view = look(0)
    state = np.array(view.state)
    elbow = embodiment.index("right_elbow_joint")
    knuckles = [embodiment.index(f"{side}_robotiq_85_left_knuckle_joint")
                for side in ("left", "right")]  # fmt: skip
    state[elbow] += 0.1
    state[knuckles] = 0.2
    actions = policy.plan(view.observation(LEFT_RED, state), None).actions
    np.testing.assert_allclose(actions[:3, elbow] - view.state[elbow], [0.1, 0.08, 0.06])
    np.testing.assert_allclose(actions[-1, elbow], view.state[elbow])
    np.testing.assert_allclose(actions[-1, knuckles], 0.0)


def test_planning_leaves_the_observation_alone(policy: ScriptedPolicy, look: Any) -> None:
    observation = look(0).observation(LEFT_RED)
    before = np.array(observation.state)
    policy.plan(observation, None)
    np.testing.assert_array_equal(observation.state, before)


# --- what is remembered --------------------------------------------------------------------------


def hide(view: Any, share: float) -> Any:
    """Paint over a share of the red block, from its left."""
    red = view.image.astype(int)
    columns = np.nonzero((red[..., 0] > 70) & (red[..., 0] > 2 * red[..., 1]))[1]
    edge = int(columns.min() + share * (columns.max() + 1 - columns.min()))
    image = np.array(view.image)
    image[:, columns.min() - 2 : edge] = GRAY
    return type(view)(image, view.state, view.blocks)


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
def test_a_hidden_block_keeps_the_place_of_its_whole_view(
    policy: ScriptedPolicy, look: Any, share: float
) -> None:
    view = look(2)
    whole = policy.plan(view.observation(LEFT_RED), None).actions
    hidden = policy.plan(hide(view, share).observation(LEFT_RED), None).actions
    np.testing.assert_array_equal(hidden, whole)


def test_a_fresh_policy_takes_what_it_sees_of_a_partly_hidden_block(
    embodiment: Embodiment, urdf: str, look: Any
) -> None:
    view = look(2)
    whole = ScriptedPolicy(embodiment, urdf).plan(view.observation(LEFT_RED), None).actions
    partly = ScriptedPolicy(embodiment, urdf).plan(hide(view, 0.5).observation(LEFT_RED), None)
    assert np.abs(partly.actions - whole).max() > 1e-3


def test_a_block_that_was_put_elsewhere_is_reached_there(
    embodiment: Embodiment, urdf: str, policy: ScriptedPolicy, look: Any
) -> None:
    # Off the middle two sides are seen, too: right below the camera a block has fewer pixels.
    policy.plan(look(0, red=(0.32, 0.16), blue=(0.50, -0.16)).observation(LEFT_RED), None)
    view = look(0, red=(0.42, 0.0), blue=(0.50, -0.16))
    end = follow(policy, view, LEFT_RED)
    goal = reach_goal(view.blocks["red"])
    assert np.linalg.norm(tool(embodiment, urdf, "left", end) - goal) < 0.010


# --- no plan -------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["", "left arm", "wave"])
def test_a_sentence_that_is_not_understood_is_refused_before_and_while_planning(
    policy: ScriptedPolicy, look: Any, prompt: str
) -> None:
    problem = policy.check_prompt(prompt)
    assert problem is not None
    with pytest.raises(CannotPlan) as caught:
        policy.plan(look(0).observation(prompt), None)
    assert str(caught.value) == problem
    assert "must name one arm of left, right and one block of red, blue" in problem


def test_an_understood_sentence_has_no_problem(policy: ScriptedPolicy) -> None:
    policy.warm_up()
    assert policy.check_prompt(LEFT_RED) is None


def test_a_block_that_was_never_seen_is_told(
    embodiment: Embodiment, policy: ScriptedPolicy
) -> None:
    empty = Observation({"base_camera": table()}, embodiment.home, LEFT_RED, 0)
    said = "no red block is visible in base_camera; move it, or the arm above it"
    with pytest.raises(CannotPlan, match=said):
        policy.plan(empty, None)


def test_a_block_out_of_reach_is_told_with_arm_place_and_remedy(
    policy: ScriptedPolicy, look: Any
) -> None:
    view = look(0, red=(0.8, 0.6))
    said = (
        r"right arm cannot reach \[.*\] m \(error 0\.\d+\); move the block closer, or name another"
    )
    with pytest.raises(CannotPlan, match=said):
        follow(policy, view, "right arm reach the red block", chunks=5)


# --- the velocity field --------------------------------------------------------------------------

GOAL = np.array([0.4, 0.0, 0.06])


@pytest.mark.parametrize(
    ("place", "velocity"),
    [
        ([0.4, 0.0, 0.06], [0.0, 0.0, 0.0]),  # at the goal it stands
        ([0.4, 0.0, 0.07], [0.0, 0.0, -0.03]),  # 1 cm above: 3 per second of it
        ([0.2, 0.0, 0.18], [0.25, 0.0, 0.0]),  # 20 cm away and 12 cm above: full speed, level
        ([0.35, 0.0, 0.12], [0.15, 0.0, 0.0]),  # 5 cm away: 3 per second, 6 cm above its goal
        ([0.2, 0.0, 1.0], [0.25, 0.0, -0.25]),  # never faster than 0.25 m/s
    ],
)
def test_the_field_is_what_one_computes_in_the_head(
    place: list[float], velocity: list[float]
) -> None:
    np.testing.assert_allclose(funnel_velocity(np.array(place), GOAL), velocity, atol=1e-12)


@given(arrays(np.float64, 3, elements=st.floats(-1.0, 1.0)))
def test_the_field_leads_to_the_goal_from_everywhere_at_its_speed(place: np.ndarray) -> None:
    for _ in range(300):
        velocity = funnel_velocity(place, GOAL)
        assert np.linalg.norm(velocity[:2]) <= 0.25 + 1e-9
        assert abs(velocity[2]) <= 0.25 + 1e-9
        place = place + 0.05 * velocity
    np.testing.assert_allclose(place, GOAL, atol=1e-3)
