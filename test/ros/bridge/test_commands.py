from __future__ import annotations

import numpy as np
import pytest

from pi0_ros.bridge.commands import make_encoder
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.bridge.trajectories import committed, decode_trajectory
from pi0_ros.embodiment.spec import Controller, Embodiment
from pi0_ros.execution.horizon import CommandWindow
from pi0_ros.simulation.controllers import JointTrajectoryController

MS = 1_000_000
S = 1000 * MS
GRIPPER_JOINT = "left_robotiq_85_left_knuckle_joint"  # 0 open, 0.7929 closed [rad]
ARM, GRIPPER = "right_scaled_joint_trajectory_controller", "right_gripper_controller"


def controller(robot: Embodiment, name: str) -> Controller:
    return next(each for each in robot.controllers if each.name == name)


def wave(instants_ns: np.ndarray) -> np.ndarray:
    """All joints swing at most 1 rad/s, each with its own offset, (N, 14) [rad]."""
    swing = 0.5 * np.sin(2.0 * np.asarray(instants_ns)[:, None] / 1e9)
    return swing + np.arange(14)


def window(now_ns: int, behind: int = 2, ahead: int = 20) -> CommandWindow:
    """Samples of the wave every 2 ms, from just before now to 40 ms ahead."""
    ticks = now_ns // (2 * MS) + np.arange(-behind, ahead + 1)
    positions = wave(ticks * 2 * MS)
    return CommandWindow(int(ticks[0]) * 2 * MS, 2 * MS, positions, np.ones_like(positions))


def test_an_arms_window_has_its_stamp_times_and_columns(robot: Embodiment) -> None:
    made = make_encoder(controller(robot, ARM), robot).encode(window(10 * S), 10 * S)
    assert to_ns(made.header.stamp) == 10 * S - 4 * MS
    assert made.joint_names == list(robot.arms["right"].joints)
    points = committed(made)
    assert len(points) == 23
    times = [to_ns(point.time_from_start) for point in points]
    assert times == [i * 2 * MS for i in range(23)]
    expected = wave(np.array(times) + 10 * S - 4 * MS)[:, 7:13]
    np.testing.assert_array_equal([list(point.positions) for point in points], expected)


def test_what_is_committed_holds_positions_only(robot: Embodiment) -> None:
    made = make_encoder(controller(robot, ARM), robot).encode(window(10 * S), 10 * S)
    for point in committed(made)[:-1]:
        assert not point.velocities
        assert not point.accelerations
        assert not point.effort


def test_columns_follow_the_order_of_the_controller(robot: Embodiment) -> None:
    arm = controller(robot, ARM)
    turned = arm.model_copy(update={"joints": tuple(reversed(arm.joints))})
    made = make_encoder(turned, robot).encode(window(10 * S), 10 * S)
    assert made.joint_names == list(reversed(arm.joints))
    assert list(made.points[0].positions) == pytest.approx(
        list(wave(np.array([10 * S - 4 * MS]))[0, 12:6:-1])
    )


def test_a_grippers_message_is_the_sample_of_now(robot: Embodiment) -> None:
    encoder = make_encoder(controller(robot, GRIPPER), robot)
    for now_ns in (10 * S, 10 * S + MS, 10 * S + 3 * MS):
        due = now_ns // (2 * MS) * 2 * MS
        assert list(encoder.encode(window(10 * S), now_ns).data) == [wave(np.array([due]))[0, 13]]


def test_a_grippers_message_holds_the_last_sample_of_a_late_window(robot: Embodiment) -> None:
    encoder = make_encoder(controller(robot, GRIPPER), robot)
    last = wave(np.array([10 * S + 40 * MS]))[0, 13]
    assert list(encoder.encode(window(10 * S), 11 * S).data) == [last]


def test_each_type_of_controller_has_its_message_type(robot: Embodiment) -> None:
    for each in robot.controllers:
        encoder = make_encoder(each, robot)
        assert isinstance(encoder.encode(window(10 * S), 10 * S), encoder.message_type)


@pytest.mark.parametrize("delay_ms", [0, 3, 30])
@pytest.mark.parametrize("from_desired", [False, True])
def test_rolling_windows_play_without_a_step_whatever_their_delay(
    robot: Embodiment, delay_ms: int, from_desired: bool
) -> None:
    arm = controller(robot, ARM)
    encoder = make_encoder(arm, robot)
    plays = JointTrajectoryController(arm.name, arm.joints, from_desired)
    measured = np.full(6, 99.0)  # far away, so that it would show
    command = wave(np.array([10 * S]))[0, 7:13]
    steps = []
    for now_ms in range(10_000, 12_000):
        now_ns = now_ms * MS
        sent_ms = now_ms - delay_ms
        if sent_ms % 10 == 0 and sent_ms >= 10_000:  # a window every 10 ms
            message = encoder.encode(window(sent_ms * MS), sent_ms * MS)
            plays.receive(decode_trajectory(message), now_ns)
        before, command = command, plays.sample(now_ns, measured, command)
        if now_ms >= 10_000 + delay_ms:
            np.testing.assert_allclose(command, wave(np.array([now_ns]))[0, 7:13], atol=2e-6)
        if now_ms > 10_000 + delay_ms:
            steps.append(np.abs(command - before).max())
    assert max(steps) <= 0.00101, "1 rad/s is 1 mrad per ms"


