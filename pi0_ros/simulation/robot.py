"""The simulated robot: MuJoCo physics driven by joint targets, read as joint states."""

from __future__ import annotations

import mujoco
import numpy as np

from pi0_ros.embodiment.scene import Scene
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.base import BASE_JOINTS, PlanarBase
from pi0_ros.simulation.home import followers, stand_at_home
from pi0_ros.simulation.scene import BLOCK_COLORS, BLOCK_GAP_M, BLOCK_HALF_M, build_model
from pi0_ros.simulation.servos import servo_reach

PHYSICS_STEP_S = 0.002  # or a little more; with larger ones servos and contacts would be soft


class SimRobot:
    """One robot in its scene; J joints. Not thread-safe: the caller holds a lock.

    Args:
        embodiment: The robot.
        period_s: One control cycle [s].

    Attributes:
        base: The mobile base, None where the robot has none.
        movable: All joints of the URDF that move and follow no other one: the embodiment's in its
            order, then those that nobody commands, such as wheels.
    """

    def __init__(self, embodiment: Embodiment, period_s: float) -> None:
        """Compile the scene and stand at home."""
        self.embodiment = embodiment
        self._period_s = period_s
        self._substeps = max(1, round(period_s / PHYSICS_STEP_S))
        self.model = build_model(embodiment, period_s / self._substeps)
        self.data = mujoco.MjData(self.model)
        self.movable = (*embodiment.joint_names, *_others(self.model, embodiment))
        joints = [self.model.joint(name) for name in self.movable]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._qvel = np.array([joint.dofadr[0] for joint in joints])
        self._ctrl = np.array([self.model.actuator(name).id for name in embodiment.joint_names])
        self._reach = servo_reach(embodiment)
        self.base: PlanarBase | None = None
        self.reset(np.random.default_rng(0))
        if embodiment.base is not None:
            self.base = PlanarBase(self.model, self.data, embodiment)

    def reset(self, random: np.random.Generator) -> None:
        """Stand at home and put the blocks at random places on the table."""
        stand_at_home(self.model, self.data, self.embodiment)
        self.command = self.embodiment.home
        scene = self.embodiment.scene
        for color, (x, y) in zip(BLOCK_COLORS, _places(scene, random), strict=True):
            start = self.model.joint(f"{color}_block").qposadr[0]
            z = scene.table.height + BLOCK_HALF_M
            self.data.qpos[start : start + 7] = [x, y, z, 1, 0, 0, 0]
        mujoco.mj_forward(self.model, self.data)
        if self.base is not None:
            self.base.reset()

    @property
    def command(self) -> np.ndarray:
        """Position targets of the servos, (J,) [rad or m]."""
        return np.array(self._command)

    @command.setter
    def command(self, targets: np.ndarray) -> None:
        self._command = np.array(targets, dtype=np.float64)

    def drive(self, twist: np.ndarray) -> None:
        """Let the base go forward, to the left [m/s] and turn [rad/s], (3,), until told else."""
        if self.base is not None:
            self.base.twist = np.array(twist)

    def hold(self) -> None:
        """Make the place where everything stands the target."""
        self.command = self.positions
        if self.base is not None:
            self.base.reset()

    def step(self) -> None:
        """Simulate one control cycle."""
        measured = self.positions
        ahead = np.clip(self._command - measured, -self._reach, self._reach)
        self.data.ctrl[self._ctrl] = measured + ahead
        if self.base is not None:
            self.base.drive(self._period_s)
        mujoco.mj_step(self.model, self.data, self._substeps)

    @property
    def positions(self) -> np.ndarray:
        """Measured positions, (J,) [rad or m]."""
        return self.joint_state()[0][: len(self._ctrl)]

    @property
    def velocities(self) -> np.ndarray:
        """Measured velocities, (J,) [rad/s or m/s]."""
        return self.joint_state()[1][: len(self._ctrl)]

    def joint_state(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return positions, velocities and efforts of all ``movable`` joints, (N,) each."""
        data = self.data
        return data.qpos[self._qpos], data.qvel[self._qvel], data.qfrc_actuator[self._qvel]

    def block(self, color: str) -> np.ndarray:
        """Centre of a block in the frame of the scene, (3,) [m]."""
        return np.array(self.data.body(f"{color}_block").xpos)


def _others(model: mujoco.MjModel, embodiment: Embodiment) -> list[str]:
    """Name the URDF's joints that nobody commands and that follow no other joint."""
    following = {follower.joint for follower in followers(model)}
    ours = {*BASE_JOINTS, *(f"{color}_block" for color in BLOCK_COLORS)}
    names = (model.joint(i).name for i in range(model.njnt) if i not in following)
    return [name for name in names if name not in {*ours, *embodiment.joint_names}]


def _places(scene: Scene, random: np.random.Generator) -> list[np.ndarray]:
    """Draw places of the blocks, (2,) [m] each, that keep their distance."""
    low, high = np.transpose([scene.blocks_x, scene.blocks_y])
    while True:
        places = [random.uniform(low, high) for _ in BLOCK_COLORS]
        if np.linalg.norm(places[0] - places[1]) >= BLOCK_GAP_M:
            return places
