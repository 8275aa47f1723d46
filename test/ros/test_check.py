"""`pi0 check` against real nodes over real DDS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pi0_msgs.action import RunTask
from rclpy.action import ActionClient, ActionServer
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory
from typer.testing import CliRunner

from pi0_ros.cli.check.finding import Finding, Level
from pi0_ros.cli.check.graph import GraphObserver
from pi0_ros.cli.check.messages import check_messages
from pi0_ros.cli.check.observed import Endpoint
from pi0_ros.cli.check.running import Look, judge
from pi0_ros.cli.check.wanted import Wanted, spoken_on, wanted_topics
from pi0_ros.cli.main import app
from pi0_ros.embodiment.files import find_embodiment
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.chunk_executor_node import ChunkExecutorNode
from pi0_ros.nodes.sim_robot_node import SimRobotNode

LISTEN_S = 1.5
DISCOVERY_S = 20.0
TYPES = {"joint_trajectory": JointTrajectory, "forward_position": Float64MultiArray}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two UR5e arms with cameras that any machine renders in time."""
    description = yaml.safe_load(find_embodiment("ur5e_bimanual").read_text())
    for camera in description["cameras"]:
        camera |= {"width": 64, "height": 48, "rate_hz": 5}
    path: Path = tmp_path_factory.mktemp("robot") / "quick.yaml"
    path.write_text(yaml.safe_dump(description))
    return str(path)


@pytest.fixture(scope="module")
def robot(file: str) -> Embodiment:
    return load_embodiment(file)


def check(robot: Embodiment, file: str, namespace: str = "") -> dict[str, Finding]:
    """What is found in a running robot, by topic."""
    _, types = check_messages(robot)
    wanted = wanted_topics(robot, types)
    with GraphObserver(namespace) as observer:
        assert observer.finds(wanted, DISCOVERY_S), "no robot was found in time"
        seen = observer.observe(robot, wanted, LISTEN_S)
    look = Look(file, namespace, LISTEN_S, simulation=False, insist=True)
    return {one.topic: one for one in judge(robot, seen, types, look)}


def not_well(found: dict[str, Finding]) -> dict[str, Finding]:
    """All that is not well, but for rates, which a busy machine may not reach."""
    return {
        topic: one
        for topic, one in found.items()
        if one.level not in (Level.OK, Level.NOTE) and " Hz; " not in one.said
    }


def take_commands(peer: Any, robot: Embodiment, without: str = "") -> None:
    for controller in robot.controllers:
        if controller.name != without:
            peer.listen(TYPES[controller.type], controller.topic, qos.COMMANDS)


@pytest.fixture
def driver(peer: Any, robot: Embodiment) -> Any:
    """A driver that takes all commands; it tells of joints and cameras while it is checked."""
    take_commands(peer, robot)
    pictures(peer)
    return peer


@pytest.fixture
def checked(peer: Any, robot: Embodiment, file: str) -> Iterator[Callable[..., Any]]:
    """Check while the driver works."""
    with ThreadPoolExecutor(1) as pool:

        def run(work: Callable[[], Any], namespace: str = "") -> dict[str, Finding]:
            future = pool.submit(check, robot, file, namespace)
            peer.until(future.done, meanwhile=work, every_s=0.04)
            return future.result()

        yield run


def pictures(driver: Any, **changes: Any) -> None:
    """Publish one image of each camera as the YAML describes it."""
    driver.publish_images(np.full((48, 64, 3), 90, np.uint8), **changes)


def test_the_simulated_robot_and_the_executor_are_well(
    start: Callable[..., Any], robot: Embodiment, file: str
) -> None:
    start(SimRobotNode, embodiment=file)
    start(ChunkExecutorNode, embodiment=file)
    found = check(robot, file)
    assert not_well(found) == {}
    assert found["/joint_states"].said.startswith("14 joints within their limits, ")
    assert found["/base_camera/image_raw"].topic
    assert found["controller left_gripper_controller"].said == (
        "/sim_robot_node takes /left_gripper_controller/commands"
    )
    assert found["/sim_robot_node"].said == "active"
    assert found["/chunk_executor_node"].said.startswith("active; ")


def test_stamps_are_compared_with_simulated_time_where_it_is_driven(
    start: Callable[..., Any], robot: Embodiment, file: str
) -> None:
    start(SimRobotNode, embodiment=file, publish_clock=True)
    found = check(robot, file)
    assert not_well(found) == {}
    assert found["clock"].said == "stamps were compared with /clock of /sim_robot_node"


def test_a_driver_that_does_all_is_well(driver: Any, checked: Callable[..., Any]) -> None:
    found = checked(lambda: (driver.publish_pose(), pictures(driver)))
    assert not_well(found) == {}


def test_a_camera_that_stopped_and_one_of_another_form_are_found(
    driver: Any, checked: Callable[..., Any]
) -> None:
    def work() -> None:
        driver.publish_pose()
        pictures(driver, without="left_wrist_camera")

    found = not_well(checked(work))
    assert list(found) == ["/left_wrist_camera/image_raw"]
    assert found["/left_wrist_camera/image_raw"].said == "/peer publishes it, and nothing comes"


