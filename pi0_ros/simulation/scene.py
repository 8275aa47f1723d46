"""The MuJoCo scene: a robot from its URDF and YAML, a table, two colored blocks, cameras."""

from __future__ import annotations

from itertools import product

import mujoco
import numpy as np

from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.loading import load_urdf
from pi0_ros.embodiment.scene import Scene, View
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.urdf import Urdf
from pi0_ros.simulation.base import add_base
from pi0_ros.simulation.servos import add_servos, tune_servos

BLOCK_COLORS = {"red": (0.85, 0.06, 0.06, 1.0), "blue": (0.06, 0.12, 0.85, 1.0)}
BLOCK_HALF_M = 0.025
BLOCK_MASS_KG = 0.05
BLOCK_GAP_M = 0.13  # least distance of their centres, so that a gripper fits between
TABLE_HALF_M, LEG_HALF_M = 0.02, 0.025  # of its thickness and its legs
OVERVIEW_CAMERA, OVERVIEW_FOVY_DEG = "overview", 39.0
DRAWN_GROUP = 1  # visual geoms of a URDF; collision geoms are in group 0


def build_model(embodiment: Embodiment, timestep_s: float) -> mujoco.MjModel:
    """Compile the scene of one robot.

    Args:
        embodiment: The robot; each joint gets a position actuator of the same name, each camera
            a MuJoCo camera in its optical frame, a base the joints to move in the plane.
        timestep_s: Physics step [s].

    Raises:
        ValueError: Joints, frames or blocks of the YAML do not fit the URDF or the table.
    """
    spec = mujoco.MjSpec.from_string(load_urdf(embodiment, mujoco=True))
    spec.option.timestep = timestep_s
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0  # firm friction, so that a held block does not creep
    add_servos(spec, embodiment)
    add_base(spec, embodiment)
    _add_table(spec, embodiment.scene)
    _add_blocks(spec, embodiment.scene)
    _add_light(spec)
    _add_cameras(spec, embodiment)
    model = spec.compile()
    tune_servos(model, embodiment)
    return model


def scene_frame(embodiment: Embodiment) -> str:
    """Name the frame of blocks and overview: the root of the URDF, or what a base drives in."""
    if embodiment.base is not None:
        return embodiment.base.odometry_frame
    return Urdf.parse(load_urdf(embodiment)).root


def _add_table(spec: mujoco.MjSpec, scene: Scene) -> None:
    table, box = scene.table, mujoco.mjtGeom.mjGEOM_BOX
    half = np.array(table.size) / 2
    spec.worldbody.add_geom(
        name="table", type=box, rgba=[0.72, 0.68, 0.62, 1], size=[*half, TABLE_HALF_M],
        pos=[*table.center, table.height - TABLE_HALF_M], group=DRAWN_GROUP,
    )  # fmt: skip
    under = table.height - 2 * TABLE_HALF_M
    for x, y in product((-1, 1), repeat=2) if under > scene.floor else ():
        corner = table.center + (half - LEG_HALF_M) * (x, y)
        spec.worldbody.add_geom(
            type=box, size=[LEG_HALF_M, LEG_HALF_M, (under - scene.floor) / 2],
            pos=[*corner, (under + scene.floor) / 2], rgba=[0.3, 0.31, 0.33, 1], group=DRAWN_GROUP,
        )  # fmt: skip
    spec.worldbody.add_geom(
        name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[4, 4, 0.1], pos=[0, 0, scene.floor],
        rgba=[0.42, 0.44, 0.47, 1], group=DRAWN_GROUP, contype=0, conaffinity=0,
    )  # fmt: skip


def _add_blocks(spec: mujoco.MjSpec, scene: Scene) -> None:
    room = np.hypot(*np.diff([scene.blocks_x, scene.blocks_y]).ravel())
    if room < 1.2 * BLOCK_GAP_M:  # at random, two places must soon be found
        raise ValueError(
            f"scene.blocks_x {scene.blocks_x} and blocks_y {scene.blocks_y} span {room:.3f} m; two "
            f"blocks that keep {BLOCK_GAP_M} m apart need {1.2 * BLOCK_GAP_M:.3f} m"
        )
    for color, rgba in BLOCK_COLORS.items():
        block = spec.worldbody.add_body(name=f"{color}_block")
        block.add_freejoint(name=f"{color}_block")
        block.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX, size=[BLOCK_HALF_M] * 3, mass=BLOCK_MASS_KG, rgba=rgba,
            friction=[1.2, 0.02, 0.001], condim=4, group=DRAWN_GROUP,
            priority=1, solref=[0.006, 1.0],  # firm: a gripper squeezes it by 1 mm, not by 6
        )  # fmt: skip


def _add_light(spec: mujoco.MjSpec) -> None:
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, width=64, height=384,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT, rgb1=[0.62, 0.68, 0.74], rgb2=[0.3] * 3,
    )  # fmt: skip
    spec.worldbody.add_light(
        pos=[1.5, 1.0, 2.5], dir=[-0.5, -0.4, -1], diffuse=[0.45] * 3, specular=[0] * 3
    )
    spec.visual.headlight.ambient = [0.4] * 3
    spec.visual.headlight.diffuse = [0.25] * 3
    spec.visual.headlight.specular = [0] * 3
    spec.visual.quality.numslices, spec.visual.quality.numstacks = 16, 8
    spec.visual.quality.offsamples = 0  # multisampling on a CPU costs as much as all the rest
    spec.visual.map.znear = 0.002  # of the scene's size: a wrist camera sees its own gripper


def _add_cameras(spec: mujoco.MjSpec, embodiment: Embodiment) -> None:
    links = [body.name for body in spec.bodies]
    for camera in embodiment.cameras:
        if camera.frame not in links:
            raise ValueError(f"camera {camera.name}: {unknown_name('frame', camera.frame, links)}")
        # A MuJoCo camera looks along -z with y up; an optical frame (REP-103) along z, y down.
        spec.body(camera.frame).add_camera(
            name=camera.name, quat=[0, 1, 0, 0], fovy=camera.fovy_deg
        )
    view = embodiment.scene.overview
    spec.worldbody.add_camera(
        name=OVERVIEW_CAMERA, pos=view.position, fovy=OVERVIEW_FOVY_DEG, xyaxes=_right_and_up(view)
    )


def _right_and_up(view: View) -> np.ndarray:
    """Return the image's right and up in the world, (6,)."""
    ahead = np.subtract(view.target, view.position)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    return np.concatenate([right, np.cross(right, ahead)])
