"""What a checkpoint is and which robots it fits, told from everything but its weights."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pi0_ros.embodiment.convention import Convention
from pi0_ros.embodiment.files import known_embodiments
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.normaliser import Normaliser, Range, ZScore
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.stored.matching import match
from pi0_ros.model.stored.names import find_openpi_names
from pi0_ros.model.stored.weights import parts_of
from pi0_ros.policy.checkpoints.checkpoint import describe
from pi0_ros.policy.checkpoints.description import Description
from pi0_ros.policy.checkpoints.fit import fit, misfits
from pi0_ros.policy.checkpoints.hub import find_checkpoint
from pi0_ros.policy.checkpoints.tokenizer_file import count_pieces, find_tokenizer

KINDS = {"pi0": "π0", "pi05": "π0.5"}
STILL = 1e-5  # a std or range below it: what hardly moved in training is blown up where it moves


@dataclass(frozen=True)
class Inspection:
    """Everything that is known, ready for JSON.

    Attributes:
        facts: By topic, in the order of reading.
    """

    facts: dict[str, Any]

    @property
    def is_complete(self) -> bool:
        """Whether the stored tensors are exactly those of the model."""
        return not self.facts["weights"]["fault"]

    def write(self, file: Path) -> None:
        """Write the facts as JSON."""
        text = json.dumps(self.facts, indent=2, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")


def inspection(place: str, embodiments: Sequence[str], tokenizer: str) -> Inspection:
    """Look at a checkpoint.

    Args:
        place: Directory, or ``owner/name`` on the Hugging Face Hub.
        embodiments: Robots it may fit, by name or YAML; all known ones if empty.
        tokenizer: sentencepiece file; empty to look for it.

    Raises:
        FileNotFoundError: There is no such checkpoint, or a file is missing.
        ValueError: It is no checkpoint of π0 or π0.5, or a file is malformed.
    """
    robots = [load_embodiment(name) for name in embodiments or known_embodiments()]
    description = describe(find_checkpoint(place))
    config = description.config
    return Inspection(
        {
            "form": description.form,
            "kind": KINDS[config.variant],
            "directory": str(description.directory),
            "weights": _weights(description),
            "config": asdict(config),
            "camera_names": dict(description.camera_names),
            "normalisation": {
                "kind": description.normalisation_kind,
                "statistics": {
                    robot: {"state": _vector(both.state), "actions": _vector(both.actions)}
                    for robot, both in description.normalisations.items()
                },
            },
            "convention": description.convention
            and description.convention.model_dump(mode="json", exclude_defaults=True),
            "tokenizer": _tokenizer(description, tokenizer),
            "exact_times": description.exact_times,
            "averages_pixels": description.averages_pixels,
            "assumed": list(description.assumed),
            "fits": {robot.name: _fit(description, robot) for robot in robots},
        }
    )


def _weights(description: Description) -> dict[str, Any]:
    weights = description.weights
    needed = [weights.tensors[name] for name in find_openpi_names(weights.tensors).values()]
    try:
        match(weights, parts_of(Pi0(description.config)))
        fault = ""
    except ValueError as error:
        fault = str(error)
    files = description.directory.glob("model*.safetensors")
    return {
        "parameters": sum(math.prod(stored.shape) for stored in needed),
        "bytes": sum(file.stat().st_size for file in files),
        "tensors_by_type": dict(Counter(stored.dtype for stored in needed)),
        "fault": fault,
    }


def _vector(normaliser: Normaliser) -> dict[str, Any]:
    """Say how wide statistics are, and which dimensions hardly moved in training."""
    if not isinstance(normaliser, ZScore | Range):
        return {"width": None, "still": []}
    spread = normaliser.std if isinstance(normaliser, ZScore) else normaliser.span
    return {"width": len(spread), "still": np.flatnonzero(spread < STILL).tolist()}


def _tokenizer(description: Description, given: str) -> dict[str, Any]:
    try:
        file = find_tokenizer(description, given)
        return {"file": str(file), "pieces": count_pieces(file, description.config), "fault": ""}
    except (FileNotFoundError, ValueError) as error:
        return {"file": None, "pieces": None, "fault": str(error)}


def _fit(description: Description, robot: Embodiment) -> dict[str, Any]:
    reasons = misfits(description, robot)
    if reasons:
        return {"cameras": {}, "delta": "", "faults": reasons}
    found = fit(description, robot)
    mask = "".join("+" if flag else "=" for flag in found.pipeline.convention.delta_mask)
    return {"cameras": found.slots, "delta": mask, "faults": ()}


def show(inspected: Inspection) -> None:
    """Print the facts: a table on a terminal, one line each where they are piped."""
    console = Console(highlight=False)
    rows = list(_rows(inspected.facts))
    if not console.is_terminal:
        for topic, said in rows:
            console.print(f"{topic}: {said}", soft_wrap=True, markup=False)
        return
    table = Table(box=box.SIMPLE, show_header=False)
    for topic, said in rows:
        table.add_row(Text(topic, style="bold"), Text(said))
    console.print(table)


def _rows(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    weights, config = facts["weights"], facts["config"]
    yield "checkpoint", f"{facts['kind']} in {facts['form']}'s form"
    yield "directory", facts["directory"]
    types = ", ".join(f"{count} {kind}" for kind, count in weights["tensors_by_type"].items())
    yield (
        "weights",
        f"{weights['parameters']:,} parameters, {weights['bytes'] / 1e6:,.1f} MB, tensors: {types}",
    )
    if weights["fault"]:
        yield "do not load", weights["fault"]
    yield from _sizes(config)
    yield "cameras", ", ".join(config["cameras"])
    renamed = {name: slot for name, slot in facts["camera_names"].items() if name != slot}
    if renamed:
        yield "cameras also", ", ".join(f"{name} as {slot}" for name, slot in renamed.items())
    yield "normalisation", facts["normalisation"]["kind"]
    for robot, vectors in facts["normalisation"]["statistics"].items():
        yield (
            f"statistics {robot}".strip(),
            "; ".join(_told(name, one) for name, one in vectors.items()),
        )
    if not facts["normalisation"]["statistics"]:
        yield "statistics", "none: copy assets/<robot>/norm_stats.json of the training beside it"
    yield "convention", _convention(facts["convention"])
    tokenizer = facts["tokenizer"]
    yield "tokenizer", tokenizer["fault"] or f"{tokenizer['file']}, {tokenizer['pieces']} pieces"
    yield "sampler", "at exactly 1 - k/n" if facts["exact_times"] else "at openpi's rounded times"
    filtered = "averaged" if facts["averages_pixels"] else "interpolated between four pixels"
    yield "images", f"{filtered} to {config['vision']['image_size']} px"
    for assumption in facts["assumed"]:
        yield "assumed", assumption
    for robot, fitted in facts["fits"].items():
        yield f"{robot} {'does not fit' if fitted['faults'] else 'fits'}", _fitted(fitted)


def _sizes(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    vision = config["vision"]
    yield (
        "vision",
        f"{vision['depth']} blocks of {vision['width']}, {vision['heads']} heads, MLP "
        f"{vision['mlp']}, {vision['image_size']} px in patches of {vision['patch_size']}",
    )
    for name in ("vlm", "expert"):
        yield (
            name,
            f"{config['depth']} blocks of {config[name]['width']}, {config['heads']} heads of "
            f"{config['head_dim']}, {config['kv_heads']} of keys, MLP {config[name]['mlp']}",
        )
    yield "vocabulary", f"{config['vocab']} tokens, {config['prompt_length']} in a prompt"
    yield "actions", f"{config['horizon']} of {config['action_dim']} numbers"


def _told(name: str, vector: dict[str, Any]) -> str:
    if vector["width"] is None:
        return f"{name} as they are"
    still = ", ".join(map(str, vector["still"]))
    return f"{name} {vector['width']}" + (f" (hardly moved in training: {still})" if still else "")


def _convention(values: dict[str, Any] | None) -> str:
    if values is None:
        return "as the robot's YAML says"
    convention = Convention.model_validate(values)
    relative = np.flatnonzero(convention.delta_mask).tolist()
    return (
        f"{convention.name}: {convention.title}; state {convention.state_width}, actions "
        f"{convention.action_width}, relative to the state: {relative or 'none'}"
    )


def _fitted(fitted: dict[str, Any]) -> str:
    if fitted["faults"]:
        return "; ".join(fitted["faults"])
    cameras = ", ".join(f"{name} in {slot}" for name, slot in fitted["cameras"].items())
    return f"{cameras}; actions {fitted['delta']} (+ relative to the state, = as they are)"
