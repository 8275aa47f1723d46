from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from pi0_ros.model.config import Pi0Config
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.stored.names import EMBEDDING, EXPERT_HEAD, TIED_EMBEDDING, find_openpi_names
from pi0_ros.model.stored.weights import (
    load,
    load_openpi,
    read_config,
    save,
    start_from_paligemma,
    stored_layout,
    stored_tensors,
)

EXPERT = "paligemma_with_expert.gemma_expert.model."
VLM = "paligemma_with_expert.paligemma.model.language_model."


@pytest.fixture
def checkpoint(tiny, tmp_path):
    save(tiny, tmp_path)
    return tmp_path


@pytest.fixture
def openpi_file(golden_pi0, tmp_path):
    file = tmp_path / "model.safetensors"
    save_file(load_file(golden_pi0.folder / "model.safetensors"), file)
    return file


def rewrite(file, **changes):
    """Replace tensors of a file; None takes one away."""
    tensors = {**load_file(file), **changes}
    save_file({name: value for name, value in tensors.items() if value is not None}, file)


def assert_same(one, other):
    ours, theirs = one.state_dict(), other.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


# --- our own form --------------------------------------------------------------------------------


def test_a_model_survives_the_way_through_a_directory(model, tmp_path):
    save(model, tmp_path)
    again = load(tmp_path)
    assert again.config == model.config
    assert not again.training
    assert_same(again, model)


def test_a_directory_holds_nothing_but_its_two_files(checkpoint):
    assert sorted(file.name for file in checkpoint.iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


def test_our_file_has_openpis_names_and_its_tied_embedding(golden, tmp_path):
    save(golden.model, tmp_path)
    ours = load_file(tmp_path / "model.safetensors")
    theirs = load_file(golden.folder / "model.safetensors")
    assert set(theirs) - set(ours) == {EXPERT_HEAD}
    assert TIED_EMBEDDING in ours
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=2**-24)


def test_saving_a_model_of_openpi_changes_nothing(golden, tmp_path):
    save(golden.model, tmp_path)
    assert_same(load(tmp_path), golden.model)


def test_a_model_in_bfloat16_survives_too(tiny, checkpoint, tmp_path):
    narrow = load(checkpoint, dtype=torch.bfloat16)
    save(narrow, tmp_path / "narrow")
    assert_same(load(tmp_path / "narrow", dtype=torch.bfloat16), narrow)
    stored = load_file(tmp_path / "narrow" / "model.safetensors")
    assert stored[TIED_EMBEDDING].dtype == torch.bfloat16
    assert stored[VLM + "norm.weight"].dtype == torch.float32


def test_a_loaded_model_can_be_trained(checkpoint):
    assert all(parameter.requires_grad for parameter in load(checkpoint).parameters())


def test_the_type_is_chosen_while_loading(checkpoint):
    model = load(checkpoint, dtype=torch.bfloat16)
    assert model.embedding.weight.dtype == torch.bfloat16
    assert model.action_in.weight.dtype == torch.float32


def test_a_wrong_type_is_refused(checkpoint):
    with pytest.raises(ValueError, match=r"dtype is torch.float16"):
        load(checkpoint, dtype=torch.float16)


def test_sections_of_others_come_back_and_do_not_disturb(tiny, tmp_path):
    save(tiny, tmp_path, {"pipeline": {"rate_hz": 20}})
    sections = read_config(tmp_path)
    assert set(sections) == {"model", "pipeline"}
    assert sections["pipeline"] == {"rate_hz": 20}
    assert load(tmp_path).config == tiny.config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "config.json is not JSON"),
        ("[]", "config.json says format None"),
        ('{"type": "pi0"}', r"format None; read is 'pi0_ros/1' .* write it again with `pi0 conv"),
        ('{"format": "pi0_ros/2", "model": {}}', "format 'pi0_ros/2'; read is 'pi0_ros/1'"),
        ('{"format": "pi0_ros/1", "model": {}}', r"config\.json: the model configuration lacks"),
    ],
)
def test_a_configuration_that_is_not_ours_is_refused(checkpoint, text, message):
    (checkpoint / "config.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        load(checkpoint)


@pytest.mark.parametrize(
    ("name", "message"),
    [("config.json", "config.json does not exist"), ("model.safetensors", "holds neither model")],
)
def test_a_missing_file_is_named(checkpoint, name, message):
    (checkpoint / name).unlink()
    with pytest.raises(FileNotFoundError, match=message):
        load(checkpoint)


def test_a_file_of_another_model_is_refused(tiny_config, checkpoint):
    config = checkpoint / "config.json"
    sections = json.loads(config.read_text())
    sections["model"] |= json.loads(replace(tiny_config, depth=4).to_json())
    config.write_text(json.dumps(sections))
    with pytest.raises(ValueError, match=r"36 missing: .*layers\.2\..* and 28 more\. Use the"):
        load(checkpoint)


# --- openpi and LeRobot --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_files_load_in_the_type_asked_for_even_when_stored_in_another(
    golden_pi0, openpi_file, dtype
):
    tensors = load_file(openpi_file)
    save_file({name: value.to(dtype) for name, value in tensors.items()}, openpi_file)
    model = load_openpi(openpi_file, golden_pi0.config)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    stored = tensors["state_proj.bias"].to(dtype).float()
    assert torch.equal(model.state_in.bias, stored)


