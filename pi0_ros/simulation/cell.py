"""The simulated cell: robot, controllers and protective stop, stepped by one control cycle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pi0_ros.embodiment.controllers import Controller
from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.controllers import (
    JointTrajectoryController,
    Rejected,
    SimController,
)
from pi0_ros.simulation.drivers import (
    BaseDriver,
    ForwardCommandController,
    NamedPositionsDriver,
)
from pi0_ros.simulation.robot import SimRobot
from pi0_ros.simulation.scene import BLOCK_COLORS

CONTROLLERS: dict[str, Callable[[str, tuple[str, ...]], SimController]] = {
    "joint_trajectory": JointTrajectoryController,
    "forward_position": ForwardCommandController,
    "joint_state": NamedPositionsDriver,
}
TWISTS = ("twist", "twist_stamped")


@dataclass(frozen=True, eq=False)
class Sensed:
    """What the cell senses at one instant.

    Attributes:
        now_ns: The instant [ns].
        joint_state: Positions, velocities and efforts of the robot's ``movable`` joints, (N,) each.
        command: What the controllers told the servos in this cycle, (J,) [rad or m].
        base: Pose and velocity of the base, (3,) each; None where there is none.
        blocks: Centre of each block by color, (3,) [m].
    """

    now_ns: int
    joint_state: tuple[np.ndarray, np.ndarray, np.ndarray]
    command: np.ndarray
    base: tuple[np.ndarray, np.ndarray] | None
    blocks: dict[str, np.ndarray]


class Cell:
    """A robot behind its controllers. Not thread-safe: the caller holds a lock.

    Args:
        embodiment: The robot as the simulation speaks it.
        seed: Of the blocks' places; each reset draws the next ones.

    Raises:
        ValueError: A controller of a type that is not simulated.
    """

    def __init__(self, embodiment: Embodiment, seed: int) -> None:
        """Stand at home with blocks on the table."""
        self.robot = SimRobot(embodiment, embodiment.command.period_ns / 1e9)
        self._joint_controllers: dict[str, tuple[list[int], SimController]] = {}
        self._base_drivers: dict[str, BaseDriver] = {}
        for controller in embodiment.controllers:
            self._add(controller, embodiment)
        self._receivers: dict[str, SimController | BaseDriver] = {
            **{name: controller for name, (_, controller) in self._joint_controllers.items()},
            **self._base_drivers,
        }
        self._random = np.random.default_rng(seed)
        self._stopped = False
        self._speed = 1.0
        self.now_ns = 0
        self.reset()

    def command(self, controller: str, value: Any) -> None:
        """Hand a command to a controller by name.

        Raises:
            Rejected: The controller does not take it, or the protective stop is on.
        """
        if self._stopped:
            raise Rejected("protective stop: commands are ignored until it is released")
        self._receivers[controller].receive(value, self.now_ns)

    def step(self, now_ns: int) -> None:
        """Let the controllers command and the robot move for one cycle, up to an instant [ns].

        Raises:
            FloatingPointError: A controller produced a command that is not finite.
        """
        self.now_ns = now_ns
        command, measured = self.robot.command, self.robot.positions
        for columns, controller in self._joint_controllers.values():
            command[columns] = controller.sample(now_ns, measured[columns], command[columns])
        if not np.isfinite(command).all():
            raise FloatingPointError("a controller commanded a position that is not finite")
        self.robot.command = command
        for driver in self._base_drivers.values():
            self.robot.drive(driver.at(now_ns))
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
            self.robot.hold()
        self._stopped = on

    @property
    def speed(self) -> float:
        """Factor of the robot's slider, in [0, 1]: scaled controllers play at it."""
        return self._speed

    @speed.setter
    def speed(self, factor: float) -> None:
        self._speed = factor
        for _, controller in self._joint_controllers.values():
            if isinstance(controller, JointTrajectoryController):
                controller.speed = factor

    def sense(self) -> Sensed:
        """Return what there is to tell after a cycle."""
        base = self.robot.base
        return Sensed(
            self.now_ns,
            self.robot.joint_state(),
            self.robot.command,
            None if base is None else (base.pose, base.velocity),
            self.blocks(),
        )

    def blocks(self) -> dict[str, np.ndarray]:
        """Centre of each block by color, (3,) [m]."""
        return {color: self.robot.block(color) for color in BLOCK_COLORS}

    def _add(self, controller: Controller, embodiment: Embodiment) -> None:
        name, type_ = controller.name, controller.type
        if type_ in TWISTS and embodiment.base is not None:
            timeout_ns = round(1e6 * embodiment.base.timeout_ms)
            self._base_drivers[name] = BaseDriver(name, timeout_ns)
        elif type_ in CONTROLLERS:
            columns = [embodiment.joint_names.index(joint) for joint in controller.joints]
            made = CONTROLLERS[type_](name, controller.driver_names)
            if isinstance(made, JointTrajectoryController):
                made.is_scaled = bool(getattr(controller, "scaled", False))
            self._joint_controllers[name] = (columns, made)
        else:
            known = (*CONTROLLERS, *TWISTS)
            raise ValueError(f"{name}: {unknown_name('simulated type', type_, known)}")

    def _empty_controllers(self) -> None:
        for receiver in self._receivers.values():
            receiver.hold()
