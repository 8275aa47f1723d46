"""Maps of single numbers, named in a YAML: sign flips, straight lines, a gripper's linkage."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from pi0_ros.embodiment.strict import Spec

Dimension = Annotated[int, Field(ge=0)]
Dimensions = Annotated[tuple[Dimension, ...], Field(min_length=1)]
Length = Annotated[float, Field(gt=0)]


class Flip(Spec):
    """Turns the sign: the joint counts the other way."""

    map: Literal["flip"]
    dims: Dimensions

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return -values."""
        return np.asarray(-values)

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Return -values."""
        return np.asarray(-values)


class Linear(Spec):
    """The straight line through two points; beyond them, too."""

    map: Literal["linear"]
    dims: Dimensions
    input: tuple[float, float]
    output: tuple[float, float]

    @model_validator(mode="after")
    def _is_invertible(self) -> Linear:
        for name, (first, second) in (("input", self.input), ("output", self.output)):
            if first == second:
                raise ValueError(f"{name} is twice {first}; a line needs two different numbers")
        return self

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Map ``input`` to ``output``."""
        return _line(values, self.input, self.output)

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Map ``output`` to ``input``."""
        return _line(values, self.output, self.input)


class Linkage(Spec):
    """A slider's distance from a servo's axis [m] to the servo's angle [rad].

    The servo turns a horn, and a rod joins its end to the slider. The angle is the one whose sine
    follows from the triangle of horn, rod and distance; out of reach it stays at ±90°.
    """

    map: Literal["linkage"]
    dims: Dimensions
    horn: Length
    rod: Length

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Map distances [m] to angles [rad].

        Raises:
            ValueError: A distance is not above zero.
        """
        if not (values > 0).all():
            raise ValueError(
                f"dimension(s) {', '.join(map(str, self.dims))}: a slider {np.min(values):.4f} m "
                "from its servo does not exist; check the gripper's unit and calibration"
            )
        sine = (self.horn**2 + values**2 - self.rod**2) / (2 * self.horn * values)
        return np.asarray(np.arcsin(np.clip(sine, -1.0, 1.0)))


StateMap = Annotated[Flip | Linear | Linkage, Field(discriminator="map")]
ActionMap = Annotated[Flip | Linear, Field(discriminator="map")]  # training needs the inverse


def _line(values: np.ndarray, start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    share = (values - start[0]) / (start[1] - start[0])
    return np.asarray(share * (end[1] - end[0]) + end[0])
