"""~/take_over and ~/hand_back over DDS; the controller manager is a stand-in.

Its message package comes with a distribution only, so its services are answered in this process.
"""

from __future__ import annotations

import sys
import threading
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import yaml
from action_msgs.msg import GoalStatus, GoalStatusArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from pi0_ros.embodiment.files import find_embodiment
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.nodes import hand_over, qos
from pi0_ros.nodes.hand_over import HandOver

ARMS = [f"{side}_scaled_joint_trajectory_controller" for side in ("left", "right")]
GRIPPERS = [f"{side}_gripper_controller" for side in ("left", "right")]
OURS = [*ARMS, *GRIPPERS]
MOVEITS = ["left_moveit_controller", "right_moveit_controller"]
TAKE_OVER, HAND_BACK = "chunk_executor_node/take_over", "chunk_executor_node/hand_back"
MS = 1_000_000


class Manager:
    """A controller manager: controllers with their states, and what it was asked to switch."""

    def __init__(self):
        self.states = dict.fromkeys(OURS, "inactive") | dict.fromkeys(MOVEITS, "active")
        self.switched = []
        self.ok, self.message = True, ""
        self.is_there = self.answers = True

    def list_controllers(self, request):
        return SimpleNamespace(
            controller=[SimpleNamespace(name=n, state=s) for n, s in self.states.items()]
        )

    def switch_controller(self, request):
        self.switched.append(vars(request))
        return SimpleNamespace(ok=self.ok, message=self.message)


class Client:
    """A client of the manager, as rclpy's."""

    def __init__(self, kind, service, manager):
        self.srv_type, self.srv_name = kind, service
        self._manager, self._answer = manager, getattr(manager, service.split("/")[-1])

    def service_is_ready(self):
        return self._manager.is_there

    def call_async(self, request):
        future = Future()
        if self._manager.answers:
            future.set_result(self._answer(request))
        return future

    def remove_pending_request(self, future):
        pass


class Request(SimpleNamespace):
    pass


class ListControllers:
    Request = Request


class SwitchController:
    Request = Request


class Executor:
    """What the node's executor does about a hand-over."""

    def __init__(self):
        self.commands, self.disabled = False, 0

    def disable(self):
        self.disabled += 1


@pytest.fixture
def manager(monkeypatch):
    module = ModuleType("controller_manager_msgs.srv")
    vars(module).update(ListControllers=ListControllers, SwitchController=SwitchController)
    monkeypatch.setitem(sys.modules, "controller_manager_msgs", ModuleType(module.__name__[:-4]))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Manager()


@pytest.fixture
def robot_of(tmp_path):
    """Two UR5e whose MoveIt uses other controllers, unless they are named."""

    def make(moveit):
        described = yaml.safe_load(find_embodiment("ur5e_bimanual").read_text())
        described["driver"]["moveit"] = list(moveit)
        path = tmp_path / "robot.yaml"
        path.write_text(yaml.safe_dump(described))
        return load_embodiment(str(path))

    return make


@pytest.fixture
def executor():
    return Executor()


@pytest.fixture
def serve(peer, manager, robot_of, executor, monkeypatch):
    """Serve hand-overs on a node that a thread spins, and that hears joint_states."""
    made = []

    def make(moveit=MOVEITS):
        node = Node("chunk_executor_node")
        real = node.create_client

        def create_client(kind, service, **options):
            is_ours = kind in (ListControllers, SwitchController)
            return Client(kind, service, manager) if is_ours else real(kind, service, **options)

        monkeypatch.setattr(node, "create_client", create_client)
        monkeypatch.setattr(node, "destroy_client", lambda client: None)
        over = HandOver(node, robot_of(moveit), lambda: executor.commands, executor.disable)
        node.create_subscription(
            JointState,
            "joint_states",
            lambda m: over.take_pose(m.header.stamp.sec * 10**9 + m.header.stamp.nanosec,
                                     np.array(m.position)),
            qos.JOINT_STATES,
        )  # fmt: skip
        callbacks = SingleThreadedExecutor()
        callbacks.add_node(node)
        thread = threading.Thread(target=callbacks.spin, daemon=True)
        thread.start()
        made.append((node, callbacks, thread, over))
        return over

    yield make
    for node, callbacks, thread, over in made:
        callbacks.shutdown()
        thread.join()
        over.destroy()
        node.destroy_node()


