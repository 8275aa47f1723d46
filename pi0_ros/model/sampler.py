"""From noise to actions: Euler integration of the velocity, with nothing computed twice.

The prefix is encoded once, into a buffer of keys and values. What depends on the flow time alone
(the time's half of the action tokens' MLP, or π0.5's modulations) is computed when the sampler is
made. The state token sees no actions, so it runs with the first step only and stays in the buffer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from pi0_ros.model import checks
from pi0_ros.model.flow import euler_times
from pi0_ros.model.layout import Layout, layout
from pi0_ros.model.memory import Buffer
from pi0_ros.model.moment import Moment
from pi0_ros.model.pi0 import Pi0, Prefix
from pi0_ros.model.realtime import Guidance, guided

# B batch, N prefix tokens, H horizon, A action width

PATHS = ("static", "stepwise")

Walk = Callable[[Tensor, int, Moment], Tensor]
"""The velocity of noisy actions (B, H, A) at the k-th Euler step, whose moment is given."""


class Sampler:
    """Samples action chunks from one model.

    Args:
        model: The model, whose weights stay as they are while the sampler lives.
        steps: Euler steps.
        exact_times: Ask at exactly 1 - k/n, as LeRobot does, instead of at openpi's rounded times.
        path: ``static``, as described above; or ``stepwise``, the plain form that asks
            `Pi0.velocity` at every step and that training shares. Both give the same numbers.

    Raises:
        ValueError: There are no steps, or the path is unknown.
    """

    def __init__(
        self, model: Pi0, steps: int = 10, *, exact_times: bool = False, path: str = "static"
    ) -> None:
        """Compute what depends on the time alone."""
        if path not in PATHS:
            raise ValueError(f"path '{path}' is unknown; use one of {list(PATHS)}.")
        self.model = model
        self.times = euler_times(steps, exact=exact_times)
        self._path = path
        self._room: Room | None = None
        device = model.action_in.weight.device
        with torch.inference_mode(False), torch.no_grad():
            moments = model.moment(torch.tensor(self.times, device=device))
            self._moments = [moments.at(k) for k in range(steps)]
            self._clean = model.moment(torch.zeros(1, device=device))

    def sample(
        self,
        images: Mapping[str, Tensor],
        image_masks: Mapping[str, Tensor] | None,
        tokens: Tensor,
        token_mask: Tensor | None,
        state: Tensor,
        noise: Tensor,
        *,
        guidance: Guidance | None = None,
        committed: Tensor | None = None,
    ) -> Tensor:
        """Turn noise into actions by Euler integration from t = 1 to t = 0.

        Args:
            images: See `Pi0`.
            image_masks: See `Pi0`.
            tokens: See `Pi0`.
            token_mask: See `Pi0`.
            state: Normalised, padded state, (B, A).
            noise: Standard normal, (B, H, A).
            guidance: A previous chunk that shall be continued, for any model.
            committed: First actions that are fixed, (B, d, A) in the model's normalised space, for
                a model that was trained with simulated delay.

        Returns:
            Normalised actions, (B, H, A) float32.

        Raises:
            ValueError: An input has a wrong name, shape or type.
        """
        checks.check_tokens(self.model.config, tokens, token_mask)
        batch = tokens.shape[0]
        checks.check_state(self.model.config, batch, state)
        checks.check_actions(self.model.config, batch, "noise", noise)
        checks.check_committed(self.model.config, batch, committed)
        backward = guidance is not None and guidance.form == "jacobian"
        # What inference mode makes cannot take part in a backward pass.
        with torch.inference_mode(not backward), torch.no_grad():
            room, places = self._remember(images, image_masks, tokens, token_mask)
            plain = backward or self._path == "stepwise"
            walk = self._stepwise if plain else self._static
            velocity = walk(room, places, state.clone())
            return self._integrate(velocity, noise.float().clone(), guidance, committed)

    def _remember(
        self,
        images: Mapping[str, Tensor],
        image_masks: Mapping[str, Tensor] | None,
        tokens: Tensor,
        token_mask: Tensor | None,
    ) -> tuple[Room, Layout]:
        """Encode the prefix into a room of the right size, made anew only where sizes change."""
        model = self.model
        embedded, pad = model.embed_prefix(images, image_masks, tokens, token_mask)
        batch, length = embedded.shape[:2]
        if self._room is None or (self._room.batch, self._room.length) != (batch, length):
            with torch.inference_mode(False):
                self._room = Room(model, batch, length)
        room = self._room
        places = room.layout
        if pad is not None:
            places = layout(model.config, pad, length, model.dtype, embedded.device)
        model.vlm.remember(embedded, room.prefix, places.prefix_mask, places.prefix_turn)
        return room, places

    def _static(self, room: Room, places: Layout, state: Tensor) -> Walk:
        """Ask with the state token at the first step, and with the actions alone afterwards."""
        model, has_state = self.model, self.model.config.has_state_token
        whole = room.suffix, places.suffix_mask, places.suffix_turn
        cos, sin = places.suffix_turn
        rest = room.actions, places.actions_mask, (cos[:, has_state:], sin[:, has_state:])

        def velocity(x: Tensor, k: int, moment: Moment) -> Tensor:
            if has_state and k == 0:
                suffix = model.embed_suffix(state, x, moment)
                return model.decode(model.expert(suffix, *whole, moment.modulations))
            suffix = model.embed_actions(x, moment)
            return model.decode(model.expert(suffix, *rest, moment.modulations))

        return velocity

    def _stepwise(self, room: Room, places: Layout, state: Tensor) -> Walk:
        """Ask for every token at every step, without writing to the buffer."""
        prefix = Prefix(tuple(room.buffer.layers(room.length)), places)

        def velocity(x: Tensor, k: int, moment: Moment) -> Tensor:
            return self.model.flow(prefix, state, x, moment)

        return velocity

    def _integrate(
        self, walk: Walk, x: Tensor, guidance: Guidance | None, committed: Tensor | None
    ) -> Tensor:
        """Walk from noise (B, H, A) to actions; `walk` gives velocities."""
        config, fixed = self.model.config, 0 if committed is None else committed.shape[1]
        aim = guidance and guidance.padded(config.horizon, config.action_dim)
        is_fixed = torch.arange(config.horizon, device=x.device)[:, None] < fixed
        for k, time in enumerate(self.times):
            moment = self._moments[k]
            if committed is not None:
                x = torch.cat([committed.float(), x[:, fixed:]], 1)
                moment = self._clean.where(is_fixed, moment)

            def velocity(x: Tensor, k: int = k, moment: Moment = moment) -> Tensor:
                return walk(x, k, moment)

            v = guided(guidance, *aim, velocity, x, time) if guidance and aim else velocity(x)
            x = torch.add(x, v, alpha=-1.0 / len(self.times))
        return x if committed is None else torch.cat([committed.float(), x[:, fixed:]], 1)


class Room:
    """The keys and values of one batch of one prefix length, and where its tokens stand."""

    def __init__(self, model: Pi0, batch: int, length: int) -> None:
        """Allocate the buffer for `length` prefix tokens and the suffix behind them."""
        config, weight = model.config, model.embedding.weight
        total = length + config.suffix_length
        self.batch, self.length = batch, length
        shape = (config.depth, batch, config.kv_heads, total, config.head_dim)
        self.buffer = Buffer(shape, weight)
        self.prefix = self.buffer.window(0, length)
        self.suffix = self.buffer.window(length, total)
        self.actions = self.buffer.window(total - config.horizon, total)
        self.layout = layout(config, None, length, model.dtype, weight.device)
