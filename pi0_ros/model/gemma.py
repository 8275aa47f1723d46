"""Gemma experts: plain decoders that can look into each other's keys and values.

π0 is described as two experts under one joint attention. Its mask lets no prefix token (images,
prompt) see a suffix token (state, actions), so the same numbers come from two passes: the VLM
runs over the prefix and hands over each layer's keys and values, and the action expert runs over
the suffix and attends to both. Training and sampling share this path.

Source: arXiv 2410.24164, section IV and appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pi0_ros.model.config import ExpertConfig, Pi0Config

# B batch, M tokens asking, N tokens seen, W width, H query heads, K key heads, D head size
EPSILON = 1e-6
ROTARY_BASE = 10000.0

KeysValues = tuple[Tensor, Tensor]
"""Keys (after rotation) and values of one layer, each (B, K, N, D)."""
Rotation = tuple[Tensor, Tensor]
"""Cosine and sine of every token's angles, each (B, 1, N, D/2)."""


def rotation(positions: Tensor, head_dim: int) -> Rotation:
    """Compute the rotary embedding's angles once for all layers.

    Args:
        positions: Positions of the tokens, (B, N).
        head_dim: Channels of one head, D.

    Returns:
        Cosine and sine, each (B, 1, N, D/2) float32.
    """
    exponent = torch.arange(0, head_dim, 2, device=positions.device).float() / head_dim
    angle = positions[..., None].float() / ROTARY_BASE**exponent  # (B, N, D/2)
    return angle.cos()[:, None], angle.sin()[:, None]


def rotate(x: Tensor, by: Rotation) -> Tensor:
    """Rotate channel k against channel k + D/2; (B, H, N, D) to (B, H, N, D)."""
    cos, sin = by
    first, second = x.float().chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1).to(x.dtype)


class RMSNorm(nn.Module):
    """Root-mean-square norm whose stored weight is the scale minus one."""

    def __init__(self, width: int) -> None:
        """Create the scale of `width` channels."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Normalise (B, N, W); there is no gate, and a condition is not looked at."""
        scale = 1.0 + self.weight.float()
        return F.rms_norm(x.float(), scale.shape, scale, EPSILON).to(x.dtype), None


class AdaptiveRMSNorm(nn.Module):
    """Root-mean-square norm whose scale, shift and gate follow a condition (π0.5)."""

    def __init__(self, width: int) -> None:
        """Create the map from condition to scale, shift and gate."""
        super().__init__()
        self.dense = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Normalise (B, N, W) under a condition (B, W); also return the gate (B, 1, W)."""
        assert condition is not None, "an adaptive norm needs a condition"
        scale, shift, gate = self.dense(condition)[:, None].float().chunk(3, dim=-1)
        normed = F.rms_norm(x.float(), x.shape[-1:], eps=EPSILON)
        return (normed * (1.0 + scale) + shift).to(x.dtype), gate.to(x.dtype)


class Attention(nn.Module):
    """Multi-query attention with rotary positions."""

    def __init__(self, width: int, config: Pi0Config) -> None:
        """Create the four projections of an expert of `width` channels."""
        super().__init__()
        self.head_dim = config.head_dim
        self.groups = config.heads // config.kv_heads
        self.query = nn.Linear(width, config.heads * config.head_dim, bias=False)
        self.key = nn.Linear(width, config.kv_heads * config.head_dim, bias=False)
        self.value = nn.Linear(width, config.kv_heads * config.head_dim, bias=False)
        self.out = nn.Linear(config.heads * config.head_dim, width, bias=False)

    def keys_values(self, x: Tensor, turn: Rotation) -> KeysValues:
        """Offer tokens (B, N, W) to others as keys and values."""
        return rotate(self._split(self.key(x)), turn), self._split(self.value(x))

    def forward(self, x: Tensor, seen: KeysValues, mask: Tensor, turn: Rotation) -> Tensor:
        """Let tokens (B, M, W) look at what is `seen` under a mask (B, 1, M, N)."""
        q = rotate(self._split(self.query(x)), turn)
        k, v = (self._share(part) for part in seen)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x.transpose(1, 2).flatten(2)  # (B, H, M, D) -> (B, M, H D)
        out: Tensor = self.out(x)
        return out

    def _split(self, x: Tensor) -> Tensor:
        x = x.view(*x.shape[:2], -1, self.head_dim)  # (B, N, H D) -> (B, N, H, D)
        return x.transpose(1, 2)

    def _share(self, x: Tensor) -> Tensor:
        x = x[:, :, None].expand(-1, -1, self.groups, -1, -1)  # (B, K, N, D) -> (B, K, H/K, N, D)
        return x.flatten(1, 2)  # (B, H, N, D), without a copy where K = 1


class MLP(nn.Module):
    """Gated MLP: one projection, through a GELU, scales the other."""

    def __init__(self, config: ExpertConfig) -> None:
        """Create the three projections."""
        super().__init__()
        self.gate = nn.Linear(config.width, config.mlp, bias=False)
        self.up = nn.Linear(config.width, config.mlp, bias=False)
        self.down = nn.Linear(config.mlp, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each token by itself; (B, M, W) to (B, M, W)."""
        out: Tensor = self.down(F.gelu(self.gate(x), approximate="tanh") * self.up(x))
        return out


