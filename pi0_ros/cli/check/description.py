"""The robot's URDF against its YAML."""

from __future__ import annotations

from collections.abc import Iterator

from pi0_ros.cli.check.finding import Finding, Findings, note, ok, unless, warning, wrong
from pi0_ros.embodiment.axes import Joint
from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.urdf import Urdf, UrdfJoint

ROUNDING = 1e-6  # between π in a xacro and the digits of a YAML [rad or m, or per s]
REPAIR = "correct the robot's YAML, or its URDF"


def check_description(embodiment: Embodiment, urdf: Urdf) -> Findings:
    """Compare names, types, limits, chains and frames."""
    count = len(embodiment.joints)
    known = [joint for joint in embodiment.joints if joint.name in urdf.by_name]
    return (
        *unless(_strangers(embodiment, urdf), ok("joints", f"all {count} are in the URDF")),
        *unless(
            (fault for joint in known for fault in _misfits(joint, urdf.by_name[joint.name])),
            ok("limits", f"those of {len(known)} joints are within the URDF's"),
        ),
        *unless(_arms(embodiment, urdf), ok("arms", _list(embodiment.arms))),
        *unless(_frames(embodiment, urdf), ok("frames", _list(_frame_names(embodiment)))),
        *_idle(embodiment, urdf),
    )


def _strangers(embodiment: Embodiment, urdf: Urdf) -> Iterator[Finding]:
    for name in embodiment.joint_names:
        if name not in urdf.by_name:
            said = unknown_name("joint", name, (joint.name for joint in urdf.movable))
            yield wrong(f"joint {name}", said, f"{REPAIR}; xacro arguments may change names")


def _misfits(joint: Joint, described: UrdfJoint) -> Iterator[Finding]:
    topic = f"joint {joint.name}"
    if described.unit != joint.unit:
        said = f"its unit is {joint.unit} in the YAML, and it is {described.type} in the URDF"
        yield wrong(topic, said, f"{REPAIR}: revolute and continuous are rad, prismatic is m")
        return
    if described.mimics:
        said = f"it follows {described.mimics} in the URDF and cannot be commanded"
        yield wrong(topic, said, f"command {described.mimics} in the YAML instead")
    positions = {"lower": joint.lower, "upper": joint.upper, "home": joint.home}
    for key, value in positions.items():
        if not described.lower - ROUNDING <= value <= described.upper + ROUNDING:
            allowed = f"{described.lower:g} to {described.upper:g} {joint.unit}"
            said = f"{key} is {value:g} {joint.unit}; the URDF allows {allowed}"
            yield wrong(topic, said, f"set {key} within it in the YAML, or {_vendors(described)}")
    if described.velocity is not None and joint.velocity > described.velocity + ROUNDING:
        said = f"velocity is {joint.velocity:g}; the URDF allows {described.velocity:g}"
        said += f" {joint.unit}/s"
        yield wrong(topic, said, f"lower velocity in the YAML, or {_vendors(described)}")


def _vendors(described: UrdfJoint) -> str:
    return f"correct the limits of {described.name} in the URDF if the vendor's are others"


def _arms(embodiment: Embodiment, urdf: Urdf) -> Iterator[Finding]:
    for name, arm in embodiment.arms.items():
        if arm.tool_link not in urdf.links:
            said = unknown_name("tool_link", arm.tool_link, urdf.links)
            yield wrong(f"arm {name}", said, REPAIR)
            continue
        chain = urdf.chain(arm.tool_link)
        off = [joint for joint in arm.joints if joint not in chain]
        if off:
            said = f"{_list(off)} do not move {arm.tool_link}, which hangs on {_list(chain[::-1])}"
            yield wrong(f"arm {name}", said, "correct its joints or its tool_link in the YAML")


def _frames(embodiment: Embodiment, urdf: Urdf) -> Iterator[Finding]:
    for camera in embodiment.cameras:
        topic = f"camera {camera.name}"
        if camera.frame not in urdf.links:
            yield wrong(topic, unknown_name("frame", camera.frame, urdf.links), REPAIR)
            continue
        for joint in urdf.joints:
            if joint.parent == camera.frame and joint.turns_to_optical:
                said = f"frame {camera.frame} looks along x; {joint.child} on it looks along z"
                yield warning(topic, said, f"images are in optical frames: frame: {joint.child}")
    base = embodiment.base
    if base is not None and base.frame not in urdf.roots:
        said = unknown_name("root", base.frame, urdf.roots)
        yield wrong("base", said, "base.frame is the link that moves, a root of the URDF: name it")


def _frame_names(embodiment: Embodiment) -> list[str]:
    base = [] if embodiment.base is None else [embodiment.base.frame]
    return base + [camera.frame for camera in embodiment.cameras]


def _idle(embodiment: Embodiment, urdf: Urdf) -> Iterator[Finding]:
    idle = [joint.name for joint in urdf.movable if joint.name not in embodiment.joint_names]
    if idle:
        yield note("passive joints", f"{_list(idle)} move and nobody commands them")


def _list(names: object) -> str:
    return ", ".join(map(str, names))  # type: ignore[call-overload]
