"""What the policy sees: images, state and sentence that belong to one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Observation:
    """One complete observation.

    Attributes:
        images: RGB image of each camera by name, (H, W, 3) uint8.
        state: Joint positions in ROS units at ``stamp_ns``, (D,) [rad or m].
        prompt: The sentence to follow.
        stamp_ns: Stamp of the reference camera's image [ns, node clock].
        image_stamps_ns: Stamps of the images, in the order of the robot's cameras, (C,) [ns].
    """

    images: Mapping[str, np.ndarray]
    state: np.ndarray
    prompt: str
    stamp_ns: int
    image_stamps_ns: tuple[int, ...] = ()


@dataclass(frozen=True)
class NotReady:
    """Why there is no observation; each reason names the thing, the value and the limit."""

    reasons: tuple[str, ...]
