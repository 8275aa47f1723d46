from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import sentencepiece
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from pi0_ros.cli.main import app
from pi0_ros.model.config import Pi0Config
from pi0_ros.model.initialisation import initialise
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.stored.jax_parameters import JaxParameters
from pi0_ros.model.stored.names import EMBEDDING, EXPERT_HEAD, TIED_EMBEDDING
from pi0_ros.model.stored.sizes import infer_config
from pi0_ros.model.stored.weights import (
    load,
    load_openpi,
    parts_of,
    save,
    stored_tensors,
)
from pi0_ros.policy.checkpoints.checkpoint import describe

DATA = Path(__file__).parents[2] / "data"
JAX = DATA / "openpi_jax"
TOKENIZER = next((DATA.parents[1] / "config" / "golden" / "openpi").rglob("*sentencepiece.model"))
SIZES = ["--horizon", "4", "--prompt-length", "6", "--vision-heads", "2"]
runner = CliRunner()


def convert(*words: object):
    return runner.invoke(app, ["convert", *map(str, words), *SIZES], env={"COLUMNS": "200"})


def complaint(*words: object) -> str:
    result = convert(*words)
    assert result.exit_code == 1
    assert isinstance(result.exception, ValueError | FileNotFoundError)
    return str(result.exception)


# --- JAX -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("variant", "asset"), [("pi0", "robot_a"), ("pi05", "lab/robot_b")])
def test_jax_parameters_become_our_checkpoint(tmp_path, variant, asset) -> None:
    target = tmp_path / "target"
    result = convert(
        JAX / variant, target, "--tokenizer", write_tokenizer(tmp_path), "--asset", asset
    )
    assert result.exit_code == 0, result.output
    assert sorted(file.name for file in target.iterdir()) == [
        "config.json", "model.safetensors", "norm_stats.json", "tokenizer.model",
    ]  # fmt: skip
    assert describe(target).normalisation_kind == {"pi0": "z_score", "pi05": "quantile"}[variant]
    model = load(target)
    assert model.config.variant == variant
    assert (model.config.horizon, model.config.prompt_length) == (4, 6)
    direct = load_openpi(JaxParameters(JAX / variant), model.config).state_dict()
    assert all(torch.equal(value, direct[name]) for name, value in model.state_dict().items())
    theirs = JAX / variant / "assets" / asset / "norm_stats.json"
    assert (target / "norm_stats.json").read_text() == theirs.read_text()


def write_tokenizer(tmp_path: Path) -> Path:
    """A sentencepiece file of just as many tokens as the tiny models have."""
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["reach the red block"]),
        model_writer=file,
        vocab_size=40,
        user_defined_symbols=[f"<{n}>" for n in range(23)],
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        minloglevel=2,
    )
    path = tmp_path / "some.model"
    path.write_bytes(file.getvalue())
    return path


def test_what_is_still_needed_is_said(tmp_path) -> None:
    result = convert(JAX / "pi0", tmp_path / "target")
    assert "π0 in" in result.output
    assert f"it still needs {tmp_path / 'target' / 'tokenizer.model'}" in result.output
    assert result.output.count("it still needs") == 1


def test_bfloat16_halves_the_large_matrices_only(tmp_path) -> None:
    convert(JAX / "pi0", tmp_path / "target", "--dtype", "bfloat16")
    stored = load_file(tmp_path / "target" / "model.safetensors")
    assert stored[TIED_EMBEDDING].dtype == torch.bfloat16
    assert stored["action_in_proj.weight"].dtype == torch.float32


def test_openpis_form_has_all_that_its_strict_reader_wants(tmp_path) -> None:
    target = tmp_path / "target"
    convert(JAX / "pi05", target, "--to", "openpi")
    stored = load_file(target / "model.safetensors")
    model = load_openpi(JaxParameters(JAX / "pi05"), read_jax_config("pi05"))
    expected = set(parts_of(model)) - {EMBEDDING} | {TIED_EMBEDDING, EXPERT_HEAD}
    assert set(stored) == expected
    assert stored[EXPERT_HEAD].shape == (40, 12)  # vocabulary, width of the expert
    assert json.loads((target / "config.json").read_text())["action_horizon"] == 4
    assert (target / "assets" / "lab" / "robot_b" / "norm_stats.json").is_file()
    assert (target / "assets" / "robot_a" / "norm_stats.json").is_file()
    for name, value in stored_tensors(model):
        torch.testing.assert_close(
            stored[TIED_EMBEDDING if name == EMBEDDING else name], value, rtol=0, atol=1e-7
        )


def read_jax_config(variant: str) -> Pi0Config:
    return infer_config(JaxParameters(JAX / variant), 4, 6, vision_heads=2)


