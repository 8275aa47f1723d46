from __future__ import annotations

import pytest

from pi0_ros.model.config import Pi0Config
from pi0_ros.model.names import EMBEDDING, TIED_EMBEDDING, is_unused, openpi_name, stored_name
from pi0_ros.model.pi0 import Pi0

GEMMA = "paligemma_with_expert.paligemma.model.language_model."
SIGLIP = "paligemma_with_expert.paligemma.model.vision_tower.vision_model."
EXPERT = "paligemma_with_expert.gemma_expert.model."


@pytest.mark.parametrize(
    ("ours", "openpi"),
    [
        ("vision.patch.bias", SIGLIP + "embeddings.patch_embedding.bias"),
        ("vision.position", SIGLIP + "embeddings.position_embedding.weight"),
        ("vision.blocks.3.attention.out.bias", SIGLIP + "encoder.layers.3.self_attn.out_proj.bias"),
        ("vision.norm.weight", SIGLIP + "post_layernorm.weight"),
        (
            "vision.projector.weight",
            "paligemma_with_expert.paligemma.model.multi_modal_projector.linear.weight",
        ),
        ("embedding.weight", GEMMA + "embed_tokens.weight"),
        ("vlm.blocks.17.attention.out.weight", GEMMA + "layers.17.self_attn.o_proj.weight"),
        ("vlm.blocks.0.mlp_norm.weight", GEMMA + "layers.0.post_attention_layernorm.weight"),
        ("expert.blocks.2.mlp.gate.weight", EXPERT + "layers.2.mlp.gate_proj.weight"),
        ("expert.norm.weight", EXPERT + "norm.weight"),
        ("state_in.bias", "state_proj.bias"),
        ("action_out.weight", "action_out_proj.weight"),
        ("time_in.weight", "action_time_mlp_in.weight"),
    ],
)
def test_our_name_becomes_that_of_openpi(ours, openpi):
    assert openpi_name(ours, "pi0") == openpi


def test_pi05_calls_its_time_layers_otherwise():
    assert openpi_name("time_out.bias", "pi05") == "time_mlp_out.bias"


@pytest.mark.parametrize("config", [Pi0Config.openpi(), Pi0Config.pi05()])
def test_no_two_parameters_share_a_name(config):
    ours = [name for name, _ in Pi0(config).named_parameters()]
    theirs = {openpi_name(name, config.variant) for name in ours}
    # A released state dict has two names more: the tied head and the expert's unused one.
    assert len(theirs) == len(ours) == {"pi0": 778, "pi05": 813}[config.variant] - 2


def test_the_embedding_is_found_under_either_of_its_names():
    def find(stored):
        return stored_name("embedding.weight", "pi0", set(stored))

    assert find([TIED_EMBEDDING]) == TIED_EMBEDDING
    assert find([EMBEDDING]) == EMBEDDING
    assert find([TIED_EMBEDDING, EMBEDDING]) == EMBEDDING
    assert find([]) == EMBEDDING


def test_lerobot_writes_the_same_names_behind_a_prefix():
    stored = {"model.state_proj.bias", "model." + TIED_EMBEDDING}
    assert stored_name("state_in.bias", "pi0", stored) == "model.state_proj.bias"
    assert stored_name("embedding.weight", "pi0", stored) == "model." + TIED_EMBEDDING


def test_only_the_language_heads_may_stay_unread():
    assert is_unused("paligemma_with_expert.gemma_expert.lm_head.weight")
    assert is_unused("model.paligemma_with_expert.paligemma.lm_head.weight")
    assert not is_unused("state_proj.bias")
