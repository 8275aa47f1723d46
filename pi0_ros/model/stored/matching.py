"""Does what is stored fit the model? Checked by names, shapes and types before anything is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pi0_ros.model.stored.names import Part, find_openpi_names
from pi0_ros.model.stored.tensor_source import READABLE, StoredTensor, TensorSource

LISTED = 8  # names that an error spells out; the rest is counted


def match(source: TensorSource, parts: Mapping[str, Part]) -> dict[str, str]:
    """Find the stored tensors that a model needs, and insist that there are no others.

    Args:
        source: What is stored.
        parts: What the model needs, by openpi's names; see `names.openpi_parts`.

    Returns:
        openpi's name of each tensor to read, by its name in the source.

    Raises:
        ValueError: A tensor is missing, unexpected, mis-shaped or of a type that is not read.
    """
    found = find_openpi_names(source.tensors)
    shared = [name for name in parts if name in found]
    stored = {name: source.tensors[found[name]] for name in shared}
    faults = {
        "missing": set(parts) - set(found),
        "unexpected": {found[name] for name in set(found) - set(parts)},
        "mis-shaped": {
            f"{found[name]} is {stored[name].shape} instead of {parts[name].shape}"
            for name in shared
            if stored[name].shape != parts[name].shape
        },
        f"of a type other than {', '.join(READABLE)}": wrong_types(found, stored),
    }
    told = [f"{len(names)} {kind}: {_listed(names)}" for kind, names in faults.items() if names]
    if told:
        raise ValueError(
            f"{source.place} does not fit the model's configuration: {'; '.join(told)}. Use the "
            "configuration that belongs to these weights, or a complete checkpoint."
        )
    return {found[name]: name for name in shared}


def wrong_types(found: Mapping[str, str], stored: Mapping[str, StoredTensor]) -> set[str]:
    """Describe the tensors whose type is not read, by their names in the source."""
    return {
        f"{found[name]} is {tensor.dtype}"
        for name, tensor in stored.items()
        if tensor.dtype not in READABLE
    }


def _listed(names: Collection[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(sorted(names)[:LISTED]) + (f" and {more} more" if more > 0 else "")