def test_one_is_added_to_gemmas_norms_in_float32(golden_pi0, openpi_file):
    small = torch.full_like(load_file(openpi_file)[VLM + "norm.weight"], 2.0**-9).bfloat16()
    rewrite(openpi_file, **{VLM + "norm.weight": small})
    model = load_openpi(openpi_file, golden_pi0.config)
    assert torch.equal(model.vlm.norm.scale, torch.full_like(small.float(), 1 + 2.0**-9))


@given(st.floats(-0.5, 1.0, width=32))
def test_a_norm_comes_back_from_its_file_to_the_last_bit(weight):
    scale = torch.tensor(1.0) + torch.tensor(weight)
    assert (scale - 1.0) + 1.0 == scale


def test_query_key_and_value_lie_one_after_the_other(golden_pi0):
    stored = load_file(golden_pi0.folder / "model.safetensors")
    parts = [stored[VLM + f"layers.1.self_attn.{part}_proj.weight"] for part in "qkv"]
    fused = golden_pi0.model.vlm.blocks[1].attention.qkv.weight
    assert torch.equal(fused, torch.cat(parts))


def test_gate_lies_before_up(golden_pi0):
    stored = load_file(golden_pi0.folder / "model.safetensors")
    parts = [stored[EXPERT + f"layers.0.mlp.{part}_proj.weight"] for part in ("gate", "up")]
    assert torch.equal(golden_pi0.model.expert.blocks[0].mlp.gate_up.weight, torch.cat(parts))


def test_a_missing_tensor_is_named_as_openpi_does(golden_pi0, openpi_file):
    rewrite(openpi_file, **{"state_proj.bias": None})
    with pytest.raises(ValueError, match=r"1 missing: state_proj\.bias"):
        load_openpi(openpi_file, golden_pi0.config)


def test_a_file_of_the_other_variant_is_refused(golden_pi0, openpi_file):
    with pytest.raises(ValueError, match=r"\d+ missing: .*dense.*; \d+ unexpected: "):
        load_openpi(openpi_file, replace(golden_pi0.config, variant="pi05"))


def test_nan_in_a_weight_is_refused(golden_pi0, openpi_file):
    bad = load_file(openpi_file)["state_proj.bias"]
    bad[0] = math.nan
    rewrite(openpi_file, **{"state_proj.bias": bad})
    with pytest.raises(ValueError, match=r"1 of \d+ entries of state_proj\.bias are NaN"):
        load_openpi(openpi_file, golden_pi0.config)


def test_nan_in_a_tensor_that_nothing_reads_does_not_matter(golden_pi0, openpi_file):
    head = load_file(openpi_file)[EXPERT_HEAD].fill_(math.nan)
    rewrite(openpi_file, **{EXPERT_HEAD: head})
    load_openpi(openpi_file, golden_pi0.config)


def test_the_embedding_wins_over_the_head_where_a_file_has_both(golden_pi0, openpi_file):
    head = load_file(openpi_file)[TIED_EMBEDDING]
    rewrite(openpi_file, **{EMBEDDING: head + 1})
    model = load_openpi(openpi_file, golden_pi0.config)
    assert torch.equal(model.embedding.weight, head + 1)


def test_a_file_that_lerobot_wrote_loads_too(golden, tmp_path):
    tensors = load_file(golden.folder / "model.safetensors")
    file = tmp_path / "model.safetensors"
    save_file({"model." + name: value for name, value in tensors.items()}, file)
    assert_same(load_openpi(file, golden.config), golden.model)


