"""The robot's YAML as checked values: joints, grippers, cameras, controllers, rates."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pi0_ros.embodiment.errors import unknown_name

Unit = Literal["rad", "m"]
CameraSlot = Literal["base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb"]
ControllerType = Literal["joint_trajectory", "forward_position"]
Name = str


class Spec(BaseModel):
    """Common rules: frozen, unknown keys rejected, numbers finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, values: object) -> object:
        for key in values if isinstance(values, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(unknown_name("key", str(key), cls.model_fields))
        return values


class GripperMap(Spec):
    """How a gripper joint's position [rad or m] maps to the model's number, with its polarity."""

    open: float
    closed: float
    model_open: float
    model_closed: float

    @model_validator(mode="after")
    def _is_invertible(self) -> GripperMap:
        if self.open == self.closed or self.model_open == self.model_closed:
            raise ValueError(
                f"open {self.open} and closed {self.closed} must differ, and so must "
                f"model_open {self.model_open} and model_closed {self.model_closed}"
            )
        return self


class Joint(Spec):
    """One joint: its unit, its limits [unit, unit/s, unit/s²] and its place at home [unit]."""

    name: Name
    unit: Unit
    lower: float
    upper: float
    velocity: float = Field(gt=0)
    acceleration: float = Field(gt=0)
    home: float
    gripper: GripperMap | None = None

    @model_validator(mode="after")
    def _home_is_within_limits(self) -> Joint:
        if not self.lower <= self.home <= self.upper:
            raise ValueError(
                f"home {self.home} of {self.name} is outside [{self.lower}, {self.upper}]"
            )
        return self


class Arm(Spec):
    """One arm as a prompt names it: the link that reaches and the joints that move it."""

    tool_link: Name
    joints: tuple[Name, ...] = Field(min_length=1)


class Camera(Spec):
    """One camera: its topic, the model's slot, its optical frame and its optics."""

    name: Name
    slot: CameraSlot
    topic: str
    frame: Name
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    rate_hz: float = Field(gt=0)
    fovy_deg: float = Field(gt=0, lt=180)


class Controller(Spec):
    """One ros2_control controller that takes this robot's commands."""

    name: Name
    type: ControllerType
    topic: str
    rate_hz: float = Field(gt=0)
    joints: tuple[Name, ...] = Field(min_length=1)


class PolicyTiming(Spec):
    """Action rate [Hz], actions per chunk, and how many of them are played before the next plan."""

    rate_hz: float = Field(gt=0)
    horizon: int = Field(ge=2)
    execute: int = Field(ge=1)

    @property
    def period_ns(self) -> int:
        """Time between two actions [ns]."""
        return round(1e9 / self.rate_hz)


class CommandTiming(Spec):
    """Rate of the reference [Hz] and how far ahead of now it is committed [ms]."""

    rate_hz: float = Field(gt=0)
    lead_ms: float = Field(gt=0)

    @property
    def period_ns(self) -> int:
        """Time between two reference samples [ns]."""
        return round(1e9 / self.rate_hz)

    @property
    def lead_ns(self) -> int:
        """How far ahead of now samples are final [ns]."""
        return round(1e6 * self.lead_ms)


class OpenPi(Spec):
    """How openpi's checkpoints know this robot: entry of the norm_stats, and convention."""

    statistics: Name
    convention: Name


class Embodiment(Spec):
    """One robot. ``joints`` are in the order of the model's vector; D is their number."""

    name: Name
    title: str
    urdf: str
    policy: PolicyTiming
    command: CommandTiming
    arms: dict[Name, Arm]
    joints: tuple[Joint, ...] = Field(min_length=1)
    cameras: tuple[Camera, ...] = Field(min_length=1)
    controllers: tuple[Controller, ...] = Field(min_length=1)
    openpi: OpenPi | None = None

    @model_validator(mode="after")
    def _names_fit(self) -> Embodiment:
        _reject_repeats("joints", self.joint_names)
        _reject_repeats("cameras", tuple(camera.name for camera in self.cameras))
        _reject_repeats("camera slots", tuple(camera.slot for camera in self.cameras))
        _reject_repeats("controllers", tuple(controller.name for controller in self.controllers))
        commanded = tuple(joint for controller in self.controllers for joint in controller.joints)
        _reject_repeats("joints of controllers", commanded)
        for owner, joints in [
            *((f"arm '{name}'", arm.joints) for name, arm in self.arms.items()),
            *((f"controller '{c.name}'", c.joints) for c in self.controllers),
        ]:
            unknown = [joint for joint in joints if joint not in self.joint_names]
            if unknown:
                raise ValueError(
                    f"{owner} names joints that are not in `joints`: {', '.join(unknown)}; "
                    f"known: {', '.join(self.joint_names)}"
                )
        idle = [name for name in self.joint_names if name not in commanded]
        if idle:
            raise ValueError(
                f"no controller commands {', '.join(idle)}; add one, or drop the joint"
            )
        if self.policy.execute > self.policy.horizon:
            raise ValueError(
                f"policy.execute {self.policy.execute} exceeds policy.horizon {self.policy.horizon}"
            )
        return self

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names in the order of the model's vector, (D,)."""
        return tuple(joint.name for joint in self.joints)

    @property
    def home(self) -> np.ndarray:
        """Home pose, (D,) [rad or m]."""
        return np.array([joint.home for joint in self.joints])

    @property
    def streamed(self) -> np.ndarray:
        """Which joints have a controller that takes one sample at a time, (D,) bool."""
        windowed = [c.joints for c in self.controllers if c.type == "joint_trajectory"]
        names = {joint for joints in windowed for joint in joints}
        return np.array([name not in names for name in self.joint_names])

    def index(self, joint: str) -> int:
        """Return the place of one joint in the model's vector."""
        return self.joint_names.index(joint)


def _reject_repeats(what: str, names: tuple[str, ...]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{what} must be unique; repeated: {', '.join(repeated)}")
