from __future__ import annotations

import torch

from pi0_ros.model.masks import additive, block_mask, positions, suffix_starts

CPU = torch.device("cpu")


def padding_and_starts(golden):
    prefix = golden.outputs["prefix_pad_mask"]
    pad = torch.cat([prefix, golden.outputs["suffix_pad_mask"]], 1)
    own = suffix_starts(golden.config.suffix_length, golden.config.has_state_token, CPU)
    return pad, torch.cat([torch.zeros(prefix.shape[1], dtype=torch.bool), own]), prefix.shape[1]


def test_blocks_start_where_openpi_starts_them(golden):
    starts = suffix_starts(golden.config.suffix_length, golden.config.has_state_token, CPU)
    expected = golden.outputs["suffix_ar_mask"].bool()
    assert torch.equal(starts.expand_as(expected), expected)


def test_the_mask_is_that_of_openpi(golden):
    pad, starts, n = padding_and_starts(golden)
    mask = block_mask(pad, starts)
    assert torch.equal(mask, golden.outputs["joint_att_mask"])
    assert torch.equal(mask[:, :n, :n], golden.outputs["prefix_att_mask"])
    assert torch.equal(mask[:, n:], golden.outputs["denoise_att_mask"])


def test_positions_are_those_of_openpi(golden):
    pad, _, n = padding_and_starts(golden)
    numbers = positions(pad)
    assert torch.equal(numbers, golden.outputs["joint_position_ids"])
    assert torch.equal(numbers[:, :n], golden.outputs["prefix_position_ids"])
    assert torch.equal(numbers[:, n:], golden.outputs["denoise_position_ids"])


def test_state_sees_the_prefix_and_actions_see_all():
    pad = torch.tensor([[True, False, True, True, True]])  # two prefix tokens, state, two actions
    starts = torch.tensor([False, False, True, True, False])
    assert block_mask(pad, starts)[0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [1, 0, 1, 0, 0],
        [1, 0, 1, 1, 1],
        [1, 0, 1, 1, 1],
    ]


def test_padding_takes_no_position():
    pad = torch.tensor([[False, True, False, True]])
    assert positions(pad).tolist() == [[-1, 0, 0, 1]]


def test_a_query_that_sees_nothing_stays_finite():
    mask = torch.tensor([[[True, False], [False, False]]])
    for dtype in (torch.float32, torch.bfloat16):
        weights = (additive(mask, dtype) + torch.tensor([3.0, -3.0], dtype=dtype)).softmax(-1)
        assert weights.tolist() == [[[[1.0, 0.0], [0.5, 0.5]]]]
