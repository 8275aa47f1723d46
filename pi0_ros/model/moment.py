"""What one flow time contributes to the action expert, apart from the actions themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pi0_ros.model.gemma import Modulation

Change = Callable[[Tensor, Tensor], Tensor]

# B moments (one per sample, or per Euler step), H horizon, E width of the action expert


@dataclass(frozen=True, eq=False)
class Moment:
    """The time's part of the action tokens (π0), or of every norm (π0.5); the other is absent.

    Attributes:
        bias: Added inside the action tokens' MLP, (B, 1 or H, E).
        modulations: Of each adaptive norm, in the order of use, each part (B, 1 or H, E).
    """

    bias: Tensor | None = None
    modulations: tuple[Modulation, ...] | None = None

    def at(self, index: int) -> Moment:
        """Return one of several moments, to be used for every sample of a batch."""
        return self._map(lambda part, _: part[index : index + 1], self)

    def where(self, chosen: Tensor, other: Moment) -> Moment:
        """Take the tokens `chosen`, (H, 1) bool, from here and the rest from `other`."""
        return self._map(lambda mine, theirs: torch.where(chosen, mine, theirs), other)

    def _map(self, change: Change, other: Moment) -> Moment:
        bias = None
        if self.bias is not None and other.bias is not None:
            bias = change(self.bias, other.bias)
        if self.modulations is None or other.modulations is None:
            return Moment(bias)
        pairs = zip(self.modulations, other.modulations, strict=True)
        changed = (tuple(map(change, mine, theirs)) for mine, theirs in pairs)
        return Moment(bias, tuple((scale, shift, gate) for scale, shift, gate in changed))
