"""The simulated robot: MuJoCo physics driven by joint targets, read as joint states."""

from __future__ import annotations

import mujoco
import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.scene import BLOCK_COLORS, BLOCK_HALF_M, build_model

# Where blocks are put [m], and how far apart their centres stay so that a gripper fits between.
BLOCK_X, BLOCK_Y, BLOCK_GAP_M = (0.32, 0.50), (-0.16, 0.16), 0.13


class SimRobot:
    """One robot in its scene. Not thread-safe: the caller holds a lock.

    Args:
        embodiment: The robot.
        timestep_s: Physics step [s], one control cycle.
    """

    def __init__(self, embodiment: Embodiment, timestep_s: float) -> None:
        """Compile the scene and stand at home."""
        self.embodiment = embodiment
        self.model = build_model(embodiment, timestep_s)
        self.data = mujoco.MjData(self.model)
        joints = [self.model.joint(name) for name in embodiment.joint_names]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._qvel = np.array([joint.dofadr[0] for joint in joints])
        self._ctrl = np.array([self.model.actuator(name).id for name in embodiment.joint_names])
        self.reset(np.random.default_rng(0))

    def reset(self, random: np.random.Generator) -> None:
        """Stand at home and put the blocks at random places on the table."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[self._qpos] = self.embodiment.home
        self._set_mimics()
        self.command = np.array(self.embodiment.home)
        for color, (x, y) in zip(BLOCK_COLORS, _places(random), strict=True):
            start = self.model.joint(f"{color}_block").qposadr[0]
            self.data.qpos[start : start + 7] = [x, y, BLOCK_HALF_M, 1, 0, 0, 0]
        mujoco.mj_forward(self.model, self.data)

    @property
    def command(self) -> np.ndarray:
        """Position targets of the servos, (D,) [rad or m]."""
        return np.array(self.data.ctrl[self._ctrl])

    @command.setter
    def command(self, targets: np.ndarray) -> None:
        self.data.ctrl[self._ctrl] = targets

    def step(self) -> None:
        """Simulate one control cycle."""
        mujoco.mj_step(self.model, self.data)

    @property
    def positions(self) -> np.ndarray:
        """Measured positions, (D,) [rad or m]."""
        return np.array(self.data.qpos[self._qpos])

    @property
    def velocities(self) -> np.ndarray:
        """Measured velocities, (D,) [rad/s or m/s]."""
        return np.array(self.data.qvel[self._qvel])

    @property
    def efforts(self) -> np.ndarray:
        """Servo efforts, (D,) [Nm or N]."""
        return np.array(self.data.actuator_force[self._ctrl])

    def block(self, color: str) -> np.ndarray:
        """Centre of a block in the world, (3,) [m]."""
        return np.array(self.data.body(f"{color}_block").xpos)

    def _set_mimics(self) -> None:
        """Put joints that follow another one where the followed one is."""
        for i in range(self.model.neq):
            if self.model.eq_type[i] != mujoco.mjtEq.mjEQ_JOINT:
                continue
            follower = self.model.jnt_qposadr[self.model.eq_obj1id[i]]
            leader = self.model.jnt_qposadr[self.model.eq_obj2id[i]]
            offset, factor = self.model.eq_data[i][:2]
            self.data.qpos[follower] = offset + factor * self.data.qpos[leader]


def _places(random: np.random.Generator) -> list[np.ndarray]:
    """Draw places of the blocks, (2,) [m] each, that keep their distance."""
    low, high = np.transpose([BLOCK_X, BLOCK_Y])
    while True:
        places = [random.uniform(low, high) for _ in BLOCK_COLORS]
        if np.linalg.norm(places[0] - places[1]) >= BLOCK_GAP_M:
            return places
