"""Recorded prompts and frames of openpi's policy server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch

from pi0_ros.cli.verify.comparison import EXACT, Comparison
from pi0_ros.cli.verify.recording import Manifest, existing
from pi0_ros.model.config import Pi0Config
from pi0_ros.model.tokens import PromptTokenizer, state_numbers
from pi0_ros.policy.openpi_protocol import MalformedFrame, decode, encode

TOKENIZER_FILE = "tiny_sentencepiece.model"


def check_prompts(case: Comparison, manifest: Manifest, folder: Path) -> None:
    """Compare the tokens of sentences, for π0 without the state and for π0.5 with it."""
    state, file = case.recorded["prompt.state"], folder / TOKENIZER_FILE
    case.check("prompt.state_bins", torch.tensor(state_numbers(state)), EXACT)
    pieces = _count_pieces(file)
    for variant, released in (("pi0", Pi0Config.openpi()), ("pi05", Pi0Config.pi05())):
        length = manifest["max_len"][variant]
        config = replace(released, vocab=pieces, prompt_length=length)
        tokenizer = PromptTokenizer(file, config)
        for number, sentence in enumerate(manifest["prompts"]):
            prompt = tokenizer.encode(sentence, None if variant == "pi0" else state)
            case.check(f"prompt.{number}.{variant}.tokens", prompt.tokens, EXACT)
            case.check(f"prompt.{number}.{variant}.mask", prompt.mask, EXACT)
    case.leave_out("π0-FAST is another model", "prompt.*.fast.*")


def check_frames(case: Comparison, manifest: Manifest, folder: Path) -> None:
    """Read the recorded frames, and write them again byte for byte."""
    read: dict[str, Any] = {}
    for name in manifest["wire"]:
        file = existing(folder / f"wire_{name}.msgpack")
        frame = file.read_bytes()
        try:
            message = decode(frame)
        except MalformedFrame as error:
            raise ValueError(f"{file}: {error}. Copy or record it again.") from error
        recorded = torch.frombuffer(bytearray(frame), dtype=torch.uint8)
        case.check(file.name, np.frombuffer(encode(message), np.uint8), EXACT, recorded=recorded)
        read |= message
    for key, value in read.items():
        if isinstance(value, np.ndarray):
            case.check(f"wire.{key}", value, EXACT)


def _count_pieces(file: Path) -> int:
    """Count what a model's weights would say: a set of prompts comes without weights."""
    existing(file)
    try:
        pieces: int = sentencepiece.SentencePieceProcessor(model_file=str(file)).get_piece_size()
    except (RuntimeError, OSError) as error:
        raise ValueError(
            f"{file} is not a sentencepiece model ({error}). Copy or download it again."
        ) from error
    return pieces
