"""The sizes of a model, told from the shapes of its weights: openpi's files do not say them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from pi0_ros.model.config import CAMERAS, ExpertConfig, Pi0Config, VisionConfig
from pi0_ros.model.stored.names import find_openpi_names, is_pi05, openpi_names
from pi0_ros.model.stored.tensor_source import TensorSource

# What shapes cannot tell: Gemma has 8 query heads in both of openpi's experts, and the towers of
# SigLIP have the heads of the vision transformers B, L and So400m.
HEADS = 8
VISION_HEADS = {768: 12, 1024: 16, 1152: 16}
HORIZON = 50
PROMPT_LENGTH = {"pi0": 48, "pi05": 200}


def infer_config(
    source: TensorSource,
    horizon: int = HORIZON,
    prompt_length: int | None = None,
    cameras: tuple[str, ...] = CAMERAS,
    vision_heads: int | None = None,
) -> Pi0Config:
    """Tell a model's sizes from the shapes of its weights.

    Args:
        source: Weights of π0 or π0.5, by openpi's or LeRobot's names.
        horizon: Actions in one chunk.
        prompt_length: Most prompt tokens; 48 for π0 and 200 for π0.5 unless told.
        cameras: Camera slots, in the order of their tokens.
        vision_heads: Attention heads of the image tower; known for SigLIP's own widths.

    Returns:
        The configuration.

    Raises:
        ValueError: A tensor is missing that the sizes are told from, or they do not fit together.
    """
    found = find_openpi_names(source.tensors)
    shapes = _Shapes(source.place, {name: source.tensors[found[name]].shape for name in found})
    variant = "pi05" if is_pi05(found) else "pi0"
    shapes.variant = variant
    query, width = shapes.of("vlm.blocks.0.attention.qkv.weight", 0, dimensions=2)
    key, _ = shapes.of("vlm.blocks.0.attention.qkv.weight", 1, dimensions=2)
    expert_mlp, expert_width = shapes.of("expert.blocks.0.mlp.gate_up.weight", dimensions=2)
    if query % HEADS or key % (query // HEADS):
        raise ValueError(
            f"{source.place}: queries of {query} rows and keys of {key} do not come from {HEADS} "
            "heads, as all of openpi's do. Give the configuration in full."
        )
    return Pi0Config(
        vision=_vision(shapes, vision_heads),
        vlm=ExpertConfig(width, shapes.of("vlm.blocks.0.mlp.gate_up.weight", dimensions=2)[0]),
        expert=ExpertConfig(expert_width, expert_mlp),
        depth=shapes.blocks("vlm"),
        heads=HEADS,
        kv_heads=key * HEADS // query,
        head_dim=query // HEADS,
        vocab=shapes.of("embedding.weight", dimensions=2)[0],
        action_dim=shapes.of("action_out.weight", dimensions=2)[0],
        horizon=horizon,
        prompt_length=prompt_length or PROMPT_LENGTH[variant],
        cameras=cameras,
        variant=variant,
    )


class _Shapes:
    """Shapes of the stored tensors, asked for by the names of our parameters."""

    def __init__(self, place: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.place = place
        self.variant = "pi0"
        self._shapes = shapes

    def of(self, parameter: str, part: int = 0, dimensions: int = 0) -> tuple[int, ...]:
        """Return the shape of one of the tensors that a parameter consists of."""
        name = openpi_names(parameter, self.variant)[part]
        shape = self._shapes.get(name)
        if shape is None or len(shape) != dimensions:
            what = "is missing" if shape is None else f"has shape {shape}"
            raise ValueError(
                f"{self.place}: the model's sizes cannot be told, because {name} {what}. Use a "
                "complete checkpoint of π0 or π0.5."
            )
        return shape

    def blocks(self, part: str) -> int:
        """Count the blocks of ``vision`` or of an expert."""
        first = openpi_names(f"{part}.blocks.0.mlp.down.weight", self.variant)[0]
        pattern = re.compile(re.escape(first).replace(r"\.0\.", r"\.\d+\.", 1))
        return sum(1 for name in self._shapes if pattern.fullmatch(name))


def _vision(shapes: _Shapes, heads: int | None) -> VisionConfig:
    width, _, patch, _ = shapes.of("vision.patch.weight", dimensions=4)
    patches, _ = shapes.of("vision.position", dimensions=2)
    side = math.isqrt(patches)
    if side**2 != patches:
        raise ValueError(
            f"{shapes.place}: {patches} positions are no square of patches; π0 sees square images."
        )
    heads = heads or VISION_HEADS.get(width)
    if heads is None:
        raise ValueError(
            f"{shapes.place}: the heads of an image tower of width {width} are not known; known "
            f"are the widths {sorted(VISION_HEADS)}. `pi0 convert --vision-heads` writes them down."
        )
    return VisionConfig(
        image_size=side * patch,
        patch_size=patch,
        width=width,
        depth=shapes.blocks("vision"),
        heads=heads,
        mlp=shapes.of("vision.blocks.0.mlp.up.weight", dimensions=2)[0],
    )
