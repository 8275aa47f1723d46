"""What openpi's checkpoints call the parameters of our model, and how other writers change it.

Files on disk always use openpi's names; three projections that our model computes in one
multiplication are three tensors there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pi0_ros.model.config import Pi0Config

_PALIGEMMA = "paligemma_with_expert.paligemma."
_VISION = _PALIGEMMA + "model.vision_tower.vision_model."
_VLM = _PALIGEMMA + "model.language_model."
_EXPERT = "paligemma_with_expert.gemma_expert."

EMBEDDING = _VLM + "embed_tokens.weight"
# The embedding is tied to the language head, and safetensors keeps a shared tensor once, under
# the first of its names: released files have only the head.
TIED_EMBEDDING = _PALIGEMMA + "lm_head.weight"
# openpi's module has it and its strict reader wants it, but nothing is computed with it.
EXPERT_HEAD = _EXPERT + "lm_head.weight"

_QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_SIGLIP = {
    "attention_norm": ("layer_norm1",),
    "mlp_norm": ("layer_norm2",),
    "attention.qkv": _QKV,
    "attention.out": ("self_attn.out_proj",),
    "mlp.up": ("mlp.fc1",),
    "mlp.down": ("mlp.fc2",),
}
_GEMMA = {
    "attention_norm": ("input_layernorm",),
    "attention_norm.dense": ("input_layernorm.dense",),
    "mlp_norm": ("post_attention_layernorm",),
    "mlp_norm.dense": ("post_attention_layernorm.dense",),
    "attention.qkv": _QKV,
    "attention.out": ("self_attn.o_proj",),
    "mlp.gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.down": ("mlp.down_proj",),
}
_TOP = {
    "vision.patch": _VISION + "embeddings.patch_embedding",
    "vision": _VISION + "embeddings.position_embedding",
    "vision.norm": _VISION + "post_layernorm",
    "vision.projector": _PALIGEMMA + "model.multi_modal_projector.linear",
    "embedding": _VLM + "embed_tokens",
    "vlm.norm": _VLM + "norm",
    "expert.norm": _EXPERT + "model.norm",
    "expert.norm.dense": _EXPERT + "model.norm.dense",
    "state_in": "state_proj",
    "action_in": "action_in_proj",
    "action_out": "action_out_proj",
}
_BLOCKS = {
    "vision": (_VISION + "encoder.layers.", _SIGLIP),
    "vlm": (_VLM + "layers.", _GEMMA),
    "expert": (_EXPERT + "model.layers.", _GEMMA),
}
# Hugging Face's PaliGemma before transformers 4.52, as its files are, and after.
_PALIGEMMA_NAMES = {
    "language_model.model.": "model.language_model.",
    "language_model.lm_head.": "lm_head.",
    "vision_tower.": "model.vision_tower.",
    "multi_modal_projector.": "model.multi_modal_projector.",
}


@dataclass(frozen=True)
class Part:
    """Where in our model a tensor of openpi's files belongs.

    Attributes:
        parameter: Name as in `Pi0.named_parameters`.
        start: First row of the parameter that the tensor fills.
        shape: Shape of the tensor.
    """

    parameter: str
    start: int
    shape: tuple[int, ...]

    @property
    def rows(self) -> slice:
        """Rows of the parameter that the tensor fills."""
        return slice(self.start, self.start + self.shape[0])

    @property
    def lacks_one(self) -> bool:
        """Whether files store the parameter less one, as they do with the scales of Gemma's norms.

        Our model holds the scale itself, which is what a norm multiplies by.
        """
        return self.parameter.endswith(".scale")


def openpi_parts(config: Pi0Config, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Part]:
    """List the tensors that openpi's files need for a model.

    Args:
        config: Sizes of the model.
        shapes: Shape of each parameter, by its name in `Pi0.named_parameters`.

    Returns:
        Where each tensor belongs, by openpi's name; together they fill every parameter once.
    """
    parts: dict[str, Part] = {}
    for parameter, shape in shapes.items():
        names = openpi_names(parameter, config.variant)
        start = 0
        for name, rows in zip(names, _rows(parameter, shape[0], len(names), config), strict=True):
            parts[name] = Part(parameter, start, (rows, *shape[1:]))
            start += rows
    return parts


def openpi_names(parameter: str, variant: str) -> tuple[str, ...]:
    """Name the tensors of openpi's files that one parameter consists of, row by row.

    Args:
        parameter: Name as in `Pi0.named_parameters`.
        variant: ``pi0`` or ``pi05``.

    Returns:
        One name; three for query, key and value; two for gate and up.
    """
    module, kind = parameter.rsplit(".", 1)
    kind = {"scale": "weight", "position": "weight"}.get(kind, kind)
    part, _, rest = module.partition(".blocks.")
    if rest:
        prefix, table = _BLOCKS[part]
        block, _, inside = rest.partition(".")
        return tuple(f"{prefix}{block}.{name}.{kind}" for name in table[inside])
    if module.startswith("time_"):
        mlp = "action_time_mlp_" if variant == "pi0" else "time_mlp_"
        return (f"{mlp}{module.removeprefix('time_')}.{kind}",)
    return (f"{_TOP[module]}.{kind}",)


def _rows(parameter: str, rows: int, parts: int, config: Pi0Config) -> tuple[int, ...]:
    """Split the rows of a parameter among the tensors that it consists of."""
    if parts == 3 and not parameter.startswith("vision."):
        keys = config.kv_heads * config.head_dim
        return config.heads * config.head_dim, keys, keys
    return (rows // parts,) * parts


def find_openpi_names(stored: Iterable[str]) -> dict[str, str]:
    """Say which tensor of a file is which of openpi's, whoever wrote the file.

    Known are openpi's names, LeRobot's (``model.`` in front) and those of Hugging Face's
    PaliGemma, before and after transformers 4.52. What is not known keeps its name.

    Args:
        stored: Names in the file.

    Returns:
        Name in the file by openpi's name, less what no model needs: the language heads, unless
        the embedding is stored only as one.

    Raises:
        ValueError: Two tensors claim one name.
    """
    found: dict[str, str] = {}
    for name in stored:
        openpi = _openpi_name(name)
        if openpi in found:
            raise ValueError(
                f"tensors '{found[openpi]}' and '{name}' are both {openpi}. Remove the wrong one."
            )
        found[openpi] = name
    found.pop(EXPERT_HEAD, None)
    head = found.pop(TIED_EMBEDDING, None)
    if head is not None:
        # Where both are stored they may have been trained apart, and the head is never used.
        found.setdefault(EMBEDDING, head)
    # LeRobot accepts either name of the time layers, so its files may have the other variant's.
    spoken, meant = ("action_time_mlp_", "time_mlp_")
    if not is_pi05(found):
        spoken, meant = meant, spoken
    return {re.sub(f"^{spoken}", meant, name): source for name, source in found.items()}


def is_pi05(names: Iterable[str]) -> bool:
    """Whether openpi's names belong to π0.5: only its expert has adaptive norms."""
    return any(name.startswith(_EXPERT) and ".dense." in name for name in names)


def is_paligemma(name: str) -> bool:
    """Whether a tensor of openpi's belongs to PaliGemma: image tower, projector and VLM."""
    return name.startswith(_PALIGEMMA)


def _openpi_name(name: str) -> str:
    """Translate one name; what is not known stays as it is."""
    own = ("paligemma_with_expert.", "state_proj.", "action_", "time_mlp_")
    if name.removeprefix("model.").startswith(own):
        return name.removeprefix("model.")
    for before, after in _PALIGEMMA_NAMES.items():
        if name.startswith(before):
            name = after + name.removeprefix(before)
    return _PALIGEMMA + name if name.startswith(tuple(_PALIGEMMA_NAMES.values())) else name
