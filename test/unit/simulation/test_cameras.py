from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.cameras import SimCameras
from pi0_ros.simulation.robot import SimRobot
from pi0_ros.simulation.scene import OVERVIEW_CAMERA

WIDTH, HEIGHT = 320, 240


@pytest.fixture(scope="module")
def cameras(compiled: SimRobot) -> Iterator[SimCameras]:
    made = SimCameras(compiled.model, WIDTH, HEIGHT)
    yield made
    made.close()


def at(robot: SimRobot, **places: tuple[float, float]) -> np.ndarray:
    """The configuration of the scene with blocks at (x, y) [m]."""
    qpos = np.array(robot.data.qpos)
    for color, place in places.items():
        start = robot.model.joint(f"{color}_block").qposadr[0]
        qpos[start : start + 2] = place
    return qpos


def middle_of(image: np.ndarray, color: str) -> tuple[float, float]:
    """Mean column and row of the pixels of a color, from the image's middle."""
    pixels = image.astype(int)
    wanted, other = (0, 2) if color == "red" else (2, 0)
    strong = pixels[..., wanted] > 2 * np.maximum(pixels[..., other], pixels[..., 1])
    rows, columns = np.nonzero(strong & (pixels[..., wanted] > 70))
    assert len(rows) > 40, f"{color} is not to be seen"
    return columns.mean() + 0.5 - WIDTH / 2, rows.mean() + 0.5 - HEIGHT / 2


def test_every_camera_renders_an_rgb_image_of_the_size_asked_for(
    cameras: SimCameras, robot: SimRobot, embodiment: Embodiment
) -> None:
    cameras.place(robot.data.qpos)
    for name in (*(camera.name for camera in embodiment.cameras), OVERVIEW_CAMERA):
        image = cameras.image(name)
        assert (image.shape, image.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
        assert image.std() > 10, f"{name} shows something"


def test_the_base_camera_sees_both_blocks_in_their_colors(
    cameras: SimCameras, robot: SimRobot
) -> None:
    for seed in range(3):
        robot.reset(np.random.default_rng(seed))
        cameras.place(robot.data.qpos)
        image = cameras.image("base_camera")
        red, blue = middle_of(image, "red"), middle_of(image, "blue")
        assert np.hypot(red[0] - blue[0], red[1] - blue[1]) > 20


@pytest.mark.parametrize("color", ["red", "blue"])
def test_a_block_right_of_the_images_middle_is_at_negative_y(
    cameras: SimCameras, robot: SimRobot, color: str
) -> None:
    other = "blue" if color == "red" else "red"
    cameras.place(at(robot, **{color: (0.42, -0.15), other: (0.42, 0.15)}))
    column, row = middle_of(cameras.image("base_camera"), color)
    assert column > 20
    assert abs(row) < 2


def test_a_block_above_the_images_middle_is_further_away_in_x(
    cameras: SimCameras, robot: SimRobot
) -> None:
    cameras.place(at(robot, red=(0.57, 0.0), blue=(0.3, 0.0)))
    column, row = middle_of(cameras.image("base_camera"), "red")
    assert row < -20
    assert abs(column) < 2


def test_a_block_is_where_a_pinhole_of_the_robots_yaml_has_it(
    cameras: SimCameras, robot: SimRobot
) -> None:
    # 1.25 m above the block's top face: 240 / 2 / tan(22.5 deg) / 1.25 m = 231.8 pixels per metre
    cameras.place(at(robot, red=(0.42, -0.1), blue=(0.42, 0.15)))
    column, _ = middle_of(cameras.image("base_camera"), "red")
    assert column == pytest.approx(23.2, abs=0.5)


def test_the_next_image_shows_the_next_configuration(cameras: SimCameras, robot: SimRobot) -> None:
    cameras.place(at(robot, red=(0.42, 0.1), blue=(0.3, 0.0)))
    before = cameras.image("base_camera")
    kept = before.copy()
    cameras.place(at(robot, red=(0.42, -0.1), blue=(0.3, 0.0)))
    assert middle_of(cameras.image("base_camera"), "red")[0] > 0
    np.testing.assert_array_equal(before, kept)


def test_placing_does_not_touch_the_robot(cameras: SimCameras, robot: SimRobot) -> None:
    before = np.array(robot.data.qpos)
    cameras.place(at(robot, red=(0.1, 0.1)))
    np.testing.assert_array_equal(robot.data.qpos, before)


def test_without_off_screen_rendering_it_says_what_to_install(
    compiled: SimRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no EGL display")

    monkeypatch.setattr("mujoco.Renderer", fail)
    with pytest.raises(RuntimeError, match=r"no EGL display\. Install libegl1 and"):
        SimCameras(compiled.model, WIDTH, HEIGHT)
