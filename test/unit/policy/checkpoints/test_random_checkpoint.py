from __future__ import annotations

from pathlib import Path

import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import state_to_model
from pi0_ros.model.tokens import PromptTokenizer
from pi0_ros.policy.checkpoints.checkpoint import describe
from pi0_ros.policy.checkpoints.fit import fit
from pi0_ros.policy.checkpoints.random_checkpoint import STD, write_random_checkpoint


def test_it_fits_the_robot_and_trembles_about_its_home(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    pipeline = fit(describe(checkpoint), embodiment).pipeline
    home = state_to_model(embodiment, embodiment.home)
    still = pipeline.actions(np.zeros((50, 18)), home)
    np.testing.assert_allclose(still, np.tile(home, (50, 1)))
    beyond = pipeline.actions(np.full((50, 18), 3.0), home)
    np.testing.assert_allclose(beyond - still, np.full((50, 14), 3 * STD), rtol=1e-3)


def test_its_tokenizer_knows_the_tasks_sentences(checkpoint: Path) -> None:
    tokenizer = PromptTokenizer(checkpoint / "tokenizer.model", describe(checkpoint).config)
    known, strange = (
        tokenizer.encode(prompt).mask.sum()
        for prompt in ("left arm reach the red block", "q7 j9 z3 x5 w2")
    )
    assert known < strange


def test_the_same_seed_writes_the_same_weights_and_another_seed_others(
    checkpoint: Path, embodiment: Embodiment, tmp_path: Path
) -> None:
    first = (checkpoint / "model.safetensors").read_bytes()
    write_random_checkpoint(tmp_path / "same", embodiment, seed=3)
    write_random_checkpoint(tmp_path / "other", embodiment, seed=4)
    assert (tmp_path / "same" / "model.safetensors").read_bytes() == first
    assert (tmp_path / "other" / "model.safetensors").read_bytes() != first