@pytest.fixture
def ask(peer):
    """Call a service while the robot stands, or moves, and return what was answered."""

    def call(service, meanwhile=peer.publish_pose):
        client = peer.node.create_client(Trigger, service)
        peer.until(client.service_is_ready, meanwhile)
        future = client.call_async(Trigger.Request())
        return peer.until(lambda: future.done() and future.result(), meanwhile)

    return call


def stand(peer, over):
    peer.until(lambda: over._pose.stands, peer.publish_pose)


def goal(peer, controller, status):
    """Let a controller's action tell of one goal."""
    message = GoalStatusArray(status_list=[GoalStatus(status=status)])
    peer.publish(f"{controller}/follow_joint_trajectory/_action/status", message, qos.LATCHED)


def test_taking_over_switches_strictly_and_says_what_was_done(peer, serve, ask, manager):
    stand(peer, serve())
    answer = ask(TAKE_OVER)
    assert answer.success, answer.message
    (switched,) = manager.switched
    assert switched == {
        "activate_controllers": OURS, "deactivate_controllers": MOVEITS, "strictness": 2,
    }  # fmt: skip
    assert answer.message == (
        f"activate {', '.join(OURS)}, deactivate {', '.join(MOVEITS)}: done; call ~/enable to start"
    )


def test_what_is_active_or_inactive_already_is_left_alone(peer, serve, ask, manager):
    stand(peer, serve())
    manager.states |= {OURS[0]: "active", MOVEITS[0]: "inactive"}
    assert ask(TAKE_OVER).success
    assert manager.switched[0]["activate_controllers"] == OURS[1:]
    assert manager.switched[0]["deactivate_controllers"] == MOVEITS[1:]
    manager.states = dict.fromkeys(OURS, "active")
    assert "active already" in ask(TAKE_OVER).message
    assert len(manager.switched) == 1


@pytest.mark.parametrize("controller", [MOVEITS[0], ARMS[1]], ids=["MoveIt's", "ours"])
@pytest.mark.parametrize("service", [TAKE_OVER, HAND_BACK])
def test_while_a_goal_is_active_nothing_is_handed_over(
    peer, serve, ask, manager, executor, controller, service
):
    over = serve()
    stand(peer, over)
    assert over.busy() is None
    goal(peer, controller, GoalStatus.STATUS_EXECUTING)
    peer.until(over.busy, peer.publish_pose)
    answer = ask(service)
    assert not answer.success
    assert answer.message.startswith(
        f"{controller} executes a goal of {controller}/follow_joint_trajectory"
    )
    assert (manager.switched, executor.disabled) == ([], 0)
    goal(peer, controller, GoalStatus.STATUS_SUCCEEDED)
    peer.until(lambda: over.busy() is None, peer.publish_pose)
    assert ask(service).success


def test_a_goal_whose_controller_is_gone_keeps_nobody(peer, serve):
    over = serve()
    goal(peer, ARMS[0], GoalStatus.STATUS_ACCEPTED)
    peer.until(over.busy)
    assert "is about to execute" in over.busy()
    topic = f"{ARMS[0]}/follow_joint_trajectory/_action/status"
    peer.node.destroy_publisher(peer._publishers.pop(topic))
    peer.until(lambda: over.busy() is None)


def test_a_robot_that_moves_is_not_taken_over(peer, serve, ask, manager):
    over = serve()
    assert "it is not known whether the robot stands" in ask(TAKE_OVER, lambda: None).message
    moved = np.array(peer.robot.home)

    def move():
        moved[0] += 0.01
        peer.publish_pose(moved)

    peer.until(lambda: over._pose.is_known, move)
    answer = ask(TAKE_OVER, move)
    assert not answer.success
    assert answer.message.startswith("the robot moves")
    assert manager.switched == []


