from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pi0_ros.cli.check.finding import Finding, Level, is_fit
from pi0_ros.cli.check.observed import Graph
from pi0_ros.cli.check.running import Look, check_running, judge, start_of
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.variants import simulated

LOOK = Look("slider", "", 1.0, simulation=False, insist=False)
Changed = Callable[..., Embodiment]


def test_a_running_robot_that_is_well_fits(
    changed: Changed, seen: Graph, types: dict[str, str]
) -> None:
    found = judge(changed(), seen, types, LOOK)
    assert is_fit(found)
    assert found[-1].said == "stamps were compared with the system's"


def test_the_simulated_robot_in_place_of_the_real_one_is_noticed(
    changed: Changed, seen: Graph, types: dict[str, str], the_fault: Callable[..., Finding]
) -> None:
    runs = replace(seen, nodes={"/sim_robot_node": "active"})
    fault = the_fault(judge(changed(), runs, types, LOOK), Level.WARNING)
    assert fault.remedy == "check it with --simulation"


def test_a_robot_that_speaks_in_simulation_as_it_does_may_be_checked_as_either(
    changed: Changed, seen: Graph, types: dict[str, str], description: dict[str, Any]
) -> None:
    forward = {**description["controllers"][1], "type": "forward_position"}
    robot = changed(controllers__1=forward)
    assert simulated(robot) == robot
    runs = replace(seen, nodes={"/sim_robot_node": "active"})
    runs = replace(runs, topics={**runs.topics, "grip/cmd": seen.topics["slide/commands"]})
    types = {**types, "grip/cmd": types["slide/commands"]}
    found = judge(robot, runs, types, LOOK)
    assert Level.WARNING not in {one.level for one in found}


def test_how_to_start_it_is_the_yamls_word(changed: Changed) -> None:
    driven = changed(driver={"start": ["ros2 launch a b", "ros2 run c d"]})
    assert start_of(driven, LOOK) == "start its driver: `ros2 launch a b` and `ros2 run c d`"
    assert start_of(changed(), LOOK) == "start its driver"
    assert start_of(driven, replace(LOOK, simulation=True)) == "start it with `pi0 up slider`"


@pytest.mark.parametrize(("insist", "level"), [(True, Level.WRONG), (False, Level.NOT_CHECKED)])
def test_without_ros_a_running_robot_is_only_missed_where_it_was_asked_for(
    insist: bool, level: Level, changed: Changed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pi0_ros.cli.check.graph", None)
    (found,) = check_running(changed(), {}, replace(LOOK, insist=insist))
    assert found.level == level
    assert found.said.startswith("no ROS 2 here")
