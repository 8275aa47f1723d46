"""Builders for the model's tests: openpi's golden numbers, and small random models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pi0_ros.cli.verify.openpi_set import recorded_config
from pi0_ros.cli.verify.recording import read_manifest
from pi0_ros.model.config import CAMERAS, ExpertConfig, Pi0Config, VisionConfig
from pi0_ros.model.initialisation import initialise
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.stored.weights import load_openpi

OPENPI = Path(__file__).parents[3] / "config" / "golden" / "openpi"

torch.set_num_threads(1)


@dataclass(frozen=True, eq=False)
class Golden:
    """One of openpi's tiny models with what went in and what came out."""

    folder: Path
    config: Pi0Config
    model: Pi0
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    @property
    def images(self) -> dict[str, Tensor]:
        return {name: self.inputs[f"images.{name}"] for name in CAMERAS}

    @property
    def image_masks(self) -> dict[str, Tensor]:
        return {name: self.inputs[f"image_masks.{name}"] for name in CAMERAS}

    @property
    def observation(self) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor, Tensor]:
        prompt = self.inputs["tokenized_prompt"], self.inputs["tokenized_prompt_mask"]
        return self.images, self.image_masks, *prompt

    @property
    def named_observation(self) -> dict[str, object]:
        names = ("images", "image_masks", "tokens", "token_mask")
        return dict(zip(names, self.observation, strict=True))


def read_golden(variant: str) -> Golden:
    folder = OPENPI if variant == "pi0" else OPENPI / variant
    config = recorded_config(read_manifest(folder / "config.json"))
    return Golden(
        folder,
        config,
        load_openpi(folder / "model.safetensors", config),
        load_file(folder / "inputs.safetensors"),
        load_file(folder / "outputs.safetensors"),
    )


@pytest.fixture(scope="session", params=["pi0", "pi05"])
def golden(request: pytest.FixtureRequest) -> Golden:
    """Both of openpi's tiny models, one after the other."""
    return read_golden(request.param)


@pytest.fixture(scope="session")
def golden_pi0() -> Golden:
    return read_golden("pi0")


@pytest.fixture(scope="session")
def golden_pi05() -> Golden:
    return read_golden("pi05")


@pytest.fixture(scope="session")
def tiny_config() -> Pi0Config:
    """A model whose sizes are all different, so that a mixed-up dimension shows."""
    return Pi0Config(
        vision=VisionConfig(image_size=8, patch_size=4, width=12, depth=2, heads=3, mlp=20),
        vlm=ExpertConfig(width=16, mlp=24),
        expert=ExpertConfig(width=10, mlp=14),
        depth=2,
        heads=4,
        kv_heads=2,
        head_dim=6,
        vocab=32,
        action_dim=5,
        horizon=7,
        prompt_length=9,
    )


@pytest.fixture
def tiny(tiny_config: Pi0Config) -> Pi0:
    return initialise(Pi0(tiny_config), torch.Generator().manual_seed(0)).eval()


@pytest.fixture
def tiny_pi05(tiny_config: Pi0Config) -> Pi0:
    """The same as π0.5, with gates that are open."""
    config = replace(tiny_config, variant="pi05")
    model = initialise(Pi0(config), torch.Generator().manual_seed(0)).eval()
    for name, parameter in model.named_parameters():
        if ".dense." in name:
            parameter.data += 0.3 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(1)
            )
    return model


@pytest.fixture(params=["tiny", "tiny_pi05"])
def model(request: pytest.FixtureRequest) -> Pi0:
    """A random π0, then a random π0.5."""
    built: Pi0 = request.getfixturevalue(request.param)
    return built


Inputs = dict[str, object]


@pytest.fixture
def observe() -> Callable[..., Inputs]:
    """Build keyword arguments of `Sampler.sample` for any model, less the noise."""

    def build(config: Pi0Config, batch: int = 2, seed: int = 1) -> Inputs:
        generator = torch.Generator().manual_seed(seed)
        size = config.vision.image_size
        tokens = (batch, config.prompt_length)
        return {
            "images": {
                name: torch.rand(batch, 3, size, size, generator=generator) * 2 - 1
                for name in config.cameras
            },
            "image_masks": {name: torch.ones(batch, dtype=torch.bool) for name in config.cameras},
            "tokens": torch.randint(config.vocab, tokens, generator=generator),
            "token_mask": torch.ones(tokens, dtype=torch.bool),
            "state": torch.randn(batch, config.action_dim, generator=generator),
        }

    return build


@pytest.fixture
def draw() -> Callable[..., Tensor]:
    """Draw noise for one chunk of a model."""

    def build(config: Pi0Config, batch: int = 2, seed: int = 2) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(batch, config.horizon, config.action_dim, generator=generator)

    return build