def test_handing_back_waits_until_the_robot_stands_and_then_switches(
    peer, serve, ask, manager, executor
):
    stand(peer, serve())
    manager.states = dict.fromkeys(OURS, "active") | dict.fromkeys(MOVEITS, "inactive")
    executor.commands = True

    def work():
        peer.publish_pose()
        assert manager.switched == [] or not executor.commands
        if executor.disabled:
            executor.commands = False  # it came to rest

    answer = ask(HAND_BACK, work)
    assert answer.success, answer.message
    assert executor.disabled == 1
    (switched,) = manager.switched
    assert (switched["activate_controllers"], switched["deactivate_controllers"]) == (MOVEITS, OURS)


def test_a_robot_that_does_not_come_to_rest_is_not_handed_back(
    peer, serve, ask, manager, executor, monkeypatch
):
    monkeypatch.setattr(hand_over, "STAND_S", 0.2)
    stand(peer, serve())
    executor.commands = True
    answer = ask(HAND_BACK)
    assert not answer.success
    assert "does not stand" in answer.message
    assert (manager.switched, executor.disabled) == ([], 1)


def test_where_both_use_the_same_controllers_only_goals_stand_in_the_way(
    peer, serve, ask, manager, executor
):
    over = serve(moveit=OURS)
    stand(peer, over)
    assert ask(TAKE_OVER).message.startswith("MoveIt and the policy use the same controllers")
    assert ask(HAND_BACK).success
    assert (manager.switched, executor.disabled) == ([], 1)


def test_a_robot_without_moveit_has_nothing_to_switch(peer, serve, ask, manager):
    stand(peer, serve(moveit=[]))
    assert ask(TAKE_OVER).message.startswith("no controllers of MoveIt are known")
    assert manager.switched == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"ok": False, "message": "no such interface"}, ": no such interface"),
        ({"states": {}}, f"has no {', '.join(OURS)}; it has none: load it first"),
        ({"is_there": False}, "is the controller manager running?"),
        ({"answers": False}, "did not answer within 0 s"),
    ],
    ids=["refuses", "lacks them", "is not there", "is silent"],
)
def test_a_manager_that_does_not_switch_is_a_clear_failure(
    peer, serve, ask, manager, monkeypatch, fault, said
):
    monkeypatch.setattr(hand_over, "ANSWER_S", 0.2)
    stand(peer, serve())
    vars(manager).update(fault)
    answer = ask(TAKE_OVER)
    assert not answer.success
    assert said in answer.message


def test_without_the_managers_messages_the_error_says_what_to_install(
    peer, serve, ask, monkeypatch
):
    stand(peer, serve())
    monkeypatch.setitem(sys.modules, "controller_manager_msgs.srv", None)
    answer = ask(TAKE_OVER)
    assert not answer.success
    assert "install ros-$ROS_DISTRO-controller-manager-msgs" in answer.message


def test_a_second_hand_over_does_not_cut_in(peer, serve, ask, executor, monkeypatch):
    monkeypatch.setattr(hand_over, "STAND_S", 3.0)
    stand(peer, serve())
    executor.commands = True
    client = peer.node.create_client(Trigger, HAND_BACK)
    peer.until(client.service_is_ready, peer.publish_pose)
    first = client.call_async(Trigger.Request())
    peer.until(lambda: executor.disabled, peer.publish_pose)
    assert ask(TAKE_OVER).message == "another hand-over is going on"
    executor.commands = False
    assert peer.until(lambda: first.done() and first.result(), peer.publish_pose).success


def test_the_real_messages_are_what_is_asked_for():
    services = pytest.importorskip(
        "controller_manager_msgs.srv", reason="controller_manager_msgs comes with a distribution"
    )
    request = services.SwitchController.Request(
        activate_controllers=OURS, deactivate_controllers=MOVEITS, strictness=2
    )
    assert request.strictness == services.SwitchController.Request.STRICT