class Block(nn.Module):
    """One pre-norm layer of an expert."""

    def __init__(self, sizes: ExpertConfig, config: Pi0Config, adaptive: bool) -> None:
        """Create both sub-layers and their norms."""
        super().__init__()
        norm = AdaptiveRMSNorm if adaptive else RMSNorm
        self.attention_norm = norm(sizes.width)
        self.attention = Attention(sizes.width, config)
        self.mlp_norm = norm(sizes.width)
        self.mlp = MLP(sizes)

    def keys_values(self, x: Tensor, turn: Rotation) -> KeysValues:
        """Offer tokens to others without computing their own next state."""
        own: KeysValues = self.attention.keys_values(self.attention_norm(x)[0], turn)
        return own

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        turn: Rotation,
        past: KeysValues | None = None,
        condition: Tensor | None = None,
    ) -> tuple[Tensor, KeysValues]:
        """Run one layer over (B, M, W); also return its own keys and values."""
        h, gate = self.attention_norm(x, condition)
        own = self.attention.keys_values(h, turn)
        seen = own if past is None else _concatenate(past, own)
        x = _add(x, self.attention(h, seen, mask, turn), gate)
        h, gate = self.mlp_norm(x, condition)
        return _add(x, self.mlp(h), gate), own


class Gemma(nn.Module):
    """One expert: a stack of blocks and a final norm; embeddings come from outside."""

    def __init__(self, sizes: ExpertConfig, config: Pi0Config, adaptive: bool = False) -> None:
        """Create the expert with its own widths and the model's shared head sizes."""
        super().__init__()
        self.blocks = nn.ModuleList(Block(sizes, config, adaptive) for _ in range(config.depth))
        self.norm = (AdaptiveRMSNorm if adaptive else RMSNorm)(sizes.width)

    def keys_values(self, x: Tensor, mask: Tensor, turn: Rotation) -> tuple[KeysValues, ...]:
        """Run over tokens only for what later tokens will see of them.

        Args:
            x: Tokens, (B, N, W).
            mask: Added to the logits, (B, 1, N, N).
            turn: Rotation of the tokens' positions.

        Returns:
            Keys and values of each layer.
        """
        layers: list[KeysValues] = []
        for block in self.blocks[:-1]:
            x, own = block(x, mask, turn)
            layers.append(own)
        # Nobody reads the last layer's output, so its attention and MLP are not computed.
        last = self.blocks[-1]
        assert isinstance(last, Block)
        return (*layers, last.keys_values(x, turn))

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        turn: Rotation,
        past: Sequence[KeysValues] | None = None,
        condition: Tensor | None = None,
    ) -> Tensor:
        """Run over tokens that may also see `past` ones.

        Args:
            x: Tokens, (B, M, W).
            mask: Added to the logits, (B, 1, M, N): columns are past tokens, then these.
            turn: Rotation of these tokens' positions.
            past: Keys and values of each layer, if earlier tokens are seen.
            condition: What adaptive norms follow, (B, W); plain norms ignore it.

        Returns:
            Tokens after the final norm, (B, M, W).
        """
        for layer, block in enumerate(self.blocks):
            x, _ = block(x, mask, turn, past[layer] if past else None, condition)
        out: Tensor = self.norm(x, condition)[0]
        return out


def _concatenate(past: KeysValues, own: KeysValues) -> KeysValues:
    return torch.cat([past[0], own[0]], dim=2), torch.cat([past[1], own[1]], dim=2)


def _add(x: Tensor, update: Tensor, gate: Tensor | None) -> Tensor:
    return x + (update if gate is None else update * gate)
