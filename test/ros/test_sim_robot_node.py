"""sim_robot_node over DDS: it speaks what a ros2_control cell speaks."""

from __future__ import annotations

import numpy as np
import pytest
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Twist, Vector3
from nav_msgs.msg import Odometry
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Bool, Float64, Float64MultiArray
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from visualization_msgs.msg import MarkerArray

from pi0_ros.bridge.images import decode_compressed, decode_image
from pi0_ros.bridge.markers import block_places
from pi0_ros.bridge.stamps import to_ns, to_time
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.sim_robot_node import SimRobotNode

LEFT = "left_scaled_joint_trajectory_controller/joint_trajectory"


@pytest.fixture
def states(peer):
    return peer.listen(JointState, "joint_states", qos.JOINT_STATES)


def move_left(peer, elbow, seconds=0.2, stamp_ns=0):
    """Ask the left arm for home with another elbow, in the controller's own order of joints."""
    names = list(peer.robot.controllers[0].joints)
    goal = peer.robot.home[:6].copy()
    goal[2] = elbow
    point = JointTrajectoryPoint(
        positions=goal.tolist(), time_from_start=Duration(nanosec=int(seconds * 1e9))
    )
    message = JointTrajectory(joint_names=names, points=[point])
    message.header.stamp = to_time(stamp_ns)
    peer.publish(LEFT, message, qos.COMMANDS)


def elbow_of(states):
    return dict(zip(states[-1].name, states[-1].position, strict=True))["left_elbow_joint"]


def test_it_stands_at_home_and_says_where_it_is(peer, start, states, robot):
    start(SimRobotNode)
    peer.until(lambda: states)
    assert states[-1].name == list(robot.joint_names)
    assert np.allclose(states[-1].position, robot.home, atol=1e-3)
    assert len(states[-1].velocity) == len(states[-1].effort) == len(robot.joints)


def test_a_trajectory_moves_the_arm_and_is_held(peer, start, states):
    start(SimRobotNode)
    peer.until(lambda: states)
    peer.until(lambda: states and abs(elbow_of(states) - 1.7) < 0.01, lambda: move_left(peer, 1.7),
               every_s=1.0)  # fmt: skip


def test_a_trajectory_from_the_past_moves_nothing(peer, start, states):
    start(SimRobotNode)
    peer.until(lambda: states)
    for _ in range(3):
        move_left(peer, 1.0, stamp_ns=peer.now_ns - 10**10)
    # The gripper's command arrives on another topic afterwards; when it is done, the arm stands.
    gripper = lambda: peer.publish(  # noqa: E731
        "left_gripper_controller/commands", Float64MultiArray(data=[0.2]), qos.COMMANDS
    )
    peer.until(lambda: abs(states[-1].position[6] - 0.2) < 0.02, gripper)
    assert abs(elbow_of(states) - peer.robot.home[2]) < 1e-3


def test_cameras_come_with_their_info_raw_and_compressed(peer, start, robot):
    start(SimRobotNode, camera_rate_hz=10.0)
    raw = peer.listen(Image, "base_camera/image_raw", qos.IMAGES)
    jpeg = peer.listen(CompressedImage, "base_camera/image_raw/compressed", qos.IMAGES)
    info = peer.listen(CameraInfo, "base_camera/camera_info", qos.IMAGES)
    wrist = peer.listen(Image, "left_wrist_camera/image_raw", qos.IMAGES)
    peer.until(lambda: raw and jpeg and info and wrist)
    camera = robot.cameras[0]
    rgb = decode_image(raw[-1])
    assert rgb.shape == (camera.height, camera.width, 3)
    assert raw[-1].header.frame_id == "base_camera_optical_frame"
    focal = camera.height / 2 / np.tan(np.radians(camera.fovy_deg / 2))
    assert info[-1].k[0] == pytest.approx(focal)
    red, green, blue = (rgb[..., i].astype(int) for i in range(3))
    assert ((red > 2 * green) & (red > 2 * blue)).sum() > 50  # the red block
    assert decode_compressed(jpeg[-1]).shape == rgb.shape
    assert not np.array_equal(decode_image(wrist[-1]), rgb)


def test_reset_puts_the_blocks_elsewhere_and_the_arms_home(peer, start, states):
    start(SimRobotNode)
    blocks = peer.listen(MarkerArray, "sim_robot_node/blocks", qos.LATCHED)
    peer.until(lambda: blocks and states)
    before = block_places(blocks[-1])
    peer.until(lambda: abs(elbow_of(states) - 1.7) < 0.05, lambda: move_left(peer, 1.7),
               every_s=1.0)  # fmt: skip
    assert peer.call(Trigger, "sim_robot_node/reset").success
    peer.until(lambda: abs(elbow_of(states) - peer.robot.home[2]) < 1e-3)
    peer.until(lambda: not np.allclose(block_places(blocks[-1])["red"], before["red"], atol=1e-3))


