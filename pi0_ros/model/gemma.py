"""Gemma experts: plain decoders that can look into each other's keys and values.

π0 is described as two experts under one joint attention. Its mask lets no prefix token (images,
prompt) see a suffix token (state, actions), so the same numbers come from two passes: the VLM
runs over the prefix and leaves each layer's keys and values, and the action expert runs over the
suffix and attends to both. Training and sampling share this path.

Source: arXiv 2410.24164, section IV and appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pi0_ros.model.attention import attend
from pi0_ros.model.config import ExpertConfig, Pi0Config
from pi0_ros.model.memory import KeysValues, Memory

# B batch, M tokens asking, N tokens seen, W width, H query heads, K key heads, D head size
EPSILON = 1e-6
ROTARY_BASE = 10000.0

Rotation = tuple[Tensor, Tensor]
"""Cosine of every token's angles and their signed sine, each (B, M, 1, D)."""
Modulation = tuple[Tensor, Tensor, Tensor]
"""Scale, shift and gate of one adaptive norm, each (B, 1 or M, W)."""


def rotation(positions: Tensor, head_dim: int, dtype: torch.dtype) -> Rotation:
    """Compute the rotary embedding's angles once for all layers.

    Args:
        positions: Positions of the tokens, (B, M).
        head_dim: Channels of one head, D.
        dtype: Type of the attention.

    Returns:
        Cosine, and sine with the sign that `rotate` needs, each (B, M, 1, D).
    """
    exponent = torch.arange(0, head_dim, 2, device=positions.device).float() / head_dim
    angle = positions[..., None, None].float() / ROTARY_BASE**exponent  # (B, M, 1, D/2)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([cos, cos], -1).to(dtype), torch.cat([-sin, sin], -1).to(dtype)


def rotate(x: Tensor, by: Rotation) -> Tensor:
    """Rotate channel k against channel k + D/2; (B, M, H, D) to (B, M, H, D)."""
    cos, sin = by
    first, second = x.chunk(2, dim=-1)
    return torch.addcmul(x * cos, torch.cat([second, first], -1), sin)


class RMSNorm(nn.Module):
    """Root-mean-square norm; checkpoints store its scale minus one."""

    def __init__(self, width: int) -> None:
        """Create the scale of `width` channels."""
        super().__init__()
        self.scale = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor, by: Modulation | None = None) -> Tensor:
        """Normalise (B, M, W); there is no modulation to follow."""
        return F.rms_norm(x, self.scale.shape, self.scale, EPSILON)


class AdaptiveRMSNorm(nn.Module):
    """Root-mean-square norm whose scale, shift and gate follow a condition (π0.5)."""

    def __init__(self, width: int) -> None:
        """Create the map from condition to scale, shift and gate."""
        super().__init__()
        self.dense = nn.Linear(width, 3 * width)

    def modulation(self, condition: Tensor, dtype: torch.dtype) -> Modulation:
        """Say how a condition (B, 1 or M, W) modulates tokens of a type, whatever they are."""
        scale, shift, gate = self.dense(condition.to(self.dense.weight.dtype)).chunk(3, dim=-1)
        return 1.0 + scale.float(), shift.float(), gate.to(dtype)

    def forward(self, x: Tensor, by: Modulation | None) -> Tensor:
        """Normalise (B, M, W) by a modulation; its gate is for the caller."""
        assert by is not None, "an adaptive norm needs a modulation"
        normed = F.rms_norm(x.float(), x.shape[-1:], eps=EPSILON)
        return torch.addcmul(by[1], normed, by[0]).to(x.dtype)


class Attention(nn.Module):
    """Multi-query attention with rotary positions; query, key and value are one projection."""

    def __init__(self, width: int, config: Pi0Config) -> None:
        """Create both projections of an expert of `width` channels."""
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.heads, config.kv_heads, config.head_dim
        rows = (config.heads + 2 * config.kv_heads) * config.head_dim
        self.qkv = nn.Linear(width, rows, bias=False)
        self.out = nn.Linear(config.heads * config.head_dim, width, bias=False)

    def project(self, x: Tensor, turn: Rotation) -> tuple[Tensor, KeysValues]:
        """Turn tokens (B, M, W) into queries (B, H, M, D) and their own keys and values."""
        mixed = self.qkv(x).view(*x.shape[:2], -1, self.head_dim)  # (B, M, H + 2 K, D)
        turned = rotate(mixed[:, :, : self.heads + self.kv_heads], turn)
        own = turned[:, :, self.heads :], mixed[:, :, self.heads + self.kv_heads :]
        return turned[:, :, : self.heads].transpose(1, 2), _by_head(own)

    def keys_values(self, x: Tensor, turn: Rotation) -> KeysValues:
        """Turn tokens (B, M, W) into keys and values only."""
        rows = self.qkv.weight[self.heads * self.head_dim :]
        mixed = F.linear(x, rows).view(*x.shape[:2], -1, self.head_dim)  # (B, M, 2 K, D)
        own = rotate(mixed[:, :, : self.kv_heads], turn), mixed[:, :, self.kv_heads :]
        return _by_head(own)


