"""Position servos of arms, lifts and grippers, tuned by the inertia that each of them moves.

The effort limits of URDFs are of no use for it: many are placeholders. What a joint moves is known
from the masses, so stiffness follows from a natural frequency, and damping from the lag.
"""

from __future__ import annotations

import mujoco
import numpy as np

from pi0_ros.embodiment.axes import Joint
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.home import followers, stand_at_home

# An arm's joint trails a moving target by this long, as a real position servo does. At home it is
# damped with 1.25 of the critical damping; stretched out, with three times the inertia, with 0.7.
LAG_S = 0.025
FREQUENCY_RAD_S = 100.0
TOP_SPEED = 1.5  # of the joint's limit: what a motor turns when its target jumps
# Rotors behind gears: as a share of the largest inertia in the arm, so that small arms have small
# ones. They keep a light wrist firm.
ROTOR_SHARE = 0.05
# A gripper is slow and soft, so that it can hold a block; its fingers are lighter than its motor.
GRIPPER_FREQUENCY_RAD_S = 25.0
GRIPPER_ROTOR = {"rad": 0.005, "m": 0.5}  # [kg m² or kg] per moving part
GRIPPER_FRICTION = {"rad": 0.05, "m": 2.0}  # [Nm s/rad or N s/m] per moving part


def add_servos(spec: mujoco.MjSpec, embodiment: Embodiment) -> None:
    """Give each of the robot's joints a position actuator of its name, yet to be tuned."""
    for body in spec.bodies[1:]:
        body.gravcomp = 1.0  # robot controllers compensate gravity themselves
    driven = {joint.name for joint in embodiment.joints}
    firm = {joint.name for joint in embodiment.joints if joint.gripper is None}
    for joint in spec.joints:
        if joint.name not in firm:
            unit = "m" if joint.type == mujoco.mjtJoint.mjJNT_SLIDE else "rad"
            joint.armature = GRIPPER_ROTOR[unit]
            joint.damping = np.array([GRIPPER_FRICTION[unit], 0.0, 0.0])
        if joint.name in driven:
            add_servo(spec, joint.name)


def add_servo(spec: mujoco.MjSpec, joint: str) -> None:
    """Add one position actuator of a joint's name."""
    transmission = mujoco.mjtTrn.mjTRN_JOINT
    spec.add_actuator(name=joint, target=joint, trntype=transmission).set_to_position(kp=1, kv=1)


def tune_servos(model: mujoco.MjModel, embodiment: Embodiment) -> None:
    """Set rotors, stiffness and damping from the inertias at home."""
    data = mujoco.MjData(model)
    stand_at_home(model, data, embodiment)
    mujoco.mj_forward(model, data)
    firm = {j.name for j in embodiment.joints if j.gripper is None and j.unit == "rad"}
    for arm in embodiment.arms.values():
        dofs = [model.joint(name).dofadr[0] for name in arm.joints if name in firm]
        moved = [moved_inertia(model, data, np.eye(model.nv)[dof]) for dof in dofs]
        model.dof_armature[dofs] = ROTOR_SHARE * max(moved, default=0.0)
    mujoco.mj_setConst(model, data)
    stand_at_home(model, data, embodiment)
    mujoco.mj_forward(model, data)
    for joint in embodiment.joints:
        inertia = moved_inertia(model, data, _motion(model, joint))
        if joint.gripper is None:
            tune(model, joint.name, inertia, FREQUENCY_RAD_S, LAG_S)
        else:
            critical = 2 / GRIPPER_FREQUENCY_RAD_S
            tune(model, joint.name, inertia, GRIPPER_FREQUENCY_RAD_S, critical)


def servo_reach(embodiment: Embodiment) -> np.ndarray:
    """Return how far ahead of its joint a servo looks at most, (J,) [rad or m].

    A target that jumps then moves the joint at its top speed, not faster. Grippers are soft, and
    how far ahead they look is how firmly they hold.
    """
    return np.array(
        [
            np.inf if joint.gripper is not None else LAG_S * TOP_SPEED * joint.velocity
            for joint in embodiment.joints
        ]
    )


def tune(
    model: mujoco.MjModel, servo: str, inertia: float, frequency_rad_s: float, lag_s: float
) -> None:
    """Set one servo: force = stiffness * (target - position - lag * velocity)."""
    actuator = model.actuator(servo).id
    stiffness = inertia * frequency_rad_s**2
    model.actuator_gainprm[actuator, 0] = stiffness
    model.actuator_biasprm[actuator, 1:3] = -stiffness, -stiffness * lag_s


def moved_inertia(model: mujoco.MjModel, data: mujoco.MjData, motion: np.ndarray) -> float:
    """Return what a motion of the degrees of freedom, (nv,), moves [kg or kg m²]."""
    momentum = np.zeros(model.nv)
    mujoco.mj_mulM(model, data, momentum, motion)
    return float(motion @ momentum)


def _motion(model: mujoco.MjModel, joint: Joint) -> np.ndarray:
    """Which degrees of freedom move with a joint and how fast, (nv,)."""
    motion = np.zeros(model.nv)
    leader = model.joint(joint.name).id
    motion[model.jnt_dofadr[leader]] = 1.0
    for follower in followers(model):
        if follower.leader == leader:
            motion[model.jnt_dofadr[follower.joint]] = follower.factor
    return motion
