"""A picture of a simulated robot at home."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.cameras import SimCameras
from pi0_ros.simulation.robot import SimRobot
from pi0_ros.simulation.scene import OVERVIEW_CAMERA

WIDTH, HEIGHT = 640, 480
OVERSAMPLED = 2  # rendered larger and averaged: edges without stairs


def draw_robot(robot: Embodiment, file: Path) -> None:
    """Render the robot at home as the camera for people sees it."""
    simulated = SimRobot(robot, 0.002)
    cameras = SimCameras(simulated.model, OVERSAMPLED * WIDTH, OVERSAMPLED * HEIGHT)
    cameras.place(simulated.data.qpos)
    picture = Image.fromarray(cameras.image(OVERVIEW_CAMERA))
    cameras.close()
    picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(file, quality=88)
