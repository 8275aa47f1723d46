from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from pi0_ros.embodiment.convention import Convention, absolute, delta
from pi0_ros.embodiment.files import known_embodiments
from pi0_ros.embodiment.loading import convention_of, load_convention, load_embodiment
from pi0_ros.embodiment.vector import state_to_model, vector_widths

Numbers = dict[str, np.ndarray]
SMALL: dict[str, Any] = {
    "name": "small",
    "title": "Three numbers in, two out",
    "state_width": 3,
    "action_width": 2,
    "state_maps": [{"map": "flip", "dims": [0]}],
    "action_maps": [
        {"map": "flip", "dims": [0]},
        {"map": "linear", "dims": [0, 1], "input": [0, 1], "output": [10, 12]},
    ],
    "delta": [1, -1],
    "cameras": {"front": "base_0_rgb", "hand": "left_wrist_0_rgb"},
    "optional": ["hand"],
    "ignored": ["rear"],
}


def small(**changes: object) -> Convention:
    return Convention.model_validate({**SMALL, **changes})


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


def test_the_state_goes_through_its_maps() -> None:
    np.testing.assert_array_equal(small().state_to_model(np.array([1.0, 2.0, 3.0])), [-1, 2, 3])


def test_actions_go_through_their_own_maps_in_order_and_what_pads_them_is_cut() -> None:
    actions = small().actions_to_robot(np.array([[1.0, 1.0, 99.0, np.nan]]))
    np.testing.assert_array_equal(actions, [[8.0, 12.0]])


@given(arrays(np.float64, (4, 2), elements=st.floats(-10, 10)))
def test_what_training_learns_from_is_what_the_robot_gets(actions: np.ndarray) -> None:
    close(small().actions_to_robot(small().actions_to_model(actions)), actions)


def test_the_callers_numbers_stay_as_they_are() -> None:
    state, actions = np.ones(3), np.ones((4, 2))
    small().state_to_model(state)
    small().actions_to_robot(actions)
    delta(actions, state, np.array([True, True]))
    np.testing.assert_array_equal(state, 1.0)
    np.testing.assert_array_equal(actions, 1.0)


def test_the_identity_changes_nothing() -> None:
    identity, values = Convention.identity(2, 2), np.array([[1.0, -2.0]])
    for way in (identity.state_to_model, identity.actions_to_robot, identity.actions_to_model):
        np.testing.assert_array_equal(way(values), values)
    assert not identity.delta_mask.any()


@pytest.mark.parametrize(
    ("notation", "mask"),
    [([], [0, 0, 0, 0]), ([2], [1, 1, 0, 0]), ([1, -1, 2], [1, 0, 1, 1]), ([-4], [0, 0, 0, 0])],
)
def test_openpis_notation_counts_dimensions_that_are_relative_and_that_are_not(
    notation: list[int], mask: list[int]
) -> None:
    found = small(state_width=4, action_width=4, delta=notation).delta_mask
    assert found.dtype == bool
    assert found.tolist() == [bool(one) for one in mask]


def test_only_masked_dimensions_are_relative_to_the_chunks_start() -> None:
    actions, state = np.array([[5.0, 5.0, 5.0], [6.0, 6.0, 6.0]]), np.array([1.0, 2.0])
    relative = delta(actions, state, np.array([True, False]))
    np.testing.assert_array_equal(relative, [[4.0, 5.0, 5.0], [5.0, 6.0, 6.0]])


@given(
    arrays(np.float64, (3, 4, 5), elements=st.floats(-10, 10)),
    arrays(np.float64, (3, 6), elements=st.floats(-10, 10)),
    arrays(np.bool_, st.integers(0, 5)),
)
def test_absolute_undoes_delta(actions: np.ndarray, state: np.ndarray, mask: np.ndarray) -> None:
    close(absolute(delta(actions, state, mask), state, mask), actions)


