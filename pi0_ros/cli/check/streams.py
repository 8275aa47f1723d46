"""The robot's YAML against what a running robot tells: joints, cameras, odometry."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pi0_ros.bridge.driver_numbers import DriverNumbers
from pi0_ros.cli.check.finding import Finding, Findings, ok, unless, warning, wrong
from pi0_ros.cli.check.messages import Types
from pi0_ros.cli.check.observed import Graph, Picture, Stream, Topic
from pi0_ros.cli.check.wanted import COMPRESSED, IMAGE, ODOMETRY, compressed
from pi0_ros.embodiment.axes import Joint
from pi0_ros.embodiment.controllers import StateSource
from pi0_ros.embodiment.spec import Camera, Embodiment
from pi0_ros.execution.settings import ExecutorSettings
from pi0_ros.observation.freshness import Freshness

SLACK = 0.9  # of a rate: two seconds do not tell it better
BEYOND = 0.01  # of a joint's range that a resting joint may be outside of it
GRIPPER_BEYOND = 0.05  # of open to closed; soft fingers and homing are not exact
FRESH = Freshness()
SYNCHRONISE = "synchronise the clocks (chrony), or let the driver stamp when it measures"


def check_states(embodiment: Embodiment, graph: Graph, types: Types, start: str) -> Findings:
    """Judge every topic that measured positions come from; ``start`` says how to start it."""
    found: list[Finding] = []
    for source in embodiment.state_sources:
        if source.topic not in types:
            continue  # said already, with the package that is missing
        topic = graph.topics[source.topic]
        faults = list(_absent(topic, types[source.topic], start))
        is_first = source == embodiment.state_sources[0]
        faults = faults or [
            *_stream(topic, source, embodiment.policy.rate_hz if is_first else 0.0),
            *_positions(embodiment, source, topic),
        ]
        said = f"{len(source.joints)} joints within their limits, {_told(topic.stream)}"
        found += unless(faults, ok(topic.name, said))
    return tuple(found)


def check_cameras(embodiment: Embodiment, graph: Graph, start: str) -> Findings:
    """Judge every camera; ``start`` says how to start it."""
    found: list[Finding] = []
    for camera in embodiment.cameras:
        raw = graph.topics[camera.topic]
        topic, type_ = raw, IMAGE
        if not raw.publishers and graph.topics[compressed(camera.topic)].publishers:
            topic, type_ = graph.topics[compressed(camera.topic)], COMPRESSED
        faults = list(_absent(topic, type_, start)) or list(_images(camera, topic))
        form = "raw" if topic is raw else "compressed, give the policy image_transport:=compressed"
        said = f"{camera.width}x{camera.height}, {_told(topic.stream)}, {form}"
        found += unless(faults, ok(topic.name, said))
    return tuple(found)


def check_odometry(embodiment: Embodiment, graph: Graph, start: str) -> Findings:
    """Judge the base's odometry, which only people and recordings look at: never more than warn."""
    if embodiment.base is None:
        return ()
    topic = graph.topics[embodiment.base.odometry]
    faults = list(_absent(topic, ODOMETRY, start))
    fine = ok(topic.name, _told(topic.stream))
    return unless((warning(one.topic, one.said, one.remedy) for one in faults), fine)


def _absent(topic: Topic, type_: str, start: str) -> Iterator[Finding]:
    """Say why nothing can come from a topic."""
    if not topic.publishers:
        yield wrong(topic.name, "nobody publishes it", f"{start}; or correct its name in the YAML")
        return
    for one in topic.publishers:
        if one.type != type_:
            said = f"{one.node} publishes {one.type}; it must be {type_}"
            yield wrong(topic.name, said, "correct topic or type in the YAML, or the driver's")
        elif one.conflict:
            said = f"QoS of {one.node} does not fit: {one.conflict}"
            yield wrong(topic.name, said, "change the QoS of the driver's publisher")
    if all(one.type == type_ and not one.conflict for one in topic.publishers):
        if len(topic.publishers) > 1:
            names = ", ".join(one.node for one in topic.publishers)
            said = f"{names} publish it, and each message counts as the whole"
            yield warning(topic.name, said, "stop all but one, or give each a namespace")
        if not topic.stream.count:
            names = ", ".join(one.node for one in topic.publishers)
            yield wrong(topic.name, f"{names} publishes it, and nothing comes", _SILENT)


_SILENT = (
    "see the driver's log; across machines check ROS_DOMAIN_ID and the network, for raw images "
    "FASTRTPS_DEFAULT_PROFILES_FILE (config/fastdds.xml)"
)