def test_compressed_images_are_heard_where_there_are_no_raw_ones(
    peer: Any, robot: Embodiment, file: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(check, robot, file)
        peer.until(future.done, lambda: pictures(peer, compressed=True), 0.04)
    found = future.result()["/base_camera/image_raw/compressed"]
    assert found.level in (Level.OK, Level.WARNING)  # a busy machine may be slow


def test_a_joint_that_is_missing_and_one_beyond_its_limit_are_found(
    driver: Any, checked: Callable[..., Any], robot: Embodiment
) -> None:
    work = lambda: (driver.publish_pose(without="left_elbow_joint"), pictures(driver))  # noqa: E731
    fault = not_well(checked(work))["/joint_states"]
    assert fault.said.startswith("lacks left_elbow_joint; it has left_shoulder_pan_joint, ")
    beyond = robot.home.copy()
    beyond[2] = 3.3
    work = lambda: (driver.publish_pose(beyond), pictures(driver))  # noqa: E731
    assert not_well(checked(work))["/joint_states"].said.startswith("left_elbow_joint is at 3.3")


def test_stamps_of_another_clock_are_found(
    driver: Any, checked: Callable[..., Any], robot: Embodiment
) -> None:
    def work() -> None:
        message = JointState(name=list(robot.joint_names), position=robot.home.tolist())
        message.header.stamp.sec = 5
        driver.publish("joint_states", message)
        pictures(driver)

    assert "ms old; at most 200 ms are used" in not_well(checked(work))["/joint_states"].said


def test_somebody_else_who_commands_a_wrong_type_and_a_wrong_qos_are_found(
    peer: Any, robot: Embodiment, checked: Callable[..., Any]
) -> None:
    peer.stop_controllers()  # the test has its own
    left, right = (f"{side}_scaled_joint_trajectory_controller" for side in ("left", "right"))
    take_commands(peer, robot, without="left_gripper_controller")
    peer.node.create_publisher(JointTrajectory, f"{left}/joint_trajectory", qos.COMMANDS)
    peer.listen(JointTrajectory, f"{right}/joint_trajectory", qos.LATCHED)
    peer.listen(String, "left_gripper_controller/commands")
    found = not_well(checked(lambda: (peer.publish_pose(), pictures(peer))))
    assert {topic: one.said for topic, one in found.items()} == {
        f"controller {left}": f"/peer can command /{left}/joint_trajectory, too",
        f"controller {right}": (
            "QoS of /peer does not fit: ERROR: Volatile publisher and transient local subscription;"
        ),
        "controller left_gripper_controller": (
            "/peer takes std_msgs/msg/String on /left_gripper_controller/commands; the YAML's type "
            "forward_position is std_msgs/msg/Float64MultiArray"
        ),
    }


def test_an_action_is_found_by_its_server_not_by_who_waits_for_it(
    peer: Any, robot: Embodiment
) -> None:
    one = Wanted(*spoken_on("grip", "pi0_msgs/action/RunTask"), "commanded")
    client = ActionClient(peer.node, RunTask, "grip")
    with GraphObserver("") as observer:
        assert observer.finds([one], DISCOVERY_S)
        assert observer.observe(robot, [one], 0.1).topics[one.topic].publishers == ()
    client.destroy()
    server = ActionServer(peer.node, RunTask, "grip", lambda goal: RunTask.Result())
    with GraphObserver("") as observer:
        assert observer.finds([one], DISCOVERY_S)
        found = observer.observe(robot, [one], 0.1).topics[one.topic].publishers
    server.destroy()
    assert found == (Endpoint("/peer", one.type),)


def test_controllers_that_are_loaded_and_inactive_are_found(
    driver: Any, checked: Callable[..., Any]
) -> None:
    reason = "only a distribution has it"
    messages = pytest.importorskip("controller_manager_msgs.msg", reason=reason)
    services = pytest.importorskip("controller_manager_msgs.srv", reason=reason)
    name, held = "left_gripper_controller", ["left_gripper/position"]
    loaded = [
        messages.ControllerState(name=name, state="inactive", required_command_interfaces=held),
        messages.ControllerState(name="hand", state="active", claimed_interfaces=held),
    ]

    def answer(request: Any, response: Any) -> Any:
        response.controller = loaded
        return response

    kind = services.ListControllers
    driver.node.create_service(kind, "controller_manager/list_controllers", answer)
    fault = not_well(checked(lambda: (driver.publish_pose(), pictures(driver))))
    assert {topic: (one.said, one.remedy) for topic, one in fault.items()} == {
        f"controller {name}": (
            "/controller_manager has it inactive",
            f"`ros2 control switch_controllers --activate {name} --deactivate hand`",
        )
    }


def test_a_namespace_is_where_the_robot_is_looked_for(peer: Any, robot: Embodiment) -> None:
    driver = Node("driver", namespace="cell")
    driver.create_publisher(JointState, "joint_states", qos.STATUS)
    found = check(robot, "quick", "cell")
    driver.destroy_node()
    assert found["/cell/joint_states"].said == "/cell/driver publishes it, and nothing comes"


def test_the_check_publishes_and_commands_nothing(driver: Any, checked: Callable[..., Any]) -> None:
    published: dict[str, list[str]] = {}

    def look() -> None:
        driver.publish_pose()
        for name, namespace in driver.node.get_node_names_and_namespaces():
            if name.startswith("pi0_check"):
                topics = driver.node.get_publisher_names_and_types_by_node(name, namespace)
                published.setdefault(name, []).extend(topic for topic, _ in topics)

    checked(look)
    assert published, "the check's node was never seen"
    assert {topic for topics in published.values() for topic in topics} <= {"/parameter_events"}


@pytest.mark.parametrize(("words", "code", "level"),
                         [([], 0, "not checked"), (["--graph"], 1, "wrong")])  # fmt: skip
def test_no_robot_is_one_line_that_says_how_to_start_it(
    words: list[str], code: int, level: str
) -> None:
    words = ["check", "ur5e_bimanual", "--wait", "0.2", "--namespace", "nowhere", *words]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == code, result.output
    (line,) = (one for one in result.output.splitlines() if ": running robot: " in one)
    assert line.startswith(f"{level}: running robot: none in ROS domain ")
    assert ", namespace /nowhere within 0.2 s -> start " in line