@pytest.mark.parametrize("robot", ["aloha", "droid_jointpos", "libero_ur5"])
def test_openpis_relative_actions_are_reproduced(openpi: Numbers, robot: str) -> None:
    actions, state, mask = (openpi[f"delta.{robot}.{n}"] for n in ("actions", "state", "mask"))
    close(delta(actions, state, mask), openpi[f"delta.{robot}.out"])
    close(absolute(actions, state, mask), openpi[f"absolute.{robot}.out"])


@pytest.mark.parametrize(
    ("name", "robot"),
    [("aloha", "aloha"), ("ur5_dual", "aloha"), ("droid_jointpos", "droid_jointpos"),
     ("libero", "libero_ur5"), ("ur5", "libero_ur5")],
)  # fmt: skip
def test_a_conventions_mask_is_openpis(openpi: Numbers, name: str, robot: str) -> None:
    expected = openpi[f"delta.{robot}.mask"]
    np.testing.assert_array_equal(load_convention(name).delta_mask, expected)


@pytest.mark.parametrize("name", ["aloha_sim", "droid", "libero_pi05"])
def test_conventions_with_absolute_actions_have_no_mask(name: str) -> None:
    assert not load_convention(name).delta_mask.any()


@pytest.mark.parametrize("name", ["aloha", "aloha_sim"])
def test_openpis_aloha_numbers_are_reproduced(openpi: Numbers, name: str) -> None:
    aloha = load_convention(name)
    close(aloha.state_to_model(openpi["aloha.raw_state"]), openpi["aloha.adapt1.state"])
    raw, learned = openpi["aloha.raw_actions"], openpi["aloha.adapt1.train_actions"]
    close(aloha.actions_to_model(raw), learned)
    with_junk = np.pad(raw, [(0, 0), (0, 18)], constant_values=7.0)
    close(aloha.actions_to_robot(with_junk), openpi["aloha.adapt1.out_actions"])


def test_a_mobile_alohas_arms_are_alohas_and_its_base_passes_unchanged() -> None:
    aloha, mobile = load_convention("aloha"), load_convention("aloha_mobile")
    actions = np.linspace(-0.5, 0.9, 5 * 16).reshape(5, 16)
    close(mobile.state_to_model(actions[:, :14]), aloha.state_to_model(actions[:, :14]))
    for way in ("actions_to_model", "actions_to_robot"):
        mapped = getattr(mobile, way)(actions)
        close(mapped[:, :14], getattr(aloha, way)(actions[:, :14]))
        np.testing.assert_array_equal(mapped[:, 14:], actions[:, 14:])
    np.testing.assert_array_equal(mobile.delta_mask[:14], aloha.delta_mask)
    assert not mobile.delta_mask[14:].any()


@pytest.mark.parametrize("name", known_embodiments())
def test_every_robot_has_a_convention_of_its_widths_and_relative_joints(name: str) -> None:
    robot = load_embodiment(name)
    convention = convention_of(robot)
    assert (convention.state_width, convention.action_width) == vector_widths(robot)
    relative = {axis.name: convention.delta_mask[axis.index] for axis in robot.axes}
    arms = {joint for arm in robot.arms.values() for joint in arm.joints}
    assert {axis for axis, is_relative in relative.items() if is_relative} == arms


@pytest.mark.parametrize("finger_m", [0.021, 0.04, 0.057])
def test_a_viperx_finger_becomes_the_models_number_of_openpis_linkage(finger_m: float) -> None:
    robot = load_embodiment("trossen_bimanual")
    state = np.array(robot.home)
    state[6] = finger_m
    seen = convention_of(robot).state_to_model(state_to_model(robot, state))[6]
    horn, rod = 0.022, 0.036  # [m]
    angle = np.arcsin((horn**2 + finger_m**2 - rod**2) / (2 * horn * finger_m))
    assert seen == pytest.approx((angle - 0.5476) / (1.6296 - 0.5476), abs=1e-6)


def test_openpis_aloha_gripper_is_reproduced_beyond_its_ends_too(openpi: Numbers) -> None:
    aloha, x = load_convention("aloha"), openpi["aloha.gripper_x"]
    wide = np.zeros((len(x), 14))
    wide[:, 6] = wide[:, 13] = x
    for way, expected in (
        (aloha.state_to_model, "aloha.gripper_to_angular"),
        (aloha.actions_to_robot, "aloha.gripper_from_angular"),
        (aloha.actions_to_model, "aloha.gripper_from_angular_inv"),
    ):
        for dim in (6, 13):
            close(way(wide)[:, dim], openpi[expected])


