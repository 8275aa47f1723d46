"""What an action has a number for: joints, and the velocities of a mobile base."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from pi0_ros.embodiment.strict import (
    Milliseconds,
    Misfit,
    Name,
    Position,
    Spec,
    Topic,
    reject_repeats,
)

JointUnit = Literal["rad", "m"]
Kind = Literal["position", "velocity"]
Direction = Literal["x", "y", "yaw"]
# Without a jerk, acceleration is reached in this time: what arms' drives do without being heard.
JERK_TIME_S = 0.05
Index = Annotated[int, Field(ge=0, lt=1024)]


class GripperMap(Spec):
    """How a gripper joint's position maps to the model's number, with its polarity.

    Attributes:
        open: The joint's position when the gripper is open [rad or m].
        closed: The joint's position when it is closed [rad or m].
        model_open: The model's number for an open gripper.
        model_closed: The model's number for a closed gripper.
    """

    open: Position
    closed: Position
    model_open: Position
    model_closed: Position

    @model_validator(mode="after")
    def _is_invertible(self) -> GripperMap:
        for opened, closed in (("open", "closed"), ("model_open", "model_closed")):
            if getattr(self, opened) == getattr(self, closed):
                raise Misfit(
                    f"{opened} and {closed} are both {getattr(self, closed)}; they must differ",
                    closed,
                )
        return self


class Axis(Spec):
    """One number of an action: its index in the model's vector and its limits.

    Attributes:
        name: In the URDF, on ``joint_states`` and in chunks.
        index: Place in the model's vector, before it is padded.
        velocity: Greatest speed [unit/s].
        acceleration: Greatest acceleration [unit/s²].
        jerk: Greatest jerk [unit/s³]; without it, one that reaches the acceleration in 50 ms.
    """

    name: Name
    index: Index
    velocity: float = Field(gt=0, le=100)
    acceleration: float = Field(gt=0, le=10_000)
    jerk: float | None = Field(default=None, gt=0, le=1_000_000)

    @property
    def greatest_jerk(self) -> float:
        """The given jerk, or the usual one [unit/s³]."""
        return self.acceleration / JERK_TIME_S if self.jerk is None else self.jerk


class Joint(Axis):
    """One joint: its unit, its limits, its place at home.

    Attributes:
        unit: Of its position: rad where it turns, m where it slides.
        kind: What the model says about it, a position or a velocity; it is commanded by position.
        lower: Least position [unit].
        upper: Greatest position [unit].
        home: Position in which the robot waits and begins [unit].
        observed: Whether the model's state holds its position.
        gripper: For a gripper, its numbers open and closed.
    """

    unit: JointUnit
    kind: Kind = "position"
    lower: Position
    upper: Position
    home: Position
    observed: bool = True
    gripper: GripperMap | None = None

    @model_validator(mode="after")
    def _positions_are_within_limits(self) -> Joint:
        if not self.lower < self.upper:
            raise Misfit(f"lower {self.lower} must be less than upper {self.upper}", "lower")
        self._insist_within_limits(self.home, "home")
        if self.gripper is not None:
            self._insist_within_limits(self.gripper.open, "gripper", "open")
            self._insist_within_limits(self.gripper.closed, "gripper", "closed")
            if self.kind == "velocity":
                raise Misfit(f"gripper {self.name} must be of kind position", "kind")
        return self

    def _insist_within_limits(self, position: float, *key: str) -> None:
        if not self.lower <= position <= self.upper:
            limits = f"[{self.lower}, {self.upper}]"
            raise Misfit(f"{' '.join(key)} {position} of {self.name} is outside {limits}", *key)


class BaseAxis(Axis):
    """One velocity of a mobile base in its own frame [m/s or rad/s]; never observed.

    Attributes:
        direction: x forward, y left, yaw to the left.
    """

    kind: ClassVar[Kind] = "velocity"
    direction: Direction

    @property
    def unit(self) -> JointUnit:
        """Unit of what its velocity integrates to."""
        return "rad" if self.direction == "yaw" else "m"


class Base(Spec):
    """A mobile base.

    Attributes:
        frame: The link that moves, a root of the URDF.
        odometry: Topic of its nav_msgs/Odometry.
        odometry_frame: The frame in which it moves.
        timeout_ms: The driver stops when it hears nothing for so long [ms].
        axes: x and yaw, and y where it moves sideways, too.
    """

    frame: Name
    odometry: Topic = "odom"
    odometry_frame: Name = "odom"
    timeout_ms: Milliseconds
    axes: tuple[BaseAxis, ...] = Field(min_length=2, max_length=3)

    @model_validator(mode="after")
    def _directions_make_a_base(self) -> Base:
        directions = [axis.direction for axis in self.axes]
        reject_repeats("directions of the base's axes", directions, "axes")
        if "x" not in directions or "yaw" not in directions:
            raise Misfit(
                f"the base's axes have the directions {', '.join(directions)}; they must be x and "
                "yaw, or x, y and yaw",
                "axes",
            )
        return self

    @property
    def is_holonomic(self) -> bool:
        """Whether it moves sideways."""
        return len(self.axes) == 3
