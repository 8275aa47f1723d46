"""The sizes at which π0 is timed, and what it is given to look at."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pi0_ros.model.config import CAMERAS, ExpertConfig, Pi0Config, VisionConfig

PROMPT_TOKENS = 12  # of a sentence like "put the red block into the left box"

SMALL = Pi0Config(
    vision=VisionConfig(56, 14, width=32, depth=2, heads=2, mlp=64),
    vlm=ExpertConfig(width=64, mlp=128),
    expert=ExpertConfig(width=32, mlp=64),
    depth=2,
    heads=4,
    kv_heads=1,
    head_dim=16,
    vocab=512,
    action_dim=32,
    horizon=8,
    prompt_length=48,
    cameras=CAMERAS[:2],
)
MIDDLE = Pi0Config(
    vision=VisionConfig(224, 14, width=384, depth=6, heads=6, mlp=1536),
    vlm=ExpertConfig(width=512, mlp=2048),
    expert=ExpertConfig(width=256, mlp=1024),
    depth=6,
    heads=8,
    kv_heads=1,
    head_dim=64,
    vocab=8192,
    action_dim=32,
    horizon=50,
    prompt_length=48,
)


@dataclass(frozen=True)
class ModelSize:
    """A model and how often it is run.

    Attributes:
        name: What it is called on the command line.
        config: Sizes of the network.
        steps: Euler steps of one sampling.
        repeats: Samplings that are timed.
        warm_ups: Samplings before them.
    """

    name: str
    config: Pi0Config
    steps: int
    repeats: int
    warm_ups: int


SIZES = {
    size.name: size
    for size in (
        ModelSize("small", SMALL, steps=4, repeats=200, warm_ups=20),
        ModelSize("middle", MIDDLE, steps=10, repeats=20, warm_ups=3),
        ModelSize("full", Pi0Config.openpi(), steps=10, repeats=3, warm_ups=1),
    )
}


def model_size(
    name: str, cameras: int | None = None, steps: int | None = None, repeats: int | None = None
) -> ModelSize:
    """Look up a size; what is given replaces its own value.

    Raises:
        ValueError: The model has no such number of cameras.
    """
    size = SIZES[name]
    if cameras is not None and not 1 <= cameras <= len(CAMERAS):
        raise ValueError(f"--cameras {cameras}: π0 has slots for 1 to {len(CAMERAS)} cameras")
    slots = size.config.cameras if cameras is None else CAMERAS[:cameras]
    return replace(
        size,
        config=replace(size.config, cameras=slots),
        steps=steps or size.steps,
        repeats=repeats or size.repeats,
    )


@dataclass(frozen=True, eq=False)
class Inputs:
    """One observation as the network takes it; the prompt is padded to the model's limit.

    Attributes:
        images: RGB in [-1, 1] by camera slot, each (1, 3, S, S).
        masks: True, by camera slot, each (1,).
        tokens: Prompt, (1, L) int64.
        token_mask: True for the prompt's `PROMPT_TOKENS` real tokens, (1, L).
        state: Normalised state, (1, A).
        noise: Standard normal, (1, H, A).
    """

    images: dict[str, Tensor]
    masks: dict[str, Tensor]
    tokens: Tensor
    token_mask: Tensor
    state: Tensor
    noise: Tensor

    @classmethod
    def random(cls, config: Pi0Config, device: torch.device) -> Inputs:
        """Draw an observation, the same on every device."""
        draw = torch.Generator().manual_seed(0)
        size, length = config.vision.image_size, config.prompt_length
        image = [torch.rand(1, 3, size, size, generator=draw) * 2 - 1 for _ in config.cameras]
        tokens = torch.randint(1, config.vocab, (1, length), generator=draw)
        token_mask = torch.arange(length)[None] < PROMPT_TOKENS
        state = torch.randn(1, config.action_dim, generator=draw)
        noise = torch.randn(1, config.horizon, config.action_dim, generator=draw)
        present = torch.ones(1, dtype=torch.bool, device=device)
        return cls(
            {name: x.to(device) for name, x in zip(config.cameras, image, strict=True)},
            dict.fromkeys(config.cameras, present),
            (tokens * token_mask).to(device),
            token_mask.to(device),
            state.to(device),
            noise.to(device),
        )