def test_openpis_form_converts_back_to_the_same_weights(tmp_path) -> None:
    convert(JAX / "pi0", tmp_path / "direct")
    convert(JAX / "pi0", tmp_path / "openpi", "--to", "openpi")
    convert(tmp_path / "openpi", tmp_path / "back")
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("direct", "back"))
    assert set(one) == set(other)
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert (tmp_path / "back" / "norm_stats.json").is_file()


def test_the_robot_must_be_named_where_there_are_several(tmp_path) -> None:
    said = complaint(JAX / "pi05", tmp_path / "target")
    assert "several robots: lab/robot_b, robot_a. Name one of them with --asset" in said
    said = complaint(JAX / "pi05", tmp_path / "target", "--asset", "robot_c")
    assert "asset 'robot_c' is not among" in said
    assert not (tmp_path / "target").exists()


def test_a_tokenizer_that_does_not_fit_is_refused_before_the_work(tmp_path) -> None:
    complaint(JAX / "pi0", tmp_path / "target", "--tokenizer", TOKENIZER)  # more than 40 tokens
    assert list(tmp_path.iterdir()) == []


# --- openpi's PyTorch form, and the target -------------------------------------------------------


def convert_demo(source: Path, target: Path, *words: str):
    sizes = ["--vision-heads", "4"]
    return runner.invoke(app, ["convert", str(source), str(target), *sizes, *words])


@pytest.fixture
def openpi(tmp_path: Path) -> Path:
    """A checkpoint in openpi's PyTorch form."""
    config = replace(Pi0Config.demo(), heads=8, head_dim=16)
    folder = tmp_path / "source"
    model = initialise(Pi0(config), torch.Generator().manual_seed(0))
    save(model, folder)
    (folder / "config.json").write_text('{"action_horizon": 7}')
    return folder


def test_openpis_configuration_tells_the_horizon(openpi, tmp_path) -> None:
    assert convert_demo(openpi, tmp_path / "target").exit_code == 0
    assert load(tmp_path / "target").config.horizon == 7


@pytest.mark.parametrize("text", ["{", "[]", '{"action_horizon": "ten"}'])
def test_a_configuration_that_says_nothing_clear_is_refused(openpi, tmp_path, text) -> None:
    (openpi / "config.json").write_text(text)
    assert f"{openpi / 'config.json'}" in str(convert_demo(openpi, tmp_path / "target").exception)
    assert not (tmp_path / "target").exists()


def test_a_horizon_of_zero_is_not_taken_for_none(openpi, tmp_path) -> None:
    (openpi / "config.json").write_text('{"action_horizon": 0}')
    assert "horizon is 0" in str(convert_demo(openpi, tmp_path / "target").exception)


def test_a_horizon_that_nothing_says_is_told_as_assumed(openpi, tmp_path) -> None:
    (openpi / "config.json").unlink()
    assert "horizon 50 is assumed" in convert_demo(openpi, tmp_path / "assumed").output
    told = convert_demo(openpi, tmp_path / "told", "--horizon", "50")
    assert "assumed" not in told.output


def test_our_own_form_needs_no_conversion(openpi, tmp_path) -> None:
    convert_demo(openpi, tmp_path / "ours")
    result = convert_demo(tmp_path / "ours", tmp_path / "target")
    assert "is in our form already" in str(result.exception)


def test_lerobots_checkpoint_needs_no_conversion(openpi, tmp_path) -> None:
    (openpi / "policy_preprocessor.json").write_text("{}")
    result = convert_demo(openpi, tmp_path / "target")
    assert "It runs as it stands" in str(result.exception)


def test_a_target_that_exists_stays(openpi, tmp_path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "thesis.tex").touch()
    assert "exists. Choose another" in str(convert_demo(openpi, target).exception)
    result = convert_demo(openpi, target, "--force")
    assert "is no checkpoint, so --force does not replace it" in str(result.exception)
    assert [file.name for file in target.iterdir()] == ["thesis.tex"]


def test_a_checkpoint_is_replaced_by_force(openpi, tmp_path) -> None:
    target = tmp_path / "target"
    convert_demo(openpi, target)
    (target / "old").touch()
    assert convert_demo(openpi, target, "--force").exit_code == 0
    assert not (target / "old").exists()
    assert {file.name for file in tmp_path.iterdir()} == {"source", "target"}


def test_an_interrupted_conversion_leaves_no_target_and_is_run_again(openpi, tmp_path) -> None:
    part = tmp_path / "target.part"
    part.mkdir()
    (part / "model.safetensors.part").touch()
    assert convert_demo(openpi, tmp_path / "target").exit_code == 0
    assert not part.exists()


def test_a_weight_that_is_nan_leaves_no_target(openpi, tmp_path) -> None:
    file = openpi / "model.safetensors"
    tensors = load_file(file)
    tensors["state_proj.bias"][0] = float("nan")
    save_file(tensors, file)
    assert "NaN" in str(convert_demo(openpi, tmp_path / "target").exception)
    assert not (tmp_path / "target").exists()
