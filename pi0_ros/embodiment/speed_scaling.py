"""The robot's own speed slider."""

from __future__ import annotations

from pydantic import Field

from pi0_ros.embodiment.strict import Spec, Topic


class SpeedScaling(Spec):
    """Where the driver tells it.

    Attributes:
        topic: Of its std_msgs/Float64.
        full: The number that means full speed.
    """

    topic: Topic
    full: float = Field(default=1.0, gt=0, le=1000)