class MLP(nn.Module):
    """Gated MLP: one half of the first projection, through a GELU, scales the other."""

    def __init__(self, config: ExpertConfig) -> None:
        """Create both projections."""
        super().__init__()
        self.gate_up = nn.Linear(config.width, 2 * config.mlp, bias=False)
        self.down = nn.Linear(config.mlp, config.width, bias=False)

    def hidden(self, x: Tensor) -> Tensor:
        """Transform each token by itself up to the last projection."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        hidden: Tensor = F.gelu(gate, approximate="tanh") * up
        return hidden


class Block(nn.Module):
    """One pre-norm layer of an expert."""

    def __init__(self, layer: int, sizes: ExpertConfig, config: Pi0Config, adaptive: bool) -> None:
        """Create both sub-layers and their norms."""
        super().__init__()
        norm = AdaptiveRMSNorm if adaptive else RMSNorm
        self.layer = layer
        self.attention_norm = norm(sizes.width)
        self.attention = Attention(sizes.width, config)
        self.mlp_norm = norm(sizes.width)
        self.mlp = MLP(sizes)

    def forward(
        self,
        x: Tensor,
        memory: Memory,
        mask: Tensor | None,
        turn: Rotation,
        by: tuple[Modulation, Modulation] | None = None,
    ) -> Tensor:
        """Run one layer over (B, M, W)."""
        first, second = by if by is not None else (None, None)
        queries, own = self.attention.project(self.attention_norm(x, first), turn)
        looked = attend(queries, *memory.extend(self.layer, own), mask)
        x = _added(x, looked, self.attention.out.weight, first)
        hidden = self.mlp.hidden(self.mlp_norm(x, second))
        return _added(x, hidden, self.mlp.down.weight, second)

    def remember(self, x: Tensor, memory: Memory, turn: Rotation) -> None:
        """Leave keys and values without computing the tokens' next state."""
        memory.extend(self.layer, self.attention.keys_values(self.attention_norm(x), turn))


class Gemma(nn.Module):
    """One expert: a stack of blocks and a final norm; embeddings come from outside."""

    def __init__(self, sizes: ExpertConfig, config: Pi0Config, adaptive: bool = False) -> None:
        """Create the expert with its own widths and the model's shared head sizes."""
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(layer, sizes, config, adaptive) for layer in range(config.depth)
        )
        self.norm = (AdaptiveRMSNorm if adaptive else RMSNorm)(sizes.width)

    def remember(self, x: Tensor, memory: Memory, mask: Tensor | None, turn: Rotation) -> None:
        """Run over tokens only for what later tokens will see of them.

        Args:
            x: Tokens, (B, N, W).
            memory: Where each layer leaves its keys and values.
            mask: Added to the logits, (B, 1, N, N); None where every token sees every other.
            turn: Rotation of the tokens' positions.
        """
        for block in self.blocks[:-1]:
            x = block(x, memory, mask, turn)
        # Nobody reads the last layer's output, so its attention and MLP are not computed.
        last = self.blocks[-1]
        assert isinstance(last, Block)
        last.remember(x, memory, turn)

    def modulations(self, condition: Tensor) -> list[Modulation]:
        """List how a condition (B, 1 or M, W) modulates each norm, in the order of use."""
        norms = [module for module in self.modules() if isinstance(module, AdaptiveRMSNorm)]
        dtype = self.get_parameter("blocks.0.mlp.down.weight").dtype
        return [norm.modulation(condition, dtype) for norm in norms]

    def forward(
        self,
        x: Tensor,
        memory: Memory,
        mask: Tensor | None,
        turn: Rotation,
        by: Sequence[Modulation] | None = None,
    ) -> Tensor:
        """Run over tokens that may also see earlier ones.

        Args:
            x: Tokens, (B, M, W).
            memory: Keys and values of the earlier tokens; takes those of these.
            mask: Added to the logits, (B, 1, 1 or M, N), earlier tokens first; None hides nothing.
            turn: Rotation of these tokens' positions.
            by: What `modulations` returned; None where norms are plain.

        Returns:
            Tokens after the final norm, (B, M, W).
        """
        for layer, block in enumerate(self.blocks):
            x = block(x, memory, mask, turn, by and (by[2 * layer], by[2 * layer + 1]))
        out: Tensor = self.norm(x, by and by[-1])
        return out


def _by_head(own: KeysValues) -> KeysValues:
    return own[0].transpose(1, 2), own[1].transpose(1, 2)  # each (B, M, K, D) -> (B, K, M, D)


def _added(x: Tensor, update: Tensor, weight: Tensor, by: Modulation | None) -> Tensor:
    """Project an update and add it to the residual stream, through the gate if there is one."""
    if by is not None:
        return torch.addcmul(x, F.linear(update, weight), by[2])
    # One operation where a projection and a sum would be two.
    return torch.addmm(x.flatten(0, 1), update.flatten(0, 1), weight.t()).view_as(x)