def test_the_protective_stop_is_told_and_commands_are_ignored_until_it_ends(peer, start, states):
    start(SimRobotNode)
    estop = peer.listen(Bool, "estop", qos.LATCHED)
    peer.until(lambda: states and estop)
    assert estop[-1].data is False
    assert peer.call(SetBool, "sim_robot_node/estop", data=True).success
    peer.until(lambda: estop[-1].data)
    count = len(states)
    peer.until(lambda: len(states) > count + 50, lambda: move_left(peer, 1.0))
    assert abs(elbow_of(states) - peer.robot.home[2]) < 1e-3
    peer.call(SetBool, "sim_robot_node/estop", data=False)
    peer.until(lambda: abs(elbow_of(states) - 1.8) < 0.01, lambda: move_left(peer, 1.8),
               every_s=1.0)  # fmt: skip


def test_it_drives_the_clock_when_asked_and_stamps_with_it(peer, start, states):
    start(SimRobotNode, publish_clock=True, clock_speed=2.0)
    clock = peer.listen(Clock, "/clock", qos.STATUS)
    peer.until(lambda: len(clock) > 20 and len(states) > 3)
    instants = [to_ns(message.clock) for message in clock]
    steps = np.diff(instants)
    assert (steps > 0).all()  # a message may be lost, but time only goes forward,
    assert (steps % 2_000_000 == 0).all()  # by whole control cycles
    assert to_ns(states[-1].header.stamp) <= instants[-1] + 2_000_000_000
    assert instants[0] < 60 * 10**9  # it starts at zero, not at today


def test_its_slider_is_told_in_the_drivers_numbers_and_slows_scaled_controllers(
    peer, start, states
):
    sliders = [
        peer.listen(Float64, f"{side}_speed_scaling_state_broadcaster/speed_scaling")
        for side in ("left", "right")
    ]
    node = start(SimRobotNode)
    peer.until(lambda: states and all(sliders))
    assert sliders[0][-1].data == 100.0
    answer = node.set_parameters([Parameter("speed_slider", value=0.5)])
    assert answer[0].successful
    peer.until(lambda: all(slider[-1].data == 50.0 for slider in sliders))
    refused = node.set_parameters([Parameter("speed_slider", value=1.5)])
    assert not refused[0].successful
    # A second's way takes two, on the clock of the joints' stamps.
    begin = peer.now_ns
    move_left(peer, peer.robot.home[2] - 0.5, seconds=1.0)
    passed = lambda: [m for m in states if to_ns(m.header.stamp) > begin]  # noqa: E731
    moved = lambda m: peer.robot.home[2] - m.position[2]  # noqa: E731
    peer.until(lambda: passed() and moved(passed()[-1]) > 0.49)
    began = next(to_ns(m.header.stamp) for m in passed() if moved(m) > 0.05)
    ended = next(to_ns(m.header.stamp) for m in passed() if moved(m) > 0.45)
    assert (ended - began) / 1e9 == pytest.approx(1.6, abs=0.1)  # 0.4 rad at 0.25 rad/s


# --- a mobile robot ------------------------------------------------------------------------------


def test_a_mobile_base_tells_its_odometry_drives_and_is_put_back(peer, start):
    mobile = load_embodiment("trossen_mobile", simulation=True)
    start(SimRobotNode, embodiment="trossen_mobile")
    (controller,) = (c for c in mobile.controllers if c.type == "twist")
    odometry = peer.listen(Odometry, mobile.base.odometry, qos.STATUS)
    states = peer.listen(JointState, "joint_states", qos.JOINT_STATES)
    blocks = peer.listen(MarkerArray, "sim_robot_node/blocks", qos.LATCHED)
    peer.until(lambda: odometry and states and blocks)
    assert states[-1].name[:14] == list(mobile.joint_names)
    assert {"left_wheel", "right_wheel"} <= set(states[-1].name)
    assert blocks[-1].markers[0].header.frame_id == odometry[-1].header.frame_id == "odom"
    assert odometry[-1].child_frame_id == mobile.base.frame

    back = Twist(linear=Vector3(x=-0.3))
    peer.until(lambda: odometry[-1].pose.pose.position.x < -0.1,
               lambda: peer.publish(controller.topic, back, qos.COMMANDS))  # fmt: skip
    peer.until(lambda: abs(odometry[-1].twist.twist.linear.x) < 1e-3)  # the driver's timeout
    assert peer.call(Trigger, "sim_robot_node/reset").success
    peer.until(lambda: abs(odometry[-1].pose.pose.position.x) < 1e-3)


def test_a_prefix_is_before_joints_and_frames(peer, start, states):
    start(SimRobotNode, embodiment="trossen_mobile", tf_prefix="a_")
    odometry = peer.listen(Odometry, "mobile_base/odom", qos.STATUS)
    peer.until(lambda: states and odometry)
    assert states[-1].name[0] == "a_follower_left/waist"
    assert odometry[-1].child_frame_id == "a_base_footprint"
