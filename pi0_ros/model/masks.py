"""Who may look at whom, and at which position each token stands."""

from __future__ import annotations

import torch
from torch import Tensor

# B batch, N all tokens (prefix, then suffix), M the last ones among them that ask


def block_mask(pad: Tensor, starts: Tensor) -> Tensor:
    """Let each token see its own block and all earlier ones, padding excepted.

    Args:
        pad: True where a token is real and False where it is padding, (B, N) bool.
        starts: True where a token opens a new block, (N,) bool.

    Returns:
        True where query (row) may see key (column), (B, N, N) bool.

    Source: arXiv 2410.24164, appendix B (three blocks: images and prompt, state, actions).
    """
    block = starts.cumsum(0)
    order = block[None, :] <= block[:, None]  # (N, N)
    return order & pad[:, None, :] & pad[:, :, None]


def positions(pad: Tensor) -> Tensor:
    """Number the real tokens from 0; padding repeats the number before it (or is -1).

    Args:
        pad: True where a token is real, (B, N) bool.

    Returns:
        Positions for the rotary embedding, (B, N) int64.
    """
    return pad.long().cumsum(1) - 1


def suffix_starts(length: int, has_state_token: bool, device: torch.device) -> Tensor:
    """Mark the blocks of the suffix: the state by itself, then all actions together.

    Args:
        length: Tokens of the suffix, M.
        has_state_token: Whether the first of them is the state.
        device: Where the result lives.

    Returns:
        True where a block opens, (M,) bool.
    """
    index = torch.arange(length, device=device)
    return index < (2 if has_state_token else 1)


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Turn a boolean mask into what is added to attention logits.

    Args:
        mask: True where a query may see a key, (B, M, N) bool.
        dtype: Floating type of the attention.

    Returns:
        0 where allowed and a huge negative number elsewhere, (B, 1, M, N).
    """
    # Finite, because a padding query sees no key at all: with -inf its softmax is NaN, and NaN
    # times a zero weight poisons every token of the next layer. 0.7 leaves room for the logit.
    hidden = 0.7 * torch.finfo(dtype).min
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, hidden)[
        :, None
    ]
