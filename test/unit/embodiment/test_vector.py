from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pi0_ros.embodiment.axes import GripperMap, Joint
from pi0_ros.embodiment.files import known_embodiments
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import (
    actions_to_model,
    actions_to_ros,
    ordered,
    padded,
    state_of,
    state_to_model,
    state_to_ros,
    vector_widths,
)

ROBOTS = {name: load_embodiment(name) for name in known_embodiments()}
robots = st.sampled_from(sorted(ROBOTS)).map(ROBOTS.__getitem__)
shares = arrays(np.float64, (3, 32), elements=st.floats(0.0, 1.0))

UR5E = ["shoulder_pan_joint", "shoulder_lift_joint", "elbow_joint"]
UR5E += ["wrist_1_joint", "wrist_2_joint", "wrist_3_joint", "robotiq_85_left_knuckle_joint"]
FR3 = [f"fr3_joint{number}" for number in range(1, 8)] + ["fr3_finger_joint1"]
VIPERX = ["waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate"]
VIPERX += ["left_finger"]
X5 = [f"joint{number}" for number in range(1, 8)]  # joint7 is the first finger
PIPER = [*(f"joint{number}" for number in range(1, 7)), "gripper_joint1"]
SLATE = TRACER = ["base_x", "base_yaw"]


def both(arm: list[str], left: str, right: str) -> list[str]:
    """Two arms: the left one takes the indices 0 to 6, the right one 7 to 13."""
    return [f"{side}{name}" for side in (left, right) for name in arm]


# Names by index, of an action: those of the paper and of openpi's norm_stats.md. The state of a
# mobile robot ends with its arms.
ORDER: dict[str, list[str]] = {
    "ur5e": UR5E,
    "ur5e_bimanual": both(UR5E, "left_", "right_"),
    "franka": FR3,
    "trossen_bimanual": both(VIPERX, "follower_left/", "follower_right/"),
    "arx_bimanual": both(X5, "left_", "right_"),
    "agilex_bimanual": both(PIPER, "left_", "right_"),
    "trossen_mobile": [*both(VIPERX, "follower_left/", "follower_right/"), *SLATE],
    "arx_mobile": [*both(X5, "fl_", "fr_"), *TRACER],
    "fibocom_mobile": [
        *both(X5, "left_", "right_"),
        *("base_x", "base_y", "base_yaw", "torso_lift_joint"),
    ],
}
OPEN_IS_1 = {"trossen_bimanual", "trossen_mobile"}  # ALOHA's; all others: closed is 1


def within_limits(robot: Embodiment, share: np.ndarray) -> np.ndarray:
    """Actions between the axes' limits, (..., A), from shares of the way, (..., 32)."""
    low = [axis.lower if isinstance(axis, Joint) else -axis.velocity for axis in robot.axes]
    high = [axis.upper if isinstance(axis, Joint) else axis.velocity for axis in robot.axes]
    return low + share[..., : len(low)] * np.subtract(high, low)


def with_grippers(
    opened: float, closed: float, model_open: float, model_closed: float
) -> Embodiment:
    """The two UR5e arms with other grippers."""
    grip = GripperMap(open=opened, closed=closed, model_open=model_open, model_closed=model_closed)
    joints = tuple(
        joint if joint.gripper is None else joint.model_copy(update={"gripper": grip})
        for joint in ROBOTS["ur5e_bimanual"].joints
    )
    return ROBOTS["ur5e_bimanual"].model_copy(update={"joints": joints})


def test_all_nine_robots_are_checked_here() -> None:
    assert set(ORDER) == set(ROBOTS)


