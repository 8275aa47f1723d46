"""Look at a running robot with a short-lived node that publishes and commands nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import TracebackType
from typing import Any

import rclpy
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.serialization import deserialize_message

from pi0_ros.bridge.controller_parameters import controller_node, given, known
from pi0_ros.bridge.states import make_decoder
from pi0_ros.cli.check.contents import read, stamp_ns
from pi0_ros.cli.check.observed import Endpoint, Graph, LoadedController, Stream, Topic
from pi0_ros.cli.check.wanted import FEEDBACK, NODES, Wanted, compressed
from pi0_ros.embodiment.controllers import JointTrajectoryController
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.nodes import qos

DISCOVERY_S = 0.7  # from the first endpoint that is seen to the last: not all come at once
ANSWER_S = 1.5  # longest wait for a service
FOR_EVER_NS = 2**62  # far beyond any deadline, below the greatest of 64 bits
LIST_CONTROLLERS = "controller_manager_msgs/srv/ListControllers"


@dataclass(eq=False)
class _Heard:
    """Arrivals on one topic; only the newest message is kept, and as bytes."""

    kind: type[Any]
    now_ns: Callable[[], int]
    count: int = 0
    first_ns: int = 0
    newest_ns: int = 0
    newest: bytes = field(default=b"", repr=False)

    def take(self, message: bytes) -> None:
        """Note one arrival."""
        self.newest, self.newest_ns = message, self.now_ns()
        self.first_ns = self.first_ns or self.newest_ns
        self.count += 1


class GraphObserver:
    """Sees who is on which topic and hears what they say; use it as a context.

    Args:
        namespace: Of the robot.
    """

    def __init__(self, namespace: str) -> None:
        """Join the ROS domain."""
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self._node = Node(
            f"pi0_check_{os.getpid()}",
            namespace=namespace,
            context=self._context,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._clock = "the system's"

    def __enter__(self) -> GraphObserver:
        """Return it as it is."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the domain."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def finds(self, wanted: Sequence[Wanted], wait_s: float) -> bool:
        """Wait until anybody is on one of the topics; False where nobody comes in time [s]."""
        found = self._until(lambda: any(self._is_used(one.topic) for one in wanted), wait_s)
        if found:
            self._until(lambda: False, DISCOVERY_S)
            self._follow_simulated_time()
        return bool(found)

    def observe(self, embodiment: Embodiment, wanted: Sequence[Wanted], listen_s: float) -> Graph:
        """Listen for a while [s] and say what there is."""
        heard = self._listen(wanted, listen_s)
        controllers, unread = self._controllers()
        return Graph(
            topics={one.topic: self._topic(one, heard, embodiment) for one in wanted},
            nodes=self._lifecycles(),
            executor=self._full("chunk_executor_node"),
            controllers=controllers,
            parameters=self._parameters(embodiment),
            unread_managers=unread,
            clock=self._clock,
        )

    # --- topics --------------------------------------------------------------------------------

    def _listen(self, wanted: Sequence[Wanted], listen_s: float) -> dict[str, _Heard]:
        """Subscribe what is published with the right type; images raw if they are, else not."""
        heard: dict[str, _Heard] = {}
        raw = {compressed(one.topic) for one in wanted if self._published(one)}
        for one in wanted:
            if one.use == "heard" and one.topic not in raw and self._published(one):
                heard[one.topic] = _Heard(_import(one.type), self._now_ns)
                self._node.create_subscription(
                    heard[one.topic].kind,
                    one.topic,
                    heard[one.topic].take,
                    qos.JOINT_STATES,
                    raw=True,
                )
        self._until(lambda: False, listen_s)
        return heard

    def _published(self, wanted: Wanted) -> bool:
        publishers = self._topic(wanted, {}, None).publishers
        return any(one.type == wanted.type and not one.conflict for one in publishers)

    def _topic(
        self, wanted: Wanted, heard: dict[str, _Heard], embodiment: Embodiment | None
    ) -> Topic:
        name = self._full(wanted.topic)
        heard_by = qos.JOINT_STATES if wanted.use == "heard" else None
        told_by = qos.COMMANDS if heard_by is None and not wanted.topic.endswith(FEEDBACK) else None
        publishers = self._others(self._node.get_publishers_info_by_topic(name))
        subscribers = self._others(self._node.get_subscriptions_info_by_topic(name))
        return Topic(
            name,
            tuple(_endpoint(one, one.qos_profile, heard_by) for one in publishers),
            tuple(_endpoint(one, told_by, one.qos_profile) for one in subscribers),
            self._stream(wanted, heard.get(wanted.topic), embodiment),
        )

    def _stream(
        self, wanted: Wanted, heard: _Heard | None, embodiment: Embodiment | None
    ) -> Stream:
        if heard is None or embodiment is None or not heard.count:
            return Stream()
        message = deserialize_message(heard.newest, heard.kind)
        span_ns, stamp = heard.newest_ns - heard.first_ns, stamp_ns(message)
        stream = Stream(
            count=heard.count,
            rate_hz=(heard.count - 1) * 1e9 / span_ns if span_ns > 0 else 0.0,
            age_ns=None if stamp is None else heard.newest_ns - stamp,
        )
        sources = {source.topic: source for source in embodiment.state_sources}
        source = sources.get(wanted.topic)
        decoder = None if source is None else make_decoder(source, embodiment)
        return read(stream, wanted.type, message, decoder)

    def _is_used(self, topic: str) -> bool:
        name = self._full(topic)
        publishers = self._node.get_publishers_info_by_topic(name)
        return bool(self._others(publishers + self._node.get_subscriptions_info_by_topic(name)))

    def _others(self, endpoints: Sequence[Any]) -> list[Any]:
        return [one for one in endpoints if one.node_name != self._node.get_name()]

    def _full(self, topic: str) -> str:
        return str(self._node.resolve_topic_name(topic))

    # --- nodes, controllers, time ----------------------------------------------------------------

    def _lifecycles(self) -> dict[str, str]:
        """Ask our nodes for their states."""
        running = {f"{space.rstrip('/')}/{name}" for name, space in
                   self._node.get_node_names_and_namespaces()}  # fmt: skip
        states = {}
        for name in filter(running.__contains__, map(self._full, NODES)):
            answer = self._ask(GetState, f"{name}/get_state")
            states[name] = "does not answer" if answer is None else answer.current_state.label
        return states

    def _controllers(self) -> tuple[tuple[LoadedController, ...], tuple[str, ...]]:
        """Ask all controller_managers; name those that cannot be asked."""
        services = self._node.get_service_names_and_types()
        managers = [name for name, types in services if LIST_CONTROLLERS in types]
        try:
            kind = _import(LIST_CONTROLLERS)
        except ImportError:
            return (), tuple(name.removesuffix("/list_controllers") for name in managers)
        loaded = []
        for service in managers:
            answer = self._ask(kind, service)
            loaded += [_loaded(one, service) for one in (answer.controller if answer else ())]
        return tuple(loaded), ()

    def _parameters(self, embodiment: Embodiment) -> dict[str, dict[str, Any]]:
        """Ask the controllers of trajectories that are there how they play them."""
        services = {name for name, _ in self._node.get_service_names_and_types()}
        found = {}
        for one in embodiment.controllers:
            if not isinstance(one, JointTrajectoryController):
                continue
            node = self._full(controller_node(one))
            if f"{node}/get_parameters" in services:
                listed = self._ask(ListParameters, f"{node}/list_parameters")
                names = known(listed.result.names if listed else ())
                answer = self._ask(GetParameters, f"{node}/get_parameters", names=names)
                found[one.name] = given(names, answer.values if answer else ())
        return found

    def _ask(self, kind: Any, service: str, **fields: Any) -> Any:
        """Call a service; None where no answer comes in time."""
        client = self._node.create_client(kind, service)
        if not self._until(client.service_is_ready, ANSWER_S):
            return None
        future = client.call_async(kind.Request(**fields))
        return future.result() if self._until(future.done, ANSWER_S) else None

    def _follow_simulated_time(self) -> None:
        """Compare stamps with /clock where somebody drives it."""
        publishers = self._node.get_publishers_info_by_topic("/clock")
        if publishers:
            self._clock = f"/clock of {_name(publishers[0])}"
            self._node.set_parameters([Parameter("use_sim_time", value=True)])
            self._until(lambda: self._now_ns() > 0, ANSWER_S)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _until(self, condition: Callable[[], Any], longest_s: float) -> Any:
        """Spin until a condition is truthy and return it, or what it is at the deadline."""
        deadline = time.monotonic() + longest_s
        while not (result := condition()) and time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.01)
        return result


