"""The MuJoCo scene: a robot from its URDF and YAML, a table, two colored blocks, cameras."""

from __future__ import annotations

import mujoco
import numpy as np

from pi0_ros.embodiment.loading import load_urdf
from pi0_ros.embodiment.spec import Embodiment

BLOCK_COLORS = {"red": (0.85, 0.06, 0.06, 1.0), "blue": (0.06, 0.12, 0.85, 1.0)}
BLOCK_HALF_M = 0.025
BLOCK_MASS_KG = 0.05
OVERVIEW_CAMERA, OVERVIEW_FOVY_DEG = "overview", 39.0
DRAWN_GROUP = 1  # visual geoms of a URDF; collision geoms are in group 0

# Servos are critically damped. Stiffness per effort class [Nm/rad]: a joint of the arm lags about
# 20 to 30 ms, as a real position servo does; the Robotiq's is soft so that it can hold a block.
ARM_STIFFNESS = ((100.0, 8000.0), (0.0, 2000.0))  # (least effort limit [Nm], stiffness)
ARM_DAMPING, ARM_ARMATURE = 1.0, 0.1
GRIPPER_STIFFNESS, GRIPPER_DAMPING, GRIPPER_ARMATURE = 20.0, 0.3, 0.005


def build_model(embodiment: Embodiment, timestep_s: float) -> mujoco.MjModel:
    """Compile the scene of one robot.

    Args:
        embodiment: The robot; each joint gets a position actuator of the same name, each camera
            a MuJoCo camera in its optical frame.
        timestep_s: Physics step [s].
    """
    spec = mujoco.MjSpec.from_string(load_urdf(embodiment, mujoco=True))
    spec.option.timestep = timestep_s
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0  # firm friction, so that a held block does not creep
    _add_servos(spec, embodiment)
    _add_table_and_blocks(spec)
    _add_cameras(spec, embodiment)
    return spec.compile()


def _add_servos(spec: mujoco.MjSpec, embodiment: Embodiment) -> None:
    for body in spec.bodies[1:]:
        body.gravcomp = 1.0  # robot controllers compensate gravity themselves
    grippers = {joint.name for joint in embodiment.joints if joint.gripper is not None}
    arms = {joint.name for joint in embodiment.joints} - grippers
    for joint in spec.joints:
        in_arm = joint.name in arms
        joint.armature = ARM_ARMATURE if in_arm else GRIPPER_ARMATURE
        joint.damping = np.array([ARM_DAMPING if in_arm else GRIPPER_DAMPING, 0.0, 0.0])
        if joint.name in arms | grippers:
            effort = float(joint.actfrcrange[1])
            stiffness = next(kp for least, kp in ARM_STIFFNESS if effort >= least)
            actuator = spec.add_actuator(
                name=joint.name, target=joint.name, trntype=mujoco.mjtTrn.mjTRN_JOINT
            )
            if in_arm:
                actuator.set_to_position(kp=stiffness, dampratio=1.0)
            else:
                actuator.set_to_position(kp=GRIPPER_STIFFNESS)


def _add_table_and_blocks(spec: mujoco.MjSpec) -> None:
    world = spec.worldbody
    box = mujoco.mjtGeom.mjGEOM_BOX
    world.add_geom(
        name="table", type=box, size=[0.55, 0.8, 0.02], pos=[0.35, 0, -0.02],
        rgba=[0.72, 0.68, 0.62, 1], group=DRAWN_GROUP,
    )  # fmt: skip
    world.add_geom(
        name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[4, 4, 0.1], pos=[0, 0, -0.75],
        rgba=[0.42, 0.44, 0.47, 1], group=DRAWN_GROUP, contype=0, conaffinity=0,
    )  # fmt: skip
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, width=64, height=384,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT, rgb1=[0.62, 0.68, 0.74], rgb2=[0.3] * 3,
    )  # fmt: skip
    for color, rgba in BLOCK_COLORS.items():
        block = world.add_body(name=f"{color}_block", pos=[0.4, 0, BLOCK_HALF_M])
        block.add_freejoint(name=f"{color}_block")
        block.add_geom(
            type=box, size=[BLOCK_HALF_M] * 3, mass=BLOCK_MASS_KG, rgba=rgba,
            friction=[1.2, 0.02, 0.001], condim=4, group=DRAWN_GROUP,
        )  # fmt: skip
    world.add_light(pos=[1.5, 1.0, 2.5], dir=[-0.5, -0.4, -1], diffuse=[0.45] * 3, specular=[0] * 3)
    spec.visual.headlight.ambient = [0.4] * 3
    spec.visual.headlight.diffuse = [0.25] * 3
    spec.visual.headlight.specular = [0] * 3
    spec.visual.quality.numslices, spec.visual.quality.numstacks = 16, 8
    spec.visual.quality.offsamples = 0  # multisampling on a CPU costs as much as all the rest
    spec.visual.map.znear = 0.002  # of the scene's size: a wrist camera sees its own gripper


def _add_cameras(spec: mujoco.MjSpec, embodiment: Embodiment) -> None:
    for camera in embodiment.cameras:
        # A MuJoCo camera looks along -z with y up; an optical frame (REP-103) along z, y down.
        spec.body(camera.frame).add_camera(
            name=camera.name, quat=[0, 1, 0, 0], fovy=camera.fovy_deg
        )
    spec.worldbody.add_camera(
        name=OVERVIEW_CAMERA, pos=[1.75, 0.0, 1.1], fovy=OVERVIEW_FOVY_DEG,
        xyaxes=[0, 1, 0, -0.52, 0, 0.85],
    )  # fmt: skip
