"""Where each token stands and whom it may look at, for one prefix and its suffix."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pi0_ros.model import masks
from pi0_ros.model.config import Pi0Config
from pi0_ros.model.gemma import Rotation, rotation

# B batch (1 where it is the same for all), N prefix tokens, M suffix tokens, D head size


@dataclass(frozen=True, eq=False)
class Layout:
    """Masks and rotations of both passes.

    Attributes:
        prefix_mask: Added to the prefix's logits, (B, 1, N, N); None where nothing is hidden.
        suffix_mask: Added to the suffix's logits, (B, 1, M, N + M).
        actions_mask: The same for the actions alone, (B, 1, 1, N + M); None where nothing is
            hidden: they see all but padding.
        prefix_turn: Rotation of the prefix's positions, each (B, N, 1, D).
        suffix_turn: Rotation of the suffix's positions, each (B, M, 1, D).
    """

    prefix_mask: Tensor | None
    suffix_mask: Tensor
    actions_mask: Tensor | None
    prefix_turn: Rotation
    suffix_turn: Rotation


def layout(
    config: Pi0Config, pad: Tensor | None, length: int, dtype: torch.dtype, device: torch.device
) -> Layout:
    """Lay out a prefix and the suffix that follows it.

    Args:
        config: Sizes of the model.
        pad: True where a prefix token is real, (B, N) bool; None where all are.
        length: Tokens of the prefix, N.
        dtype: Type of the attention.
        device: Where the result lives.
    """
    real = torch.ones(1, length, dtype=torch.bool, device=device) if pad is None else pad
    after = config.suffix_length
    real = torch.cat([real, real.new_ones(real.shape[0], after)], 1)  # (B, N + M)
    starts = masks.suffix_starts(after, config.has_state_token, device)
    starts = torch.cat([starts.new_zeros(length), starts])
    cos, sin = rotation(masks.positions(real), config.head_dim, dtype)
    allowed = masks.block_mask(real, starts)  # (B, N + M, N + M)
    hidden = None if pad is None else masks.additive(allowed[:, :length, :length], dtype)
    suffix = masks.additive(allowed[:, length:], dtype)
    return Layout(
        prefix_mask=hidden,
        suffix_mask=suffix,
        actions_mask=None if pad is None else suffix[:, :, -1:],
        prefix_turn=(cos[:, :length], sin[:, :length]),
        suffix_turn=(cos[:, length:], sin[:, length:]),
    )
