from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.scene import Scene
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.robot import SimRobot
from pi0_ros.simulation.scene import OVERVIEW_CAMERA, build_model, scene_frame


def test_every_joint_has_a_servo_of_its_name(robot: SimRobot, embodiment: Embodiment) -> None:
    model = robot.model
    servos = [model.actuator(i).name for i in range(model.nu)]
    assert sorted(servos) == sorted(embodiment.joint_names)
    for name in servos:
        assert model.actuator(name).trnid[0] == model.joint(name).id


def test_every_camera_has_its_name_and_its_field_of_view(
    robot: SimRobot, embodiment: Embodiment
) -> None:
    assert robot.model.ncam == len(embodiment.cameras) + 1
    for camera in embodiment.cameras:
        assert robot.model.camera(camera.name).fovy[0] == camera.fovy_deg
    assert robot.model.camera(OVERVIEW_CAMERA).bodyid[0] == 0, "it stands in the world"


@pytest.mark.parametrize("name", ["base_camera", "left_wrist_camera", "right_wrist_camera"])
def test_a_camera_looks_along_the_z_of_its_optical_frame(robot: SimRobot, name: str) -> None:
    frame = robot.data.body(f"{name}_optical_frame")
    right, up, back = robot.data.camera(name).xmat.reshape(3, 3).T  # MuJoCo looks along -z
    x, y, z = frame.xmat.reshape(3, 3).T
    np.testing.assert_allclose([right, up, back], [x, -y, -z], atol=1e-9)
    np.testing.assert_allclose(robot.data.camera(name).xpos, frame.xpos, atol=1e-9)


def test_the_table_top_is_at_height_zero(robot: SimRobot) -> None:
    table = robot.model.geom("table")
    assert table.pos[2] + table.size[2] == 0.0


def test_blocks_are_cubes_of_5_cm_and_50_g(robot: SimRobot) -> None:
    for color in ("red", "blue"):
        body = robot.model.body(f"{color}_block")
        assert body.mass[0] == pytest.approx(0.05)
        np.testing.assert_array_equal(robot.model.geom(int(body.geomadr[0])).size, [0.025] * 3)


def test_the_step_is_the_one_asked_for(embodiment: Embodiment) -> None:
    assert build_model(embodiment, 0.004).opt.timestep == 0.004


# --- the surroundings of the YAML ----------------------------------------------------------------


def surrounded(embodiment: Embodiment, **changes: Any) -> Embodiment:
    return embodiment.model_copy(update={"scene": Scene(**changes)})


def test_table_floor_and_blocks_are_where_the_yaml_has_them(embodiment: Embodiment) -> None:
    table = {"center": (0.5, 0.1), "size": (0.8, 1.0), "height": 0.7}
    given = surrounded(embodiment, table=table, floor=0.0, blocks_x=(0.6, 0.7), blocks_y=(0.2, 0.4))
    robot = SimRobot(given, 0.002)
    geom = robot.model.geom("table")
    x, y, z = geom.pos
    np.testing.assert_allclose([x, y, z + geom.size[2]], [0.5, 0.1, 0.7])
    np.testing.assert_allclose(geom.size[:2], [0.4, 0.5])
    assert robot.model.geom("floor").pos[2] == 0.0
    legs = [robot.model.geom(geom.id + i) for i in range(1, 5)]
    for leg in legs:
        bottom, top = leg.pos[2] - leg.size[2], leg.pos[2] + leg.size[2]
        np.testing.assert_allclose([bottom, top], [0.0, 0.66], atol=1e-12)
    for color in ("red", "blue"):
        x, y, z = robot.block(color)
        assert 0.6 <= x <= 0.7
        assert 0.2 <= y <= 0.4
        assert z == pytest.approx(0.725)


def test_the_overview_looks_from_its_position_at_its_target(embodiment: Embodiment) -> None:
    view = {"position": (2.0, 1.0, 1.5), "target": (0.0, 0.0, 0.5)}
    robot = SimRobot(surrounded(embodiment, overview=view), 0.002)
    camera = robot.data.camera(OVERVIEW_CAMERA)
    right, up, back = camera.xmat.reshape(3, 3).T
    np.testing.assert_allclose(camera.xpos, [2.0, 1.0, 1.5])
    np.testing.assert_allclose(back, np.array([2, 1, 1]) / np.sqrt(6), atol=1e-9)
    assert right[2] == pytest.approx(0.0, abs=1e-9), "its image is level"
    assert up[2] > 0, "and upright"


def test_blocks_that_cannot_keep_their_distance_are_refused(embodiment: Embodiment) -> None:
    tight = surrounded(embodiment, blocks_x=(0.3, 0.35), blocks_y=(0.0, 0.1))
    with pytest.raises(ValueError, match=r"span 0\.112 m; two blocks that keep 0\.13 m apart need"):
        build_model(tight, 0.002)


def test_a_camera_without_its_frame_is_refused_by_name(embodiment: Embodiment) -> None:
    lost = embodiment.cameras[0].model_copy(update={"frame": "base_camera_frames"})
    wrong = embodiment.model_copy(update={"cameras": (lost, *embodiment.cameras[1:])})
    with pytest.raises(ValueError, match="camera base_camera: frame 'base_camera_frames' is unkn"):
        build_model(wrong, 0.002)


@pytest.mark.parametrize(
    ("name", "frame"), [("ur5e_bimanual", "world"), ("trossen_mobile", "odom")]
)
def test_blocks_are_in_the_frame_that_the_robot_stands_or_drives_in(name: str, frame: str) -> None:
    assert scene_frame(load_embodiment(name)) == frame


def test_a_prefix_reaches_joints_and_cameras() -> None:
    model = build_model(load_embodiment("trossen_mobile", tf_prefix="a_", simulation=True), 0.002)
    assert model.actuator("a_follower_left/waist").id >= 0
