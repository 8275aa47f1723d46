"""Who takes the commands and who tells the state: controllers and drivers, one class per kind."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.speed_scaling import SpeedScaling
from pi0_ros.embodiment.strict import (
    DriverNumber,
    Milliseconds,
    Misfit,
    Name,
    Rate,
    Spec,
    Topic,
    reject_repeats,
)

# Types that the controller_manager of ros2_control runs, and can switch.
# Types that take windows of the reference; the others take one sample at a time.
TRAJECTORIES = ("joint_trajectory", "follow_joint_trajectory")
ROS2_CONTROL = (*TRAJECTORIES, "forward_position", "twist_stamped")
OUTPUTS = "pi0_ros.outputs"  # entry points: further types of controllers


class DriverGripper(Spec):
    """The driver's numbers for a gripper; between them lies a line.

    Attributes:
        open: Its number for an open gripper.
        closed: Its number for a closed gripper.
    """

    open: DriverNumber
    closed: DriverNumber

    @model_validator(mode="after")
    def _is_invertible(self) -> DriverGripper:
        if self.open == self.closed:
            raise Misfit(f"open and closed are both {self.open}; they must differ", "closed")
        return self


class Spoken(Spec):
    """A topic and the joints on it, as a driver calls them.

    Attributes:
        topic: Its name, or that of an action.
        joints: Joints or axes of the base, in the driver's order.
        names: What the driver calls them, where it is not the same.
        gripper: The driver's numbers for grippers, where they are not the joint's.
    """

    topic: Topic
    joints: tuple[Name, ...] = Field(min_length=1)
    names: tuple[Name, ...] = ()
    gripper: DriverGripper | None = None

    @model_validator(mode="after")
    def _names_fit(self) -> Spoken:
        reject_repeats("joints", self.joints, "joints")
        reject_repeats("names of joints", self.names, "names")
        if self.names and len(self.names) != len(self.joints):
            raise Misfit(
                f"{self.topic} has {len(self.joints)} joints and {len(self.names)} names; give "
                "one name per joint, or none",
                "names",
            )
        return self

    @property
    def driver_names(self) -> tuple[str, ...]:
        """What the driver calls its joints, in its order."""
        return self.names or self.joints


class StateSource(Spoken):
    """A topic that measured positions come from.

    Attributes:
        type: Of its messages: sensor_msgs/JointState, ARX's RobotStatus, or the PosCmd of its lift.
        age_ms: Oldest positions that count, where not the nodes' parameters hold [ms].
    """

    type: Literal["joint_state", "arx_robot_status", "arx_lift_status"] = "joint_state"
    age_ms: Milliseconds | None = None

    @model_validator(mode="after")
    def _lift_is_one_joint(self) -> StateSource:
        if self.type == "arx_lift_status" and len(self.joints) != 1:
            raise Misfit(f"a lift is one joint, not {len(self.joints)}", "joints")
        return self


class ControllerSpec(Spoken):
    """What every controller has.

    Attributes:
        name: What controller_manager calls it, or a name of one's own; in simulation, the first
            part of its topic, too.
        type: Who takes the commands, and with it their message.
        rate_hz: How often it is served [Hz].
        speed_scaling: The slider of the robot behind it; the slowest one slows all.
    """

    name: Topic
    rate_hz: Rate
    speed_scaling: SpeedScaling | None = None


class JointTrajectoryController(ControllerSpec):
    """joint_trajectory_controller: rolling windows of stamped points, on a topic or as goals.

    Attributes:
        scaled: Whether its own trajectory time runs by `speed_scaling`, as in UR's scaled one.
    """

    type: Literal["joint_trajectory", "follow_joint_trajectory"]
    scaled: bool = False

    @model_validator(mode="after")
    def _what_scales_it_is_known(self) -> JointTrajectoryController:
        if self.scaled and self.speed_scaling is None:
            raise Misfit(f"{self.name} is scaled; give it `speed_scaling`, too", "scaled")
        return self


class ForwardController(ControllerSpec):
    """forward_command_controller and JointGroupPositionController: one number per joint."""

    type: Literal["forward_position"]


class JointStateController(ControllerSpec):
    """A driver that is commanded by sensor_msgs/JointState.

    Attributes:
        velocity: Constants of the field ``velocity``, one per joint; empty: the field is empty.
        effort: Constants of the field ``effort``, likewise.
    """

    type: Literal["joint_state"]
    velocity: tuple[DriverNumber, ...] = ()
    effort: tuple[DriverNumber, ...] = ()

    @model_validator(mode="after")
    def _constants_fit(self) -> JointStateController:
        for key in ("velocity", "effort"):
            count = len(getattr(self, key))
            if count not in (0, len(self.joints)):
                raise Misfit(
                    f"{self.name} has {len(self.joints)} joints and {count} numbers of {key}; "
                    "give one per joint, or none",
                    key,
                )
        return self


class TwistController(ControllerSpec):
    """A mobile base.

    Attributes:
        frame: The header's frame of TwistStamped.
    """

    type: Literal["twist", "twist_stamped"]
    frame: Name = "base_link"


class GripperController(ControllerSpec):
    """A gripper's action, GripperCommand or ParallelGripperCommand.

    Attributes:
        max_effort: Of each goal [N or Nm].
        deadband: Smallest change that becomes a goal, as a share of open to closed.
    """

    type: Literal["gripper_command", "parallel_gripper_command"]
    joints: tuple[Name, ...] = Field(min_length=1, max_length=1)
    max_effort: float = Field(default=50.0, gt=0, le=10_000)
    deadband: float = Field(default=0.02, gt=0, le=1)


class InterbotixController(ControllerSpec):
    """Interbotix's xs_sdk: JointGroupCommand to a group, or JointSingleCommand to one joint.

    Attributes:
        group: What the driver calls the group.
    """

    type: Literal["interbotix_group", "interbotix_single"]
    group: Name = "arm"

    @model_validator(mode="after")
    def _single_is_one(self) -> InterbotixController:
        if self.type == "interbotix_single" and len(self.joints) != 1:
            raise Misfit(
                f"interbotix_single takes one joint, not {len(self.joints)}; one controller each, "
                "or interbotix_group",
                "joints",
            )
        return self


class ArxController(ControllerSpec):
    """ARX's arms: RobotCmd or JointControl, six joints and a gripper.

    Attributes:
        mode: The message's mode.
    """

    type: Literal["arx_robot_cmd", "arx_joint_control"]
    joints: tuple[Name, ...] = Field(min_length=7, max_length=7)
    mode: int = Field(ge=0, le=255)


class ArxLiftController(ControllerSpec):
    """ARX's lift: PosCmd with a height [m]."""

    type: Literal["arx_lift"]
    joints: tuple[Name, ...] = Field(min_length=1, max_length=1)


