"""What one token may see of others: keys and values, kept per layer.

Both kinds answer the same question of a layer, "here are my tokens' keys and values; what do I
look at?". `Appended` copies and lets gradients through; `Buffer` writes in place and allocates
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

# B batch, K key heads, N tokens, D head size, L layers

KeysValues = tuple[Tensor, Tensor]
"""Keys (after rotation) and values of one layer, each (B, K, N, D)."""


class Memory(Protocol):
    """Where the layers of an expert leave their keys and values, and find those of others."""

    def extend(self, layer: int, own: KeysValues) -> KeysValues:
        """Take the keys and values of a layer's tokens and return all that they may look at."""


class Recorded:
    """Remembers what each layer left; nobody came before."""

    def __init__(self) -> None:
        """Start empty."""
        self.layers: list[KeysValues] = []

    def extend(self, layer: int, own: KeysValues) -> KeysValues:
        """Append one layer's keys and values, and return them."""
        self.layers.append(own)
        return own


class Appended:
    """Puts a layer's own tokens behind those of the past, which stay as they are."""

    def __init__(self, past: Sequence[KeysValues]) -> None:
        """Look back at the keys and values of each layer."""
        self._past = past

    def extend(self, layer: int, own: KeysValues) -> KeysValues:
        """Concatenate past and own."""
        keys, values = self._past[layer]
        return torch.cat([keys, own[0]], dim=2), torch.cat([values, own[1]], dim=2)


class Buffer:
    """Room for the keys and values of all layers and tokens, filled window by window."""

    def __init__(self, shape: tuple[int, int, int, int, int], like: Tensor) -> None:
        """Allocate (L, 2, B, K, N, D) on the device and in the type of `like`."""
        layers, batch, heads, tokens, width = shape
        self._room = like.new_empty(layers, 2, batch, heads, tokens, width)

    def window(self, start: int, stop: int) -> Window:
        """Return the memory of the tokens [start, stop): they see themselves and all before."""
        written, seen = self._room[..., start:stop, :], self._room[..., :stop, :]
        return Window([(w[0], w[1]) for w in written], [(s[0], s[1]) for s in seen])

    def layers(self, stop: int) -> list[KeysValues]:
        """Return the keys and values of the first `stop` tokens, per layer."""
        return [(layer[0], layer[1]) for layer in self._room[..., :stop, :]]


class Window:
    """A place in a `Buffer`; a new pass over the same tokens overwrites it."""

    def __init__(self, written: list[KeysValues], seen: list[KeysValues]) -> None:
        """Keep the views of each layer."""
        self._written = written
        self._seen = seen

    def extend(self, layer: int, own: KeysValues) -> KeysValues:
        """Write one layer's keys and values, and return everything up to them."""
        keys, values = self._written[layer]
        keys.copy_(own[0])
        values.copy_(own[1])
        return self._seen[layer]
