"""Which topics a robot's YAML speaks of, and of which type they must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pi0_ros.cli.check.messages import Types
from pi0_ros.embodiment.controllers import slider_topics
from pi0_ros.embodiment.spec import Embodiment

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
ODOMETRY = "nav_msgs/msg/Odometry"
SPEED = "std_msgs/msg/Float64"
NODES = ("policy_node", "chunk_executor_node", "sim_robot_node")
STATUS = {
    "chunk_executor_node/status": "pi0_msgs/msg/ExecutorStatus",
    "policy_node/status": "pi0_msgs/msg/PolicyStatus",
}
FEEDBACK = "/_action/feedback"


@dataclass(frozen=True)
class Wanted:
    """One topic: its name in the YAML, its type, and whether it is listened to or commanded."""

    topic: str
    type: str
    use: Literal["heard", "commanded"]


def wanted_topics(embodiment: Embodiment, types: Types) -> tuple[Wanted, ...]:
    """List everything to look at, as far as the types are known."""
    heard = {s.topic: types[s.topic] for s in embodiment.state_sources if s.topic in types}
    for camera in embodiment.cameras:
        heard |= {camera.topic: IMAGE, compressed(camera.topic): COMPRESSED}
    if embodiment.base is not None:
        heard[embodiment.base.odometry] = ODOMETRY
    heard |= dict.fromkeys(slider_topics(embodiment.controllers), SPEED)
    return (
        *(Wanted(topic, type_, "heard") for topic, type_ in (heard | STATUS).items()),
        *(
            Wanted(*spoken_on(controller.topic, types[controller.topic]), "commanded")
            for controller in embodiment.controllers
            if controller.topic in types
        ),
    )


def compressed(topic: str) -> str:
    """Return where image_transport puts the compressed images of a camera."""
    return f"{topic}/compressed"


def spoken_on(topic: str, type_: str) -> tuple[str, str]:
    """Return topic and type by which a controller is found.

    An action is found by what its server publishes: its goals are a service, which a waiting
    client makes appear, too.
    """
    if "/action/" in type_:
        return topic + FEEDBACK, f"{type_}_FeedbackMessage"
    return topic, type_
