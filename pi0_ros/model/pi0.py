"""π0: images, a sentence and a state in; the velocity of an action chunk out.

The prefix (images, prompt) is encoded once per observation. Every Euler step then asks the action
expert only: where should these noisy actions move, given what the prefix knows?

Source: Black et al., "π0: A Vision-Language-Action Flow Model for General Robot Control",
arXiv 2410.24164, and openpi's reading of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pi0_ros.model import checks, masks
from pi0_ros.model.config import Pi0Config
from pi0_ros.model.flow import euler_times, interpolate, time_embedding
from pi0_ros.model.gemma import Gemma, KeysValues, Rotation, rotation
from pi0_ros.model.vision import Vision

# B batch, C cameras, P patches, S image size, L prompt, N = C P + L prefix tokens, M suffix tokens
# H horizon, A action width, V width of the VLM, E width of the action expert


@dataclass(frozen=True, eq=False)
class Prefix:
    """What the action expert may know of one batch of observations.

    Attributes:
        keys_values: Keys and values of each VLM layer, each (B, K, N, D).
        mask: Added to the suffix's logits, (B, 1, M, N + M).
        turn: Rotation of the suffix's positions, each (B, 1, M, D/2).
    """

    keys_values: tuple[KeysValues, ...]
    mask: Tensor
    turn: Rotation

    @property
    def batch(self) -> int:
        """Number of observations."""
        return self.mask.shape[0]

    def repeat(self, copies: int) -> Prefix:
        """Repeat each observation in place, to ask for several velocities of the same one."""
        return Prefix(
            tuple(
                (k.repeat_interleave(copies, 0), v.repeat_interleave(copies, 0))
                for k, v in self.keys_values
            ),
            self.mask.repeat_interleave(copies, 0),
            (self.turn[0].repeat_interleave(copies, 0), self.turn[1].repeat_interleave(copies, 0)),
        )


class Pi0(nn.Module):
    """The π0 network.

    A new model has shapes but no numbers: its parameters live on torch's meta device until
    `initialisation.initialise` draws them or `weights.load` reads them, so that no weight is ever
    random by accident and a large model is never filled twice.

    Throughout, `images` maps camera slots to RGB in [-1, 1], (B, 3, S, S), and `image_masks` maps
    the same slots to (B,) bool, False where a camera is absent. A slot that no observation of the
    batch has may be left out of both: that computes the same numbers with less work. `tokens` and
    `token_mask` are the prompt, (B, L) int64 and bool.
    """

    def __init__(self, config: Pi0Config) -> None:
        """Create the network without numbers."""
        super().__init__()
        self.config = config
        width = config.expert.width
        with torch.device("meta"):
            self.vision = Vision(config.vision, config.vlm.width)
            self.embedding = nn.Embedding(config.vocab, config.vlm.width)
            self.vlm = Gemma(config.vlm, config)
            self.expert = Gemma(config.expert, config, adaptive=config.variant == "pi05")
            if config.has_state_token:
                self.state_in = nn.Linear(config.action_dim, width)
            self.action_in = nn.Linear(config.action_dim, width)
            self.time_in = nn.Linear(2 * width if config.has_state_token else width, width)
            self.time_out = nn.Linear(width, width)
            self.action_out = nn.Linear(width, config.action_dim)

    def embed_prefix(
        self,
        images: Mapping[str, Tensor],
        image_masks: Mapping[str, Tensor],
        tokens: Tensor,
        token_mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Turn images and prompt into one sequence of tokens.

        Returns:
            Tokens (B, N, V), and True where a token is real (B, N).

        Raises:
            ValueError: An input has a wrong name, shape or type.
        """
        checks.check_tokens(self.config, tokens, token_mask)
        batch, patches = tokens.shape[0], self.config.vision.patches
        checks.check_images(self.config, batch, images, image_masks)
        cameras = [name for name in self.config.cameras if name in images]
        # One pass over all cameras: the tower does not know which camera it sees.
        seen = self.vision(torch.stack([images[name] for name in cameras], 1).flatten(0, 1))
        seen = seen.view(batch, -1, seen.shape[-1])  # (B C, P, V) -> (B, C P, V)
        present = torch.stack([image_masks[name] for name in cameras], 1)  # (B, C)
        present = present.repeat_interleave(patches, 1)  # (B, C P)
        # Gemma scales its own embeddings; image tokens enter as they are.
        read = self.embedding(tokens) * math.sqrt(self.config.vlm.width)
        return torch.cat([seen, read], 1), torch.cat([present, token_mask], 1)

    def embed_suffix(
        self, state: Tensor, x_t: Tensor, time: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Turn state, noisy actions and flow time into tokens of the action expert.

        Args:
            state: Normalised, padded state, (B, A).
            x_t: Noisy actions, (B, H, A).
            time: Flow times, (B,).

        Returns:
            Tokens (B, M, E), and what adaptive norms follow (B, E), or None in π0.
        """
        dtype = self.action_in.weight.dtype
        actions = self.action_in(x_t.to(dtype))  # (B, H, E)
        phi = time_embedding(time, self.config.expert.width).to(dtype)  # (B, E)
        if not self.config.has_state_token:
            return actions, F.silu(self.time_out(F.silu(self.time_in(phi))))
        phi = phi[:, None].expand_as(actions)
        actions = self.time_out(F.silu(self.time_in(torch.cat([actions, phi], -1))))
        return torch.cat([self.state_in(state.to(dtype))[:, None], actions], 1), None

    def encode_prefix(
        self,
        images: Mapping[str, Tensor],
        image_masks: Mapping[str, Tensor],
        tokens: Tensor,
        token_mask: Tensor,
    ) -> Prefix:
        """Run the VLM once, for any number of velocities of the same observations.

        Raises:
            ValueError: An input has a wrong name, shape or type.
        """
        embedded, pad = self.embed_prefix(images, image_masks, tokens, token_mask)
        n, m = pad.shape[1], self.config.suffix_length
        starts = masks.suffix_starts(m, self.config.has_state_token, pad.device)
        starts = torch.cat([starts.new_zeros(n), starts])
        pad = torch.cat([pad, pad.new_ones(pad.shape[0], m)], 1)
        allowed = masks.block_mask(pad, starts)  # (B, N + M, N + M)
        cos, sin = rotation(masks.positions(pad), self.config.head_dim)
        prefix_mask = masks.additive(allowed[:, :n, :n], embedded.dtype)
        prefix_turn = (cos[:, :, :n], sin[:, :, :n])
        return Prefix(
            keys_values=self.vlm.keys_values(embedded, prefix_mask, prefix_turn),
            mask=masks.additive(allowed[:, n:], embedded.dtype),
            turn=(cos[:, :, n:], sin[:, :, n:]),
        )

    def velocity(self, prefix: Prefix, state: Tensor, x_t: Tensor, time: Tensor) -> Tensor:
        """Say how noisy actions change with flow time; gradients flow through.

        Args:
            prefix: The encoded observations.
            state: Normalised, padded state, (B, A).
            x_t: Noisy actions, (B, H, A).
            time: Flow times, (B,); 1 is noise, 0 is data.

        Returns:
            dx/dt, (B, H, A) float32.

        Raises:
            ValueError: An input has a wrong shape or type.
        """
        checks.check_state(self.config, prefix.batch, state)
        checks.check_actions(self.config, prefix.batch, "x_t", x_t)
        checks.check_time(prefix.batch, time)
        embedded, condition = self.embed_suffix(state, x_t, time)
        embedded = embedded.to(prefix.mask.dtype)
        out = self.expert(embedded, prefix.mask, prefix.turn, prefix.keys_values, condition)
        out = out[:, -self.config.horizon :]  # (B, M, E) -> (B, H, E)
        moved: Tensor = self.action_out(out.to(self.action_out.weight.dtype))
        return moved.float()

    @torch.no_grad()
    def sample(
        self,
        images: Mapping[str, Tensor],
        image_masks: Mapping[str, Tensor],
        tokens: Tensor,
        token_mask: Tensor,
        state: Tensor,
        noise: Tensor,
        steps: int = 10,
    ) -> Tensor:
        """Turn noise into actions by Euler integration from t = 1 to t = 0.

        Args:
            images: See the class.
            image_masks: See the class.
            tokens: See the class.
            token_mask: See the class.
            state: Normalised, padded state, (B, A).
            noise: Standard normal, (B, H, A) float32.
            steps: Number of Euler steps.

        Returns:
            Normalised actions, (B, H, A) float32.

        Raises:
            ValueError: An input has a wrong name, shape or type, or there are no steps.
        """
        times = euler_times(steps)
        checks.check_tokens(self.config, tokens, token_mask)
        checks.check_actions(self.config, tokens.shape[0], "noise", noise)
        prefix = self.encode_prefix(images, image_masks, tokens, token_mask)
        x = noise.float()
        for t in times:
            time = torch.full((prefix.batch,), t, device=x.device)
            x = x - self.velocity(prefix, state, x, time) / steps
        return x

    def loss(
        self,
        images: Mapping[str, Tensor],
        image_masks: Mapping[str, Tensor],
        tokens: Tensor,
        token_mask: Tensor,
        state: Tensor,
        actions: Tensor,
        noise: Tensor,
        time: Tensor,
    ) -> Tensor:
        """Compare predicted and true velocities.

        Args:
            images: See the class.
            image_masks: See the class.
            tokens: See the class.
            token_mask: See the class.
            state: Normalised, padded state, (B, A).
            actions: Normalised, padded actions, (B, H, A).
            noise: Standard normal, (B, H, A).
            time: Flow times from `flow.training_times`, (B,).

        Returns:
            Squared error of each action entry, padded ones included, (B, H, A): not reduced, so
            that a trainer can weigh and mask.

        Raises:
            ValueError: An input has a wrong name, shape or type.

        Source: arXiv 2410.24164, section IV.
        """
        prefix = self.encode_prefix(images, image_masks, tokens, token_mask)
        checks.check_actions(self.config, prefix.batch, "actions", actions)
        checks.check_actions(self.config, prefix.batch, "noise", noise)
        checks.check_time(prefix.batch, time)
        x_t, target = interpolate(actions, noise, time)
        return (target - self.velocity(prefix, state, x_t, time)) ** 2
