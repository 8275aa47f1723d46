from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import to_model
from pi0_ros.model import weights
from pi0_ros.model.config import Pi0Config
from pi0_ros.model.initialisation import initialise
from pi0_ros.model.pi0 import Pi0
from pi0_ros.policy.checkpoint import Checkpoint, load_checkpoint, write_random_checkpoint

Change = Callable[[Path], None]


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may damage."""
    return Path(shutil.copytree(checkpoint, tmp_path / "copied"))


def load(folder: Path, embodiment: Embodiment) -> Checkpoint:
    return load_checkpoint(str(folder), embodiment, torch.device("cpu"), torch.float32)


def save_other(folder: Path, **sizes: object) -> None:
    """Replace the weights by ones of other sizes."""
    config = replace(Pi0Config.demo(), **sizes)  # type: ignore[arg-type]
    weights.save(initialise(Pi0(config), torch.Generator().manual_seed(0)), folder)


def test_a_random_checkpoint_loads_and_fits_the_robot(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    loaded = load(checkpoint, embodiment)
    assert loaded.model.config == Pi0Config.demo()
    np.testing.assert_allclose(
        loaded.statistics.actions.mean, to_model(embodiment, embodiment.home)
    )
    prompt = loaded.tokenizer.encode("left arm reach the red block")
    assert prompt.mask.any()


def test_the_same_seed_writes_the_same_weights_and_another_seed_others(
    checkpoint: Path, embodiment: Embodiment, tmp_path: Path
) -> None:
    first = (checkpoint / "model.safetensors").read_bytes()
    write_random_checkpoint(tmp_path / "same", embodiment, seed=3)
    write_random_checkpoint(tmp_path / "other", embodiment, seed=4)
    assert (tmp_path / "same" / "model.safetensors").read_bytes() == first
    assert (tmp_path / "other" / "model.safetensors").read_bytes() != first


def test_a_missing_folder_is_named(embodiment: Embodiment, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"checkpoint '.*none' is not a directory"):
        load(tmp_path / "none", embodiment)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.model"])
def test_a_missing_file_is_named(copied: Path, embodiment: Embodiment, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{copied / name} does not exist"):
        load(copied, embodiment)


def test_missing_statistics_are_named(copied: Path, embodiment: Embodiment) -> None:
    (copied / "norm_stats.json").unlink()
    with pytest.raises(
        ValueError, match=r"norm_stats\.json does not exist; a checkpoint needs its"
    ):
        load(copied, embodiment)


def test_a_checkpoint_narrower_than_the_robot_is_refused(
    copied: Path, embodiment: Embodiment
) -> None:
    save_other(copied, action_dim=8)
    with pytest.raises(ValueError, match="vectors of width 8; ur5e_bimanual has 14 joints"):
        load(copied, embodiment)


def test_a_checkpoint_without_one_of_the_robots_cameras_is_refused(
    copied: Path, embodiment: Embodiment
) -> None:
    save_other(copied, cameras=("base_0_rgb", "left_wrist_0_rgb"))
    with pytest.raises(ValueError, match="ur5e_bimanual also has right_wrist_0_rgb"):
        load(copied, embodiment)


def test_statistics_of_a_narrower_robot_are_refused(copied: Path, embodiment: Embodiment) -> None:
    narrow = {"mean": [0.0] * 7, "std": [1.0] * 7}
    content = {"norm_stats": {"state": narrow, "actions": narrow}}
    (copied / "norm_stats.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="statistics of state have 7 dimensions, the robot has 14"):
        load(copied, embodiment)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("config.json", "is not JSON"),
        ("model.safetensors", "is not a complete safetensors file"),
        ("tokenizer.model", "is not a sentencepiece model"),
        ("norm_stats.json", "holds no norm_stats"),
    ],
)
def test_a_damaged_file_is_refused(
    copied: Path, embodiment: Embodiment, name: str, says: str
) -> None:
    (copied / name).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=says):
        load(copied, embodiment)
