from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from pi0_ros.model.config import Pi0Config
from pi0_ros.model.stored.sizes import infer_config
from pi0_ros.model.stored.tensor_files import TensorFiles
from pi0_ros.model.stored.tensor_source import StoredTensor
from pi0_ros.model.stored.weights import stored_layout

KEYS = Path(__file__).parents[3] / "data" / "full_keys.json.gz"
PATCH = (
    "paligemma_with_expert.paligemma.model.vision_tower.vision_model.embeddings.patch_embedding."
)


@dataclass(frozen=True)
class Headers:
    tensors: dict[str, StoredTensor]
    place: str = "there"

    def read(self, names):
        raise AssertionError("sizes are told from headers")


@pytest.mark.parametrize("config", [Pi0Config.openpi(), Pi0Config.pi05()])
def test_the_released_files_have_the_released_sizes(config):
    shapes = json.loads(gzip.decompress(KEYS.read_bytes()))[config.variant]
    stored = {name: StoredTensor(tuple(shape), "F32") for name, shape in shapes.items()}
    assert infer_config(Headers(stored)) == config


@pytest.mark.parametrize("kv_heads", [1, 2, 8])
@pytest.mark.parametrize("variant", ["pi0", "pi05"])
def test_other_sizes_are_told_from_shapes_too(tiny_config, variant, kv_heads):
    config = replace(tiny_config, variant=variant, heads=8, kv_heads=kv_heads, depth=3)
    told = infer_config(
        Headers(stored_layout(config, torch.float32)),
        horizon=config.horizon,
        prompt_length=config.prompt_length,
        vision_heads=config.vision.heads,
    )
    assert told == config


def test_the_sizes_of_a_golden_file_are_those_it_was_made_with(golden):
    told = infer_config(
        TensorFiles(golden.folder / "model.safetensors"),
        horizon=golden.config.horizon,
        prompt_length=golden.config.prompt_length,
        vision_heads=golden.config.vision.heads,
    )
    assert told == golden.config


def test_what_shapes_cannot_tell_has_openpis_defaults(tiny_config):
    def told(variant):
        config = replace(tiny_config, variant=variant, heads=8)
        return infer_config(Headers(stored_layout(config, torch.float32)), vision_heads=3)

    assert (told("pi0").horizon, told("pi0").prompt_length) == (50, 48)
    assert told("pi05").prompt_length == 200


def test_an_unknown_image_tower_is_named_with_the_remedy(tiny_config):
    layout = stored_layout(replace(tiny_config, heads=8), torch.float32)
    with pytest.raises(
        ValueError, match=r"width 12 are not known; .* \[768, 1024, 1152\]\. `pi0 convert"
    ):
        infer_config(Headers(layout))


@pytest.mark.parametrize("name", [PATCH + "weight", "action_out_proj.weight"])
def test_a_missing_tensor_is_named(tiny_config, name):
    layout = stored_layout(replace(tiny_config, heads=8), torch.float32)
    del layout[name]
    with pytest.raises(ValueError, match=f"cannot be told, because {name} is missing"):
        infer_config(Headers(layout), vision_heads=3)


def test_a_tensor_of_another_rank_is_named(tiny_config):
    layout = stored_layout(replace(tiny_config, heads=8), torch.float32)
    layout[PATCH + "weight"] = StoredTensor((12, 48), "F32")
    with pytest.raises(ValueError, match=r"patch_embedding\.weight has shape \(12, 48\)"):
        infer_config(Headers(layout), vision_heads=3)


def test_rows_that_are_no_eight_heads_are_refused(tiny_config):
    layout = stored_layout(replace(tiny_config, heads=6, kv_heads=2, head_dim=2), torch.float32)
    with pytest.raises(ValueError, match=r"queries of 12 rows and keys of 4 do not come from 8"):
        infer_config(Headers(layout), vision_heads=3)
