"""What a checkpoint is, read without its weights: sizes, statistics, conventions, tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pi0_ros.embodiment.convention import Convention
from pi0_ros.embodiment.normalisation import Normalisation
from pi0_ros.model.config import Pi0Config
from pi0_ros.model.stored.tensor_files import TensorFiles

CONFIG_FILE = "config.json"

Checked = TypeVar("Checked", bound=BaseModel)


@dataclass(frozen=True, eq=False)
class Description:
    """A checkpoint without its weights.

    Attributes:
        directory: Where it lies.
        form: Who writes such directories: ``pi0_ros``, ``openpi`` or ``LeRobot``.
        config: Sizes of the network.
        weights: The weights' files, of which only the headers were read.
        normalisations: To the network's scale and back, by the id of the robot; a checkpoint for
            one robot has one, under the empty id.
        normalisation_kind: What the statistics are used for, in words.
        convention: How it writes the robot's numbers; None where the robot's YAML says it.
        camera_names: The slot of a camera by the camera's own name, where the checkpoint knows
            cameras by name; by the slot's own name otherwise.
        tokenizer_id: The Hub's repository of the tokenizer, where the checkpoint names one.
        exact_times: Whether its sampler asks at exactly 1 - k/n.
        averages_pixels: Whether its images are shrunk by a filter that averages, as Pillow's does.
        cleans_prompt: Whether underscores and line breaks of a sentence become spaces.
        pads_prompt_state: Whether the state in π0.5's prompt is as wide as the network's vectors.
        trained_delay: Most committed actions that it was trained to continue (real-time chunking
            at training time); 0: it was not.
        assumed: What the checkpoint does not say and was assumed, as sentences.
    """

    directory: Path
    form: str
    config: Pi0Config
    weights: TensorFiles
    normalisations: Mapping[str, Normalisation]
    normalisation_kind: str
    convention: Convention | None = None
    camera_names: Mapping[str, str] = field(default_factory=dict)
    tokenizer_id: str = ""
    exact_times: bool = False
    averages_pixels: bool = True
    cleans_prompt: bool = True
    pads_prompt_state: bool = False
    trained_delay: int = 0
    assumed: tuple[str, ...] = ()


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no JSON object.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist; copy or download the whole checkpoint")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON ({error}); copy or download it again") from error
    if not isinstance(values, dict):
        raise ValueError(f"{file} is no JSON object; copy or download it again")
    return values


def read_as(kind: type[Checked], file: Path) -> Checked:
    """Read a JSON file as values of known kinds.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It says something else; the message names key, value and what is allowed.
    """
    return checked(kind, read_json(file), str(file))


def checked(kind: type[Checked], values: object, where: str) -> Checked:
    """Check parsed values.

    Raises:
        ValueError: They are not of this kind; the message begins with ``where`` they are from.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = [
            f"{': '.join(filter(None, ('.'.join(map(str, e['loc'])), e['msg'])))} "
            f"(got {e['input']!r:.60})"
            for e in error.errors()
        ]
        raise ValueError(
            f"{where}: {'; '.join(faults)}. Write it as the program does that made the weights"
        ) from error
