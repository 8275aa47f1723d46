"""What RViz needs to show a robot: its URDF, and a config made from its YAML."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi0_ros.embodiment.files import EmbodimentError, find_embodiment, find_urdf
from pi0_ros.embodiment.urdf import Urdf, expand

SENSOR, LATCHED = ("Best Effort", "Volatile"), ("Reliable", "Transient Local")
# What the schema of the YAML fills in, which needs packages that a distribution's Python lacks.
ODOMETRY = "odom"
OVERVIEW = {"position": (1.75, 0.0, 1.1), "target": (0.05, 0.0, 0.06)}


@dataclass(frozen=True)
class Viewer:
    """A robot as its YAML has it, unchecked: ``ros2 launch`` runs on the distribution's Python.

    Attributes:
        embodiment: Name or YAML of the robot.
        tf_prefix: Before its joints and links; topics have none.
    """

    embodiment: str
    tf_prefix: str = ""

    def urdf(self, description: str = "own") -> str:
        """Expand the robot's xacro, this package's ``own`` or the ``vendor``'s description.

        Raises:
            EmbodimentError: The YAML names none, or xacro cannot expand it.
        """
        facts = self._facts()
        path = find_urdf(str(facts["urdf"]), find_embodiment(self.embodiment))
        given = {**facts.get("urdf_arguments", {}), "description": description}
        if self.tf_prefix:
            given["tf_prefix"] = self.tf_prefix
        return expand(path, given)

    def write_config(self, *, simulation: bool) -> Path:
        """Write :meth:`config` to a temporary file, as launch_ros does with parameters."""
        import yaml

        config = self.config(simulation=simulation)
        stem = f"pi0_ros_{Path(self.embodiment).stem}_"
        handle, path = tempfile.mkstemp(prefix=stem, suffix=".rviz")
        with os.fdopen(handle, "w") as file:
            yaml.safe_dump(config, file, sort_keys=False)
        return Path(path)

    def config(self, *, simulation: bool) -> dict[str, Any]:
        """Show the robot, its cameras, its plan, its odometry, and in ``simulation`` the blocks.

        Raises:
            EmbodimentError: The YAML lacks what is shown, or xacro cannot expand the URDF.
        """
        facts = self._facts()
        root = Urdf.parse(self.urdf()).root
        base = facts.get("base")
        view = (facts.get("scene") or {}).get("overview", OVERVIEW)
        try:
            displays = [*_robot(), *_blocks(simulation), *_base(base), *_cameras(facts["cameras"])]
            orbit = _orbit(view["position"], view["target"])
            fixed = base.get("odometry_frame", ODOMETRY) if base else root
        except (AttributeError, KeyError, TypeError) as error:
            raise EmbodimentError(
                f"{find_embodiment(self.embodiment)} does not describe a robot that RViz can "
                f"show: {error!r}"
            ) from error
        return {
            "Panels": [{"Class": f"rviz_common/{name}", "Name": name} for name in PANELS],
            "Visualization Manager": {
                "Class": "",
                "Displays": displays,
                "Global Options": {"Fixed Frame": fixed, **LOOK},
                "Tools": [{"Class": f"rviz_default_plugins/{name}"} for name in TOOLS],
                "Views": {"Current": {**orbit, "Target Frame": root}},
            },
        }

    def _facts(self) -> dict[str, Any]:
        import yaml

        path = find_embodiment(self.embodiment)
        try:
            facts = yaml.safe_load(path.read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise EmbodimentError(f"{path} is not valid YAML: {error}") from error
        if not isinstance(facts, dict) or "urdf" not in facts:
            raise EmbodimentError(f"{path} does not describe a robot: it has no urdf")
        return facts


PANELS = ("Displays", "Views")
TOOLS = ("Interact", "MoveCamera")
LOOK = {"Frame Rate": 30, "Background Color": "48; 48; 48"}


def _robot() -> list[dict[str, Any]]:
    description = {
        "Description Source": "Topic",
        "Description Topic": _topic("robot_description", LATCHED),
    }
    return [
        _display("Grid", "Grid", {"Cell Size": 0.25, "Plane Cell Count": 12}),
        _display("RobotModel", "Robot", description),
        _display("MarkerArray", "Plan", {"Topic": _topic("preview_node/plan", LATCHED)}),
    ]


def _blocks(simulation: bool) -> list[dict[str, Any]]:
    topic = {"Topic": _topic("sim_robot_node/blocks", LATCHED)}
    return [_display("MarkerArray", "Blocks", topic)] if simulation else []


def _base(base: dict[str, Any] | None) -> list[dict[str, Any]]:
    if not base:
        return []
    topic = _topic(base.get("odometry", ODOMETRY), SENSOR)
    return [_display("Odometry", "Odometry", {"Topic": topic, "Keep": 1})]


def _cameras(cameras: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        _display("Image", camera["name"], {"Topic": _topic(camera["topic"], SENSOR)})
        for camera in cameras
    ]


def _display(kind: str, name: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"Class": f"rviz_default_plugins/{kind}", "Name": name, "Enabled": True, **properties}


def _topic(name: str, quality: tuple[str, str]) -> dict[str, Any]:
    """Subscribe to a topic, relative to RViz's namespace, with a reliability and durability."""
    reliability, durability = quality
    return {
        "Value": name,
        "Depth": 1,
        "History Policy": "Keep Last",
        "Reliability Policy": reliability,
        "Durability Policy": durability,
    }


def _orbit(position: Sequence[float], target: Sequence[float]) -> dict[str, Any]:
    """Look from a position at a target [m]."""
    away = [p - t for p, t in zip(position, target, strict=True)]
    distance = math.hypot(*away)
    return {
        "Class": "rviz_default_plugins/Orbit",
        "Name": "Current View",
        "Distance": distance,
        "Focal Point": dict(zip("XYZ", map(float, target), strict=True)),
        "Pitch": math.asin(away[2] / distance),
        "Yaw": math.atan2(away[1], away[0]),
    }
