"""π0: images, a sentence and a state in; the velocity of an action chunk out.

The prefix (images, prompt) is encoded once per observation. Every Euler step then asks the action
expert only: where should these noisy actions move, given what the prefix knows?

Source: Black et al., "π0: A Vision-Language-Action Flow Model for General Robot Control",
arXiv 2410.24164, and openpi's reading of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pi0_ros.model import checks
from pi0_ros.model.config import Pi0Config
from pi0_ros.model.flow import interpolate, time_embedding
from pi0_ros.model.gemma import Gemma
from pi0_ros.model.layout import Layout, layout
from pi0_ros.model.memory import Appended, KeysValues, Recorded
from pi0_ros.model.moment import Moment
from pi0_ros.model.vision import Vision

# B batch, C cameras, P patches, S image size, L prompt, N = C P + L prefix tokens, M suffix tokens
# H horizon, A action width, V width of the VLM, E width of the action expert


@dataclass(frozen=True, eq=False)
class Prefix:
    """What the action expert may know of one batch of observations.

    Attributes:
        keys_values: Keys and values of each VLM layer, each (B, K, N, D).
        layout: Masks and rotations of the tokens that follow.
    """

    keys_values: tuple[KeysValues, ...]
    layout: Layout

    @property
    def batch(self) -> int:
        """Number of observations."""
        return self.keys_values[0][0].shape[0]

    def repeat(self, copies: int) -> Prefix:
        """Repeat each observation in place, to ask for several velocities of the same one."""

        def again(part: Tensor) -> Tensor:
            # What is the same for all observations has a batch of one, and stays so.
            return part.repeat_interleave(copies, 0) if part.shape[0] == self.batch else part

        cos, sin = self.layout.suffix_turn
        return Prefix(
            tuple((again(keys), again(values)) for keys, values in self.keys_values),
            replace(
                self.layout,
                suffix_mask=again(self.layout.suffix_mask),
                suffix_turn=(again(cos), again(sin)),
            ),
        )


class Pi0(nn.Module):
    """The π0 network.

    A new model has shapes but no numbers: its parameters live on torch's meta device until
    `initialisation.initialise` draws them or `weights.load` reads them, so that no weight is ever
    random by accident and a large model is never filled twice.

    Throughout, `images` maps camera slots to RGB in [-1, 1], (B, 3, S, S), and `image_masks` maps
    the same slots to (B,) bool, False where a camera is absent. A slot that no observation of the
    batch has may be left out of both: that computes the same numbers with less work. `tokens` and
    `token_mask` are the prompt, (B, L) int64 and bool. Where all images, or all tokens, are real,
    the mask is None; nothing is hidden then, and attention is cheaper.
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
            self.expert = Gemma(config.expert, config, adaptive=not config.has_state_token)
            if config.has_state_token:
                self.state_in = nn.Linear(config.action_dim, width)
            self.action_in = nn.Linear(config.action_dim, width)
            self.time_in = nn.Linear(2 * width if config.has_state_token else width, width)
            self.time_out = nn.Linear(width, width)
            self.action_out = nn.Linear(width, config.action_dim)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the experts' matrices and of the residual stream."""
        return self.embedding.weight.dtype

    def embed_prefix(
        self,
        images: Mapping[str, Tensor],
        image_masks: Mapping[str, Tensor] | None,
        tokens: Tensor,
        token_mask: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Turn images and prompt into one sequence of tokens.

        Returns:
            Tokens (B, N, V), and True where a token is real (B, N), None where all are.

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
        # Gemma scales its own embeddings; image tokens enter as they are.
        read = self.embedding(tokens) * math.sqrt(self.config.vlm.width)
        sequence = torch.cat([seen, read], 1)
        if image_masks is None and token_mask is None:
            return sequence, None
        present = tokens.new_ones(batch, len(cameras), dtype=torch.bool)
        if image_masks is not None:
            present = torch.stack([image_masks[name] for name in cameras], 1)  # (B, C)
        if token_mask is None:
            token_mask = torch.ones_like(tokens, dtype=torch.bool)
        return sequence, torch.cat([present.repeat_interleave(patches, 1), token_mask], 1)

    def condition(self, time: Tensor) -> Tensor:
        """Turn flow times (B, 1 or H) into what π0.5's adaptive norms follow, (B, 1 or H, E)."""
        return F.silu(self.time_out(F.silu(self.time_in(self._phi(time)))))

    def moment(self, time: Tensor) -> Moment:
        """Compute what flow times contribute; the same for all observations and actions.

        Args:
            time: Flow times, (B,), or one per action, (B, H).
        """
        time = time[:, None] if time.dim() == 1 else time
        if not self.config.has_state_token:
            return Moment(modulations=tuple(self.expert.modulations(self.condition(time))))
        weight = self.time_in.weight[:, self.config.expert.width :]
        return Moment(bias=F.linear(self._phi(time), weight, self.time_in.bias))

    def embed_actions(self, x_t: Tensor, moment: Moment) -> Tensor:
        """Turn noisy actions (B, H, A) into tokens of the action expert (B, H, E)."""
        actions = self.action_in(x_t.to(self.action_in.weight.dtype))
        if moment.bias is None:
            out: Tensor = actions
        else:
            # The MLP reads actions and time side by side; the time's half is in the moment.
            weight = self.time_in.weight[:, : self.config.expert.width]
            out = self.time_out(F.silu(F.linear(actions, weight) + moment.bias))
        return out.to(self.dtype)

    def embed_suffix(self, state: Tensor, x_t: Tensor, moment: Moment) -> Tensor:
        """Turn state (B, A) and noisy actions (B, H, A) into tokens of the expert (B, M, E)."""
        actions = self.embed_actions(x_t, moment)
        if not self.config.has_state_token:
            return actions
        state = self.state_in(state.to(self.state_in.weight.dtype))
        return torch.cat([state[:, None].to(self.dtype), actions], 1)

    def encode_prefix(
        self,
        images: Mapping[str, Tensor],
        image_masks: Mapping[str, Tensor] | None,
        tokens: Tensor,
        token_mask: Tensor | None,
    ) -> Prefix:
        """Run the VLM once, for any number of velocities of the same observations.

        Raises:
            ValueError: An input has a wrong name, shape or type.
        """
        embedded, pad = self.embed_prefix(images, image_masks, tokens, token_mask)
        places = layout(self.config, pad, embedded.shape[1], self.dtype, embedded.device)
        memory = Recorded()
        self.vlm.remember(embedded, memory, places.prefix_mask, places.prefix_turn)
        return Prefix(tuple(memory.layers), places)

    def velocity(self, prefix: Prefix, state: Tensor, x_t: Tensor, time: Tensor) -> Tensor:
        """Say how noisy actions change with flow time; gradients flow through.

        Args:
            prefix: The encoded observations.
            state: Normalised, padded state, (B, A).
            x_t: Noisy actions, (B, H, A).
            time: Flow times, (B,), or one per action, (B, H); 1 is noise, 0 is data.

        Returns:
            dx/dt, (B, H, A) float32.

        Raises:
            ValueError: An input has a wrong shape or type.
        """
        checks.check_state(self.config, prefix.batch, state)
        checks.check_actions(self.config, prefix.batch, "x_t", x_t)
        checks.check_time(self.config, prefix.batch, time)
        return self.flow(prefix, state, x_t, self.moment(time))

    def flow(self, prefix: Prefix, state: Tensor, x_t: Tensor, moment: Moment) -> Tensor:
        """Compute `velocity` at a moment that was computed before."""
        suffix = self.embed_suffix(state, x_t, moment)
        places, memory = prefix.layout, Appended(prefix.keys_values)
        return self.decode(
            self.expert(suffix, memory, places.suffix_mask, places.suffix_turn, moment.modulations)
        )

    def decode(self, suffix: Tensor) -> Tensor:
        """Read the velocity (B, H, A) float32 from the expert's tokens (B, M, E)."""
        actions = suffix[:, -self.config.horizon :]
        out: Tensor = self.action_out(actions.to(self.action_out.weight.dtype))
        return out.float()

    def loss(
        self,
        images: Mapping[str, Tensor],
        image_masks: Mapping[str, Tensor] | None,
        tokens: Tensor,
        token_mask: Tensor | None,
        state: Tensor,
        actions: Tensor,
        noise: Tensor,
        time: Tensor,
    ) -> Tensor:
        """Compare predicted and true velocities.

        Args:
            images: See the class; augmentation is the caller's.
            image_masks: See the class.
            tokens: See the class.
            token_mask: See the class.
            state: Normalised, padded state, (B, A).
            actions: Normalised, padded actions, (B, H, A).
            noise: Standard normal, (B, H, A).
            time: Flow times from `flow.training_times`, (B,), or one per action, (B, H).

        Returns:
            Squared error of each action entry, padded ones included, (B, H, A): not reduced.
            `flow.mean_over_real` leaves out what was padded.

        Raises:
            ValueError: An input has a wrong name, shape or type.

        Source: arXiv 2410.24164, section IV.
        """
        prefix = self.encode_prefix(images, image_masks, tokens, token_mask)
        checks.check_actions(self.config, prefix.batch, "actions", actions)
        checks.check_actions(self.config, prefix.batch, "noise", noise)
        checks.check_time(self.config, prefix.batch, time)
        x_t, target = interpolate(actions, noise, time)
        return (target - self.velocity(prefix, state, x_t, time)) ** 2

    def _phi(self, time: Tensor) -> Tensor:
        embedded = time_embedding(time, self.config.expert.width)
        return embedded.to(self.time_in.weight.dtype)
