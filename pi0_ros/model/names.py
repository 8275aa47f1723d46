"""How openpi's checkpoints call the parameters of our model."""

from __future__ import annotations

from collections.abc import Set

_PALIGEMMA = "paligemma_with_expert.paligemma."
_EXPERT = "paligemma_with_expert.gemma_expert."

_GEMMA = {
    "blocks": "layers",
    "attention_norm": "input_layernorm",
    "mlp_norm": "post_attention_layernorm",
    "attention": "self_attn",
    "query": "q_proj",
    "key": "k_proj",
    "value": "v_proj",
    "out": "o_proj",
    "gate": "gate_proj",
    "up": "up_proj",
    "down": "down_proj",
}
_SIGLIP = {
    "patch": "embeddings.patch_embedding",
    "position": "embeddings.position_embedding.weight",
    "blocks": "encoder.layers",
    "attention_norm": "layer_norm1",
    "mlp_norm": "layer_norm2",
    "attention": "self_attn",
    "query": "q_proj",
    "key": "k_proj",
    "value": "v_proj",
    "out": "out_proj",
    "up": "fc1",
    "down": "fc2",
    "norm": "post_layernorm",
}
_PROJECTIONS = {
    "state_in": "state_proj",
    "action_in": "action_in_proj",
    "action_out": "action_out_proj",
}

EMBEDDING = _PALIGEMMA + "model.language_model.embed_tokens.weight"
# The embedding is tied to the language head, and safetensors keeps a shared tensor once, under
# the first of its names: released files have only the head.
TIED_EMBEDDING = _PALIGEMMA + "lm_head.weight"
UNUSED = frozenset({_EXPERT + "lm_head.weight"})


def openpi_name(name: str, variant: str) -> str:
    """Translate one of our parameter names to openpi's.

    Args:
        name: Name as in `Pi0.named_parameters`.
        variant: ``pi0`` or ``pi05``.

    Returns:
        Name as in openpi's PyTorch checkpoints.
    """
    part, rest = name.split(".", 1)
    if name == "embedding.weight":
        return EMBEDDING
    if name.startswith("vision.projector."):
        return _PALIGEMMA + "model.multi_modal_projector.linear." + rest.split(".")[-1]
    if part == "vision":
        return _PALIGEMMA + "model.vision_tower.vision_model." + _rename(rest, _SIGLIP)
    if part == "vlm":
        return _PALIGEMMA + "model.language_model." + _rename(rest, _GEMMA)
    if part == "expert":
        return _EXPERT + "model." + _rename(rest, _GEMMA)
    if part in _PROJECTIONS:
        return f"{_PROJECTIONS[part]}.{rest}"
    mlp = "action_time_mlp_" if variant == "pi0" else "time_mlp_"
    return f"{mlp}{part.removeprefix('time_')}.{rest}"


def stored_name(name: str, variant: str, stored: Set[str]) -> str:
    """Find under which name one of our parameters is stored in an openpi file.

    Args:
        name: Name as in `Pi0.named_parameters`.
        variant: ``pi0`` or ``pi05``.
        stored: Names in the file; LeRobot writes them with ``model.`` in front.

    Returns:
        Name as in the file; where it is not there, the name openpi would give it.
    """
    wanted = openpi_name(name, variant)
    candidates = [wanted, TIED_EMBEDDING] if wanted == EMBEDDING else [wanted]
    candidates += ["model." + candidate for candidate in candidates]
    return next((candidate for candidate in candidates if candidate in stored), wanted)


def is_unused(name: str) -> bool:
    """Whether π0 needs no tensor of this name, although openpi's files have it."""
    name = name.removeprefix("model.")
    return name in UNUSED or name == TIED_EMBEDDING


def _rename(path: str, table: dict[str, str]) -> str:
    return ".".join(table.get(segment, segment) for segment in path.split("."))
