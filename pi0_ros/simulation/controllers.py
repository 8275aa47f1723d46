"""What takes commands in a cell, and joint_trajectory_controller with the rules of Jazzy.

Source:
    ros2_controllers, branch jazzy: joint_trajectory_controller (validation, sampling, speed
    scaling); branch master: allow_trajectory_replacement.
"""

from __future__ import annotations

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
        velocities: (N, J) [per s], or None; a point without any has a row of nan.
        accelerations: (N, J) [per s²], likewise.
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
        allow_trajectory_replacement: Join a message to the current trajectory at its stamp. One of
            the past joins now, with its first point.
        is_scaled: Its own time runs by ``speed``, from the instant of a message's first sample.
        speed: Factor of the robot's slider, in [0, 1].
    """

    name: str
    joints: tuple[str, ...]
    interpolate_from_desired_state: bool = False
    allow_partial_joints_goal: bool = False
    allow_nonzero_velocity_at_trajectory_end: bool = False
    allow_trajectory_replacement: bool = False
    is_scaled: bool = False
    speed: float = 1.0
    _active: Trajectory | None = field(default=None, init=False)
    _start_ns: int | None = field(default=None, init=False)
    _before: tuple[int, np.ndarray] | None = field(default=None, init=False)
    _arrived: Trajectory | None = field(default=None, init=False)
    _joining: list[tuple[int, Trajectory]] = field(default_factory=list, init=False)
    _time_ns: int = field(default=0, init=False)  # a float's step is 256 ns today
    _cycle_ns: int = field(default=0, init=False)

    def receive(self, trajectory: Trajectory, now_ns: int) -> None:
        """Validate a message and let it replace the current trajectory.

        Raises:
            Rejected: The message breaks a rule; the current trajectory goes on.
        """
        self._validate(trajectory, now_ns)
        if self.allow_trajectory_replacement and self._before is not None:
            self._arrived = trajectory
            return
        self._active = trajectory
        self._joining.clear()
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
        if self._before is None:  # the first sample of a message: its own time begins now
            origin = last_command if self.interpolate_from_desired_state else measured
            self._before = (now_ns, np.array(origin))
            self._time_ns = now_ns
        else:
            self._go_on(now_ns)
        self._cycle_ns = now_ns
        if self._time_ns < self._before[0]:  # the clock jumped back
            return last_command
        places = [self.joints.index(name) for name in self._active.names]
        command = np.array(last_command)
        command[places] = self._interpolate(self._time_ns - self._start_ns, places)
        return command

    def hold(self) -> None:
        """Forget the trajectory, as at a protective stop."""
        self._active = self._before = self._arrived = None
        self._joining.clear()

    def _go_on(self, now_ns: int) -> None:
        """Advance the controller's own time by one cycle, and take what joins in it."""
        factor = self.speed if self.is_scaled else 1.0
        if self._arrived is None:
            self._time_ns += round((now_ns - self._cycle_ns) * factor)
        else:  # as upstream does, this cycle begins where the last one did
            ahead_ns = max(self._arrived.stamp_ns - now_ns, 0) * factor
            join_ns = self._time_ns + round(ahead_ns)
            self._joining = [each for each in self._joining if each[0] < join_ns]
            self._joining.append((join_ns, self._arrived))
            self._arrived = None
        while self._joining and self._joining[0][0] <= self._time_ns:
            self._start_ns, self._active = self._joining.pop(0)

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
        times = trajectory.times_ns
        if elapsed_ns >= times[-1]:
            return np.asarray(trajectory.positions[-1])
        if elapsed_ns < times[0]:
            assert self._start_ns is not None
            before_ns = self._before[0] - self._start_ns
            share = (elapsed_ns - before_ns) / max(int(times[0]) - before_ns, 1)
            origin = self._before[1][places]
            return np.asarray(origin + share * (trajectory.positions[0] - origin))
        i = int(np.searchsorted(times, elapsed_ns, side="right")) - 1
        span = times[i : i + 2] / 1e9
        ends = trajectory.positions[i : i + 2]
        rates = _given(trajectory.velocities, i)
        if rates is None:
            share = (elapsed_ns - times[i]) / (times[i + 1] - times[i])
            return np.asarray(ends[0] + share * (ends[1] - ends[0]))
        seconds, changes = elapsed_ns / 1e9, _given(trajectory.accelerations, i)
        if changes is None:
            return np.asarray(CubicHermiteSpline(span, ends, rates)(seconds))
        derivatives = np.stack([ends, rates, changes], axis=1)
        return np.asarray(BPoly.from_derivatives(span, derivatives)(seconds))


def _given(derivatives: np.ndarray | None, i: int) -> np.ndarray | None:
    """Return a derivative at both ends of segment i, (2, J), None where one end has none."""
    if derivatives is None or np.isnan(derivatives[i : i + 2]).any():
        return None
    return derivatives[i : i + 2]
