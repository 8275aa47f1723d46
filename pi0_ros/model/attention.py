"""Softmax attention, shared by the image tower and both experts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# B batch, H query heads, K key heads, M tokens asking, N tokens seen, D head size


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Let queries look at keys and take their values.

    Args:
        queries: (B, H, M, D).
        keys: (B, K, N, D); each serves H / K query heads that stand side by side.
        values: (B, K, N, D).
        mask: Added to the logits, (B, 1, 1 or M, N); None hides nothing.

    Returns:
        The heads of each token side by side, (B, M, H D).
    """
    if queries.device.type == "cpu" and queries.dtype == torch.bfloat16:
        return _multiplied(queries, keys, values, mask)
    shared = queries.shape[1] // keys.shape[1]
    if shared > 1:
        keys, values = (_shared(part, shared) for part in (keys, values))
    x = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    return x.transpose(1, 2).flatten(2)


def _shared(x: Tensor, times: int) -> Tensor:
    """Repeat each head, (B, K, N, D) to (B, H, N, D), without a copy where there is only one."""
    if x.shape[1] == 1:
        return x.expand(-1, times, -1, -1)
    return x.repeat_interleave(times, 1)


def _multiplied(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Attend by two matrix products, in which query heads of one key head are rows of one matrix.

    torch's own kernel is as slow in bfloat16 as in float32 on a CPU, whose matrix products are
    twice as fast; this takes half its time there.
    """
    (batch, heads, seen, width), asking = keys.shape, queries.shape[2]
    scaled = (queries * width**-0.5).reshape(batch, heads, -1, asking, width)
    rows = scaled.transpose(2, 3).flatten(2, 3)  # (B, K, H/K, M, D) -> (B, K, M H/K, D)
    logits = rows @ keys.mT  # (B, K, M H/K, N)
    if mask is not None:
        of_token = logits.view(batch, heads, asking, -1, seen)
        logits = (of_token + mask[:, :, :, None]).view_as(logits)
    looked: Tensor = (logits.softmax(-1) @ values).view(batch, heads, asking, -1)
    return looked.transpose(1, 2).flatten(2)
