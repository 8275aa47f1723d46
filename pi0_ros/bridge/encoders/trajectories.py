"""Rolling windows of the reference for joint_trajectory_controller, on its topic or as goals."""

from __future__ import annotations

from typing import Any

import numpy as np
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from pi0_ros.bridge.driver_numbers import DriverNumbers
from pi0_ros.bridge.message_packages import described, import_message
from pi0_ros.bridge.stamps import SECOND_NS, to_time
from pi0_ros.embodiment.controllers import JointTrajectoryController
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.horizon import CommandWindow
from pi0_ros.execution.limits import JointLimits
from pi0_ros.execution.scaled_time import FARTHEST_NS, TAKEN_UP_NS, ScaledTime, TimeMap
from pi0_ros.execution.stopping import POINTS, Stop, Stopping

# Where the controller splices by stamp, a window starts this far ahead: past samples would be
# played now, from the first on.
AHEAD_NS = 10_000_000
# A scaled window is short in the controller's time; its last place is repeated this much later, so
# that a message that is late is not refused as past.
HELD_NS = 100_000_000
# What a goal takes to begin: its request, and the controller's cycle.
BEGIN_NS = 20_000_000
STANDING = 1e-6  # [rad or m] between two samples


class JointTrajectoryEncoder:
    """Windows on the controller's topic.

    Stamped with their first sample, which is already past, so that Jazzy's controller samples
    inside the window and never from the measured state; positions only, 2 ms apart, which its
    linear interpolation plays as they are. After the last committed sample follows a stop, a few
    points with velocities and accelerations, which are played only when nothing comes any more:
    the next window replaces them, and agrees with this one where both are committed.

    Attributes:
        splices: Whether the controller joins trajectories by stamp (ros2_controllers 6.9, its
            ``allow_trajectory_replacement``).
    """

    message_type: type[Any] = JointTrajectory

    def __init__(self, controller: JointTrajectoryController, embodiment: Embodiment) -> None:
        """Prepare the message and its points, of which only the numbers change."""
        self.splices = False
        self._numbers = DriverNumbers(controller, embodiment)
        self._names = list(controller.driver_names)
        self._stopping = _stopping(self._numbers, embodiment)
        self._time = ScaledTime() if controller.scaled else None
        self._kept: CommandWindow | None = None
        self._renew()

    def hear_speed(self, factor: float, now_ns: int) -> None:
        """Take the factor of the robot's slider at an instant [ns, node clock]."""
        if self._time is not None:
            self._time.hear(factor, now_ns)

    def encode(self, window: CommandWindow, now_ns: int) -> Any:
        """Return the window from just before now to the end of the horizon, and a stop.

        The message is reused: it is valid until the next call. (Making it anew takes ten times as
        long, a hundred times per second and controller.)
        """
        window, time = self._mapped(window, now_ns)
        rows = self._numbers.of(window.positions)
        stop = self._stopping.after(rows, window.period_ns / SECOND_NS)
        instants_ns = window.start_ns + window.period_ns * np.arange(len(rows))
        if stop is not None:
            instants_ns = np.append(instants_ns, instants_ns[-1] + stop.times_ns[1:])
        due_ns = (instants_ns - time.reference_ns) / time.pace
        self._message.header.stamp = to_time(time.at_ns + round(due_ns[0]))
        self._message.points = self._written(rows, stop, time.pace)
        self._set_times(np.rint(due_ns - due_ns[0]).astype(np.int64).tolist())
        return self._message

    def _renew(self) -> None:
        """Begin with a message of its own."""
        self._message = JointTrajectory(joint_names=self._names)
        self._plain: list[JointTrajectoryPoint] = []  # positions only
        self._full = [JointTrajectoryPoint() for _ in range(POINTS + 2)]  # with derivatives
        self._due_ns: dict[int, int] = {}  # of each point of these, by its identity

    def _mapped(self, window: CommandWindow, now_ns: int) -> tuple[CommandWindow, TimeMap]:
        """Choose the samples to send, and when each is due in the controller's time."""
        if self.splices:
            skipped = -(-(now_ns + AHEAD_NS - window.start_ns) // window.period_ns)
            window = _from(window, min(max(skipped, 0), len(window.positions) - 1))
        if self._time is None:
            return window, TimeMap(window.start_ns, window.start_ns, 1.0)
        time = self._time.window(now_ns)
        if self.splices:
            return window, TimeMap(window.start_ns, window.start_ns, self._time.pace)
        known = self._kept = _joined(self._kept, window)
        early_ns = time.reference_ns - round(time.pace * TAKEN_UP_NS)
        first = (early_ns - known.start_ns) // window.period_ns - 1
        return _from(known, min(max(first, 0), len(known.positions) - len(window.positions))), time

    def _written(
        self, rows: np.ndarray, stop: Stop | None, pace: float
    ) -> list[JointTrajectoryPoint]:
        """Fill in positions, and the stop after the last of them; in the controller's time."""
        while len(self._plain) < len(rows) + 1:
            self._plain.append(JointTrajectoryPoint())
        for point, row in zip(self._plain, rows.tolist(), strict=False):
            point.positions = row
        if stop is None:
            points = self._plain[: len(rows)]
            if pace == 1.0:
                return points
            self._plain[len(rows)].positions = points[-1].positions
            return self._plain[: len(rows) + 1]
        numbers = (stop.positions, stop.velocities * pace, stop.accelerations * pace**2)
        filled = self._full[: len(stop.times_ns)]
        for point, *row in zip(filled, *(each.tolist() for each in numbers), strict=True):
            point.positions, point.velocities, point.accelerations = row
        points = [*self._plain[: len(rows) - 1], *filled]
        return points if pace == 1.0 else [*points, self._rest(filled[-1])]

    def _rest(self, last: JointTrajectoryPoint) -> JointTrajectoryPoint:
        held = self._full[-1]
        held.positions, held.velocities = last.positions, last.velocities
        held.accelerations = last.accelerations
        return held

    def _set_times(self, times_ns: list[int]) -> None:
        """Say when each point is due; most stay as they are, and writing takes time."""
        points = self._message.points
        if len(points) > len(times_ns):
            times_ns.append(times_ns[-1] + HELD_NS)
        for point, at_ns in zip(points, times_ns, strict=True):
            if self._due_ns.get(id(point)) != at_ns:
                due = point.time_from_start
                due.sec, due.nanosec = divmod(at_ns, SECOND_NS)
                self._due_ns[id(point)] = at_ns


class FollowJointTrajectoryEncoder(JointTrajectoryEncoder):
    """Windows as goals of a controller's action, for one that has no topic.

    Each goal aborts the one before and goes on where that one was. While the robot stands at the
    end of the last goal there is none.
    """

    message_name = "control_msgs/action/FollowJointTrajectory"

    def __init__(self, controller: JointTrajectoryController, embodiment: Embodiment) -> None:
        """Import the action.

        Raises:
            ImportError: control_msgs is not there.
            ValueError: Goals would not follow each other closely enough.
        """
        self.message_type = import_message(self.message_name, controller)
        super().__init__(controller, embodiment)
        lead_ns = embodiment.command.lead_ns
        longest_ns = lead_ns - BEGIN_NS
        if longest_ns * controller.rate_hz < SECOND_NS:
            least = f"{SECOND_NS / longest_ns:.0f} Hz" if longest_ns > 0 else "no rate"
            raise ValueError(
                f"{described(controller)}: a goal every {1e3 / controller.rate_hz:.0f} ms leaves "
                f"gaps, as {lead_ns / 1e6:.0f} ms are committed and a goal takes "
                f"{BEGIN_NS / 1e6:.0f} ms to begin; rate_hz must be at least {least}, or "
                "command.lead_ms greater"
            )
        self._asked_ns = 0
        self._goal: np.ndarray | None = None  # where the last one ends, if it stands

    def encode(self, window: CommandWindow, now_ns: int) -> Any:
        """Return a goal of its own, None while the last one will do."""
        rows = self._numbers.of(window.positions)
        stands = np.abs(rows - rows[-1]).max() < STANDING
        is_new = not 0 <= now_ns - self._asked_ns < SECOND_NS  # somebody else may have moved it
        self._asked_ns = now_ns
        before, self._goal = self._goal, rows[-1] if stands else None
        is_same = before is not None and stands and np.abs(rows[-1] - before).max() < STANDING
        if is_same and not is_new:
            return None
        self._renew()  # the goal is sent by another thread, later
        return self.message_type.Goal(trajectory=super().encode(window, now_ns))


def _stopping(numbers: DriverNumbers, embodiment: Embodiment) -> Stopping:
    """Return what stops a controller's joints within their limits, in the driver's numbers."""
    limits = JointLimits.of(embodiment)
    lower, upper = np.sort([numbers.of(limits.lower), numbers.of(limits.upper)], axis=0)

    def rate(greatest: np.ndarray) -> np.ndarray:
        return np.abs(numbers.of(greatest) - numbers.of(0 * greatest))

    return Stopping(lower, upper, rate(limits.velocity), rate(limits.acceleration),
                    rate(limits.jerk))  # fmt: skip


def _from(window: CommandWindow, first: int) -> CommandWindow:
    """Return a window without its first samples."""
    start_ns = window.start_ns + first * window.period_ns
    return CommandWindow(
        start_ns, window.period_ns, window.positions[first:], window.velocities[first:]
    )


def _joined(kept: CommandWindow | None, window: CommandWindow) -> CommandWindow:
    """Put what is remembered of earlier samples before a window, where they meet."""
    if kept is None:
        return window
    known = (window.start_ns - kept.start_ns) // window.period_ns
    if not 0 < known <= len(kept.positions):
        return window
    oldest = max(known - 2 * FARTHEST_NS // window.period_ns, 0)
    return CommandWindow(
        window.start_ns - (known - oldest) * window.period_ns,
        window.period_ns,
        np.concatenate([kept.positions[oldest:known], window.positions]),
        np.concatenate([kept.velocities[oldest:known], window.velocities]),
    )
