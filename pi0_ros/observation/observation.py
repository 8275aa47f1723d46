"""What the policy sees: images, state and sentence that belong to one instant, or why it cannot."""

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
class Lack:
    """One thing that is not as it must be.

    Attributes:
        stream: A camera's name, a topic, ``prompt`` or ``policy``.
        kind: What is wrong with it, in a word that stays while the numbers change.
        sentence: The same for people: the thing, the value and the limit.
    """

    stream: str
    kind: str
    sentence: str

    def __str__(self) -> str:
        """Read as the sentence."""
        return self.sentence

    @property
    def identity(self) -> tuple[str, str]:
        """What must change before it is news."""
        return self.stream, self.kind


@dataclass(frozen=True)
class NotReady:
    """Why there is no observation, or no plan; never without a reason."""

    reasons: tuple[Lack, ...]

    @classmethod
    def because(cls, sentence: str, kind: str = "") -> NotReady:
        """Give a policy's own reason; without a kind, each new wording is news."""
        return cls((Lack("policy", kind or sentence, sentence),))

    @property
    def sentences(self) -> tuple[str, ...]:
        """The reasons for people."""
        return tuple(lack.sentence for lack in self.reasons)
