from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pi0_ros.model.pi0 import Pi0
from pi0_ros.policy.checkpoints.checkpoint import describe, load

CPU = torch.device("cpu")
Edit = Callable[[dict[str, torch.Tensor]], object]


def weights_of(folder: Path, dtype: torch.dtype = torch.float32) -> Pi0:
    return load(describe(folder), CPU, dtype)


def edit(folder: Path, change: Edit) -> None:
    """Change the tensors of a checkpoint in place."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    (folder / "model.safetensors").unlink()  # it may be a link
    save_file(tensors, folder / "model.safetensors")


# --- which form it is ----------------------------------------------------------------------------


def test_each_form_is_recognised(
    checkpoint: Path, lerobot: Path, openpi: Callable[..., Path]
) -> None:
    forms = [describe(folder).form for folder in (checkpoint, lerobot, openpi())]
    assert forms == ["pi0_ros", "LeRobot", "openpi"]


def test_jax_parameters_are_told_how_they_are_converted(tmp_path: Path) -> None:
    (tmp_path / "params").mkdir()
    with pytest.raises(ValueError, match=rf"JAX parameters; `pi0 convert {tmp_path} TARGET`"):
        describe(tmp_path)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"type": "act"}, "a model of type 'act'; policies of type pi0 and pi05 run here$"),
        ({"model_type": "paligemma"}, "of type 'paligemma'; .* PaliGemma is where their training"),
    ],
)
def test_another_model_is_named(tmp_path: Path, config: dict[str, Any], says: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=says):
        describe(tmp_path)


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"anything")
    with pytest.raises(ValueError, match=r"pytorch_model\.bin is a pickle: .* never opened"):
        describe(tmp_path)


def test_a_folder_with_nothing_in_it_is_told_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds neither model\.safetensors nor .* Check"):
        describe(tmp_path)


def test_a_folder_of_checkpoints_is_told_which_are_in_it(tmp_path: Path, copied: Path) -> None:
    with pytest.raises(FileNotFoundError, match="but checkpoints are in copied; give one of these"):
        describe(tmp_path)


# --- whole or not at all -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_have_the_type_that_was_asked_for(checkpoint: Path, dtype: torch.dtype) -> None:
    model = weights_of(checkpoint, dtype)
    assert model.embedding.weight.dtype == dtype
    assert model.action_out.weight.dtype == torch.float32
    assert not any(parameter.is_meta for parameter in model.parameters())


def test_several_files_with_an_index_are_one_checkpoint(copied: Path) -> None:
    whole = weights_of(copied).state_dict()
    tensors = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, inside in parts.items():
        save_file({name: tensors[name] for name in inside}, copied / file)
    index = {"weight_map": {name: file for file, inside in parts.items() for name in inside}}
    (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    for name, tensor in weights_of(copied).state_dict().items():
        torch.testing.assert_close(tensor, whole[name], rtol=0, atol=0)
    (copied / "model-2.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of the 2 files .* missing: .*model-2"):
        describe(copied)


def test_a_truncated_file_is_refused(copied: Path) -> None:
    file = copied / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match="is not a complete safetensors file"):
        describe(copied)


def spoil_with_nan(tensors: dict[str, torch.Tensor]) -> None:
    tensors["action_out_proj.bias"][1] = float("nan")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (spoil_with_nan, r"1 of 18 entries of action_out_proj\.bias are NaN or infinite"),
        (lambda t: t.pop("action_out_proj.bias"), r"1 missing: action_out_proj\.bias"),
        (lambda t: t.update(mine=torch.zeros(1)), "1 unexpected: mine"),
        (
            lambda t: t.update({"action_out_proj.bias": torch.zeros(3)}),
            r"1 mis-shaped: action_out_proj\.bias is \(3,\) instead of \(18,\)",
        ),
        (
            lambda t: t.update({"action_out_proj.bias": torch.zeros(18, dtype=torch.int8)}),
            r"1 of a type other than F32, BF16, F16: action_out_proj\.bias is I8",
        ),
    ],
)
def test_a_checkpoint_is_never_loaded_partly(copied: Path, change: Edit, says: str) -> None:
    edit(copied, change)
    with pytest.raises(ValueError, match=says):
        weights_of(copied)
