"""~/take_over and ~/hand_back: from MoveIt to the policy and back, by switching controllers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

import numpy as np
from action_msgs.msg import GoalStatus, GoalStatusArray
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from pi0_ros.embodiment.controllers import ROS2_CONTROL
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.standstill import Standstill
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose

MANAGER = "controller_manager"
ACTION = "follow_joint_trajectory"
RUNNING = {
    GoalStatus.STATUS_ACCEPTED: "is about to execute",
    GoalStatus.STATUS_EXECUTING: "executes",
    GoalStatus.STATUS_CANCELING: "is cancelling",
}
ANSWER_S = 5.0  # longest wait for the controller manager; it switches within its own loop
STAND_S = 10.0  # longest wait for the robot to stand
POLL_S = 0.05


class Refused(Exception):
    """A hand-over that does not happen; the message says why, and what to do."""


class HandOver:
    """Serves both services; what takes time is awaited, so that all other callbacks go on.

    Args:
        node: Carries services, clients and subscriptions.
        embodiment: The robot; ``driver.moveit`` names the controllers that MoveIt uses.
        is_commanding: Says whether the executor commands the robot.
        disable: Lets the executor come to rest and command no more.
    """

    def __init__(
        self,
        node: Node,
        embodiment: Embodiment,
        is_commanding: Callable[[], bool],
        disable: Callable[[], None],
    ) -> None:
        """Serve, and watch the goals of all controllers that MoveIt may use."""
        self._node, self._is_commanding, self._disable = node, is_commanding, disable
        self._ours = tuple(c.name for c in embodiment.controllers if c.type in ROS2_CONTROL)
        self._moveits = embodiment.driver.moveit
        self._pose = Standstill()
        self._goals: dict[str, str] = {}  # what each controller does with a goal, where it has one
        self._is_switching = False
        # Of their own: while one of them waits, the others of its group would wait, too.
        self._group = ReentrantCallbackGroup()
        self._clients: dict[str, Any] = {}
        own_goals = {c.name for c in embodiment.controllers if c.type == ACTION}
        watched = dict.fromkeys((*self._moveits, *self._windowed(embodiment)))
        self._streams = [
            *(self._watch(name) for name in watched if name not in own_goals),
            self._serve("~/take_over", self._take_over),
            self._serve("~/hand_back", self._hand_back),
        ]

    def take_pose(self, stamp_ns: int, position: np.ndarray) -> None:
        """Take the measured pose (J,) [rad or m] of an instant [ns, node clock]."""
        self._pose.take(stamp_ns, position)

    def busy(self) -> str | None:
        """Say which controller works on somebody's goal, and what to do; None where none does."""
        for name, does in self._goals.items():
            if self._node.count_publishers(_status_topic(name)):  # it did not die with its goal
                return (
                    f"{name} {does} a goal of {name}/{ACTION}, whose motion a command would "
                    "replace; wait for its end, or cancel it"
                )
        return None

    def destroy(self) -> None:
        """Serve no more."""
        dispose(self._node, self._streams)
        for client in self._clients.values():
            self._node.destroy_client(client)

    # --- what is asked for -------------------------------------------------------------------

    async def _take_over(self) -> str:
        """Activate our controllers in place of MoveIt's."""
        self._refuse_while_busy()
        if not self._pose.is_known:
            raise Refused("no joint states yet, so it is not known whether the robot stands")
        if not self._pose.stands:
            raise Refused("the robot moves; stop it, and wait until it stands")
        foreign = [name for name in self._moveits if name not in self._ours]
        return await self._switch(self._ours, foreign) + "; call ~/enable to start"

    async def _hand_back(self) -> str:
        """Let the robot come to rest, then activate MoveIt's controllers in place of ours."""
        self._refuse_while_busy()
        self._disable()
        deadline = time.monotonic() + STAND_S
        while self._is_commanding() or not self._pose.stands:
            if time.monotonic() > deadline:
                raise Refused(f"the robot does not stand after {STAND_S:.0f} s; disabled only")
            await self._pause()
        own = [name for name in self._ours if name not in self._moveits]
        return await self._switch(self._moveits, own)

    def _refuse_while_busy(self) -> None:
        busy = self.busy()
        if busy is not None:
            raise Refused(busy)

    # --- the controller manager ----------------------------------------------------------------

    async def _switch(self, wanted: tuple[str, ...], unwanted: list[str]) -> str:
        """Switch, strictly: all of it or nothing."""
        if not self._moveits:
            return (
                "no controllers of MoveIt are known (driver.moveit of the YAML): nothing to switch"
            )
        if not unwanted and set(wanted) <= set(self._moveits):
            return "MoveIt and the policy use the same controllers, and no goal is active"
        listed = await self._ask("ListControllers", "list_controllers")
        states = {one.name: one.state for one in listed.controller}
        missing = [name for name in wanted if name not in states]
        if missing:
            known = ", ".join(sorted(states)) or "none"
            raise Refused(f"{MANAGER} has no {', '.join(missing)}; it has {known}: load it first")
        start = [name for name in wanted if states[name] != "active"]
        stop = [name for name in unwanted if states.get(name) == "active"]
        if not start and not stop:
            return f"{', '.join(wanted)} active already"
        answer = await self._ask(
            "SwitchController",
            "switch_controller",
            activate_controllers=start,
            deactivate_controllers=stop,
            strictness=2,  # STRICT
        )
        did = f"activate {', '.join(start) or 'none'}, deactivate {', '.join(stop) or 'none'}"
        if not answer.ok:
            said = answer.message or "no reason given, see its log"
            raise Refused(f"{MANAGER} did not {did}: {said}")
        return f"{did}: done{'; ' + answer.message if answer.message else ''}"

    async def _ask(self, kind: str, service: str, **fields: Any) -> Any:
        client = self._client(kind, f"{MANAGER}/{service}")
        deadline = time.monotonic() + ANSWER_S
        while not client.service_is_ready():
            if time.monotonic() > deadline:
                raise Refused(f"no service {client.srv_name}; is the controller manager running?")
            await self._pause()
        future = client.call_async(client.srv_type.Request(**fields))
        while not future.done():
            if time.monotonic() > deadline:
                client.remove_pending_request(future)
                raise Refused(f"{client.srv_name} did not answer within {ANSWER_S:.0f} s")
            await self._pause()
        return future.result()

    def _client(self, kind: str, service: str) -> Any:
        if service not in self._clients:
            try:
                found = getattr(import_module(f"{MANAGER}_msgs.srv"), kind)
            except ImportError as error:
                raise Refused(
                    f"{MANAGER}_msgs is not installed here ({error}); install "
                    f"ros-$ROS_DISTRO-{MANAGER.replace('_', '-')}-msgs, or switch by hand: "
                    "`ros2 control switch_controllers`"
                ) from error
            make = self._node.create_client
            self._clients[service] = make(found, service, callback_group=self._group)
        return self._clients[service]

    # --- ROS -----------------------------------------------------------------------------------

    def _serve(self, name: str, work: Callable[[], Awaitable[str]]) -> Any:
        async def on_request(request: Trigger.Request, response: Trigger.Response) -> Any:
            response.success, response.message = await self._done(work)
            self._node.get_logger().info(f"{name}: {response.message}")
            return response

        return self._node.create_service(Trigger, name, on_request, callback_group=self._group)

    async def _done(self, work: Callable[[], Awaitable[str]]) -> tuple[bool, str]:
        if self._is_switching:
            return False, "another hand-over is going on"
        self._is_switching = True
        try:
            return True, await work()
        except Refused as reason:
            return False, str(reason)
        finally:
            self._is_switching = False

    async def _pause(self) -> None:
        """Let other callbacks go on for a moment."""
        over: Future = Future()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        timer = self._node.create_timer(
            POLL_S, lambda: over.done() or over.set_result(None), self._group, steady
        )
        try:
            await over
        finally:
            self._node.destroy_timer(timer)

    def _watch(self, controller: str) -> Any:
        def on_status(message: GoalStatusArray) -> None:
            does = [RUNNING[one.status] for one in message.status_list if one.status in RUNNING]
            self._goals.pop(controller, None)
            if does:
                self._goals[controller] = does[-1]

        return self._node.create_subscription(
            GoalStatusArray, _status_topic(controller), on_status, qos.LATCHED
        )

    @staticmethod
    def _windowed(embodiment: Embodiment) -> tuple[str, ...]:
        return tuple(c.name for c in embodiment.controllers if c.type == "joint_trajectory")


def _status_topic(controller: str) -> str:
    return f"{controller}/{ACTION}/_action/status"