def test_without_adapting_aloha_is_the_identity(openpi: Numbers) -> None:
    plain = Convention.identity(14, 14)
    close(plain.state_to_model(openpi["aloha.raw_state"]), openpi["aloha.adapt0.state"])
    raw = openpi["aloha.raw_actions"]
    close(plain.actions_to_model(raw), openpi["aloha.adapt0.train_actions"])
    close(plain.actions_to_robot(raw), openpi["aloha.adapt0.out_actions"])


def test_images_go_to_the_slots_of_their_cameras_and_ignored_ones_nowhere() -> None:
    images = {"front": 1, "hand": 2, "rear": 3}
    assert small().slots(images) == {"base_0_rgb": 1, "left_wrist_0_rgb": 2}


def test_the_slot_of_an_absent_camera_is_left_out() -> None:
    assert small().slots({"front": 1}) == {"base_0_rgb": 1}


def test_a_camera_that_is_needed_is_named() -> None:
    with pytest.raises(ValueError, match="no image of front, which small needs"):
        small().slots({"hand": 2})


def test_an_unknown_camera_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(ValueError, match=r"camera 'fornt' is unknown.*Did you mean 'front'\?"):
        small().slots({"fornt": 1})


@pytest.mark.parametrize("width", [2, 4])
def test_a_state_of_another_width_is_refused(width: int) -> None:
    with pytest.raises(ValueError, match=rf"'small' has 3 numbers per state; got shape \({width},"):
        small().state_to_model(np.zeros(width))


def test_actions_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"2 numbers per action; got shape \(5, 1\)\. Choose"):
        small().actions_to_robot(np.zeros((5, 1)))
    with pytest.raises(ValueError, match=r"2 numbers per action; got shape \(5, 3\)"):
        small().actions_to_model(np.zeros((5, 3)))


def test_a_mask_wider_than_the_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a mask of dimension 2 does not fit actions \(4, 2\)"):
        delta(np.zeros((4, 2)), np.zeros(3), np.ones(3, bool))


def test_a_mask_may_end_before_the_actions_do_and_behind_the_state() -> None:
    mask = np.array([True, False, False])
    moved = delta(np.ones((4, 3)), np.array([0.25, 9.0]), mask)
    np.testing.assert_array_equal(moved, np.tile([0.75, 1.0, 1.0], (4, 1)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dleta": [1]}, r"key 'dleta' is unknown; .*Did you mean 'delta'\?"),
        ({"state_maps": [{"map": "flip", "dims": [3]}]}, "state_maps name dimension 3; .* is 2"),
        ({"action_maps": [{"map": "flip", "dims": [2]}]}, "action_maps name dimension 2"),
        ({"state_maps": [{"map": "flipp", "dims": [0]}]}, "'flip', 'linear', 'linkage'"),
        ({"state_maps": [{"map": "flip", "dim": [0]}]}, r"key 'dim' is unknown.*'dims'"),
        (
            {"action_maps": [{"map": "linkage", "dims": [0], "horn": 1, "rod": 1}]},
            "'linkage' .* 'flip', 'linear'",
        ),
        ({"delta": [3]}, "delta counts 3 dimensions; there are 2"),
        ({"delta": [1, 0]}, "delta counts dimensions, and a count is not 0"),
        ({"cameras": {"front": "base"}, "optional": []}, "'base_0_rgb'"),
        ({"cameras": {"a": "base_0_rgb", "hand": "base_0_rgb"}}, "repeated: base_0_rgb"),
        ({"optional": ["hnad"]}, r"optional camera 'hnad' is unknown.*'hand'"),
        ({"ignored": ["front"]}, "camera 'front' is ignored and has a slot"),
        ({"state_width": 0}, "greater than 0"),
    ],
)
def test_what_is_no_convention_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        small(**changes)
