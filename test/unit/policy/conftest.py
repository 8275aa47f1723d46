"""Builders for the tests of policies: what cameras see, checkpoints of all forms, robots."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.model.config import ExpertConfig, Pi0Config, VisionConfig
from pi0_ros.model.initialisation import initialise
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.stored import weights
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.checkpoints.random_checkpoint import write_random_checkpoint
from pi0_ros.simulation.cameras import SimCameras
from pi0_ros.simulation.robot import SimRobot

GOLDEN = Path(__file__).parents[3] / "config" / "golden"
GONE = object()


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


# --- checkpoints ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def checkpoint(embodiment: Embodiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small π0 with random weights in our own form; tests that change it take `copied`."""
    folder = tmp_path_factory.mktemp("random") / "checkpoint"
    write_random_checkpoint(folder, embodiment, seed=3)
    return folder


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    """The same, which a test may damage."""
    return Path(shutil.copytree(checkpoint, tmp_path / "copied"))


@pytest.fixture
def lerobot(tmp_path: Path) -> Path:
    """A π0 that LeRobot 0.4 saved, with two cameras and six joints, which a test may damage."""
    return Path(shutil.copytree(GOLDEN / "lerobot", tmp_path / "lerobot"))


@pytest.fixture
def change() -> Callable[..., None]:
    """Change values of a JSON file by path: change(file, {"steps/5/state_file": None})."""

    def apply(file: Path, changes: Mapping[str, Any]) -> None:
        content = json.loads(file.read_text())
        for path, value in changes.items():
            *parents, last = [int(key) if key.isdigit() else key for key in path.split("/")]
            place = content
            for key in parents:
                place = place[key]
            if value is GONE:
                del place[last]
            else:
                place[last] = value
        file.write_text(json.dumps(content))

    return apply


@pytest.fixture
def gone() -> object:
    """What `change` deletes a key for."""
    return GONE


def small_openpi(variant: str) -> Pi0Config:
    """The smallest sizes that can be told from shapes: SigLIP's and Gemma's numbers of heads."""
    return Pi0Config(
        vision=VisionConfig(image_size=28, patch_size=14, width=768, depth=1, heads=12, mlp=8),
        vlm=ExpertConfig(width=16, mlp=24),
        expert=ExpertConfig(width=12, mlp=20),
        depth=2,
        heads=8,
        kv_heads=1,
        head_dim=4,
        vocab=400,
        action_dim=32,
        horizon=50,
        prompt_length={"pi0": 48, "pi05": 200}[variant],
        variant=variant,
    )


@pytest.fixture(scope="session")
def openpi_weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights in openpi's form by variant, for all tests to look at."""
    folder = tmp_path_factory.mktemp("openpi")
    files = {}
    for variant in ("pi0", "pi05"):
        config = small_openpi(variant)
        model = initialise(Pi0(config), torch.Generator().manual_seed(0))
        files[variant] = folder / f"{variant}.safetensors"
        layout = weights.stored_layout(config, torch.float32)
        weights.write_weights(files[variant], layout, weights.stored_tensors(model))
    return files


def statistics(width: int, mean: float = 0.0, std: float = 1.0) -> dict[str, Any]:
    """openpi's statistics with the same numbers for all dimensions, state and actions."""
    one = {"mean": [mean] * width, "std": [std] * width}
    one |= {"q01": [mean - 2 * std] * width, "q99": [mean + 2 * std] * width}
    return {"norm_stats": {"state": one, "actions": one}}


@pytest.fixture
def openpi(openpi_weights: dict[str, Path], tmp_path: Path) -> Callable[..., Path]:
    """Build a checkpoint as openpi's training leaves it, with a tokenizer beside it."""

    def build(
        variant: str = "pi0",
        assets: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Path:
        folder = tmp_path / variant
        folder.mkdir()
        (folder / "model.safetensors").symlink_to(openpi_weights[variant])
        tokenizer = GOLDEN / "openpi" / "pipeline" / "tiny_sentencepiece.model"
        shutil.copy(tokenizer, folder / "tokenizer.model")
        for asset, stats in ({"ur5e_dual": statistics(14)} if assets is None else assets).items():
            (folder / "assets" / asset).mkdir(parents=True)
            (folder / "assets" / asset / "norm_stats.json").write_text(json.dumps(stats))
        if config is not None:
            (folder / "config.json").write_text(json.dumps(config))
        return folder

    return build


@pytest.fixture
def robot() -> Callable[..., Embodiment]:
    """Build a robot of some joints and cameras, without grippers."""

    def build(joints: int = 6, cameras: Mapping[str, str] | None = None,
              **more: Any) -> Embodiment:  # fmt: skip
        names = [f"joint_{number}" for number in range(joints)]
        limits = {"lower": -9, "upper": 9, "velocity": 1, "acceleration": 4, "home": 0}
        optics = {"frame": "f", "width": 64, "height": 48, "rate_hz": 30, "fovy_deg": 45}
        shown = {"base": "base_0_rgb", "left_wrist": "left_wrist_0_rgb"}
        follow = {"name": "c", "type": "joint_trajectory", "topic": "c", "rate_hz": 100}
        return Embodiment.model_validate(
            {
                "name": "tester",
                "title": "A robot of the tests",
                "urdf": "none",
                "policy": {"rate_hz": 20, "horizon": 10, "execute": 5},
                "command": {"rate_hz": 500, "lead_ms": 40},
                "arms": {"only": {"tool_link": "tool", "joints": names}},
                "paddings": {"own": joints},
                "joints": [
                    {"name": name, "index": index, "unit": "rad", **limits}
                    for index, name in enumerate(names)
                ],
                "cameras": [
                    {"name": name, "slot": slot, "topic": name, **optics}
                    for name, slot in (cameras or shown).items()
                ],
                "controllers": [{"joints": names, **follow}],
                **more,
            }
        )

    return build
