"""Builders for the tests of the bridge: robots with other controllers, windows, stand-ins."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from std_msgs.msg import Header

from pi0_ros.bridge.commands import CommandEncoder, make_encoder
from pi0_ros.embodiment.axes import Base, BaseAxis
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.horizon import CommandWindow

MS = 1_000_000
S = 1000 * MS
GRIPPER = "left_robotiq_85_left_knuckle_joint"  # 0 open, 0.7929 closed [rad]; column 6


@pytest.fixture(scope="session")
def mobile(robot: Embodiment) -> Embodiment:
    """Two UR5e on a base that moves sideways, its axes in another order than their indices."""
    axis = {"velocity": 1.0, "acceleration": 1.0}
    base = Base(
        frame="base_footprint",
        timeout_ms=300,
        axes=(
            BaseAxis(name="base_yaw", index=14, direction="yaw", **axis),
            BaseAxis(name="base_x", index=15, direction="x", **axis),
            BaseAxis(name="base_y", index=16, direction="y", **axis),
        ),
    )
    drive = {
        "name": "drive", "type": "twist", "topic": "cmd_vel", "rate_hz": 50,
        "joints": ("base_x", "base_y", "base_yaw"),
    }  # fmt: skip
    return changed(robot, base=base, controllers=(*robot.controllers, drive))


def changed(robot: Embodiment, **changes: Any) -> Embodiment:
    """The same robot with other values, checked like a YAML."""
    return Embodiment(**{n: getattr(robot, n) for n in Embodiment.model_fields} | changes)


def commanding(robot: Embodiment, **controller: Any) -> Embodiment:
    """The robot with one more controller, first, which takes its joints from the others."""
    given = {"name": "under_test", "topic": "there", "rate_hz": 50.0, **controller}
    taken = set(given["joints"])
    rest = [
        each.model_copy(update={"joints": kept})
        for each in robot.controllers
        if (kept := tuple(joint for joint in each.joints if joint not in taken))
    ]
    return changed(robot, controllers=(given, *rest))


@pytest.fixture
def encoder_of() -> Callable[..., CommandEncoder]:
    """Make the encoder of a controller that is described as in a YAML."""

    def make(robot: Embodiment, **controller: Any) -> CommandEncoder:
        made = commanding(robot, **controller)
        return make_encoder(made.controllers[0], made)

    return make


@pytest.fixture
def window_of() -> Callable[..., CommandWindow]:
    """Build a window of one sample from positions and velocities (A,)."""

    def build(positions: Any, velocities: Any = None, at_ns: int = 10 * S) -> CommandWindow:
        rows = np.array([positions], dtype=np.float64)
        return CommandWindow(
            at_ns, 2 * MS, rows, 0 * rows if velocities is None else np.array([velocities])
        )

    return build


@pytest.fixture
def message() -> type:
    """A message without its package: any field, and a header."""

    class StandIn:
        def __init__(self, **fields: Any) -> None:
            self.header = Header()
            vars(self).update(fields)

    return StandIn


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a package of messages into Python's list of modules."""

    def put(name: str, **types: Any) -> None:
        package, kind = name.split("/")
        module = ModuleType(f"{package}.{kind}")
        vars(module).update(types)
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return put
