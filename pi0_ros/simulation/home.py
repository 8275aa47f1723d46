"""The home pose in MuJoCo's coordinates, joints that follow others included."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco

from pi0_ros.embodiment.spec import Embodiment


@dataclass(frozen=True)
class Follower:
    """A joint that mimics another one: offset + factor * leader; joints by their id."""

    joint: int
    leader: int
    offset: float
    factor: float


def followers(model: mujoco.MjModel) -> tuple[Follower, ...]:
    """Return all joints that follow another one."""
    return tuple(
        Follower(
            int(model.eq_obj1id[i]), int(model.eq_obj2id[i]), *map(float, model.eq_data[i][:2])
        )
        for i in range(model.neq)
        if model.eq_type[i] == mujoco.mjtEq.mjEQ_JOINT
    )


def stand_at_home(model: mujoco.MjModel, data: mujoco.MjData, embodiment: Embodiment) -> None:
    """Reset everything and put the robot's joints at home; kinematics are not yet computed."""
    mujoco.mj_resetData(model, data)
    for joint in embodiment.joints:
        data.joint(joint.name).qpos[0] = joint.home
    for follower in followers(model):
        leader = data.qpos[model.jnt_qposadr[follower.leader]]
        data.qpos[model.jnt_qposadr[follower.joint]] = follower.offset + follower.factor * leader
