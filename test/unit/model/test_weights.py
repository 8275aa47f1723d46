from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from pi0_ros.model.names import EMBEDDING, TIED_EMBEDDING
from pi0_ros.model.weights import load, load_openpi, save


@pytest.fixture
def checkpoint(tiny, tmp_path):
    save(tiny, tmp_path)
    return tmp_path


def rewrite(file, **changes):
    """Replace tensors of a file; None takes one away."""
    tensors = {**load_file(file), **changes}
    save_file({name: value for name, value in tensors.items() if value is not None}, file)


def test_a_model_survives_the_way_through_a_directory(tiny, checkpoint):
    again = load(checkpoint)
    assert again.config == tiny.config
    assert not again.training
    state = again.state_dict()
    assert list(state) == list(tiny.state_dict())
    assert all(torch.equal(value, state[name]) for name, value in tiny.state_dict().items())


def test_a_directory_holds_nothing_but_its_two_files(checkpoint):
    assert sorted(file.name for file in checkpoint.iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


def test_a_loaded_model_can_be_trained(checkpoint):
    assert all(parameter.requires_grad for parameter in load(checkpoint).parameters())


def test_the_type_is_chosen_while_loading(checkpoint):
    model = load(checkpoint, dtype=torch.bfloat16)
    assert model.embedding.weight.dtype == torch.bfloat16
    assert model.action_in.weight.dtype == torch.float32


def test_openpi_files_load_in_the_type_asked_for_even_when_stored_in_another(golden_pi0, tmp_path):
    file = tmp_path / "model.safetensors"
    tensors = load_file(golden_pi0.folder / "model.safetensors")
    save_file({name: value.bfloat16() for name, value in tensors.items()}, file)
    model = load_openpi(file, golden_pi0.config)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_missing_tensor_is_named(checkpoint):
    rewrite(checkpoint / "model.safetensors", **{"vlm.norm.weight": None})
    with pytest.raises(ValueError, match=r"1 missing: vlm\.norm\.weight\. Use the configuration"):
        load(checkpoint)


def test_an_unexpected_tensor_is_named(checkpoint):
    rewrite(checkpoint / "model.safetensors", surprise=torch.zeros(1))
    with pytest.raises(ValueError, match="1 unexpected: surprise"):
        load(checkpoint)


def test_a_misshaped_tensor_is_named_with_both_shapes(checkpoint):
    rewrite(checkpoint / "model.safetensors", **{"state_in.bias": torch.zeros(3)})
    with pytest.raises(ValueError, match=r"state_in\.bias is \(3,\) instead of \(10,\)"):
        load(checkpoint)


def test_many_faults_are_counted_and_the_first_are_listed(tiny_config, checkpoint):
    deeper = replace(tiny_config, depth=4)
    (checkpoint / "config.json").write_text(deeper.to_json())
    with pytest.raises(ValueError, match=r"36 missing: expert\.blocks\.2\..* and 28 more"):
        load(checkpoint)


def test_a_truncated_file_is_refused(checkpoint):
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        load(checkpoint)


def test_a_pickle_is_not_opened(tiny, checkpoint):
    torch.save(tiny.state_dict(), checkpoint / "model.safetensors")
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        load(checkpoint)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(checkpoint, name):
    (checkpoint / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} does not exist"):
        load(checkpoint)


def test_a_wrong_type_is_refused(checkpoint):
    with pytest.raises(ValueError, match=r"dtype is torch.float16"):
        load(checkpoint, dtype=torch.float16)


@pytest.fixture
def openpi_file(golden_pi0, tmp_path):
    file = tmp_path / "model.safetensors"
    save_file(load_file(golden_pi0.folder / "model.safetensors"), file)
    return file


def test_a_missing_openpi_tensor_is_named_as_openpi_does(golden_pi0, openpi_file):
    rewrite(openpi_file, **{"state_proj.bias": None})
    with pytest.raises(ValueError, match=r"1 missing: state_proj\.bias"):
        load_openpi(openpi_file, golden_pi0.config)


def test_an_unexpected_openpi_tensor_is_named(golden_pi0, openpi_file):
    rewrite(openpi_file, **{"time_mlp_in.bias": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"1 unexpected: time_mlp_in\.bias"):
        load_openpi(openpi_file, golden_pi0.config)


def test_an_openpi_file_of_the_other_variant_is_refused(golden_pi0, openpi_file):
    with pytest.raises(ValueError, match=r"18 missing: .*dense.*; 13 unexpected: "):
        load_openpi(openpi_file, replace(golden_pi0.config, variant="pi05"))


def test_the_embedding_wins_over_the_head_where_a_file_has_both(golden_pi0, openpi_file):
    head = load_file(openpi_file)[TIED_EMBEDDING]
    rewrite(openpi_file, **{EMBEDDING: head + 1})
    model = load_openpi(openpi_file, golden_pi0.config)
    assert torch.equal(model.embedding.weight, head + 1)


def test_a_file_that_lerobot_wrote_loads_too(golden_pi0, openpi_file):
    save_file({"model." + n: value for n, value in load_file(openpi_file).items()}, openpi_file)
    model = load_openpi(openpi_file, golden_pi0.config)
    assert torch.equal(model.state_in.bias, golden_pi0.model.state_in.bias)


def test_an_openpi_model_is_the_same_after_saving_it_under_our_names(golden_pi0, tmp_path):
    save(golden_pi0.model, tmp_path)
    again = load(tmp_path).state_dict()
    for name, value in golden_pi0.model.state_dict().items():
        assert torch.equal(value, again[name])
