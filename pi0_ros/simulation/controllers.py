"""What a cell runs: ros2_control's controllers with the rules of Jazzy, and plain drivers.

Source:
    ros2_controllers, branch jazzy: joint_trajectory_controller (validation, sampling) and
    forward_command_controller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from scipy.interpolate import BPoly, CubicHermiteSpline

STANDING = float(np.finfo(np.float32).eps)  # slower than this a last point counts as standing


class Rejected(ValueError):
    """A command that the controller does not take; the message is what it would log."""


class SimController(Protocol):
    """Turns commands into the positions of its joints, (J,) [rad or m]."""

    def receive(self, value: Any, now_ns: int) -> None:
        """Take a command, or raise :class:`Rejected`."""

    def sample(self, now_ns: int, measured: np.ndarray, last_command: np.ndarray) -> np.ndarray:
        """Return the command of one control cycle, (J,)."""

    def hold(self) -> None:
        """Forget what was received, as at a protective stop."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The content of a trajectory_msgs/JointTrajectory.

    Attributes:
        names: Joints, (J,).
        stamp_ns: Instant from which the points count [ns]; 0: when it is first sampled.
        times_ns: Instant of each point after the stamp, (N,) [ns].
        positions: (N, J) [rad or m].
        velocities: (N, J) [per s], or None.
        accelerations: (N, J) [per s²], or None.
    """

    names: tuple[str, ...]
    stamp_ns: int
    times_ns: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray | None = None
    accelerations: np.ndarray | None = None


@dataclass
class JointTrajectoryController:
    """Replaces its trajectory at each message and samples it at the controller's rate.

    Attributes:
        name: The controller's name, for messages.
        joints: Joints that it commands, (J,).
        interpolate_from_desired_state: Before the first point, start from the last command
            instead of the measured state; Jazzy's default is the measured state.
        allow_partial_joints_goal: Accept messages for some of the joints; the others hold.
        allow_nonzero_velocity_at_trajectory_end: Accept a last point with a velocity.
    """

    name: str
    joints: tuple[str, ...]
    interpolate_from_desired_state: bool = False
    allow_partial_joints_goal: bool = False
    allow_nonzero_velocity_at_trajectory_end: bool = False
    _active: Trajectory | None = field(default=None, init=False)
    _start_ns: int | None = field(default=None, init=False)
    _before: tuple[int, np.ndarray] | None = field(default=None, init=False)

    def receive(self, trajectory: Trajectory, now_ns: int) -> None:
        """Validate a message and let it replace the current trajectory.

        Raises:
            Rejected: The message breaks a rule; the current trajectory goes on.
        """
        self._validate(trajectory, now_ns)
        self._active = trajectory
        self._start_ns = trajectory.stamp_ns or None
        self._before = None

    def sample(self, now_ns: int, measured: np.ndarray, last_command: np.ndarray) -> np.ndarray:
        """Return the command of one control cycle.

        Args:
            now_ns: Instant of the cycle [ns].
            measured: Measured positions, (J,).
            last_command: Last command, (J,); held where there is no trajectory.
        """
        if self._active is None:
            return last_command
        if self._start_ns is None:
            self._start_ns = now_ns
        if self._before is None:
            origin = last_command if self.interpolate_from_desired_state else measured
            self._before = (now_ns, np.array(origin))
        places = [self.joints.index(name) for name in self._active.names]
        command = np.array(last_command)
        command[places] = self._interpolate(now_ns - self._start_ns, places)
        return command

    def hold(self) -> None:
        """Forget the trajectory, as at a protective stop."""
        self._active = None

    def _validate(self, trajectory: Trajectory, now_ns: int) -> None:
        if not trajectory.names:
            raise Rejected("empty joint names on incoming trajectory")
        unknown = [name for name in trajectory.names if name not in self.joints]
        if unknown:
            raise Rejected(f"incoming joint {', '.join(unknown)} doesn't belong to {self.name}")
        if len(trajectory.names) != len(self.joints) and not self.allow_partial_joints_goal:
            raise Rejected(f"{len(trajectory.names)} joints, {self.name} has {len(self.joints)}")
        shape = (len(trajectory.times_ns), len(trajectory.names))
        if shape[0] == 0:
            raise Rejected("empty trajectory received")
        for values in (trajectory.positions, trajectory.velocities, trajectory.accelerations):
            if values is not None and values.shape != shape:
                raise Rejected(f"points of shape {values.shape}, expected {shape}")
        if (np.diff(trajectory.times_ns) <= 0).any():
            raise Rejected("time between points is not strictly increasing")
        end_ns = trajectory.stamp_ns + int(trajectory.times_ns[-1])
        if trajectory.stamp_ns and end_ns < now_ns:
            late = (now_ns - end_ns) / 1e9
            raise Rejected(f"received trajectory ended {late:.3f} s in the past")
        last = None if trajectory.velocities is None else trajectory.velocities[-1]
        moving = last is not None and (np.abs(last) > STANDING).any()
        if moving and not self.allow_nonzero_velocity_at_trajectory_end:
            raise Rejected("velocity of the last trajectory point is not zero")

    def _interpolate(self, elapsed_ns: int, places: list[int]) -> np.ndarray:
        trajectory = self._active
        assert trajectory is not None
        assert self._before is not None
        assert self._start_ns is not None
        times = trajectory.times_ns
        if elapsed_ns >= times[-1]:
            return np.asarray(trajectory.positions[-1])
        if elapsed_ns < times[0]:
            before_ns = self._before[0] - self._start_ns
            share = (elapsed_ns - before_ns) / max(int(times[0]) - before_ns, 1)
            origin = self._before[1][places]
            return np.asarray(origin + share * (trajectory.positions[0] - origin))
        i = int(np.searchsorted(times, elapsed_ns, side="right")) - 1
        span = times[i : i + 2] / 1e9
        ends = trajectory.positions[i : i + 2]
        if trajectory.velocities is None:
            share = (elapsed_ns - times[i]) / (times[i + 1] - times[i])
            return np.asarray(ends[0] + share * (ends[1] - ends[0]))
        rates = trajectory.velocities[i : i + 2]
        if trajectory.accelerations is None:
            return np.asarray(CubicHermiteSpline(span, ends, rates)(elapsed_ns / 1e9))
        derivatives = np.stack([ends, rates, trajectory.accelerations[i : i + 2]], axis=1)
        return np.asarray(BPoly.from_derivatives(span, derivatives)(elapsed_ns / 1e9))


@dataclass
class ForwardCommandController:
    """Passes the newest values on; no names, no stamp, no limits, no timeout."""

    name: str
    joints: tuple[str, ...]
    _values: np.ndarray | None = field(default=None, init=False)

    def receive(self, values: np.ndarray, now_ns: int) -> None:
        """Take one value per joint, (J,) [rad or m].

        Raises:
            Rejected: Another number of values, or one that is not finite.
        """
        if values.shape != (len(self.joints),):
            raise Rejected(f"command size {values.size} of {self.name} is not {len(self.joints)}")
        _reject_not_finite(values, self.name)
        self._values = values

    def sample(self, now_ns: int, measured: np.ndarray, last_command: np.ndarray) -> np.ndarray:
        """Return the newest values, (J,); the last command where there are none."""
        return last_command if self._values is None else self._values

    def hold(self) -> None:
        """Forget the values, as at a protective stop."""
        self._values = None


@dataclass
class NamedPositionsDriver:
    """A driver that is commanded by sensor_msgs/JointState: what is named moves, the rest holds."""

    name: str
    joints: tuple[str, ...]
    _values: dict[str, float] = field(default_factory=dict, init=False)

    def receive(self, values: Mapping[str, float], now_ns: int) -> None:
        """Take the positions of some joints by name [rad or m].

        Raises:
            Rejected: A joint that it does not have, or a position that is not finite.
        """
        unknown = [name for name in values if name not in self.joints]
        if unknown:
            raise Rejected(f"{self.name} has no joint {', '.join(unknown)}")
        _reject_not_finite(np.array(list(values.values())), self.name)
        self._values |= values

    def sample(self, now_ns: int, measured: np.ndarray, last_command: np.ndarray) -> np.ndarray:
        """Return the newest position of each joint, (J,); the last command where there is none."""
        pairs = zip(self.joints, last_command, strict=True)
        return np.array([self._values.get(name, last) for name, last in pairs])

    def hold(self) -> None:
        """Forget the positions, as at a protective stop."""
        self._values.clear()


@dataclass
class BaseDriver:
    """The driver of a mobile base: the newest velocity, zero when it hears nothing for a while.

    Attributes:
        name: The controller's name, for messages.
        timeout_ns: How long a velocity counts [ns].
    """

    name: str
    timeout_ns: int
    _newest: tuple[int, np.ndarray] | None = field(default=None, init=False)

    def receive(self, twist: np.ndarray, now_ns: int) -> None:
        """Take velocities forward, to the left [m/s] and yaw [rad/s], (3,).

        Raises:
            Rejected: One is not finite.
        """
        _reject_not_finite(twist, self.name)
        self._newest = (now_ns, twist)

    def at(self, now_ns: int) -> np.ndarray:
        """Return the velocity of one control cycle, (3,)."""
        if self._newest is None or now_ns - self._newest[0] > self.timeout_ns:
            return np.zeros(3)
        return self._newest[1]

    def hold(self) -> None:
        """Forget the velocity, as at a protective stop."""
        self._newest = None


def _reject_not_finite(values: np.ndarray, receiver: str) -> None:
    if not np.isfinite(values).all():
        raise Rejected(f"non-finite value received by {receiver}")
