from __future__ import annotations

import numpy as np
import pytest

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.robot import SimRobot
from pi0_ros.simulation.scene import OVERVIEW_CAMERA, build_model


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
