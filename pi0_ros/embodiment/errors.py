"""One form for errors about names: the thing, the value, the allowed set, the remedy."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is unknown, which names exist, and which one was probably meant."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"{what} '{name}' is unknown; known: {', '.join(names) or 'none'}.{hint}"
