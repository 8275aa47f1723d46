"""A checkpoint directory: weights, tokenizer and statistics, loaded together or not at all."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import sentencepiece
import torch

from pi0_ros.embodiment.normalisation import NormStats, Statistics
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import to_model
from pi0_ros.model import weights
from pi0_ros.model.config import Pi0Config
from pi0_ros.model.initialisation import initialise
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.tokens import PromptTokenizer
from pi0_ros.policy.instruction import COLORS

TOKENIZER_FILE = "tokenizer.model"
STATISTICS_FILE = "norm_stats.json"
RANDOM_STD = 0.005  # of a random checkpoint's actions about home [rad or m]: a faint tremble


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything that one directory holds."""

    model: Pi0
    tokenizer: PromptTokenizer
    statistics: NormStats


def load_checkpoint(
    directory: str, embodiment: Embodiment, device: torch.device, dtype: torch.dtype
) -> Checkpoint:
    """Read ``config.json``, ``model.safetensors``, ``tokenizer.model`` and ``norm_stats.json``.

    Raises:
        ValueError: Something is malformed or does not fit the robot; the message names the file
            and the remedy.
        FileNotFoundError: The configuration, the weights or the tokenizer are missing.
    """
    folder = Path(directory).expanduser()
    if not folder.is_dir():
        raise ValueError(f"checkpoint '{directory}' is not a directory")
    model = weights.load(folder, device=device, dtype=dtype)
    config = model.config
    width = len(embodiment.joints)
    if config.action_dim < width:
        raise ValueError(
            f"{folder} has vectors of width {config.action_dim}; {embodiment.name} has {width} "
            "joints. Use a checkpoint at least as wide."
        )
    slots = [camera.slot for camera in embodiment.cameras]
    unknown = [slot for slot in slots if slot not in config.cameras]
    if unknown:
        raise ValueError(
            f"{folder} has cameras {', '.join(config.cameras)}; {embodiment.name} also has "
            f"{', '.join(unknown)}. Use a checkpoint with these slots."
        )
    return Checkpoint(
        model,
        PromptTokenizer(folder / TOKENIZER_FILE, config),
        NormStats.load(folder / STATISTICS_FILE, width),
    )


def write_random_checkpoint(directory: Path, embodiment: Embodiment, seed: int) -> None:
    """Write a small π0 with random weights for a robot, to try the path; it knows no task.

    Its actions tremble about the home pose, within the robot's limits.
    """
    directory.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    weights.save(initialise(Pi0(Pi0Config.demo()), generator), directory)
    home = tuple(to_model(embodiment, embodiment.home).tolist())
    about_home = Statistics(mean=home, std=(RANDOM_STD,) * len(home))
    NormStats(state=about_home, actions=about_home).save(directory / STATISTICS_FILE)
    (directory / TOKENIZER_FILE).write_bytes(_train_tokenizer(embodiment, Pi0Config.demo().vocab))


def _train_tokenizer(embodiment: Embodiment, vocabulary: int) -> bytes:
    """Train a sentencepiece model of the task's sentences, with π0's special ids."""
    sentences = [
        f"{arm} arm reach the {color} block" for arm in embodiment.arms for color in COLORS
    ]
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=file,
        vocab_size=vocabulary,
        hard_vocab_limit=False,
        model_type="bpe",
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        user_defined_symbols=["\n"],
        minloglevel=2,
    )
    return file.getvalue()
