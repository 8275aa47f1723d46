from __future__ import annotations

import numpy as np
import pytest

from pi0_ros.simulation.controllers import Rejected, SimController
from pi0_ros.simulation.drivers import BaseDriver, ForwardCommandController, NamedPositionsDriver

S = 1_000_000_000
JOINTS = ("a", "b")


def sample(made: SimController, at_s: float, command: float = 0.0) -> np.ndarray:
    return made.sample(round(at_s * S), np.zeros(2), np.full(2, command))


# --- the forward controller ----------------------------------------------------------------------


def forward(*values: float) -> ForwardCommandController:
    made = ForwardCommandController("gripper_controller", JOINTS)
    if values:
        made.receive(np.array(values), 0)
    return made


def test_the_newest_values_are_passed_on_again_and_again() -> None:
    made = forward()
    np.testing.assert_array_equal(sample(made, 0.0, command=3.0), [3, 3])
    made.receive(np.array([1.0, 2.0]), 0)
    for at_s in (0.0, 1.0, 99.0):
        np.testing.assert_array_equal(sample(made, at_s, command=3.0), [1, 2])
    made.hold()
    np.testing.assert_array_equal(sample(made, 99.0, command=3.0), [3, 3])


@pytest.mark.parametrize("size", [0, 1, 3])
def test_another_number_of_values_is_rejected(size: int) -> None:
    made = forward(1.0, 2.0)
    with pytest.raises(Rejected, match=f"command size {size} of gripper_controller is not 2"):
        made.receive(np.zeros(size), 0)
    np.testing.assert_array_equal(sample(made, 0.0), [1, 2])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_dropped(value: float) -> None:
    made = forward(1.0, 2.0)
    with pytest.raises(Rejected, match="non-finite value received by gripper_controller"):
        made.receive(np.array([0.0, value]), 0)
    np.testing.assert_array_equal(sample(made, 0.0), [1, 2])


# --- a driver that takes joint states ------------------------------------------------------------


def named(**positions: float) -> NamedPositionsDriver:
    made = NamedPositionsDriver("arm_driver", JOINTS)
    made.receive(positions, 0)
    return made


def test_what_is_named_moves_and_the_rest_holds() -> None:
    made = named(b=2.0)
    np.testing.assert_array_equal(sample(made, 0.0, command=3.0), [3, 2])
    made.receive({"a": 1.0}, 0)
    np.testing.assert_array_equal(sample(made, 0.0, command=3.0), [1, 2])
    made.hold()
    np.testing.assert_array_equal(sample(made, 0.0, command=3.0), [3, 3])


@pytest.mark.parametrize(
    ("positions", "said"),
    [
        ({"a": 0.0, "elbow": 1.0}, "arm_driver has no joint elbow"),
        ({"a": np.nan}, "non-finite value received by arm_driver"),
    ],
)
def test_a_joint_state_that_is_wrong_moves_nothing(positions: dict[str, float], said: str) -> None:
    made = named(a=1.0, b=2.0)
    with pytest.raises(Rejected, match=said):
        made.receive(positions, 0)
    np.testing.assert_array_equal(sample(made, 0.0), [1, 2])


# --- a base's driver -----------------------------------------------------------------------------


def test_a_velocity_counts_up_to_the_timeout_and_then_it_is_zero() -> None:
    made = BaseDriver("base", timeout_ns=round(0.3 * S))
    np.testing.assert_array_equal(made.at(0), [0, 0, 0])
    made.receive(np.array([0.2, 0.0, 0.5]), 7 * S)
    for at_s, value in ((7.0, 0.2), (7.3, 0.2), (7.31, 0.0), (99.0, 0.0)):
        assert made.at(round(at_s * S))[0] == value


def test_a_base_forgets_its_velocity_when_it_shall_hold() -> None:
    made = BaseDriver("base", timeout_ns=S)
    made.receive(np.ones(3), 0)
    made.hold()
    np.testing.assert_array_equal(made.at(0), [0, 0, 0])


def test_a_velocity_that_is_not_finite_is_rejected() -> None:
    with pytest.raises(Rejected, match="non-finite value received by base"):
        BaseDriver("base", timeout_ns=S).receive(np.array([0.0, 0.0, np.inf]), 0)
