"""The simulated cell: robot, controllers and protective stop, stepped by one control cycle."""

from __future__ import annotations

import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.controllers import (
    ForwardCommandController,
    JointTrajectoryController,
    Rejected,
    Trajectory,
)
from pi0_ros.simulation.robot import SimRobot
from pi0_ros.simulation.scene import BLOCK_COLORS


class Cell:
    """A robot behind its controllers. Not thread-safe: the caller holds a lock.

    Args:
        embodiment: The robot.
        seed: Of the blocks' places; each reset draws the next ones.
    """

    def __init__(self, embodiment: Embodiment, seed: int) -> None:
        """Stand at home with blocks on the table."""
        self.robot = SimRobot(embodiment, embodiment.command.period_ns / 1e9)
        self._trajectory_controllers: dict[str, JointTrajectoryController] = {}
        self._forward_controllers: dict[str, ForwardCommandController] = {}
        self._columns: dict[str, list[int]] = {}
        for controller in embodiment.controllers:
            name, joints = controller.name, controller.joints
            self._columns[name] = [embodiment.index(joint) for joint in joints]
            if controller.type == "joint_trajectory":
                self._trajectory_controllers[name] = JointTrajectoryController(name, joints)
            else:
                self._forward_controllers[name] = ForwardCommandController(name, joints)
        self._random = np.random.default_rng(seed)
        self._stopped = False
        self.now_ns = 0
        self.reset()

    def command(self, controller: str, value: Trajectory | np.ndarray) -> None:
        """Hand a command to a controller by name.

        Raises:
            Rejected: The controller does not take it, or the protective stop is on.
        """
        if self._stopped:
            raise Rejected("protective stop: commands are ignored until it is released")
        if isinstance(value, Trajectory):
            self._trajectory_controllers[controller].receive(value, self.now_ns)
        else:
            self._forward_controllers[controller].receive(value)

    def step(self, now_ns: int) -> None:
        """Let the controllers command and the robot move for one cycle.

        Raises:
            FloatingPointError: A controller produced a command that is not finite.
        """
        self.now_ns = now_ns
        command, measured = self.robot.command, self.robot.positions
        for name, trajectory in self._trajectory_controllers.items():
            columns = self._columns[name]
            command[columns] = trajectory.sample(now_ns, measured[columns], command[columns])
        for name, forward in self._forward_controllers.items():
            columns = self._columns[name]
            command[columns] = forward.sample(command[columns])
        if not np.isfinite(command).all():
            raise FloatingPointError("a controller commanded a position that is not finite")
        self.robot.command = command
        self.robot.step()

    def reset(self) -> None:
        """Stand at home, with the blocks at new places and the controllers empty."""
        self._empty_controllers()
        self.robot.reset(self._random)

    @property
    def protective_stop(self) -> bool:
        """While it is on, the servos hold where they stand and commands are ignored."""
        return self._stopped

    @protective_stop.setter
    def protective_stop(self, on: bool) -> None:
        if on and not self._stopped:
            self._empty_controllers()
            self.robot.command = self.robot.positions
        self._stopped = on

    def blocks(self) -> dict[str, np.ndarray]:
        """Centre of each block by color, (3,) [m]."""
        return {color: self.robot.block(color) for color in BLOCK_COLORS}

    def _empty_controllers(self) -> None:
        for trajectory in self._trajectory_controllers.values():
            trajectory.hold()
        for forward in self._forward_controllers.values():
            forward.hold()
