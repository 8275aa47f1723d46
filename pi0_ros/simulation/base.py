"""A mobile base on a flat floor: driven by velocities, held where it stands, wheels turning."""

from __future__ import annotations

import mujoco
import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.servos import add_servo, moved_inertia, tune

BASE_JOINTS = ("base_x", "base_y", "base_yaw")  # of the simulation, not of the URDF
FREQUENCY_RAD_S, LAG_S = 40.0, 2 / 40.0  # of the drives, critically damped
# What the tyres hold before they slip [m/s², m/s², rad/s²], and how far the wheels may be ahead of
# a base that stands against something [m, m, rad].
GRIP = np.array([8.0, 8.0, 20.0])
SLIP = np.array([0.1, 0.1, 0.1])


def add_base(spec: mujoco.MjSpec, embodiment: Embodiment) -> None:
    """Let the root of the URDF move in the plane; nothing where the robot has no base.

    Raises:
        ValueError: The base's frame is not the URDF's root.
    """
    if embodiment.base is None:
        return
    body = spec.body(embodiment.base.frame)
    if body is None or body.parent != spec.worldbody:
        raise ValueError(
            f"base.frame of {embodiment.name} is '{embodiment.base.frame}'; it must be the root "
            f"link of {embodiment.urdf}"
        )
    slide, hinge = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
    for name, kind, axis in zip(BASE_JOINTS, (slide, slide, hinge), np.eye(3), strict=True):
        body.add_joint(name=name, type=kind, axis=axis)
        add_servo(spec, name)


class PlanarBase:
    """The base of one simulated robot.

    The drives follow a reference that is the exact integral of the commanded velocities. A
    differential base's reference never moves sideways.

    Args:
        model: The scene.
        data: Its state, the robot at home.
        embodiment: The robot, which has a base.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, embodiment: Embodiment) -> None:
        """Tune the drives and find the wheels."""
        assert embodiment.base is not None
        self._data = data
        self._moves = np.array([1.0, float(embodiment.base.is_holonomic), 1.0])
        joints = [model.joint(name) for name in BASE_JOINTS]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._qvel = np.array([joint.dofadr[0] for joint in joints])
        self._ctrl = np.array([model.actuator(name).id for name in BASE_JOINTS])
        for name, dof, actuator, grip in zip(
            BASE_JOINTS, self._qvel, self._ctrl, GRIP, strict=True
        ):
            inertia = moved_inertia(model, data, np.eye(model.nv)[dof])
            tune(model, name, inertia, FREQUENCY_RAD_S, LAG_S)
            model.actuator_forcelimited[actuator] = True
            model.actuator_forcerange[actuator] = -grip * inertia, grip * inertia
        self._wheels, self._rolling = _wheels(model, data, embodiment)
        model.dof_damping[self._wheels] = 0.0
        self.reset()

    def reset(self) -> None:
        """Take the place where it stands as the reference, and stand still."""
        self.reference = self.pose
        self.twist = np.zeros(3)

    @property
    def pose(self) -> np.ndarray:
        """Measured x, y [m] and heading [rad, not wrapped] in the odometry's frame, (3,)."""
        return np.array(self._data.qpos[self._qpos])

    @property
    def velocity(self) -> np.ndarray:
        """Measured velocities forward, to the left [m/s] and yaw [rad/s], (3,)."""
        return _turned(-self.pose[2], self._data.qvel[self._qvel])

    def drive(self, period_s: float) -> None:
        """Move the reference by ``twist`` for one control cycle, and turn the wheels."""
        twist = self.twist * self._moves
        # The exact arc: a chord of this length in the direction of the mean heading.
        half_turn = twist[2] * period_s / 2
        chord = np.array([*twist[:2] * np.sinc(half_turn / np.pi), twist[2]])
        self.reference += _turned(self.reference[2] + half_turn, chord) * period_s
        measured = self.pose
        self.reference = measured + np.clip(self.reference - measured, -SLIP, SLIP)
        velocity = _turned(self.reference[2], twist)
        self._data.ctrl[self._ctrl] = self.reference + LAG_S * velocity
        self._data.qvel[self._wheels] = self._rolling @ self.velocity


def _turned(angle: float, twist: np.ndarray) -> np.ndarray:
    """Turn the linear part of a planar velocity, (3,), about z [rad]."""
    x, y, yaw = twist
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([cos * x - sin * y, sin * x + cos * y, yaw])


def _wheels(
    model: mujoco.MjModel, data: mujoco.MjData, embodiment: Embodiment
) -> tuple[np.ndarray, np.ndarray]:
    """Find the wheels: joints without limits on the base itself, with a level axis.

    Returns:
        Their degrees of freedom, (W,), and their velocities per velocity of the base, (W, 3).
    """
    assert embodiment.base is not None
    base = model.body(embodiment.base.frame).id
    dofs, rolling = [], []
    for joint in range(model.njnt):
        body = model.jnt_bodyid[joint]
        on_base = body != base and model.body_weldid[model.body_parentid[body]] == base
        hinge = model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE
        commanded = model.joint(joint).name in embodiment.joint_names
        axis, (x, y, radius) = data.xaxis[joint], data.xanchor[joint]
        level = abs(axis[2]) < 0.1
        if on_base and hinge and level and not model.jnt_limited[joint] and not commanded:
            forward = np.array([axis[1], -axis[0]])  # where it rolls to: its axis cross up
            dofs.append(model.jnt_dofadr[joint])
            rolling.append(np.array([*forward, forward @ (-y, x)]) / radius)
    return np.array(dofs, dtype=int), np.array(rolling).reshape(-1, 3)