def test_shards_load_like_one_file(golden_pi0, tmp_path):
    tensors = load_file(golden_pi0.folder / "model.safetensors")
    names = sorted(tensors)
    index = {}
    for shard, some in (("one.safetensors", names[::2]), ("two.safetensors", names[1::2])):
        save_file({name: tensors[name] for name in some}, tmp_path / shard)
        index |= dict.fromkeys(some, shard)
    index_file = tmp_path / "model.safetensors.index.json"
    index_file.write_text(json.dumps({"weight_map": index}))
    assert_same(load_openpi(tmp_path, golden_pi0.config), golden_pi0.model)


def test_the_layout_of_a_file_holds_every_number_of_the_model():
    config = Pi0Config.demo()
    layout = stored_layout(config, torch.float32)
    numbers = sum(value.numel() for value in Pi0(config).parameters())
    assert sum(math.prod(stored.shape) for stored in layout.values()) == numbers
    assert find_openpi_names(layout) == {name: name for name in layout}


# --- PaliGemma -----------------------------------------------------------------------------------

PALIGEMMA = "paligemma_with_expert.paligemma."


@pytest.fixture
def paligemma(golden_pi0, tmp_path):
    """PaliGemma as its files are: old names, an embedding with rows that no token has."""
    tensors = {}
    for name, value in stored_tensors(golden_pi0.model):
        if name.startswith(PALIGEMMA):
            name = name.removeprefix(PALIGEMMA + "model.")
            tensors[name.replace("language_model.", "language_model.model.")] = value.clone()
    embedding = tensors["language_model.model.embed_tokens.weight"]
    padded = torch.cat([embedding, torch.full_like(embedding[:3], 9.0)])
    tensors["language_model.model.embed_tokens.weight"] = padded
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path


def start(directory, config, seed=0):
    return start_from_paligemma(directory, config, torch.Generator().manual_seed(seed))


def test_paligemma_gives_tower_and_language_model(golden_pi0, paligemma):
    started, whole = start(paligemma, golden_pi0.config).state_dict(), golden_pi0.model.state_dict()
    for name, value in whole.items():
        taken = name.startswith(("vision.", "vlm.", "embedding."))
        alike = name.endswith((".bias", ".scale")) and not taken  # fresh ones are all 0 or all 1
        assert alike or torch.equal(started[name], value) == taken


def test_the_fresh_expert_depends_on_the_generator_alone(golden_pi0, paligemma):
    first, same, other = (start(paligemma, golden_pi0.config, seed) for seed in (0, 0, 1))
    assert_same(first, same)
    assert not torch.equal(first.action_in.weight, other.action_in.weight)


def test_a_vocabulary_larger_than_paligemmas_is_refused(golden_pi0, paligemma):
    config = replace(golden_pi0.config, vocab=golden_pi0.config.vocab + 4)
    with pytest.raises(ValueError, match=r"1 mis-shaped: language_model\.model\.embed_tokens"):
        start(paligemma, config)


def test_an_incomplete_paligemma_is_refused(golden_pi0, paligemma):
    rewrite(paligemma / "model.safetensors", **{"multi_modal_projector.linear.bias": None})
    with pytest.raises(ValueError, match=r"1 missing: .*multi_modal_projector\.linear\.bias"):
        start(paligemma, golden_pi0.config)


def test_a_whole_policy_is_no_start(golden_pi0, openpi_file):
    with pytest.raises(ValueError, match=r"\d+ unexpected: action_in_proj\.bias"):
        start(openpi_file, golden_pi0.config)


# --- memory --------------------------------------------------------------------------------------

PEAK = """
import sys
from pi0_ros.model.config import Pi0Config
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.stored.weights import load
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
Pi0(Pi0Config.demo())  # torch imports much when a first model is made
before = peak()
load(sys.argv[1])
print(peak() - before)
"""


def test_loading_never_needs_a_fifth_more_memory_than_the_file_is_large(tmp_path):
    """The largest tensor is a fifth of the file; in the released ones it is a seventh."""
    config = replace(Pi0Config.openpi(), depth=8, vocab=25000, head_dim=64)
    vlm, expert = replace(config.vlm, width=512, mlp=1536), replace(config.expert, width=256)
    vision = replace(config.vision, width=288, depth=6, mlp=1152)
    model = Pi0(replace(config, vlm=vlm, expert=expert, vision=vision)).to_empty(device="cpu")
    for parameter in model.parameters():
        parameter.data.fill_(0.5)
    save(model, tmp_path)
    size = (tmp_path / "model.safetensors").stat().st_size
    assert size > 200e6
    command = [sys.executable, "-c", PEAK, str(tmp_path)]
    root = Path(__file__).parents[4]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 1.2 * size
