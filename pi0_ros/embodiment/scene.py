"""What stands around the simulated robot: a table, blocks, the floor, a camera for people."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from pi0_ros.embodiment.strict import Misfit, Position, Spec

Point = tuple[Position, Position, Position]
Range = tuple[Position, Position]
Length = Annotated[float, Field(gt=0, le=100)]


class Table(Spec):
    """A table.

    Attributes:
        center: Centre of its top, x and y [m].
        size: Size of its top along x and y [m].
        height: Height of its surface [m].
    """

    center: Range
    size: tuple[Length, Length]
    height: Position


class View(Spec):
    """A camera for people.

    Attributes:
        position: Where it stands, x, y, z [m].
        target: What it looks at, x, y, z [m].
    """

    position: Point
    target: Point

    @model_validator(mode="after")
    def _looks_somewhere(self) -> View:
        if self.position[:2] == self.target[:2]:
            raise Misfit("position and target must differ in x or y, or no side is up", "target")
        return self


class Scene(Spec):
    """The simulated surroundings, in the frame of the URDF's root [m].

    Attributes:
        table: Where the blocks lie.
        blocks_x: Where blocks are put, least and greatest x [m].
        blocks_y: Likewise y [m].
        floor: Height of the floor [m].
        overview: The camera for people.
    """

    table: Table = Table(center=(0.35, 0.0), size=(1.1, 1.6), height=0.0)
    blocks_x: Range = (0.32, 0.50)
    blocks_y: Range = (-0.16, 0.16)
    floor: Position = -0.75
    overview: View = View(position=(1.75, 0.0, 1.1), target=(0.05, 0.0, 0.06))

    @model_validator(mode="after")
    def _ranges_rise(self) -> Scene:
        for key in ("blocks_x", "blocks_y"):
            low, high = getattr(self, key)
            if not low < high:
                raise Misfit(f"{key} is [{low}, {high}]; the first must be less", key)
        return self
