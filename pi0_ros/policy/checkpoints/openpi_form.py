"""openpi's PyTorch checkpoints: `model.safetensors` and `assets/<robot>/norm_stats.json`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pi0_ros.embodiment.normalisation import Normalisation, NormStats
from pi0_ros.model.stored.sizes import HORIZON, infer_config
from pi0_ros.model.stored.tensor_files import TensorFiles
from pi0_ros.policy.checkpoints.description import CONFIG_FILE, Description, read_as

ASSETS = "assets"
STATISTICS_FILE = "norm_stats.json"
# openpi decides by the type of the model, not by the file.
KINDS = {"pi0": "z_score", "pi05": "quantile"}


class OpenPiConfig(BaseModel):
    """What `config.json` says that matters here; openpi writes it, but does not need it."""

    model_config = ConfigDict(frozen=True)

    action_dim: int | None = None
    action_horizon: int | None = None


def read_openpi_config(directory: Path) -> OpenPiConfig:
    """Read what openpi wrote beside the weights, empty where it wrote nothing.

    Raises:
        ValueError: The file is malformed.
    """
    file = directory / CONFIG_FILE
    return read_as(OpenPiConfig, file) if file.is_file() else OpenPiConfig()


def describe_openpi(directory: Path) -> Description:
    """Read a checkpoint of openpi's PyTorch code.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is malformed, or files contradict each other.
    """
    weights = TensorFiles(directory)
    said = read_openpi_config(directory)
    horizon = HORIZON if said.action_horizon is None else said.action_horizon
    config = infer_config(weights, horizon=horizon)
    if said.action_dim not in (None, config.action_dim):
        raise ValueError(
            f"{directory / CONFIG_FILE} says action_dim {said.action_dim}, but the weights have "
            f"{config.action_dim}; use the config.json that belongs to them"
        )
    assumed = [f"prompts of at most {config.prompt_length} tokens, openpi's usual number"]
    if said.action_horizon is None:
        assumed.append(f"chunks of {HORIZON} actions, as config.json has no action_horizon")
    kind = KINDS[config.variant]
    return Description(
        directory=directory,
        form="openpi",
        config=config,
        weights=weights,
        normalisations=_normalisations(directory / ASSETS, kind),
        normalisation_kind=kind,
        assumed=tuple(assumed),
    )


def _normalisations(assets: Path, kind: str) -> dict[str, Normalisation]:
    """Read all statistics, by the id of their robot: their folder, which may be nested."""
    return {
        file.parent.relative_to(assets).as_posix(): NormStats.load(file).normalisation(kind, file)
        for file in sorted(assets.rglob(STATISTICS_FILE))
    }
