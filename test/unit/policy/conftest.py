"""Builders for the tests of policies: what the simulated cameras see, and a small checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.checkpoint import write_random_checkpoint
from pi0_ros.simulation.cameras import SimCameras
from pi0_ros.simulation.robot import SimRobot


@dataclass(frozen=True, eq=False)
class View:
    """A rendered image of the reference camera, and what is true."""

    image: np.ndarray
    state: np.ndarray
    blocks: dict[str, np.ndarray]

    def observation(self, prompt: str, state: np.ndarray | None = None) -> Observation:
        """What a policy sees; another state than the true one if given."""
        at = self.state if state is None else state
        return Observation({"base_camera": self.image}, at, prompt, stamp_ns=7)


Look = Callable[..., View]


@pytest.fixture(scope="module")
def look(embodiment: Embodiment) -> Iterator[Look]:
    """Render the cell at home, with the blocks where a seed or the test puts them."""
    robot = SimRobot(embodiment, 0.002)
    cameras = SimCameras(robot.model, 640, 480)

    def render(seed: int, **places: tuple[float, float]) -> View:
        robot.reset(np.random.default_rng(seed))
        qpos = np.array(robot.data.qpos)
        blocks = {color: robot.block(color) for color in ("red", "blue")}
        for color, place in places.items():
            start = robot.model.joint(f"{color}_block").qposadr[0]
            qpos[start : start + 2] = blocks[color][:2] = place
        cameras.place(qpos)
        return View(cameras.image("base_camera"), robot.positions, blocks)

    yield render
    cameras.close()


@pytest.fixture(scope="session")
def checkpoint(embodiment: Embodiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small π0 with random weights; tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("random") / "checkpoint"
    write_random_checkpoint(folder, embodiment, seed=3)
    return folder
