"""The robot's YAML against who takes commands, and who else gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pi0_ros.bridge.controller_parameters import misfits
from pi0_ros.cli.check.finding import (
    Finding,
    Findings,
    not_checked,
    note,
    ok,
    unless,
    warning,
    wrong,
)
from pi0_ros.cli.check.messages import Types
from pi0_ros.cli.check.observed import Graph, LoadedController, Topic
from pi0_ros.cli.check.wanted import FEEDBACK, spoken_on
from pi0_ros.embodiment.controllers import (
    ROS2_CONTROL,
    Controller,
    JointTrajectoryController,
    slider_topics,
)
from pi0_ros.embodiment.spec import Embodiment


def check_controllers(embodiment: Embodiment, graph: Graph, types: Types, start: str) -> Findings:
    """Judge every controller.

    Args:
        embodiment: The robot.
        graph: What was seen.
        types: Of each controller by its topic; without those whose packages are missing.
        start: How the driver is started.
    """
    found: list[Finding] = []
    for controller in embodiment.controllers:
        if controller.topic not in types:
            continue  # said already, with the package that is missing
        topic, type_ = spoken_on(controller.topic, types[controller.topic])
        seen = graph.topics[topic]
        faults = [
            *_takers(controller, seen, type_, start),
            *_others(controller, seen, graph.executor),
            *_inactive(controller, graph.controllers),
            *_misplayed(controller, graph.parameters),
        ]
        found += unless(faults, ok(f"controller {controller.name}", _taken(seen)))
    return (*found, *_sliders(embodiment, graph), *_unread(graph))


def check_nodes(graph: Graph) -> Findings:
    """Tell what our own nodes say about themselves."""
    return tuple(
        note(name, "; ".join(filter(None, (state, _status(graph, name)))))
        for name, state in graph.nodes.items()
    )


def _takers(controller: Controller, seen: Topic, type_: str, start: str) -> Iterator[Finding]:
    topic = f"controller {controller.name}"
    action = seen.name.endswith(FEEDBACK)
    takers = seen.publishers if action else seen.subscribers
    if not takers:
        what = f"no server of action {_plain(seen.name)}" if action else f"nobody takes {seen.name}"
        see = "; or load and activate it: `ros2 control list_controllers` tells what there is"
        yield wrong(topic, what, start + (see if controller.type in ROS2_CONTROL else ""))
    for one in takers:
        if one.type != type_:
            said = f"{one.node} takes {one.type.removesuffix('_FeedbackMessage')} on "
            said += f"{_plain(seen.name)}; the YAML's type {controller.type} is "
            said += type_.removesuffix("_FeedbackMessage")
            yield wrong(topic, said, "correct type or topic of the controller in the YAML")
        elif one.conflict:
            said = f"QoS of {one.node} does not fit: {one.conflict}"
            yield wrong(topic, said, "change the QoS of the driver's subscription")


def _others(controller: Controller, seen: Topic, executor: str) -> Iterator[Finding]:
    """Name who else commands the robot."""
    if seen.name.endswith(FEEDBACK):
        return  # an action's server serves one goal at a time, and says whose
    topic = f"controller {controller.name}"
    foreign = sorted({one.node for one in seen.publishers if one.node != executor})
    if foreign:
        said = f"{', '.join(foreign)} can command {seen.name}, too"
        yield wrong(topic, said, f"stop {', '.join(foreign)}: two who command make the robot jump")
    if sum(one.node == executor for one in seen.publishers) > 1:
        said = f"{executor} runs more than once"
        yield wrong(topic, said, "stop all but one, or give each robot a --namespace")


def _inactive(controller: Controller, loaded: tuple[LoadedController, ...]) -> Iterator[Finding]:
    """Tell by which command a controller becomes active."""
    found = [one for one in loaded if one.name == controller.name]
    if any(one.state == "active" for one in found):
        return
    for one in found:
        said = f"{one.manager} has it {one.state}"
        yield wrong(f"controller {controller.name}", said, f"`{_switch(one, loaded)}`")


def _misplayed(
    controller: Controller, parameters: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    """Tell which parameters of a controller of trajectories do not suit our windows."""
    if isinstance(controller, JointTrajectoryController) and controller.name in parameters:
        for one in misfits(controller, parameters[controller.name]):
            finding = wrong if one.is_refused else warning
            yield finding(f"controller {controller.name}", one.said, one.remedy)


def _switch(wanted: LoadedController, loaded: tuple[LoadedController, ...]) -> str:
    """Write the command that activates a controller in place of those that hold its joints."""
    holding = [
        one.name
        for one in loaded
        if one.manager == wanted.manager and one.state == "active" and one.claimed & wanted.required
    ]
    words = ["ros2 control switch_controllers", f"--activate {wanted.name}"]
    words += [f"--deactivate {' '.join(holding)}"] if holding else []
    words += [] if wanted.manager == "/controller_manager" else [f"-c {wanted.manager}"]
    return " ".join(words)


def _sliders(embodiment: Embodiment, graph: Graph) -> Iterator[Finding]:
    """Tell whose speed slider is heard; full speed is assumed of one that is not."""
    for topic in slider_topics(embodiment.controllers):
        seen = graph.topics[topic]
        tellers = ", ".join(sorted({one.node for one in seen.publishers}))
        said = (
            f"{tellers} tells the speed" if tellers else "nobody tells the speed: full is assumed"
        )
        yield note(seen.name, said)


def _unread(graph: Graph) -> Iterator[Finding]:
    if graph.unread_managers:
        said = f"{', '.join(graph.unread_managers)}: controller_manager_msgs is not installed here"
        remedy = "see `ros2 control list_controllers`, or install the package"
        yield not_checked("active controllers", said, remedy)


def _taken(seen: Topic) -> str:
    takers = seen.publishers if seen.name.endswith(FEEDBACK) else seen.subscribers
    return f"{', '.join(sorted({one.node for one in takers}))} takes {_plain(seen.name)}"


def _status(graph: Graph, node: str) -> str:
    """Return what the node publishes about itself."""
    said = [topic.stream.said for topic in graph.topics.values() if topic.name == f"{node}/status"]
    return "".join(said)


def _plain(topic: str) -> str:
    return topic.removesuffix(FEEDBACK)
