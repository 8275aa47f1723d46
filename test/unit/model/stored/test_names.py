from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pi0_ros.model.config import Pi0Config
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.stored.names import (
    EMBEDDING,
    EXPERT_HEAD,
    TIED_EMBEDDING,
    find_openpi_names,
    is_pi05,
    openpi_names,
    openpi_parts,
)

KEYS = Path(__file__).parents[3] / "data" / "full_keys.json.gz"
VLM = "paligemma_with_expert.paligemma.model.language_model."
SIGLIP = "paligemma_with_expert.paligemma.model.vision_tower.vision_model."
EXPERT = "paligemma_with_expert.gemma_expert.model."


@pytest.fixture(scope="module")
def keys():
    return json.loads(gzip.decompress(KEYS.read_bytes()))


def parts_of(config):
    shapes = {name: tuple(value.shape) for name, value in Pi0(config).named_parameters()}
    return openpi_parts(config, shapes)


@pytest.mark.parametrize(
    ("ours", "openpi"),
    [
        ("vision.patch.bias", [SIGLIP + "embeddings.patch_embedding.bias"]),
        ("vision.position", [SIGLIP + "embeddings.position_embedding.weight"]),
        (
            "vision.blocks.3.attention.qkv.bias",
            [SIGLIP + f"encoder.layers.3.self_attn.{part}_proj.bias" for part in "qkv"],
        ),
        ("vision.norm.weight", [SIGLIP + "post_layernorm.weight"]),
        (
            "vision.projector.weight",
            ["paligemma_with_expert.paligemma.model.multi_modal_projector.linear.weight"],
        ),
        ("embedding.weight", [VLM + "embed_tokens.weight"]),
        ("vlm.blocks.17.attention.out.weight", [VLM + "layers.17.self_attn.o_proj.weight"]),
        ("vlm.blocks.0.mlp_norm.scale", [VLM + "layers.0.post_attention_layernorm.weight"]),
        (
            "expert.blocks.2.mlp.gate_up.weight",
            [EXPERT + f"layers.2.mlp.{part}_proj.weight" for part in ("gate", "up")],
        ),
        ("expert.norm.scale", [EXPERT + "norm.weight"]),
        ("state_in.bias", ["state_proj.bias"]),
        ("action_out.weight", ["action_out_proj.weight"]),
        ("time_in.weight", ["action_time_mlp_in.weight"]),
    ],
)
def test_our_name_becomes_those_of_openpi(ours, openpi):
    assert openpi_names(ours, "pi0") == tuple(openpi)


def test_pi05_calls_its_time_layers_otherwise():
    assert openpi_names("time_out.bias", "pi05") == ("time_mlp_out.bias",)


@pytest.mark.parametrize(("variant", "count"), [("pi0", 777), ("pi05", 812)])
def test_every_tensor_of_the_released_files_is_found_with_its_shape(keys, variant, count):
    config = Pi0Config.openpi() if variant == "pi0" else Pi0Config.pi05()
    stored = {name: tuple(shape) for name, shape in keys[variant].items()}
    for name in keys["not_in_saved_file"][variant]:
        del stored[name]
    assert len(stored) == count
    ours = {name: part.shape for name, part in parts_of(config).items()}
    assert ours == {name: stored[source] for name, source in find_openpi_names(stored).items()}
    assert set(stored) - set(find_openpi_names(stored).values()) == {EXPERT_HEAD}


def test_the_parts_fill_every_row_of_every_parameter_once(tiny_config):
    filled = {}
    for part in parts_of(tiny_config).values():
        assert part.start == filled.get(part.parameter, 0)
        filled[part.parameter] = part.rows.stop
    expected = {name: value.shape[0] for name, value in Pi0(tiny_config).named_parameters()}
    assert filled == expected


def test_queries_come_before_keys_before_values(tiny_config):
    parts = parts_of(tiny_config)  # 4 query heads and 2 key heads of 6 channels
    rows = [parts[VLM + f"layers.0.self_attn.{part}_proj.weight"].rows for part in "qkv"]
    assert rows == [slice(0, 24), slice(24, 36), slice(36, 48)]


def test_only_the_scales_of_gemmas_norms_are_stored_less_one(tiny_config):
    parts = parts_of(tiny_config)
    assert parts[VLM + "norm.weight"].lacks_one
    assert not parts[SIGLIP + "post_layernorm.weight"].lacks_one
    assert sum(part.lacks_one for part in parts.values()) == 2 * (2 * tiny_config.depth + 1)


def test_the_embedding_is_found_under_either_of_its_names():
    assert find_openpi_names([TIED_EMBEDDING]) == {EMBEDDING: TIED_EMBEDDING}
    assert find_openpi_names([EMBEDDING]) == {EMBEDDING: EMBEDDING}
    for both in ([TIED_EMBEDDING, EMBEDDING], [EMBEDDING, TIED_EMBEDDING]):
        assert find_openpi_names(both) == {EMBEDDING: EMBEDDING}


def test_lerobot_writes_the_same_names_behind_a_prefix():
    stored = ["model.state_proj.bias", "model." + TIED_EMBEDDING, "model." + EXPERT_HEAD]
    assert find_openpi_names(stored) == {
        "state_proj.bias": "model.state_proj.bias",
        EMBEDDING: "model." + TIED_EMBEDDING,
    }


def test_the_time_layers_are_found_under_the_other_variants_name():
    assert find_openpi_names(["time_mlp_in.bias"]) == {
        "action_time_mlp_in.bias": "time_mlp_in.bias"
    }
    adaptive = EXPERT + "norm.dense.bias"
    found = find_openpi_names(["model.action_time_mlp_in.bias", adaptive])
    assert found["time_mlp_in.bias"] == "model.action_time_mlp_in.bias"


def test_adaptive_norms_of_the_expert_tell_pi05(keys):
    assert is_pi05(keys["pi05"])
    assert not is_pi05(keys["pi0"])


def test_paligemma_is_found_under_the_names_of_its_files_and_of_newer_transformers(keys):
    old = {theirs: openpi for theirs, openpi in keys["paligemma"].items()}
    assert find_openpi_names(old) == {openpi: theirs for theirs, openpi in old.items()}
    new = {name.removeprefix("paligemma_with_expert.paligemma."): name for name in old.values()}
    assert find_openpi_names(new) == {openpi: theirs for theirs, openpi in new.items()}


def test_two_tensors_that_claim_one_name_are_named():
    with pytest.raises(ValueError, match=r"'state_proj\.bias' and 'model\.state_proj\.bias' are"):
        find_openpi_names(["state_proj.bias", "model.state_proj.bias"])


def test_an_unknown_tensor_keeps_its_name():
    assert find_openpi_names(["model.surprise"]) == {"model.surprise": "model.surprise"}
