"""SigLIP: one image in, one row of tokens for the language model out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pi0_ros.model.attention import attend
from pi0_ros.model.config import VisionConfig

# B images, S image size, P patches, W tower width, H heads, D = W / H, V width of the VLM
EPSILON = 1e-6


class Attention(nn.Module):
    """Multi-head attention in which every patch sees every patch."""

    def __init__(self, config: VisionConfig) -> None:
        """Create both projections."""
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the patches of each image; (B, P, W) to (B, P, W)."""
        mixed = self.qkv(x).view(*x.shape[:2], 3, self.heads, -1)  # (B, P, 3, H, D)
        q, k, v = mixed.transpose(1, 3).unbind(2)  # each (B, H, P, D)
        out: Tensor = self.out(attend(q, k, v))
        return out


class MLP(nn.Module):
    """Two linear layers with a tanh-approximated GELU between them."""

    def __init__(self, config: VisionConfig) -> None:
        """Create both layers."""
        super().__init__()
        self.up = nn.Linear(config.width, config.mlp)
        self.down = nn.Linear(config.mlp, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each patch by itself; (B, P, W) to (B, P, W)."""
        out: Tensor = self.down(F.gelu(self.up(x), approximate="tanh"))
        return out


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, config: VisionConfig) -> None:
        """Create both sub-layers and their norms."""
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width, eps=EPSILON)
        self.attention = Attention(config)
        self.mlp_norm = nn.LayerNorm(config.width, eps=EPSILON)
        self.mlp = MLP(config)

    def forward(self, x: Tensor) -> Tensor:
        """Run one block; (B, P, W) to (B, P, W)."""
        x = x + self.attention(self.attention_norm(x))
        x = x + self.mlp(self.mlp_norm(x))
        return x


class Vision(nn.Module):
    """The SigLIP tower and the projector into the language model.

    There is no class token and no pooling: every patch becomes one token.
    """

    def __init__(self, config: VisionConfig, out_width: int) -> None:
        """Create the tower for `config` and a projector to `out_width` channels."""
        super().__init__()
        self.patch = nn.Conv2d(
            3, config.width, kernel_size=config.patch_size, stride=config.patch_size
        )
        self.position = nn.Parameter(torch.empty(config.patches, config.width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=EPSILON)
        self.projector = nn.Linear(config.width, out_width)

    def features(self, images: Tensor) -> Tensor:
        """Encode images up to the final norm.

        Args:
            images: RGB in [-1, 1], (B, 3, S, S).

        Returns:
            One feature per patch, row by row, (B, P, W).
        """
        x = self.patch(images.to(self.patch.weight.dtype))
        x = x.flatten(2).transpose(1, 2)  # (B, W, S/patch, S/patch) -> (B, P, W)
        # Patches and positions may be kept in float32 while the blocks run in bfloat16.
        x = (x + self.position).to(self.norm.weight.dtype)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x)
        return out

    def forward(self, images: Tensor) -> Tensor:
        """Turn images (B, 3, S, S) into tokens of the language model (B, P, V)."""
        tokens: Tensor = self.projector(self.features(images))
        return tokens
