"""docs/robots.md, made from the robots' YAMLs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pi0_ros.embodiment.axes import BaseAxis, Joint
from pi0_ros.embodiment.controllers import ROS2_CONTROL
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.variants import SIMULATED

HEADER = """# Robots

<!-- Made by `pi0 robots --write docs`; change config/embodiments instead. -->

One YAML in `config/embodiments` holds everything that is known of a robot. Units: rad, m, s. Each
of these is simulated by `sim_robot_node` from the same YAML and URDF, and the tests drive each
through the real nodes. **None has driven hardware**: topics, types and numbers of the real drivers
are from the vendors' files; `pi0 check <robot>` compares them with yours before anything moves.
What is not the vendor's figure stands under *Provenance*; a jerk in parentheses is nobody's: it
reaches the acceleration in 50 ms.
[Add your own](tutorials/add_a_robot.md).
"""

DISABLE = "`~/enable` with `data: false`, wait until the executor's status says DISABLED"
SHARED = f"""**From MoveIt and back.** MoveIt moves by the action of the same controllers ({{}}),
so none is switched. Let its motion end first: a message on a controller's topic replaces the motion
of a goal without ending the goal, so `~/enable` is refused meanwhile. Back: {DISABLE}.
To be sure, use a second controller on the same joints for the policy, name it in the YAML, and
switch with `ros2 control switch_controllers`.
"""
NOT_SWITCHED = f"""**From MoveIt and back.** This driver takes commands on a topic: there is nothing
to switch. End what else publishes there (`pi0 check` names it) before `~/enable`. Back:
{DISABLE}.
"""


def page(robots: Sequence[Embodiment]) -> str:
    """Return the whole page in Markdown."""
    contents = [f"- [{robot.name}](#{robot.name}): {robot.title}" for robot in robots]
    parts = [HEADER, "\n".join(contents) + "\n", *map(section, robots)]
    return "\n".join(parts)


def section(robot: Embodiment) -> str:
    """Return what is said about one robot."""
    parts = [
        f"## {robot.name}\n\n{robot.title}.\n",
        f"![{robot.title}, simulated](images/robots/{robot.name}.jpg)\n",
        _run(robot),
        _policy(robot),
        _axes(robot),
        _cameras(robot),
        _controllers(robot),
        _driver(robot),
        _hand_over(robot),
        _verified(robot),
        _provenance(robot),
    ]
    return "\n".join(part for part in parts if part)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def _run(robot: Embodiment) -> str:
    return (
        f"```bash\nros2 launch pi0_ros {robot.name}.launch.py    # or: pi0 up {robot.name}\n```\n"
    )


def _policy(robot: Embodiment) -> str:
    policy = robot.policy
    paddings = ", ".join(f"{width} ({name})" for name, width in robot.paddings.items())
    known = "not among openpi's statistics"
    if robot.openpi is not None:
        convention = robot.openpi.convention
        known = f"openpi's statistics `{robot.openpi.statistics}`"
        known += f", convention `{convention}`" if convention else ""
    delta = ", ".join(map(str, policy.delta)) or "none"
    return (
        f"{policy.rate_hz:g} actions per second, {policy.execute} of {policy.horizon} played "
        f"before the next plan; state {len(robot.state_joints)}, action {len(robot.axes)}, "
        f"padded to {paddings}; relative to the state: ({delta}); {known}.\n"
    )


def _axes(robot: Embodiment) -> str:
    head = ("index", "name", "kind", "unit", "limits", "velocity", "acceleration", "jerk", "home")
    return table(head, map(_axis, robot.axes))


def _axis(axis: Joint | BaseAxis) -> tuple[object, ...]:
    jerk = f"{axis.greatest_jerk:.4g}" if axis.jerk else f"({axis.greatest_jerk:.4g})"
    common = f"{axis.velocity:.4g}", f"{axis.acceleration:.4g}", jerk
    if isinstance(axis, BaseAxis):
        return axis.index, f"`{axis.name}`", "base velocity", f"{axis.unit}/s", "", *common, ""
    limits = f"{axis.lower:.4g} to {axis.upper:.4g}"
    return axis.index, f"`{axis.name}`", _kind(axis), axis.unit, limits, *common, f"{axis.home:.4g}"


def _kind(joint: Joint) -> str:
    if joint.gripper is not None:
        g = joint.gripper
        return (
            f"gripper: open {g.open:g} = model {g.model_open:g}, closed {g.closed:g} = model "
            f"{g.model_closed:g}"
        )
    return joint.kind + ("" if joint.observed else ", not observed")


def _cameras(robot: Embodiment) -> str:
    head = ("camera", "model's slot", "topic", "frame", "pixels", "rate")
    rows = (
        (c.name, c.slot, f"`{c.topic}`", f"`{c.frame}`", f"{c.width}x{c.height}", f"{c.rate_hz:g}")
        for c in robot.cameras
    )
    return table(head, rows)


def _controllers(robot: Embodiment) -> str:
    rows = [
        (f"commands, {c.type}", f"`{c.topic}`", f"{c.rate_hz:g}", _spoken(c.joints, c.driver_names))
        for c in robot.controllers
    ]
    rows += [
        (f"states, {s.type}", f"`{s.topic}`", "", _spoken(s.joints, s.driver_names))
        for s in robot.state_sources
    ]
    if robot.base is not None:
        rows.append(("odometry", f"`{robot.base.odometry}`", "", ""))
    return table(("what", "topic or action", "rate", "joints"), rows)


def _spoken(joints: Sequence[str], names: Sequence[str]) -> str:
    said = f"{joints[0]} to {joints[-1]}" if len(joints) > 1 else joints[0]
    return said if names == joints else f"{said}, there `{', '.join(names)}`"


def _driver(robot: Embodiment) -> str:
    driver = robot.driver
    commands = "\n".join(driver.start)
    packages = ", ".join(f"`{name}`" for name in driver.packages)
    said = f"**The real robot** (driver: {packages or 'none is public'}). {driver.note}".rstrip()
    launch = f"ros2 launch pi0_ros {robot.name}.launch.py simulation:=false"
    enable = (
        'ros2 service call /chunk_executor_node/enable std_srvs/srv/SetBool "{data: true}"'
        "  # moves from here on"
    )
    steps = "\n".join(filter(None, (commands, launch, f"pi0 check {robot.name} --graph", enable)))
    return f"{said}\n\n```bash\n{steps}\n```\n"


def _hand_over(robot: Embodiment) -> str:
    ours = tuple(c.name for c in robot.controllers if c.type in ROS2_CONTROL)
    theirs = robot.driver.moveit
    if not theirs:
        return NOT_SWITCHED
    start = _switch([n for n in theirs if n not in ours], [n for n in ours if n not in theirs])
    back = _switch([n for n in ours if n not in theirs], [n for n in theirs if n not in ours])
    if set(theirs) <= set(ours):
        return SHARED.format(", ".join(theirs))
    return (
        "**From MoveIt and back.** Let MoveIt's motion end, call `~/take_over`, then `~/enable`; "
        "back: `~/hand_back`. By hand it is:\n\n"
        f"```bash\n{start}\n```\n\nBack: {DISABLE}, then\n\n```bash\n{back}\n```\n"
    )


def _switch(off: Sequence[str], on: Sequence[str]) -> str:
    if not off and not on:
        return ""
    words = ["ros2 control switch_controllers --strict"]
    words += [f"--deactivate {' '.join(off)}"] if off else []
    words += [f"--activate {' '.join(on)}"] if on else []
    return " ".join(words)


def _verified(robot: Embodiment) -> str:
    types = sorted({c.type for c in robot.controllers} | {s.type for s in robot.states})
    vendors = [name for name in types if name not in SIMULATED]
    said = "the simulated robot through the real nodes: states, limits, chunks, grippers, cameras"
    said += ", base" if robot.base is not None else ""
    missing = ["hardware", "the vendor's driver and the commands that start it"]
    if vendors:
        missing.append(f"the messages of {', '.join(vendors)} with a driver that reads them")
    if robot.driver.moveit:
        missing.append("the hand-over with a real controller manager")
    return f"**Verified**: {said}. **Not verified**: {'; '.join(missing)}.\n"


def _provenance(robot: Embodiment) -> str:
    lines = [f"- `{key}`: {said}" for key, said in robot.provenance.items()]
    return "**Provenance**\n\n" + "\n".join(lines) + "\n" if lines else ""
