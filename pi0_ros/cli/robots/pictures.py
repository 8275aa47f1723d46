"""Pictures of simulated robots at home, one by one and on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.cameras import SimCameras
from pi0_ros.simulation.robot import SimRobot
from pi0_ros.simulation.scene import OVERVIEW_CAMERA

WIDTH, HEIGHT = 640, 480
SHEET_COLUMNS, SHEET_WIDTH, SHEET_HEIGHT = 3, 320, 240
OVERSAMPLED = 2  # rendered larger and averaged: edges without stairs


def draw_robot(robot: Embodiment, file: Path) -> None:
    """Render the robot at home as the camera for people sees it."""
    simulated = SimRobot(robot, 0.002)
    cameras = SimCameras(simulated.model, OVERSAMPLED * WIDTH, OVERSAMPLED * HEIGHT)
    cameras.place(simulated.data.qpos)
    picture = Image.fromarray(cameras.image(OVERVIEW_CAMERA))
    cameras.close()
    picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(file, quality=88)


def draw_sheet(pictures: Sequence[Path], file: Path) -> None:
    """Put small versions of pictures side by side, row by row."""
    rows = -(-len(pictures) // SHEET_COLUMNS)
    sheet = Image.new("RGB", (SHEET_COLUMNS * SHEET_WIDTH, rows * SHEET_HEIGHT))
    for place, picture in enumerate(pictures):
        row, column = divmod(place, SHEET_COLUMNS)
        small = Image.open(picture).resize((SHEET_WIDTH, SHEET_HEIGHT), Image.Resampling.LANCZOS)
        sheet.paste(small, (column * SHEET_WIDTH, row * SHEET_HEIGHT))
    sheet.save(file, quality=88)
