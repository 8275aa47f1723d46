"""Rolling windows as the simulated joint_trajectory_controller plays them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from trajectory_msgs.msg import JointTrajectory

from pi0_ros.bridge.commands import make_encoder
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.bridge.trajectories import decode_trajectory
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.horizon import CommandWindow
from pi0_ros.simulation.controllers import JointTrajectoryController

MS = 1_000_000
S = 1000 * MS
START_NS = 10 * S
LEAD_MS = 60
RAMP_MS = 400  # of the executor's clock, from full speed to standing
SERVED_MS = 20  # a window every 20 ms
CYCLE_MS = 2
GRIPPER = "left_robotiq_85_left_knuckle_joint"


@dataclass
class Cell:
    """An executor whose axes all go at 1 rad/s at full speed, and one arm's controller.

    Attributes:
        slider: Share of the full speed by time since the start [ms].
        served: Whether the executor lives, likewise.
        delay_ms: Of each window's message.
    """

    robot: Embodiment
    slider: Callable[[int], float] = lambda at_ms: 1.0
    served: Callable[[int], bool] = lambda at_ms: True
    delay_ms: Callable[[int], int] = lambda at_ms: 1
    told_every_ms: int = 10
    scaled: bool = True
    rate: float = 1.0
    positions: list[float] = field(default_factory=list)  # committed, every 2 ms
    messages: list[JointTrajectory] = field(default_factory=list)

    def run(self, milliseconds: int, **rules: bool) -> np.ndarray:
        """Return what the controller commands its first joint every 2 ms, (N,) [rad]."""
        arm = self.robot.controllers[0].model_copy(update={"scaled": self.scaled})
        encoder = make_encoder(arm, self.robot)
        encoder.splices = rules.get("allow_trajectory_replacement", False)
        plays = JointTrajectoryController(arm.name, arm.joints, is_scaled=True, **rules)
        command, commands, travelling = np.zeros(6), [], []
        for at_ms in range(milliseconds):
            now_ns = START_NS + at_ms * MS
            if at_ms % self.told_every_ms == 0:
                encoder.hear_speed(self.slider(at_ms), now_ns)
                heard = self.slider(at_ms)
            self._commit(at_ms, heard)
            if at_ms % SERVED_MS == 0 and self.served(at_ms):
                message = encoder.encode(self._window(at_ms), now_ns)
                travelling.append((at_ms + self.delay_ms(at_ms), decode_trajectory(message)))
            while travelling and travelling[0][0] <= at_ms:
                plays.receive(travelling.pop(0)[1], now_ns)
            if at_ms % CYCLE_MS == 0:
                plays.speed = self.slider(at_ms)
                command = plays.sample(now_ns, command, command)
                commands.append(command[0])
        return np.array(commands)

    def reference(self, commands: np.ndarray) -> np.ndarray:
        """What the executor meant for the same instants."""
        return np.array(self.positions[: len(commands)])

    def _commit(self, at_ms: int, speed: float) -> None:
        while len(self.positions) * CYCLE_MS <= at_ms + LEAD_MS:
            change = CYCLE_MS / RAMP_MS
            self.rate += min(max(speed - self.rate, -change), change)
            before = self.positions[-1] if self.positions else 0.0
            self.positions.append(before + self.rate * CYCLE_MS / 1e3)

    def _window(self, at_ms: int) -> CommandWindow:
        first = max(at_ms // CYCLE_MS - 2, 0)
        rows = np.repeat(np.array(self.positions[first:])[:, None], 14, axis=1)
        return CommandWindow(START_NS + first * CYCLE_MS * MS, CYCLE_MS * MS, rows, 0 * rows)


SETTLED = 10  # cycles after which the first window is played


# --- a controller that hears nothing more -----------------------------------------------------


@pytest.mark.parametrize("scaled", [False, True])
def test_when_the_executor_dies_the_arm_stops_smoothly_within_its_limits(robot, scaled) -> None:
    cell = Cell(robot, served=lambda at_ms: at_ms < 500, scaled=scaled)
    commands = cell.run(2000)
    speed = np.diff(commands) / 2e-3
    acceleration = np.diff(speed) / 2e-3
    limit = robot.axes[0].acceleration
    assert speed[200] == pytest.approx(1.0)
    np.testing.assert_allclose(speed[500:], 0.0, atol=1e-9)  # within half a second
    assert np.abs(acceleration[SETTLED:]).max() <= limit
    assert np.abs(acceleration[SETTLED:]).max() > 0.8 * limit, "it stops as fast as it may"
    assert (speed[SETTLED:] > -1e-9).all(), "it does not swing back"
    # 1 rad/s is braked at 0.9 of 5 rad/s² within 1 / (2 * 4.5) rad, and 0.05 s of jerk.
    last_ms = 480 + LEAD_MS
    assert commands[-1] - last_ms / 1e3 == pytest.approx(1 / 9 + 0.025, abs=0.005)


def test_a_stop_is_replaced_before_it_is_played(robot) -> None:
    cell = Cell(robot, scaled=False)
    commands = cell.run(1000)
    np.testing.assert_allclose(commands[1:], cell.reference(commands)[1:], atol=1e-9)


def test_a_standing_arm_gets_no_stop(robot) -> None:
    cell = Cell(robot, slider=lambda at_ms: 0.0, rate=0.0, scaled=False)
    cell.run(40)
    encoder = make_encoder(robot.controllers[0], robot)
    window = cell._window(20)
    message = encoder.encode(window, START_NS + 20 * MS)
    assert len(message.points) == len(window.positions)
    assert not any(len(point.velocities) for point in message.points)


def test_a_stop_ends_before_a_joints_limit(robot) -> None:
    elbow = robot.index("left_elbow_joint")
    rows = np.zeros((30, 14))
    rows[:, elbow] = 3.1415 + 0.001 * np.arange(-29, 1)  # 0.5 rad/s towards 3.14159
    encoder = make_encoder(robot.controllers[0], robot)
    message = encoder.encode(CommandWindow(START_NS, 2 * MS, rows, 0 * rows), START_NS)
    assert max(point.positions[2] for point in message.points) <= 3.1415926536


# --- a controller whose time runs by the slider -----------------------------------------------


@pytest.mark.parametrize("share", [1.0, 0.7, 0.5, 0.25])
def test_at_any_speed_of_the_slider_the_arm_is_where_the_executor_means_it(robot, share) -> None:
    cell = Cell(robot, slider=lambda at_ms: share)
    commands = cell.run(1500)
    np.testing.assert_allclose(commands[1:], cell.reference(commands)[1:], atol=1e-6)


def test_without_the_mapped_time_it_jumps_at_each_window(robot) -> None:
    cell = Cell(robot, slider=lambda at_ms: 0.5, scaled=False)
    commands = cell.run(1500)[-200:]
    # 20 ms of a path at 0.5 rad/s are 10 mrad, of which the controller plays one half.
    assert np.diff(commands).max() == pytest.approx(0.0005 + 0.005, abs=1e-4)


CHANGES = [(1.0, 0.5), (0.5, 1.0), (0.8, 0.3), (0.3, 0.8)]


@pytest.mark.parametrize(("before", "after"), CHANGES)
@pytest.mark.parametrize("at_ms", [1001, 1009, 1015])
def test_a_change_of_the_slider_is_no_step_and_less_than_a_period_of_lag(
    robot, before, after, at_ms
) -> None:
    cell = Cell(robot, slider=lambda t_ms: before if t_ms < at_ms else after)
    commands = cell.run(3500)
    steps = np.diff(commands[SETTLED:])
    # Unknown is only for how long the change was not told, at most 10 ms and the message's 1 ms,
    # in which one side went on at the other's speed. A usual step is 2 mrad.
    unknown = abs(before - after) * 0.011
    assert steps.max() <= 0.002 * 1.1 + unknown
    assert steps.min() >= -unknown
    behind = np.abs(commands - cell.reference(commands))[SETTLED:]
    assert behind.max() < 1.0 * SERVED_MS / 1e3, "at 1 rad/s"
    assert behind[-50:].max() < 1e-4, "and it is made up for"


def test_what_a_messages_delay_varies_is_all_that_a_slow_arm_steps(robot) -> None:
    delays = np.random.default_rng(0).integers(0, 3, 100)
    cell = Cell(robot, slider=lambda at_ms: 0.5, delay_ms=lambda at_ms: int(delays[at_ms // 20]))
    steps = np.diff(cell.run(1900)[500:])
    # Up to 2 ms and a cycle earlier or later, at half of 1 rad/s.
    assert steps.max() <= 0.001 + 0.5 * 0.004
    assert steps.min() >= 0.001 - 0.5 * 0.004


def test_a_slider_at_zero_holds_and_the_arm_goes_on_where_it_was_meant_to(robot) -> None:
    cell = Cell(robot, slider=lambda at_ms: 0.0 if 1000 <= at_ms < 2000 else 0.6)
    commands = cell.run(4000)
    assert np.ptp(commands[850:1000]) == 0.0
    steps = np.diff(commands[SETTLED:])
    # Until the executor stands, what it still means is taken up window by window.
    assert np.abs(steps).max() <= 0.6 * SERVED_MS / 1e3 + 1e-3
    assert abs(commands[-1] - cell.reference(commands)[-1]) < 1e-3


def test_a_slowed_window_is_not_refused_although_it_is_short(robot) -> None:
    cell = Cell(robot, slider=lambda at_ms: 0.05, delay_ms=lambda at_ms: 40)
    commands = cell.run(1000)  # Rejected would be raised
    assert commands[-1] > commands[250]


# --- a controller that splices by stamp -------------------------------------------------------


def test_a_controller_that_splices_gets_windows_ahead_of_now(robot) -> None:
    cell = Cell(robot, scaled=False)
    commands = cell.run(1000, allow_trajectory_replacement=True)
    steps = np.diff(commands[SETTLED:])
    # It begins each window one cycle late, and is back in time 10 ms later.
    assert steps.min() >= 0.0
    assert steps.max() <= 2 * 0.002 + 1e-9
    behind = (cell.reference(commands) - commands)[SETTLED:]
    assert behind.max() <= 0.002 + 1e-9
    assert behind.min() >= -1e-9


def test_windows_of_the_past_would_throw_a_splicing_controller_back(robot, monkeypatch) -> None:
    cell = Cell(robot, scaled=False)
    monkeypatch.setattr("pi0_ros.bridge.encoders.trajectories.AHEAD_NS", -4 * MS)
    commands = cell.run(1000, allow_trajectory_replacement=True)
    assert np.diff(commands[SETTLED:]).min() < -0.002


# --- goals ------------------------------------------------------------------------------------


class FollowJointTrajectory:
    """Stands in for control_msgs/action/FollowJointTrajectory."""

    class Goal(SimpleNamespace):
        pass


@pytest.fixture
def goals_of(robot, encoder_of, stand_in):
    stand_in("control_msgs/action", FollowJointTrajectory=FollowJointTrajectory)

    def make(**changes):
        joints = robot.controllers[0].joints
        given = {"type": "follow_joint_trajectory", "joints": joints, "rate_hz": 25.0}
        return encoder_of(robot, **given | changes)

    return make


def test_a_goal_is_a_window_with_its_stop_and_stays_as_it_was(robot, goals_of) -> None:
    encoder, cell = goals_of(), Cell(robot, scaled=False)
    cell.run(200)
    goal = encoder.encode(cell._window(100), START_NS + 100 * MS)
    assert isinstance(goal, FollowJointTrajectory.Goal)
    assert list(goal.trajectory.points[-1].velocities) == [0.0] * 6
    first = list(goal.trajectory.points[0].positions)
    other = encoder.encode(cell._window(140), START_NS + 140 * MS)
    assert list(goal.trajectory.points[0].positions) == first
    assert list(other.trajectory.points[0].positions) != first
    assert to_ns(other.trajectory.header.stamp) - to_ns(goal.trajectory.header.stamp) == 40 * MS


def test_an_arm_that_stands_gets_one_goal_and_another_after_a_pause(goals_of, window_of) -> None:
    encoder = goals_of()
    still = window_of(np.zeros(14))
    sent = [encoder.encode(still, at_ms * MS) is not None for at_ms in (5000, 5040, 5080, 6081)]
    assert sent == [True, False, False, True]
    moved = window_of(np.full(14, 0.1))
    assert encoder.encode(moved, 6121 * MS) is not None


def test_goals_that_would_leave_gaps_are_refused(goals_of) -> None:
    with pytest.raises(
        ValueError, match=r"every 50 ms leaves gaps, as 60 ms are committed .* 25 Hz"
    ):
        goals_of(rate_hz=20.0)
    goals_of(rate_hz=25.0)


def test_without_control_msgs_the_error_says_what_to_install(
    robot, encoder_of, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "control_msgs", None)
    joints = robot.controllers[0].joints
    with pytest.raises(ImportError, match=r"install ros-.ROS_DISTRO-control-msgs"):
        encoder_of(robot, type="follow_joint_trajectory", joints=joints)