def _endpoint(info: Any, offered: QoSProfile | None, requested: QoSProfile | None) -> Endpoint:
    """Name an endpoint; where both sides are given, say why they would not connect."""
    conflict = ""
    if offered is not None and requested is not None:
        compatibility, reason = qos_check_compatible(_finite(offered), _finite(requested))
        conflict = reason if compatibility == QoSCompatibility.ERROR else ""
    return Endpoint(_name(info), info.topic_type, conflict)


def _finite(profile: QoSProfile) -> QoSProfile:
    """Return what decides about a connection; the graph tells "for ever" as a number, not as 0."""
    times = {
        key: Duration()
        if getattr(profile, key).nanoseconds > FOR_EVER_NS
        else getattr(profile, key)
        for key in ("deadline", "liveliness_lease_duration")
    }
    return QoSProfile(
        depth=1,
        reliability=profile.reliability,
        durability=profile.durability,
        liveliness=profile.liveliness,
        **times,
    )


def _name(info: Any) -> str:
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def _loaded(controller: Any, service: str) -> LoadedController:
    return LoadedController(
        controller.name,
        controller.state,
        service.removesuffix("/list_controllers"),
        frozenset(controller.claimed_interfaces),
        frozenset(controller.required_command_interfaces),
    )


def _import(name: str) -> type[Any]:
    package, kind, type_name = name.split("/")
    found: type[Any] = getattr(import_module(f"{package}.{kind}"), type_name)
    return found
