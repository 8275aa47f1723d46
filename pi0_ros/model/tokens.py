"""Prompts: a sentence in, token ids out."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import sentencepiece
import torch
from torch import Tensor

from pi0_ros.model.config import Pi0Config

PADDING = 0
PALIGEMMA_PIECES = 257_152
GEMMA_PIECES = 256_000  # Gemma's own file lacks places and segments; sentences get the same ids

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Prompt:
    """One encoded sentence, padded to the model's prompt length.

    Attributes:
        tokens: Token ids, 0 where padded, (L,) int64.
        mask: True where a token is real, (L,) bool.
    """

    tokens: Tensor
    mask: Tensor


class PromptTokenizer:
    """Encodes prompts with the sentencepiece file of a checkpoint."""

    def __init__(self, file: str | os.PathLike[str], config: Pi0Config) -> None:
        """Read a sentencepiece file.

        Args:
            file: The file; for the released checkpoints PaliGemma's `paligemma_tokenizer.model`.
            config: Sizes of the model that will read the tokens.

        Raises:
            FileNotFoundError: The file is missing.
            ValueError: It is no sentencepiece file, has no beginning-of-sentence token, or has
                another number of tokens than the model.
        """
        file = Path(file)
        if not file.is_file():
            raise FileNotFoundError(
                f"{file} does not exist; a prompt needs the checkpoint's sentencepiece file. "
                "The released checkpoints use gs://big_vision/paligemma_tokenizer.model."
            )
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(file))
        except (RuntimeError, OSError) as error:
            raise ValueError(
                f"{file} is not a sentencepiece model ({error}). Copy or download it again."
            ) from error
        size, bos = self._pieces.get_piece_size(), self._pieces.bos_id()
        allowed = {config.vocab}
        if config.vocab == PALIGEMMA_PIECES:
            allowed.add(GEMMA_PIECES)
        if size not in allowed or bos < 0:
            raise ValueError(
                f"{file} has {size} tokens and beginning-of-sentence id {bos}; the model needs "
                f"{' or '.join(map(str, sorted(allowed)))} tokens and an id of 0 or more. "
                "Use the file that belongs to the checkpoint."
            )
        self._config = config

    def encode(self, prompt: str, state: Tensor | None = None, *, clean: bool = True) -> Prompt:
        r"""Encode one sentence.

        Underscores and line breaks become spaces. Without a state, a line break, encoded by
        itself, closes the prompt (π0). With one, the sentence is followed by the state as whole
        numbers (π0.5). A prompt that is too long loses its end, and a warning is logged.

        Args:
            prompt: What the robot shall do.
            state: Normalised state without padding, (D,); for π0.5 only.
            clean: Clean the sentence as openpi does. LeRobot's π0 takes it as it stands.

        Raises:
            ValueError: There is a state, but the model reads it from a token of its own.

        Source: openpi's rules for π0 and π0.5.
        """
        if state is not None and self._config.has_state_token:
            raise ValueError(
                f"a state came with the prompt, but variant '{self._config.variant}' takes it as a "
                "tensor; only 'pi05' reads it as text. Encode the prompt alone."
            )
        cleaned = prompt.removesuffix("\n")
        if clean:
            cleaned = prompt.strip().replace("_", " ").replace("\n", " ")
        pieces = self._pieces
        if state is None:
            ids = [pieces.bos_id(), *pieces.encode(cleaned), *pieces.encode("\n")]
        else:
            numbers = " ".join(str(number) for number in state_numbers(state))
            text = f"Task: {cleaned}, State: {numbers};\nAction: "
            ids = [pieces.bos_id(), *pieces.encode(text)]
        return self._pad(ids, prompt)

    def _pad(self, ids: list[int], prompt: str) -> Prompt:
        length = self._config.prompt_length
        if len(ids) > length:
            _log.warning(
                "the prompt has %d tokens and the model reads %d: its end is cut; shorten '%s'",
                len(ids),
                length,
                prompt,
            )
            ids = ids[:length]
        tokens = torch.tensor(ids + [PADDING] * (length - len(ids)), dtype=torch.int64)
        return Prompt(tokens, torch.arange(length) < len(ids))


def state_numbers(state: Tensor) -> list[int]:
    """Write a normalised state as whole numbers, for π0.5's prompt.

    Args:
        state: Normalised state, (D,).

    Returns:
        The bin of each entry among 256 equal ones over [-1, 1]; -1 below them, 255 above.

    Source: openpi.
    """
    edges = torch.linspace(-1.0, 1.0, 257, dtype=torch.float64)[:-1]
    bins: list[int] = (torch.bucketize(state.double().cpu(), edges, right=True) - 1).tolist()
    return bins
