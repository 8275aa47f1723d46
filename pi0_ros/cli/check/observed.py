"""What was seen of a running robot, as values that need no ROS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Endpoint:
    """Who publishes or subscribes: the node's full name, its type, why its QoS does not fit."""

    node: str
    type: str
    conflict: str = ""


@dataclass(frozen=True)
class Picture:
    """One image: size [px], frame, and why it cannot be decoded (empty: it can)."""

    width: int
    height: int
    frame: str
    fault: str = ""


@dataclass(frozen=True)
class Stream:
    """The messages of one topic while it was listened to.

    Attributes:
        rate_hz: Of their arrival [Hz], 0 below two of them.
        age_ns: Of the newest when it arrived, by its stamp [ns]; None where it has no stamp.
        numbers: Positions by the driver's names, of joints.
        picture: The newest image, of a camera.
        said: What a node of ours says about itself.
    """

    count: int = 0
    rate_hz: float = 0.0
    age_ns: int | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    picture: Picture | None = None
    said: str = ""


@dataclass(frozen=True)
class Topic:
    """One topic: its full name, who is on it but the observer, and what was heard."""

    name: str
    publishers: tuple[Endpoint, ...] = ()
    subscribers: tuple[Endpoint, ...] = ()
    stream: Stream = Stream()


@dataclass(frozen=True)
class LoadedController:
    """A controller in a controller_manager, with the command interfaces that it has and needs."""

    name: str
    state: str
    manager: str
    claimed: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Graph:
    """A running robot.

    Attributes:
        topics: By their name in the YAML; those of the node's own by their relative name.
        nodes: State of the lifecycle of our nodes, by the node's full name.
        executor: Full name that the executor has, whether it runs or not.
        controllers: Of all controller_managers.
        parameters: Of the controllers of trajectories that answered, by the controller's name.
        unread_managers: Controller managers whose messages are not installed here.
        clock: Whose clock stamps were compared with.
    """

    topics: Mapping[str, Topic]
    nodes: Mapping[str, str] = field(default_factory=dict)
    executor: str = "/chunk_executor_node"
    controllers: tuple[LoadedController, ...] = ()
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unread_managers: tuple[str, ...] = ()
    clock: str = "the system's"
