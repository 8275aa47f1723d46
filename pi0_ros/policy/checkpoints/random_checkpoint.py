"""A small π0 with random weights for a robot, to try the path without a checkpoint."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import sentencepiece
import torch

from pi0_ros.embodiment.convention import Convention
from pi0_ros.embodiment.normalisation import NormStats, Statistics
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import actions_to_model, state_of, state_to_model, vector_widths
from pi0_ros.model.config import Pi0Config
from pi0_ros.model.initialisation import initialise
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.stored import weights
from pi0_ros.policy.checkpoints.own_form import SECTION, STATISTICS_FILE, PipelineSection
from pi0_ros.policy.checkpoints.tokenizer_file import TOKENIZER_FILE
from pi0_ros.policy.instruction import COLORS

STD = 0.005  # of the actions about home [rad or m]: a faint tremble


def write_random_checkpoint(directory: Path, embodiment: Embodiment, seed: int) -> None:
    """Write a small π0 with random weights for a robot; it knows no task.

    Its actions tremble about the home pose, within the robot's limits.
    """
    pieces = _train_tokenizer(embodiment, Pi0Config.demo().vocab)
    size = sentencepiece.SentencePieceProcessor(model_proto=pieces).get_piece_size()
    config = replace(Pi0Config.demo(), vocab=size)
    model = initialise(Pi0(config), torch.Generator().manual_seed(seed))
    convention = Convention.identity(*vector_widths(embodiment))
    pipeline = PipelineSection(normalisation="z_score", convention=convention)
    weights.save(model, directory, {SECTION: pipeline.model_dump(mode="json")})
    _about_home(embodiment).save(directory / STATISTICS_FILE)
    (directory / TOKENIZER_FILE).write_bytes(pieces)


def _about_home(embodiment: Embodiment) -> NormStats:
    """Return statistics of a robot that stands at home and trembles."""
    action = np.zeros(len(embodiment.axes))  # a base stands still
    action[embodiment.joint_columns] = embodiment.home
    home = state_to_model(embodiment, state_of(embodiment, embodiment.home))
    state, actions = (
        Statistics(mean=tuple(mean.tolist()), std=(STD,) * len(mean))
        for mean in (home, actions_to_model(embodiment, action))
    )
    return NormStats(state=state, actions=actions)


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