BUILT_IN: tuple[type[ControllerSpec], ...] = (
    JointTrajectoryController,
    ForwardController,
    JointStateController,
    TwistController,
    GripperController,
    InterbotixController,
    ArxController,
    ArxLiftController,
)
CONTROLLER_TYPES: dict[str, type[ControllerSpec]] = {
    name: kind for kind in BUILT_IN for name in get_args(kind.model_fields["type"].annotation)
}


class PluginController(ControllerSpec):
    """A controller of a type that another package brings (entry point ``pi0_ros.outputs``).

    Attributes:
        options: What that package's output wants to know.
    """

    type: Annotated[Name, Field(json_schema_extra={"not": {"enum": [*CONTROLLER_TYPES]}})]
    options: dict[Name, Any] = Field(default_factory=dict)


def slider_topics(controllers: Iterable[ControllerSpec]) -> dict[str, float]:
    """Return the topic of each speed slider, and its number for full speed."""
    sliders = (controller.speed_scaling for controller in controllers)
    return {slider.topic: slider.full for slider in sliders if slider is not None}


def output_plugins() -> tuple[str, ...]:
    """Names of the controller types that other installed packages bring."""
    return tuple(sorted({point.name for point in entry_points(group=OUTPUTS)}))


def _with_known_type(value: Any) -> Any:
    """Refuse an unknown type first: what the other keys may be depends on it."""
    if not isinstance(value, dict) or value.get("type") in tuple(CONTROLLER_TYPES):
        return value
    given = value.get("type", "")
    known = (*CONTROLLER_TYPES, *output_plugins())
    if given not in known:
        raise Misfit(
            unknown_name("controller type", str(given), known)
            + f" Other packages bring types by the entry point {OUTPUTS}",
            "type",
        )
    return value


def _tag(value: Any) -> str:
    """Tell which class describes a controller from its ``type``."""
    type_ = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    kind = CONTROLLER_TYPES.get(type_) if isinstance(type_, str) else None
    return kind.__name__ if kind else PluginController.__name__


Controller = Annotated[
    Annotated[JointTrajectoryController, Tag("JointTrajectoryController")]
    | Annotated[ForwardController, Tag("ForwardController")]
    | Annotated[JointStateController, Tag("JointStateController")]
    | Annotated[TwistController, Tag("TwistController")]
    | Annotated[GripperController, Tag("GripperController")]
    | Annotated[InterbotixController, Tag("InterbotixController")]
    | Annotated[ArxController, Tag("ArxController")]
    | Annotated[ArxLiftController, Tag("ArxLiftController")]
    | Annotated[PluginController, Tag("PluginController")],
    Discriminator(_tag),
    BeforeValidator(_with_known_type),
]
