"""A URDF: expanded from xacro, and read as far as a robot's YAML speaks of it.

Standard library only, and xacro once it is needed: ros2 launch imports it.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pi0_ros.embodiment.files import EmbodimentError

UNITS = {"revolute": "rad", "continuous": "rad", "prismatic": "m"}  # of the joints that move


def expand(path: Path, arguments: Mapping[str, str]) -> str:
    """Expand a xacro, or a plain URDF, to URDF text.

    Raises:
        EmbodimentError: xacro cannot expand it.
    """
    import xacro

    try:
        return str(xacro.process_file(str(path), mappings=dict(arguments)).toxml())
    except Exception as error:  # xacro raises many kinds, each only a text for the user
        raise EmbodimentError(f"xacro cannot expand {path}: {error}") from error


@dataclass(frozen=True)
class UrdfJoint:
    """One joint.

    Attributes:
        lower: Least position [rad or m].
        upper: Greatest position.
        velocity: Greatest speed [rad/s or m/s], None where the URDF has none.
        mimics: The joint that it follows, or empty.
        forward: What its child's z axis is in the parent link, (x, y, z).
    """

    name: str
    type: str
    parent: str
    child: str
    lower: float
    upper: float
    velocity: float | None
    mimics: str
    forward: tuple[float, float, float]

    @property
    def unit(self) -> str:
        """``rad``, ``m``, or empty where it is fixed or floats."""
        return UNITS.get(self.type, "")

    @property
    def turns_to_optical(self) -> bool:
        """Whether it leads from a camera's body, x forward, to its optical frame, z forward."""
        return self.type == "fixed" and self.forward[0] > 0.999


@dataclass(frozen=True)
class Urdf:
    """Links and joints of a robot."""

    links: tuple[str, ...]
    joints: tuple[UrdfJoint, ...]

    @staticmethod
    def parse(text: str) -> Urdf:
        """Read URDF text.

        Raises:
            ValueError: It is not XML, or a joint lacks its type, parent or child.
        """
        try:
            root = ElementTree.fromstring(text)
            joints = tuple(_joint(element) for element in root.findall("joint"))
        except (ElementTree.ParseError, KeyError, AttributeError) as error:
            raise ValueError(f"it is no URDF: {error!r}") from error
        return Urdf(tuple(element.get("name", "") for element in root.findall("link")), joints)

    @cached_property
    def by_name(self) -> dict[str, UrdfJoint]:
        """Joints by name."""
        return {joint.name: joint for joint in self.joints}

    @cached_property
    def movable(self) -> tuple[UrdfJoint, ...]:
        """Joints with a position of their own: neither fixed nor following another."""
        return tuple(joint for joint in self.joints if joint.unit and not joint.mimics)

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """Links that hang on no joint."""
        children = {joint.child for joint in self.joints}
        return tuple(link for link in self.links if link not in children)

    @property
    def root(self) -> str:
        """The one link that hangs on no joint.

        Raises:
            ValueError: There is none, or more than one.
        """
        if len(self.roots) != 1:
            raise ValueError(
                f"the URDF has {len(self.roots)} root links ({', '.join(self.roots) or 'none'}); "
                "join all links to one"
            )
        return self.roots[0]

    def chain(self, tip: str) -> Sequence[str]:
        """Return the names of the joints from a link up to the root."""
        by_child = {joint.child: joint for joint in self.joints}
        names: list[str] = []
        while tip in by_child and by_child[tip].name not in names:
            names.append(by_child[tip].name)
            tip = by_child[tip].parent
        return names


def _joint(element: ElementTree.Element) -> UrdfJoint:
    kind, limit, mimic = element.attrib["type"], element.find("limit"), element.find("mimic")
    given = {} if limit is None else limit.attrib
    endless = kind == "continuous"
    velocity = given.get("velocity")
    origin = element.find("origin")
    rpy = "0 0 0" if origin is None else origin.get("rpy", "0 0 0")
    return UrdfJoint(
        name=element.attrib["name"],
        type=kind,
        parent=element.find("parent").attrib["link"],  # type: ignore[union-attr]
        child=element.find("child").attrib["link"],  # type: ignore[union-attr]
        # The URDF's rule: a limit that is left out is 0.
        lower=-math.inf if endless else float(given.get("lower", 0)),
        upper=math.inf if endless else float(given.get("upper", 0)),
        velocity=None if velocity is None else float(velocity),
        mimics="" if mimic is None else mimic.get("joint", ""),
        forward=_z_axis(*map(float, rpy.split())),
    )


def _z_axis(roll: float, pitch: float, yaw: float) -> tuple[float, float, float]:
    """Return the third column of a rotation about the fixed axes x, y, z [rad]."""
    across, along = math.sin(roll), math.cos(roll) * math.sin(pitch)
    return (
        math.cos(yaw) * along + math.sin(yaw) * across,
        math.sin(yaw) * along - math.cos(yaw) * across,
        math.cos(roll) * math.cos(pitch),
    )