def _stream(topic: Topic, source: StateSource, policy_hz: float) -> Iterator[Finding]:
    """Judge rate and age; the first source sets the pose's rate, the others must not be too old."""
    oldest_ns = min(FRESH.age_of(source), ExecutorSettings().joint_state_age_ns)
    needed_hz = max(policy_hz, 1e9 / min(oldest_ns, FRESH.state_gap_ns))
    if topic.stream.rate_hz < SLACK * needed_hz:
        said = f"{topic.stream.rate_hz:.1f} Hz; at least {needed_hz:g} Hz are needed"
        remedy = "raise the driver's publish rate; see the machine's load"
        yield wrong(topic.name, said, remedy)
    yield from _stamps(topic, oldest_ns)


def _stamps(topic: Topic, oldest_ns: int) -> Iterator[Finding]:
    age_ns = topic.stream.age_ns
    if age_ns is None:
        return
    if age_ns > oldest_ns:
        said = f"stamps are {age_ns / 1e6:.0f} ms old; at most {oldest_ns / 1e6:.0f} ms are used"
        yield wrong(topic.name, said, SYNCHRONISE)
    elif age_ns < -FRESH.future_ns:
        said = f"stamps are {-age_ns / 1e6:.0f} ms in the future; {FRESH.future_ns / 1e6:.0f} ms "
        yield wrong(topic.name, said + "are allowed", SYNCHRONISE)


def _positions(embodiment: Embodiment, source: StateSource, topic: Topic) -> Iterator[Finding]:
    told = topic.stream.numbers
    missing = [name for name in source.driver_names if name not in told]
    if missing:
        said = f"lacks {', '.join(missing)}; it has {', '.join(told) or 'no positions'}"
        yield wrong(topic.name, said, "write the driver's names into `names` of the YAML's states")
        return
    numbers = np.array([told[name] for name in source.driver_names])
    positions = DriverNumbers(source, embodiment).to_joints(numbers)
    for name, number, position in zip(source.joints, numbers, positions, strict=True):
        joint = embodiment.joints[embodiment.joint_names.index(name)]
        if not math.isfinite(position):
            said = f"{name} is {number}, which is no position"
            yield wrong(topic.name, said, "see the driver's log; is the joint powered and homed?")
        else:
            yield from _place(topic.name, joint, float(number), float(position))


def _place(topic: str, joint: Joint, number: float, position: float) -> Iterator[Finding]:
    gripper = joint.gripper
    if gripper is None:
        low, high, share = joint.lower, joint.upper, BEYOND
        remedy = "move it into its limits by hand; check unit and zero of the driver"
    else:
        low, high = sorted((gripper.open, gripper.closed))
        share, remedy = GRIPPER_BEYOND, "correct gripper (open, closed) of the joint or its driver"
    margin = share * (high - low)
    if not low - margin <= position <= high + margin:
        said = f"{joint.name} is at {position:.4g} {joint.unit} (told as {number:.4g}); "
        what = "limits are" if gripper is None else "open to closed is"
        yield wrong(topic, f"{said}{what} {low:g} to {high:g}", remedy)


def _images(camera: Camera, topic: Topic) -> Iterator[Finding]:
    stream, needed_hz = topic.stream, 1e9 / FRESH.age_of(camera)
    said = f"{stream.rate_hz:.1f} Hz; the YAML says {camera.rate_hz:g} Hz"
    if stream.rate_hz < needed_hz:
        said += f", and below {needed_hz:.1f} Hz images are too old for the policy"
        yield wrong(topic.name, said, "set the camera's rate; see the machine's and network's load")
    elif stream.rate_hz < SLACK * camera.rate_hz:
        yield warning(topic.name, said, "set the camera's rate, or rate_hz in the YAML")
    yield from _stamps(topic, FRESH.age_of(camera))
    if stream.picture is not None:
        yield from _picture(camera, topic.name, stream.picture)


def _picture(camera: Camera, topic: str, picture: Picture) -> Iterator[Finding]:
    if picture.fault:
        yield wrong(topic, picture.fault, "set the camera's encoding, or choose its color topic")
        return
    if (picture.width, picture.height) != (camera.width, camera.height):
        said = f"{picture.width}x{picture.height}; the YAML says {camera.width}x{camera.height}"
        yield warning(topic, said, "set the camera's profile, or width and height in the YAML")
    if picture.frame != camera.frame:
        said = f"frame_id is '{picture.frame}'; the YAML says '{camera.frame}'"
        yield warning(topic, said, "set the camera's frame, or frame in the YAML and the URDF")


def _told(stream: Stream) -> str:
    age = "no stamps" if stream.age_ns is None else f"{stream.age_ns / 1e6:.0f} ms old"
    return f"{stream.rate_hz:.0f} Hz, {age}"