@pytest.mark.parametrize("name", ORDER)
def test_the_order_is_the_papers(name: str) -> None:
    robot = ROBOTS[name]
    assert list(robot.axis_names) == ORDER[name]
    assert [axis.index for axis in robot.axes] == list(range(len(ORDER[name])))
    arms = [axis for axis in ORDER[name] if axis not in ("base_x", "base_y", "base_yaw")]
    lift = ["torso_lift_joint"] if "torso_lift_joint" in arms else []
    observed = [joint.name for joint in robot.state_joints]
    assert observed in (arms, [name for name in arms if name not in lift])


@pytest.mark.parametrize("name", ORDER)
def test_each_number_stands_at_its_index_of_the_vector(name: str) -> None:
    robot = ROBOTS[name]
    for column, axis in enumerate(ORDER[name]):
        action = np.array(robot_at_rest(robot))
        action[column] += 0.001
        moved = actions_to_model(robot, action) - actions_to_model(robot, robot_at_rest(robot))
        assert list(np.flatnonzero(moved)) == [column], axis


def robot_at_rest(robot: Embodiment) -> np.ndarray:
    return np.array([axis.home if isinstance(axis, Joint) else 0.0 for axis in robot.axes])


@pytest.mark.parametrize("name", ORDER)
def test_paddings_are_the_papers_and_openpis(name: str) -> None:
    assert ROBOTS[name].paddings == {"paper": 18, "openpi": 32}


@given(robots, shares)
def test_packing_and_unpacking_actions_is_inverse_and_pads_with_zeros(
    robot: Embodiment, share: np.ndarray
) -> None:
    actions = within_limits(robot, share)
    for width in robot.paddings.values():
        vector = padded(actions_to_model(robot, actions), width)
        assert vector.shape == (3, width)
        used = [axis.index for axis in robot.axes]
        np.testing.assert_array_equal(np.delete(vector, used, axis=-1), 0.0)
        np.testing.assert_allclose(actions_to_ros(robot, vector), actions, atol=1e-12)


@given(robots, shares)
def test_packing_and_unpacking_a_state_is_inverse_and_pads_with_zeros(
    robot: Embodiment, share: np.ndarray
) -> None:
    state = state_of(robot, within_limits(robot, share)[..., robot.joint_columns])
    for width in robot.paddings.values():
        vector = padded(state_to_model(robot, state), width)
        assert vector.shape == (3, width)
        used = [joint.index for joint in robot.state_joints]
        np.testing.assert_array_equal(np.delete(vector, used, axis=-1), 0.0)
        np.testing.assert_allclose(state_to_ros(robot, vector), state, atol=1e-12)


@given(robots, arrays(np.float64, (2, 32), elements=st.floats(-3.0, 3.0)))
def test_unpacking_and_packing_the_models_numbers_is_inverse(
    robot: Embodiment, numbers: np.ndarray
) -> None:
    vector = numbers[:, : vector_widths(robot)[1]]
    back = actions_to_model(robot, actions_to_ros(robot, vector))
    np.testing.assert_allclose(back, vector, atol=1e-12)


@pytest.mark.parametrize("name", ORDER)
def test_a_gripper_of_each_robot_has_the_polarity_of_its_checkpoints(name: str) -> None:
    robot = ROBOTS[name]
    for joint in robot.joints:
        if joint.gripper is not None:
            action = robot_at_rest(robot)
            action[robot.index(joint.name)] = joint.gripper.open
            opened = actions_to_model(robot, action)[joint.index]
            action[robot.index(joint.name)] = joint.gripper.closed
            closed = actions_to_model(robot, action)[joint.index]
            assert (opened > closed) == (name in OPEN_IS_1)
            if name not in OPEN_IS_1:
                np.testing.assert_allclose([opened, closed], [0.0, 1.0])


def test_a_gap_between_indices_is_zero_and_a_lift_behind_it_keeps_its_index(
    description: dict[str, Any],
) -> None:
    description["joints"][0]["index"] = 17
    lift = Embodiment.model_validate(description)
    assert vector_widths(lift) == (18, 18)
    vector = actions_to_model(lift, np.array([0.8, 1.5]))  # grip closed is 0, slide 1.5 m
    assert list(np.flatnonzero(vector)) == [17]
    assert vector[17] == 1.5


