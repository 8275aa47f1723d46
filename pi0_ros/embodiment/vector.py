"""Between ROS positions and velocities and the model's vector: order, units and polarity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pi0_ros.embodiment.axes import BaseAxis, GripperMap, Joint
from pi0_ros.embodiment.spec import Embodiment


def ordered(names: Sequence[str], positions: Mapping[str, float]) -> np.ndarray:
    """Put joint positions in order.

    Args:
        names: Joints in the wanted order, (N,).
        positions: Position of each joint by name [rad or m]; more joints than needed are fine.

    Returns:
        Positions, (N,) [rad or m].

    Raises:
        KeyError: Joints are missing; the message lists them.
    """
    missing = [name for name in names if name not in positions]
    if missing:
        raise KeyError(f"joint_states lacks {', '.join(missing)}")
    return np.array([positions[name] for name in names], dtype=np.float64)


def state_of(embodiment: Embodiment, positions: np.ndarray) -> np.ndarray:
    """Pick what the model observes, (..., S), from all joints, (..., J) [rad or m]."""
    return np.array(positions)[..., [joint.observed for joint in embodiment.joints]]


def vector_widths(embodiment: Embodiment) -> tuple[int, int]:
    """Return how wide the model's vectors of states and of actions are before they are padded."""
    return embodiment.state_joints[-1].index + 1, embodiment.axes[-1].index + 1


def state_to_model(embodiment: Embodiment, state: np.ndarray) -> np.ndarray:
    """Map a state in ROS units to the model's vector.

    Args:
        embodiment: The robot.
        state: (..., S) [rad or m].

    Returns:
        As wide as the largest index of the state, not padded; what is between is zero. [rad or m;
        grippers in model units].
    """
    return _to_model(embodiment.state_joints, state)


def state_to_ros(embodiment: Embodiment, vector: np.ndarray) -> np.ndarray:
    """Map the model's vector, padded or not, to a state; undoes :func:`state_to_model`."""
    return _to_ros(embodiment.state_joints, vector)


def actions_to_model(embodiment: Embodiment, actions: np.ndarray) -> np.ndarray:
    """Map actions in ROS units to the model's vector.

    Args:
        embodiment: The robot.
        actions: (..., A) [rad, m, rad/s or m/s, by axis].

    Returns:
        As wide as the largest index, not padded; what is between is zero [likewise; grippers in
        model units].
    """
    return _to_model(embodiment.axes, actions)


def actions_to_ros(embodiment: Embodiment, vector: np.ndarray) -> np.ndarray:
    """Map the model's vector, padded or not, to actions; undoes :func:`actions_to_model`."""
    return _to_ros(embodiment.axes, vector)


def padded(values: np.ndarray, width: int) -> np.ndarray:
    """Append zeros up to the width of a checkpoint.

    Args:
        values: (..., D).
        width: Width of the checkpoint's state and action vectors, at least D.

    Returns:
        (..., width).

    Raises:
        ValueError: The vector is wider than the checkpoint.
    """
    missing = width - values.shape[-1]
    if missing < 0:
        raise ValueError(
            f"a vector of {values.shape[-1]} does not fit a checkpoint of width {width}; "
            "use a checkpoint at least as wide as the robot"
        )
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)])


def _to_model(axes: Sequence[Joint | BaseAxis], values: np.ndarray) -> np.ndarray:
    vector = np.zeros((*np.shape(values)[:-1], axes[-1].index + 1))
    for column, axis in enumerate(axes):
        number = values[..., column]
        gripper = _gripper(axis)
        if gripper is not None:
            closing = (number - gripper.open) / (gripper.closed - gripper.open)
            number = gripper.model_open + closing * (gripper.model_closed - gripper.model_open)
        vector[..., axis.index] = number
    return vector


def _to_ros(axes: Sequence[Joint | BaseAxis], vector: np.ndarray) -> np.ndarray:
    values = np.array(vector[..., [axis.index for axis in axes]], dtype=np.float64)
    for column, axis in enumerate(axes):
        gripper = _gripper(axis)
        if gripper is not None:
            number = values[..., column]
            closing = (number - gripper.model_open) / (gripper.model_closed - gripper.model_open)
            values[..., column] = gripper.open + closing * (gripper.closed - gripper.open)
    return values


def _gripper(axis: Joint | BaseAxis) -> GripperMap | None:
    return axis.gripper if isinstance(axis, Joint) else None
