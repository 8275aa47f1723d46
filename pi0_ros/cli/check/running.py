"""The robot's YAML against a running robot, where there is one."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pi0_ros.cli.check.commanded import check_controllers, check_nodes
from pi0_ros.cli.check.finding import Findings, not_checked, note, warning, wrong
from pi0_ros.cli.check.messages import NO_ROS, Types
from pi0_ros.cli.check.observed import Graph
from pi0_ros.cli.check.streams import check_cameras, check_odometry, check_states
from pi0_ros.cli.check.wanted import wanted_topics
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.variants import simulated


@dataclass(frozen=True)
class Look:
    """How to look for a running robot.

    Attributes:
        robot: What the user calls it.
        namespace: Where it is.
        wait_s: Look, and then listen, for so long [s].
        simulation: Whether it is the simulated one.
        insist: Whether it must be there.
    """

    robot: str
    namespace: str
    wait_s: float
    simulation: bool
    insist: bool


def check_running(embodiment: Embodiment, types: Types, look: Look) -> Findings:
    """Look for the robot and judge what it does; nothing is published or commanded."""
    absent = wrong if look.insist else not_checked
    try:
        from pi0_ros.cli.check.graph import GraphObserver
    except ImportError as error:
        return (absent("running robot", f"no ROS 2 here ({error})", NO_ROS),)
    wanted = wanted_topics(embodiment, types)
    with GraphObserver(look.namespace) as observer:
        if not observer.finds(wanted, look.wait_s):
            domain = os.environ.get("ROS_DOMAIN_ID", "0")
            where = f"ROS domain {domain}, namespace /{look.namespace.strip('/')}"
            said = f"none in {where} within {look.wait_s:g} s"
            return (absent("running robot", said, start_of(embodiment, look)),)
        return judge(embodiment, observer.observe(embodiment, wanted, look.wait_s), types, look)


def judge(embodiment: Embodiment, graph: Graph, types: Types, look: Look) -> Findings:
    """Judge what was seen of a running robot."""
    start = start_of(embodiment, look)
    return (
        *_other_robot(embodiment, graph, look),
        *check_states(embodiment, graph, types, start),
        *check_cameras(embodiment, graph, start),
        *check_odometry(embodiment, graph, start),
        *check_controllers(embodiment, graph, types, start),
        *check_nodes(graph),
        note("clock", f"stamps were compared with {graph.clock}"),
    )


def start_of(embodiment: Embodiment, look: Look) -> str:
    """Say how the robot, real or simulated, is started."""
    if look.simulation:
        return f"start it with `pi0 up {look.robot}`"
    commands = " and ".join(f"`{command}`" for command in embodiment.driver.start)
    return f"start its driver: {commands}" if commands else "start its driver"


def _other_robot(embodiment: Embodiment, graph: Graph, look: Look) -> Findings:
    """Notice that the simulated robot runs, which speaks otherwise than the real one."""
    runs = any(node.endswith("/sim_robot_node") for node in graph.nodes)
    if look.simulation or not runs or simulated(embodiment) == embodiment:
        return ()
    said = "the simulated robot runs, whose controllers are not those of the real one"
    return (warning("running robot", said, "check it with --simulation"),)
