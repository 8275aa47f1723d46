from __future__ import annotations

import torch

from pi0_ros.model import masks
from pi0_ros.model.gemma import AdaptiveRMSNorm, RMSNorm, rotate, rotation
from pi0_ros.model.memory import Appended, Recorded


def turned(positions: torch.Tensor, head_dim: int):
    return rotation(positions, head_dim, torch.float32)


def run_prefix(golden):
    outputs = golden.outputs
    mask = masks.additive(outputs["prefix_att_mask"], torch.float32)
    turn = turned(outputs["prefix_position_ids"], golden.config.head_dim)
    return outputs["prefix_embs"], Recorded(), mask, turn


def test_keys_and_values_of_the_prefix_are_those_of_openpi(golden):
    x, memory, mask, turn = run_prefix(golden)
    real = golden.outputs["prefix_pad_mask"]
    golden.model.vlm.remember(x, memory, mask, turn)
    assert len(memory.layers) == golden.config.depth
    for layer, pair in enumerate(memory.layers):
        for kind, values in zip("kv", pair, strict=True):
            expected = golden.outputs[f"prefix_kv.{layer}.{kind}"]
            # (B, K, N, D) -> (B, N, K, D), of which only real tokens mean anything
            found, expected = values.transpose(1, 2)[real], expected.transpose(1, 2)[real]
            torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_the_output_of_the_prefix_is_that_of_openpi(golden):
    real = golden.outputs["prefix_pad_mask"]
    found = golden.model.vlm(*run_prefix(golden))[real]
    torch.testing.assert_close(found, golden.outputs["prefix_out"][real], atol=2e-5, rtol=0)


def test_two_passes_equal_one_pass_over_everything(tiny):
    """What sees the past through its keys and values is what would stand beside it."""
    x = torch.randn(1, 5, 10, generator=torch.Generator().manual_seed(0))
    starts = torch.tensor([False, False, True, True, False])
    allowed = masks.block_mask(torch.ones(1, 5, dtype=torch.bool), starts)
    mask = masks.additive(allowed, torch.float32)
    cos, sin = turned(torch.arange(5)[None], 6)
    whole = tiny.expert(x, Recorded(), mask, (cos, sin))
    past = Recorded()
    tiny.expert.remember(x[:, :2], past, mask[:, :, :2, :2], (cos[:, :2], sin[:, :2]))
    seen = Appended(past.layers)
    rest = tiny.expert(x[:, 2:], seen, mask[:, :, 2:], (cos[:, 2:], sin[:, 2:]))
    torch.testing.assert_close(rest, whole[:, 2:], atol=1e-6, rtol=0)


def test_rotation_pairs_the_first_half_with_the_second():
    # Channel 0 turns by 1 rad per position, channel 1 by 1/100.
    x = torch.tensor([[[[1.0, 0.0, 0.0, 1.0]]]])
    found = rotate(x, turned(torch.tensor([[1]]), 4)).flatten()
    one, small = torch.tensor(1.0), torch.tensor(0.01)
    expected = torch.stack([one.cos(), -small.sin(), one.sin(), small.cos()])
    torch.testing.assert_close(found, expected)


def test_rotated_keys_see_only_distances():
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 1, 1, 8, generator=generator)

    def dot(i: int, j: int) -> torch.Tensor:
        at = turned(torch.tensor([[i]]), 8), turned(torch.tensor([[j]]), 8)
        return (rotate(q[None], at[0]) * rotate(k[None], at[1])).sum()

    torch.testing.assert_close(dot(7, 3), dot(4, 0))


def test_a_norm_brings_the_mean_square_to_its_scale():
    norm = RMSNorm(2)
    norm.scale.data = torch.tensor([1.0, 2.0])
    torch.testing.assert_close(norm(torch.tensor([[[3.0, 3.0]]])), torch.tensor([[[1.0, 2.0]]]))


def test_an_adaptive_norm_follows_its_condition():
    norm = AdaptiveRMSNorm(1)
    norm.dense.weight.data = torch.tensor([[1.0], [2.0], [3.0]])  # scale, shift, gate
    norm.dense.bias.data.zero_()
    by = norm.modulation(torch.tensor([[[10.0]]]), torch.float32)
    normed = norm(torch.tensor([[[5.0]]]), by)
    torch.testing.assert_close(normed, torch.tensor([[[1.0 * 11.0 + 20.0]]]))
    torch.testing.assert_close(by[2], torch.tensor([[[30.0]]]))


def test_keys_and_values_alone_are_those_that_come_with_the_queries(tiny):
    attention = tiny.vlm.blocks[0].attention
    x = torch.randn(1, 3, 16, generator=torch.Generator().manual_seed(0))
    turn = turned(torch.arange(3)[None], 6)
    _, (keys, values) = attention.project(x, turn)
    alone = attention.keys_values(x, turn)
    torch.testing.assert_close(alone[0], keys, atol=1e-6, rtol=0)
    torch.testing.assert_close(alone[1], values, atol=1e-6, rtol=0)
