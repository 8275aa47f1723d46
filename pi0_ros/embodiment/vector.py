"""Between ROS joint positions and the model's vector: order, gripper units and polarity."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pi0_ros.embodiment.spec import Embodiment


def state_from_positions(embodiment: Embodiment, positions: Mapping[str, float]) -> np.ndarray:
    """Order joint positions as the model's vector.

    Args:
        embodiment: The robot.
        positions: Position of each joint by name [rad or m]; more joints than needed are fine.

    Returns:
        State in ROS units, (D,) [rad or m].

    Raises:
        KeyError: Joints are missing; the message lists them.
    """
    missing = [name for name in embodiment.joint_names if name not in positions]
    if missing:
        raise KeyError(f"joint_states lacks {', '.join(missing)}")
    return np.array([positions[name] for name in embodiment.joint_names], dtype=np.float64)


def to_model(embodiment: Embodiment, values: np.ndarray) -> np.ndarray:
    """Map ROS units to the model's: grippers to their model range, joints as they are.

    Args:
        embodiment: The robot.
        values: (..., D) [rad or m].

    Returns:
        (..., D) [rad or m; grippers in model units].
    """
    mapped = np.array(values, dtype=np.float64)
    for index, joint in enumerate(embodiment.joints):
        if joint.gripper is not None:
            g = joint.gripper
            closing = (mapped[..., index] - g.open) / (g.closed - g.open)
            mapped[..., index] = g.model_open + closing * (g.model_closed - g.model_open)
    return mapped


def to_ros(embodiment: Embodiment, values: np.ndarray) -> np.ndarray:
    """Map the model's units to ROS units; the inverse of :func:`to_model`.

    Args:
        embodiment: The robot.
        values: (..., D) [rad or m; grippers in model units].

    Returns:
        (..., D) [rad or m].
    """
    mapped = np.array(values, dtype=np.float64)
    for index, joint in enumerate(embodiment.joints):
        if joint.gripper is not None:
            g = joint.gripper
            closing = (mapped[..., index] - g.model_open) / (g.model_closed - g.model_open)
            mapped[..., index] = g.open + closing * (g.closed - g.open)
    return mapped


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
