from __future__ import annotations

import torch

from pi0_ros.model import masks
from pi0_ros.model.gemma import AdaptiveRMSNorm, RMSNorm, rotate, rotation


def run_prefix(golden):
    model, outputs = golden.model, golden.outputs
    mask = masks.additive(outputs["prefix_att_mask"], torch.float32)
    turn = rotation(outputs["prefix_position_ids"], golden.config.head_dim)
    return outputs["prefix_embs"], mask, turn, model.vlm


def test_keys_and_values_of_the_prefix_are_those_of_openpi(golden):
    x, mask, turn, vlm = run_prefix(golden)
    real = golden.outputs["prefix_pad_mask"]
    layers = vlm.keys_values(x, mask, turn)
    assert len(layers) == golden.config.depth
    for layer, pair in enumerate(layers):
        for kind, values in zip("kv", pair, strict=True):
            expected = golden.outputs[f"prefix_kv.{layer}.{kind}"]
            # (B, K, N, D) -> (B, N, K, D), of which only real tokens mean anything
            found, expected = values.transpose(1, 2)[real], expected.transpose(1, 2)[real]
            torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_the_output_of_the_prefix_is_that_of_openpi(golden):
    x, mask, turn, vlm = run_prefix(golden)
    real = golden.outputs["prefix_pad_mask"]
    found = vlm(x, mask, turn)[real]
    torch.testing.assert_close(found, golden.outputs["prefix_out"][real], atol=2e-5, rtol=0)


def test_two_passes_equal_one_pass_over_everything(tiny):
    """What sees the past through its keys and values is what would stand beside it."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 5, 10, generator=generator)
    starts = torch.tensor([False, False, True, True, False])
    allowed = masks.block_mask(torch.ones(1, 5, dtype=torch.bool), starts)
    mask = masks.additive(allowed, torch.float32)
    cos, sin = rotation(torch.arange(5)[None], 6)
    whole = tiny.expert(x, mask, (cos, sin))
    past = tiny.expert.keys_values(x[:, :2], mask[:, :, :2, :2], (cos[:, :, :2], sin[:, :, :2]))
    rest = tiny.expert(x[:, 2:], mask[:, :, 2:], (cos[:, :, 2:], sin[:, :, 2:]), past)
    torch.testing.assert_close(rest, whole[:, 2:], atol=1e-6, rtol=0)


def test_rotation_pairs_the_first_half_with_the_second():
    # Channel 0 turns by 1 rad per position, channel 1 by 1/100.
    x = torch.tensor([[[[1.0, 0.0, 0.0, 1.0]]]])
    turned = rotate(x, rotation(torch.tensor([[1]]), 4)).flatten()
    one, small = torch.tensor(1.0), torch.tensor(0.01)
    expected = torch.stack([one.cos(), -small.sin(), one.sin(), small.cos()])
    torch.testing.assert_close(turned, expected)


def test_rotated_keys_see_only_distances():
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 1, 1, 8, generator=generator)

    def dot(i: int, j: int) -> torch.Tensor:
        at = rotation(torch.tensor([[i]]), 8), rotation(torch.tensor([[j]]), 8)
        return (rotate(q, at[0]) * rotate(k, at[1])).sum()

    torch.testing.assert_close(dot(7, 3), dot(4, 0))


def test_a_norm_weight_of_zero_keeps_the_scale():
    norm = RMSNorm(2)
    norm.weight.data = torch.tensor([0.0, 1.0])
    normed, gate = norm(torch.tensor([[[3.0, 3.0]]]))
    torch.testing.assert_close(normed, torch.tensor([[[1.0, 2.0]]]))
    assert gate is None


def test_an_adaptive_norm_follows_its_condition():
    norm = AdaptiveRMSNorm(1)
    norm.dense.weight.data = torch.tensor([[1.0], [2.0], [3.0]])  # scale, shift, gate
    norm.dense.bias.data.zero_()
    normed, gate = norm(torch.tensor([[[5.0]]]), torch.tensor([[10.0]]))
    torch.testing.assert_close(normed, torch.tensor([[[1.0 * 11.0 + 20.0]]]))
    torch.testing.assert_close(gate, torch.tensor([[[30.0]]]))


def test_several_key_heads_serve_equal_shares_of_the_query_heads(tiny):
    """Four query heads on two key heads equal four on four whose keys are written twice."""
    attention = tiny.vlm.blocks[0].attention
    x = torch.randn(1, 3, 16, generator=torch.Generator().manual_seed(0))
    turn = rotation(torch.arange(3)[None], 6)
    k, v = attention.keys_values(x, turn)
    shared = attention(x, (k, v), torch.zeros(1, 1, 3, 3), turn)
    attention.groups = 1
    twice = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
    torch.testing.assert_close(attention(x, twice, torch.zeros(1, 1, 3, 3), turn), shared)
