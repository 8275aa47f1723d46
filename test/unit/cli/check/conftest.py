"""A small robot, its URDF, and what a running one looks like; all by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pi0_ros.cli.check.finding import Finding, Level
from pi0_ros.cli.check.observed import Endpoint, Graph, Picture, Stream, Topic
from pi0_ros.cli.check.wanted import FEEDBACK, wanted_topics
from pi0_ros.embodiment.spec import Embodiment

# A cart with a slide, a gripper on it whose other finger follows, a wheel, and a camera.
SLIDER = """
<robot name="slider">
  <link name="cart"/> <link name="carriage"/> <link name="tool"/> <link name="finger"/>
  <link name="other_finger"/> <link name="wheel"/> <link name="eye"/> <link name="eye_optical"/>
  <joint name="slide" type="prismatic"><parent link="cart"/><child link="carriage"/>
    <limit lower="0" upper="2" velocity="1" effort="9"/></joint>
  <joint name="grip" type="revolute"><parent link="carriage"/><child link="finger"/>
    <limit lower="0" upper="0.8" velocity="2" effort="9"/></joint>
  <joint name="follow" type="revolute"><parent link="carriage"/><child link="other_finger"/>
    <limit lower="0" upper="0.8" velocity="2" effort="9"/><mimic joint="grip"/></joint>
  <joint name="roll" type="continuous"><parent link="cart"/><child link="wheel"/></joint>
  <joint name="to_tool" type="fixed"><parent link="carriage"/><child link="tool"/></joint>
  <joint name="to_eye" type="fixed"><parent link="cart"/><child link="eye"/></joint>
  <joint name="to_optical" type="fixed"><parent link="eye"/><child link="eye_optical"/>
    <origin rpy="-1.5707963 0 -1.5707963"/></joint>
</robot>
"""

TYPES = {
    "joint_states": "sensor_msgs/msg/JointState",
    "slide/commands": "std_msgs/msg/Float64MultiArray",
    "grip/cmd": "control_msgs/action/GripperCommand",
    "cmd_vel": "geometry_msgs/msg/Twist",
}
STREAMS = {
    "joint_states": Stream(200, 100.0, 5_000_000, numbers={"slide": 1.0, "grip": 0.0, "roll": 9.0}),
    "eye/image_raw": Stream(60, 30.0, 20_000_000, picture=Picture(64, 48, "eye_optical")),
    "odom": Stream(100, 50.0, 5_000_000),
}


def slider() -> dict[str, Any]:
    """The cart as its YAML reads."""
    grip = {"open": 0.0, "closed": 0.8, "model_open": 0.0, "model_closed": 1.0}
    move = {"velocity": 1.0, "acceleration": 4.0}
    return {
        "name": "slider",
        "title": "A slide with a gripper on a cart",
        "urdf": "slider.urdf",
        "policy": {"rate_hz": 20, "horizon": 50, "execute": 16},
        "paddings": {"paper": 18},
        "command": {"rate_hz": 500, "lead_ms": 40},
        "arms": {"only": {"tool_link": "tool", "joints": ["slide"]}},
        "joints": [
            {"name": "slide", "index": 0, "unit": "m", "lower": 0, "upper": 2, "home": 1, **move},
            {"name": "grip", "index": 1, "unit": "rad", "lower": 0, "upper": 0.8, "home": 0,
             "gripper": grip, **move},
        ],
        "base": {"frame": "cart", "timeout_ms": 300, "axes": [
            {"name": "forwards", "index": 2, "direction": "x", **move},
            {"name": "turn", "index": 3, "direction": "yaw", **move},
        ]},
        "cameras": [{"name": "eye", "slot": "base_0_rgb", "topic": "eye/image_raw",
                     "frame": "eye_optical", "width": 64, "height": 48, "rate_hz": 30,
                     "fovy_deg": 45.0}],
        "controllers": [
            {"name": "slide", "type": "forward_position", "topic": "slide/commands",
             "rate_hz": 100, "joints": ["slide"]},
            {"name": "grip", "type": "gripper_command", "topic": "grip/cmd", "rate_hz": 10,
             "joints": ["grip"]},
            {"name": "base", "type": "twist", "topic": "cmd_vel", "rate_hz": 50,
             "joints": ["forwards", "turn"]},
        ],
    }  # fmt: skip


@pytest.fixture
def description() -> dict[str, Any]:
    return slider()


@pytest.fixture
def urdf_text() -> str:
    return SLIDER


@pytest.fixture
def changed() -> Callable[..., Embodiment]:
    """Make the cart with other values, each at a path of keys joined by ``__``."""

    def make(**changes: Any) -> Embodiment:
        description: Any = slider()
        for path, value in changes.items():
            *keys, last = (int(key) if key.isdigit() else key for key in path.split("__"))
            place = description
            for key in keys:
                place = place[key]
            place[last] = value
        return Embodiment.model_validate(description)

    return make


@pytest.fixture
def the_fault() -> Callable[..., Finding]:
    """Return the only finding of a level."""

    def find(findings: tuple[Finding, ...], level: Level = Level.WRONG) -> Finding:
        (fault,) = (one for one in findings if one.level == level)
        return fault

    return find


@pytest.fixture
def types() -> dict[str, str]:
    return dict(TYPES)


@pytest.fixture
def seen(changed: Callable[..., Embodiment]) -> Graph:
    """A running cart with which all is well: its driver does everything."""
    topics = {}
    for one in wanted_topics(changed(), TYPES):
        driver = (Endpoint("/driver", one.type),)
        serves = one.use == "heard" or one.topic.endswith(FEEDBACK)
        name = f"/{one.topic}"
        topics[one.topic] = Topic(name, driver, ()) if serves else Topic(name, (), driver)
        if one.topic.startswith(("eye/image_raw/compressed", "policy_node", "chunk_executor")):
            topics[one.topic] = Topic(name)
        topics[one.topic] = replace(topics[one.topic], stream=STREAMS.get(one.topic, Stream()))
    return Graph(topics)


@pytest.fixture
def with_topic(seen: Graph) -> Callable[..., Graph]:
    """Make the running cart with one topic that is otherwise."""

    def make(topic: str, **changes: Any) -> Graph:
        stream = {key: changes.pop(key) for key in list(changes) if hasattr(Stream(), key)}
        other = replace(seen.topics[topic], **changes)
        other = replace(other, stream=replace(other.stream, **stream))
        return replace(seen, topics={**seen.topics, topic: other})

    return make
