"""The robot's YAML as checked values: joints, base, cameras, controllers, rates."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from pi0_ros.embodiment.axes import Base, BaseAxis, Joint
from pi0_ros.embodiment.controllers import (
    TRAJECTORIES,
    Controller,
    ControllerSpec,
    PluginController,
    StateSource,
    TwistController,
)
from pi0_ros.embodiment.scene import Scene
from pi0_ros.embodiment.strict import (
    Milliseconds,
    Misfit,
    Name,
    Rate,
    Spec,
    Topic,
    insist_known,
    reject_repeats,
)
from pi0_ros.embodiment.timing import CommandTiming, PolicyTiming

JOINT_STATES = "joint_states"
Pixels = Annotated[int, Field(gt=0, le=10_000)]
CameraSlot = Literal["base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb"]


class Arm(Spec):
    """One arm as a prompt names it.

    Attributes:
        tool_link: The link that reaches.
        joints: The joints that move it.
    """

    tool_link: Name
    joints: tuple[Name, ...] = Field(min_length=1)


class Camera(Spec):
    """One camera.

    Attributes:
        name: In messages and reports.
        slot: The model's name for what it sees.
        topic: Of its raw images; compressed ones are on ``<topic>/compressed``.
        frame: Its optical frame in the URDF: z forward, x right, y down.
        width: Of an image [pixels].
        height: Of an image [pixels].
        rate_hz: Images per second [Hz].
        fovy_deg: Vertical field of view [degrees].
        age_ms: Oldest image of it that is used, where not the policy's `image_age_ms` holds [ms].
    """

    name: Name
    slot: CameraSlot
    topic: Topic
    frame: Name
    width: Pixels
    height: Pixels
    rate_hz: Rate
    fovy_deg: float = Field(gt=0, lt=180)
    age_ms: Milliseconds | None = None


class OpenPi(Spec):
    """How openpi's checkpoints know this robot.

    Attributes:
        statistics: Entry of their norm_stats.
        convention: File in config/conventions, where their numbers are not the robot's.
    """

    statistics: Name
    convention: Name | None = None


class Driver(Spec):
    """The real robot, for people: what starts it, and what MoveIt has active on it.

    Attributes:
        packages: ROS packages of the driver.
        start: Commands that bring it up.
        moveit: Controllers that MoveIt uses and that are deactivated for the policy.
        note: What else there is to know.
    """

    packages: tuple[Name, ...] = ()
    start: tuple[str, ...] = ()
    moveit: tuple[Name, ...] = ()
    note: str = ""


class Embodiment(Spec):
    """One robot; A numbers of an action, J of them joints, S of those observed.

    Attributes:
        name: As in the file's name, and in chunks.
        title: For people.
        urdf: URDF or xacro, beside this file or in the package's urdf/, or a path from / or ~.
        urdf_arguments: Handed to xacro.
        policy: How the model acts.
        paddings: Widths of the model's vector by the family of checkpoints; zeros fill it up.
        command: When commands are computed.
        arms: What a prompt calls an arm, and the arm.
        joints: What the model commands but the base; sorted by index once it is read.
        base: A mobile base.
        cameras: The first is the reference: its stamp is the observation's.
        controllers: Who takes the commands; each joint and axis has exactly one.
        states: Where measured positions come from; all from ``joint_states`` unless given.
        openpi: How openpi's checkpoints know this robot.
        scene: What stands around it in simulation.
        driver: The real robot, for people.
        provenance: Where figures that are not the vendor's come from, by key: ``joints.home``.
    """

    name: Name
    title: Name
    urdf: Name
    urdf_arguments: dict[Name, str] = Field(default_factory=dict)
    policy: PolicyTiming
    paddings: dict[Name, Annotated[int, Field(gt=0, le=1024)]] = Field(min_length=1)
    command: CommandTiming
    arms: dict[Name, Arm]
    joints: tuple[Joint, ...] = Field(min_length=1)
    base: Base | None = None
    cameras: tuple[Camera, ...] = Field(min_length=1)
    controllers: tuple[Controller, ...] = Field(min_length=1)
    states: tuple[StateSource, ...] = ()
    openpi: OpenPi | None = None
    scene: Scene = Scene()
    driver: Driver = Driver()
    provenance: dict[Name, str] = Field(default_factory=dict)

    @field_validator("joints")
    @classmethod
    def _by_index(cls, joints: tuple[Joint, ...]) -> tuple[Joint, ...]:
        return tuple(sorted(joints, key=lambda joint: joint.index))

    @model_validator(mode="after")
    def _names_are_unique(self) -> Embodiment:
        reject_repeats("joints", self.axis_names, "joints")
        reject_repeats("indices of joints", (axis.index for axis in self.axes), "joints")
        for what, key, field in (
            ("cameras", "cameras", "name"),
            ("camera slots", "cameras", "slot"),
            ("camera topics", "cameras", "topic"),
            ("controllers", "controllers", "name"),
            ("topics of controllers", "controllers", "topic"),
        ):
            reject_repeats(what, (getattr(one, field) for one in getattr(self, key)), key)
        reject_repeats("joints of controllers", self._commanded, "controllers")
        told = (joint for state in self.states for joint in state.joints)
        reject_repeats("joints of states", told, "states")
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> Embodiment:
        base = () if self.base is None else tuple(axis.name for axis in self.base.axes)
        takes: dict[type[ControllerSpec], tuple[str, ...]] = {
            TwistController: base,
            PluginController: self.axis_names,
        }
        for name, arm in self.arms.items():
            reject_repeats(f"joints of arm '{name}'", arm.joints, "arms", name, "joints")
            insist_known(
                f"joint of arm '{name}'", arm.joints, self.joint_names, "arms", name, "joints"
            )
        for at, one in enumerate(self.controllers):
            known = takes.get(type(one), self.joint_names)
            what = f"joint of controller '{one.name}' of type {one.type}"
            insist_known(what, one.joints, known, "controllers", at, "joints")
        for at, state in enumerate(self.states):
            insist_known("joint", state.joints, self.joint_names, "states", at, "joints")
        for key in self.provenance:
            insist_known("key", (key.split(".")[0],), type(self).model_fields, "provenance", key)
        return self

    @model_validator(mode="after")
    def _all_is_served(self) -> Embodiment:
        idle = [name for name in self.axis_names if name not in self._commanded]
        if idle:
            raise Misfit(
                f"no controller commands {', '.join(idle)}; add one, or drop the joint",
                "controllers",
            )
        told = {joint for state in self.states for joint in state.joints}
        untold = [name for name in self.joint_names if told and name not in told]
        if untold:
            raise Misfit(
                f"no topic of `states` tells {', '.join(untold)}; add it to one, or leave `states` "
                "out if all are on joint_states",
                "states",
            )
        return self

    @model_validator(mode="after")
    def _grippers_are_grippers(self) -> Embodiment:
        grippers = {joint.name for joint in self.joints if joint.gripper is not None}
        for key, spoken in (("controllers", self.controllers), ("states", self.states)):
            for at, one in enumerate(spoken):
                wants = one.gripper is not None or one.type.endswith("gripper_command")
                if wants and not grippers.intersection(one.joints):
                    raise Misfit(
                        f"{one.topic} speaks of a gripper, and none of {', '.join(one.joints)} is "
                        "one; give the joint a `gripper`",
                        *(key, at, "joints"),
                    )
        return self

    @model_validator(mode="after")
    def _vector_fits(self) -> Embodiment:
        if not self.state_joints:
            raise Misfit("no joint is observed; the model needs a state of at least one", "joints")
        width = self.axes[-1].index + 1
        for padding, padded in self.paddings.items():
            if padded < width:
                raise Misfit(
                    f"paddings.{padding} is {padded}; the largest index is {width - 1}, so it must "
                    f"be at least {width}",
                    *("paddings", padding),
                )
        masked = [count > 0 for count in self.policy.delta for _ in range(abs(count))]
        state_width = self.state_joints[-1].index + 1
        if len(masked) > state_width:
            raise Misfit(
                f"policy.delta counts {len(masked)} numbers; the state has {state_width}, and what "
                "lies beyond is not relative anyway",
                *("policy", "delta"),
            )
        return self

    @cached_property
    def axes(self) -> tuple[Joint | BaseAxis, ...]:
        """All numbers of an action, by index, (A,)."""
        base = () if self.base is None else self.base.axes
        return tuple(sorted((*self.joints, *base), key=lambda axis: axis.index))

    @cached_property
    def axis_names(self) -> tuple[str, ...]:
        """Columns of chunks and commands, (A,)."""
        return tuple(axis.name for axis in self.axes)

    @cached_property
    def joint_names(self) -> tuple[str, ...]:
        """Joints by index, (J,)."""
        return tuple(joint.name for joint in self.joints)

    @cached_property
    def joint_columns(self) -> np.ndarray:
        """Columns of the joints among the axes, (J,) int."""
        return np.array([self.index(name) for name in self.joint_names])

    @cached_property
    def state_joints(self) -> tuple[Joint, ...]:
        """Joints that the model's state holds, by index, (S,)."""
        return tuple(joint for joint in self.joints if joint.observed)

    @property
    def state_sources(self) -> tuple[StateSource, ...]:
        """Where measured positions come from: ``states``, or else all from joint_states."""
        everything = StateSource(topic=JOINT_STATES, joints=self.joint_names)
        return self.states or (everything,)

    @property
    def home(self) -> np.ndarray:
        """Home pose, (J,) [rad or m]."""
        return np.array([joint.home for joint in self.joints])

    @cached_property
    def by_velocity(self) -> np.ndarray:
        """Which axes an action gives a velocity, (A,) bool."""
        return np.array([axis.kind == "velocity" for axis in self.axes])

    @cached_property
    def streamed(self) -> np.ndarray:
        """Which axes have a controller that takes one sample at a time, (A,) bool."""
        windowed = [c.joints for c in self.controllers if c.type in TRAJECTORIES]
        names = {joint for joints in windowed for joint in joints}
        return np.array([name not in names for name in self.axis_names])

    def index(self, axis: str) -> int:
        """Return the column of one axis."""
        return self.axis_names.index(axis)

    @property
    def _commanded(self) -> tuple[str, ...]:
        return tuple(joint for controller in self.controllers for joint in controller.joints)
