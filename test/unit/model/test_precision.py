from __future__ import annotations

import pytest
import torch

from pi0_ros.model.precision import cast, parameter_dtype
from pi0_ros.model.sampler import Sampler


@pytest.mark.parametrize(
    "name",
    [
        "state_in.weight",
        "action_in.bias",
        "action_out.weight",
        "time_in.bias",
        "time_out.weight",
        "vision.patch.weight",
        "vision.position",
        "expert.blocks.17.mlp_norm.dense.weight",
        "expert.norm.dense.bias",
    ],
)
def test_what_the_actions_pass_through_stays_in_float32(name):
    assert parameter_dtype(name, torch.bfloat16) == torch.float32


@pytest.mark.parametrize(
    "name",
    [
        "embedding.weight",
        "vision.blocks.0.attention_norm.weight",
        "vision.norm.bias",
        "vision.projector.weight",
        "vlm.blocks.0.attention.out.weight",
        "expert.blocks.0.mlp.gate_up.weight",
        "vlm.blocks.0.attention_norm.scale",
        "expert.norm.scale",
    ],
)
def test_large_matrices_follow_the_model(name):
    assert parameter_dtype(name, torch.bfloat16) == torch.bfloat16


def test_a_cast_model_still_samples_in_float32(tiny, observe, draw):
    inputs, noise = observe(tiny.config), draw(tiny.config)
    exact = Sampler(tiny).sample(**inputs, noise=noise)
    rounded = Sampler(cast(tiny, torch.bfloat16)).sample(**inputs, noise=noise)
    assert tiny.embedding.weight.dtype == torch.bfloat16
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.1


def test_half_precision_is_refused(tiny):
    with pytest.raises(ValueError, match=r"dtype is torch.float16; the model runs in"):
        cast(tiny, torch.float16)
