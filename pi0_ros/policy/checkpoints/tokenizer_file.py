"""Where a checkpoint's sentencepiece file is; the released checkpoints come without one."""

from __future__ import annotations

import os
from pathlib import Path

import sentencepiece

from pi0_ros.model.config import Pi0Config
from pi0_ros.model.tokens import PromptTokenizer
from pi0_ros.policy.checkpoints.description import Description
from pi0_ros.policy.checkpoints.hub import find_hub_file

TOKENIZER_FILE = "tokenizer.model"
PALIGEMMA_FILE = "paligemma_tokenizer.model"


def find_tokenizer(description: Description, given: str = "") -> Path:
    """Find the sentencepiece file of a checkpoint.

    Looked for are, in this order: the file that was given; `tokenizer.model` in the directory;
    openpi's cache; the Hub's repository that the checkpoint names.

    Args:
        description: The checkpoint.
        given: Path of the file; empty to look for it.

    Raises:
        FileNotFoundError: There is none; the message lists the places.
    """
    if given:
        path = Path(given).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"tokenizer '{given}' does not exist; check the path")
        return path
    cache = Path(os.environ.get("OPENPI_DATA_HOME", "~/.cache/openpi")).expanduser()
    places = [
        description.directory / TOKENIZER_FILE,
        description.directory / PALIGEMMA_FILE,
        cache / "big_vision" / PALIGEMMA_FILE,
    ]
    for place in places:
        if place.is_file():
            return place
    looked = [str(place) for place in places]
    if description.tokenizer_id:
        try:
            return find_hub_file(description.tokenizer_id, TOKENIZER_FILE)
        except FileNotFoundError as error:
            looked.append(f"{description.tokenizer_id} on the Hugging Face Hub ({error})")
    raise FileNotFoundError(
        f"no tokenizer for {description.directory}; looked for {', '.join(looked)}. Copy "
        f"gs://big_vision/{PALIGEMMA_FILE} to {places[0]}, or give the file as `tokenizer`"
    )


def count_pieces(file: Path, config: Pi0Config) -> int:
    """Count the pieces of a sentencepiece file that serves a model.

    Raises:
        ValueError: It is no such file, or it belongs to another model.
    """
    PromptTokenizer(file, config)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(file))
    return int(pieces.get_piece_size())