def test_a_lost_window_is_bridged_by_the_one_before(robot: Embodiment) -> None:
    arm = controller(robot, ARM)
    encoder = make_encoder(arm, robot)
    plays = JointTrajectoryController(arm.name, arm.joints)
    command = np.zeros(6)
    sent_ms = {at for at in range(10_000, 10_200, 10) if at % 30 != 20}  # each third is lost
    for now_ms in range(10_000, 10_200):
        if now_ms in sent_ms:
            plays.receive(decode_trajectory(encoder.encode(window(now_ms * MS), 0)), now_ms * MS)
        command = plays.sample(now_ms * MS, np.full(6, 99.0), command)
        np.testing.assert_allclose(command, wave(np.array([now_ms * MS]))[0, 7:13], atol=2e-6)


def test_when_windows_stop_the_arm_comes_to_rest_and_holds(robot: Embodiment) -> None:
    arm = controller(robot, ARM)
    plays = JointTrajectoryController(arm.name, arm.joints)
    message = make_encoder(arm, robot).encode(window(10 * S), 0)
    plays.receive(decode_trajectory(message), 10 * S)
    held = plays.sample(13 * S, np.zeros(6), np.zeros(6))
    np.testing.assert_allclose(held, message.points[-1].positions)
    ends_at_ns = to_ns(message.points[-1].time_from_start)
    assert 40 * MS < ends_at_ns < 1 * S, "committed for 40 ms, standing within a second"


def test_an_arms_window_is_in_the_drivers_names_and_numbers(robot, encoder_of) -> None:
    encoder = encoder_of(
        robot, type="joint_trajectory", joints=(GRIPPER_JOINT, "left_elbow_joint"),
        names=("gripper", "joint3"), gripper={"open": 100.0, "closed": 0.0},
    )  # fmt: skip
    positions = np.zeros((3, 14))
    positions[:, 6] = [0.0, 0.7929 / 2, 0.7929]
    positions[:, 2] = [1.0, 2.0, 3.0]
    positions = positions[[0, 1, 2, 2, 2]]  # and stands
    made = encoder.encode(CommandWindow(0, 2 * MS, positions, 0 * positions), 0)
    assert made.joint_names == ["gripper", "joint3"]
    points = [list(point.positions) for point in made.points]
    np.testing.assert_allclose(points, [[100, 1], [50, 2], *3 * [[0, 3]]], atol=1e-9)


def test_a_forwarded_gripper_is_in_the_drivers_numbers(robot, encoder_of, window_of) -> None:
    numbers = {"open": 0.0, "closed": 255.0}
    encoder = encoder_of(robot, type="forward_position", joints=(GRIPPER_JOINT,), gripper=numbers)
    message = encoder.encode(window_of(np.full(14, 0.7929)), 10 * S)
    assert list(message.data) == pytest.approx([255.0])


def test_a_joint_state_command_has_names_constants_and_the_stamp_of_now(
    robot, encoder_of, window_of
) -> None:
    encoder = encoder_of(
        robot, type="joint_state", joints=("left_elbow_joint", GRIPPER_JOINT),
        names=("joint3", "joint7"), velocity=(0.0, 30.0), gripper={"open": 0.08, "closed": 0.0},
    )  # fmt: skip
    positions = np.arange(14.0)
    positions[6] = 0.0
    message = encoder.encode(window_of(positions), 10 * S + 5)
    assert to_ns(message.header.stamp) == 10 * S + 5
    assert list(message.name) == ["joint3", "joint7"]
    assert list(message.position) == pytest.approx([2.0, 0.08])
    assert list(message.velocity) == [0.0, 30.0]
    assert list(message.effort) == []


def test_a_twist_has_the_bases_velocities_by_direction(mobile, encoder_of, window_of) -> None:
    velocities = np.zeros(17)
    velocities[14:] = [0.3, 0.1, -0.2]  # yaw, x, y
    base = ("base_x", "base_y", "base_yaw")
    window = window_of(np.full(17, 9.0), velocities)
    twist = encoder_of(mobile, type="twist", joints=base).encode(window, 10 * S)
    moving = (twist.linear.x, twist.linear.y, twist.angular.z)
    assert moving == (0.1, -0.2, 0.3)
    assert (twist.linear.z, twist.angular.x, twist.angular.y) == (0.0, 0.0, 0.0)
    stamped = encoder_of(mobile, type="twist_stamped", joints=base, frame="base_footprint")
    message = stamped.encode(window, 10 * S + 5)
    assert message.twist == twist
    assert (to_ns(message.header.stamp), message.header.frame_id) == (10 * S + 5, "base_footprint")


def test_what_a_twist_does_not_command_is_zero(mobile, encoder_of, window_of) -> None:
    encoder = encoder_of(mobile, type="twist", joints=("base_yaw",))
    twist = encoder.encode(window_of(np.zeros(17), np.ones(17)), 10 * S)
    assert (twist.linear.x, twist.linear.y, twist.angular.z) == (0.0, 0.0, 1.0)