def test_a_joint_that_is_not_observed_is_left_out_of_the_state(
    description: dict[str, Any],
) -> None:
    description["joints"][0]["observed"] = False
    robot = Embodiment.model_validate(description)
    np.testing.assert_array_equal(state_of(robot, np.array([[0.3, 0.2]])), [[0.2]])
    np.testing.assert_allclose(state_to_model(robot, np.array([0.2])), [0.0, 0.75])
    assert vector_widths(robot) == (2, 2)


def test_positions_are_ordered_by_name_and_other_devices_are_left_out() -> None:
    positions = {"conveyor": 9.0, "b": 2.0, "a": 1.0}
    np.testing.assert_array_equal(ordered(["a", "b"], positions), [1.0, 2.0])


def test_missing_joints_are_named() -> None:
    with pytest.raises(KeyError, match="joint_states lacks b, c"):
        ordered(["a", "b", "c"], {"a": 0.0})


@pytest.mark.parametrize(("knuckle_rad", "model"), [(0.0, 0.0), (0.7929, 1.0), (0.39645, 0.5)])
def test_the_robotiq_is_0_when_open_and_1_when_closed(knuckle_rad: float, model: float) -> None:
    values = np.zeros(14)
    values[13] = knuckle_rad
    mapped = actions_to_model(ROBOTS["ur5e_bimanual"], values)
    assert mapped[13] == pytest.approx(model)
    assert mapped[6] == 0.0


def test_arm_joints_pass_as_they_are() -> None:
    values, arms = np.arange(14.0), [*range(6), *range(7, 13)]
    robot = ROBOTS["ur5e_bimanual"]
    np.testing.assert_array_equal(actions_to_model(robot, values)[arms], values[arms])
    np.testing.assert_array_equal(actions_to_ros(robot, values)[arms], values[arms])


def test_a_gripper_whose_model_counts_openness_is_inverted(description: dict[str, Any]) -> None:
    slider = Embodiment.model_validate(description)  # 0 rad open is 1, 0.8 rad closed is 0
    np.testing.assert_allclose(actions_to_model(slider, np.array([0.3, 0.2])), [0.3, 0.75])
    np.testing.assert_allclose(actions_to_ros(slider, np.array([0.3, 0.75])), [0.3, 0.2])


@given(
    arrays(np.float64, (3, 14), elements=st.floats(-6.0, 6.0)),
    st.tuples(st.floats(-1.0, 0.4), st.floats(0.5, 1.0)).flatmap(st.permutations),
    st.tuples(st.floats(-1.0, 0.4), st.floats(0.5, 1.0)).flatmap(st.permutations),
)
def test_packing_is_undone_for_every_polarity(
    values: np.ndarray, ros: list[float], model: list[float]
) -> None:
    robot = with_grippers(*ros, *model)
    np.testing.assert_allclose(
        actions_to_ros(robot, actions_to_model(robot, values)), values, atol=1e-9
    )


def test_mapping_leaves_its_argument_alone() -> None:
    robot, values = ROBOTS["ur5e_bimanual"], np.full(14, 0.7929)
    actions_to_model(robot, values)
    actions_to_ros(robot, values)
    state_to_model(robot, values)
    np.testing.assert_array_equal(values, np.full(14, 0.7929))


def test_padding_appends_zeros() -> None:
    np.testing.assert_array_equal(padded(np.ones((2, 3)), 5), [[1, 1, 1, 0, 0]] * 2)
    np.testing.assert_array_equal(padded(np.ones(3), 3), [1, 1, 1])


def test_a_vector_wider_than_the_checkpoint_is_refused() -> None:
    with pytest.raises(ValueError, match="a vector of 14 does not fit a checkpoint of width 8"):
        padded(np.zeros(14), 8)
