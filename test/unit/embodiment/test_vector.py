from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Embodiment, GripperMap
from pi0_ros.embodiment.vector import padded, state_from_positions, to_model, to_ros

LEFT, RIGHT = "left_robotiq_85_left_knuckle_joint", "right_robotiq_85_left_knuckle_joint"
UR5E = load_embodiment("ur5e_bimanual")
positions = arrays(np.float64, (3, 14), elements=st.floats(-6.0, 6.0))


def with_grippers(
    opened: float, closed: float, model_open: float, model_closed: float
) -> Embodiment:
    """The two arms with other grippers."""
    grip = GripperMap(open=opened, closed=closed, model_open=model_open, model_closed=model_closed)
    joints = tuple(
        joint if joint.gripper is None else joint.model_copy(update={"gripper": grip})
        for joint in UR5E.joints
    )
    return UR5E.model_copy(update={"joints": joints})


def test_the_state_is_ordered_by_name_and_not_by_place(embodiment: Embodiment) -> None:
    shuffled = {name: float(i) for i, name in enumerate(embodiment.joint_names)}
    shuffled = dict(reversed(shuffled.items()))
    np.testing.assert_array_equal(state_from_positions(embodiment, shuffled), np.arange(14.0))


def test_joints_of_other_devices_are_left_out(embodiment: Embodiment) -> None:
    positions = dict.fromkeys(("conveyor", *embodiment.joint_names), 1.0)
    assert state_from_positions(embodiment, positions).shape == (14,)


def test_missing_joints_are_named(embodiment: Embodiment) -> None:
    positions = dict.fromkeys(set(embodiment.joint_names) - {LEFT, RIGHT}, 0.0)
    with pytest.raises(KeyError, match=f"joint_states lacks {LEFT}, {RIGHT}"):
        state_from_positions(embodiment, positions)


@pytest.mark.parametrize(("knuckle_rad", "model"), [(0.0, 0.0), (0.7929, 1.0), (0.39645, 0.5)])
def test_the_robotiq_is_0_when_open_and_1_when_closed(
    embodiment: Embodiment, knuckle_rad: float, model: float
) -> None:
    values = np.zeros(14)
    values[embodiment.index(RIGHT)] = knuckle_rad
    mapped = to_model(embodiment, values)
    assert mapped[embodiment.index(RIGHT)] == pytest.approx(model)
    assert mapped[embodiment.index(LEFT)] == 0.0


def test_arm_joints_pass_as_they_are(embodiment: Embodiment) -> None:
    values = np.arange(14.0)
    arms = [i for i, joint in enumerate(embodiment.joints) if joint.gripper is None]
    np.testing.assert_array_equal(to_model(embodiment, values)[arms], values[arms])
    np.testing.assert_array_equal(to_ros(embodiment, values)[arms], values[arms])


def test_a_gripper_whose_model_counts_openness_is_inverted(description: dict[str, Any]) -> None:
    slider = Embodiment.model_validate(description)  # 0 rad open is 1, 0.8 rad closed is 0
    np.testing.assert_allclose(to_model(slider, np.array([0.3, 0.2])), [0.3, 0.75])
    np.testing.assert_allclose(to_ros(slider, np.array([0.3, 0.75])), [0.3, 0.2])


@given(positions)
def test_to_ros_undoes_to_model(values: np.ndarray) -> None:
    np.testing.assert_allclose(to_ros(UR5E, to_model(UR5E, values)), values, atol=1e-12)


@given(
    positions,
    st.tuples(st.floats(-1.0, 0.4), st.floats(0.5, 1.0)).flatmap(st.permutations),
    st.tuples(st.floats(-1.0, 0.4), st.floats(0.5, 1.0)).flatmap(st.permutations),
)
def test_to_ros_undoes_to_model_for_every_polarity(
    values: np.ndarray, ros: list[float], model: list[float]
) -> None:
    robot = with_grippers(*ros, *model)
    np.testing.assert_allclose(to_ros(robot, to_model(robot, values)), values, atol=1e-9)
    np.testing.assert_allclose(to_model(robot, to_ros(robot, values)), values, atol=1e-9)


def test_mapping_leaves_its_argument_alone(embodiment: Embodiment) -> None:
    values = np.full(14, 0.7929)
    to_model(embodiment, values)
    to_ros(embodiment, values)
    np.testing.assert_array_equal(values, np.full(14, 0.7929))


def test_padding_appends_zeros() -> None:
    np.testing.assert_array_equal(padded(np.ones((2, 3)), 5), [[1, 1, 1, 0, 0]] * 2)
    np.testing.assert_array_equal(padded(np.ones(3), 3), [1, 1, 1])


def test_a_vector_wider_than_the_checkpoint_is_refused() -> None:
    with pytest.raises(ValueError, match="a vector of 14 does not fit a checkpoint of width 8"):
        padded(np.zeros(14), 8)
