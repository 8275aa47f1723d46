from __future__ import annotations

import json
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from pi0_ros.model.stored.tensor_files import INDEX_FILE, TensorFiles, write_tensors
from pi0_ros.model.stored.tensor_source import StoredTensor

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}


@pytest.fixture
def one_file(tmp_path):
    save_file(TENSORS, tmp_path / "model.safetensors", metadata={"format": "pt"})
    return tmp_path


@pytest.fixture
def shards(tmp_path):
    for name, tensor in TENSORS.items():
        save_file({name: tensor}, tmp_path / f"{name}.safetensors")
    index = {"weight_map": {name: f"{name}.safetensors" for name in TENSORS}}
    (tmp_path / INDEX_FILE).write_text(json.dumps(index))
    return tmp_path


@pytest.mark.parametrize("form", ["one_file", "shards"])
def test_names_shapes_and_types_are_known_without_reading(form, request):
    files = TensorFiles(request.getfixturevalue(form))
    assert files.tensors == {"a": StoredTensor((2, 3), "F32"), "b": StoredTensor((4,), "BF16")}


@pytest.mark.parametrize("form", ["one_file", "shards"])
def test_each_tensor_is_read_once(form, request):
    read = list(TensorFiles(request.getfixturevalue(form)).read({"a", "b"}))
    assert sorted(name for name, _ in read) == ["a", "b"]
    assert all(torch.equal(tensor, TENSORS[name]) for name, tensor in read)


def test_only_what_is_asked_for_is_read(one_file):
    assert [name for name, _ in TensorFiles(one_file).read({"b"})] == ["b"]


def test_a_file_is_as_good_as_its_directory(one_file):
    files = TensorFiles(one_file / "model.safetensors")
    assert set(files.tensors) == {"a", "b"}
    assert files.metadata == {"format": "pt"}


@pytest.mark.parametrize("kept", [0, 4, 40, -1])
def test_a_truncated_file_is_refused(one_file, kept):
    file = one_file / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"model\.safetensors is not a complete safetensors file"):
        TensorFiles(one_file)


def test_nan_is_refused_by_the_name_of_file_and_tensor(one_file):
    bad = TENSORS["a"].clone()
    bad[1, 2] = float("nan")
    save_file({"a": bad}, one_file / "model.safetensors")
    with pytest.raises(ValueError, match=r"model\.safetensors: 1 of 6 entries of a are NaN"):
        list(TensorFiles(one_file).read({"a"}))


def test_a_missing_or_empty_directory_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist"):
        TensorFiles(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"holds neither model\.safetensors nor"):
        TensorFiles(tmp_path)


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('unpickled')",)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "pi0.pth", "last.ckpt"])
def test_a_pickle_is_refused_with_the_reason_and_never_opened(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(ValueError, match=f"{name} is a pickle: reading one runs whatever"):
            TensorFiles(path)


def test_a_pickle_under_another_name_is_not_opened_either(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        TensorFiles(tmp_path)


def test_a_pickle_beside_the_weights_does_no_harm(one_file):
    (one_file / "optimizer.pt").write_bytes(pickle.dumps(Bomb()))
    assert set(TensorFiles(one_file).tensors) == {"a", "b"}


def test_a_missing_shard_is_named(shards):
    (shards / "b.safetensors").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"1 of the 2 files .*: .*b\.safetensors\. Download"
    ):
        TensorFiles(shards)


def test_a_shard_without_its_tensor_is_named(shards):
    save_file({"c": torch.ones(1)}, shards / "b.safetensors")
    with pytest.raises(ValueError, match=r"b\.safetensors lacks 1 tensors .* for example b\."):
        TensorFiles(shards)


def test_a_tensor_in_two_shards_is_named(shards):
    save_file(TENSORS, shards / "b.safetensors")
    with pytest.raises(ValueError, match=r"tensor 'a' is both in .*a\.safetensors and in .*b\."):
        TensorFiles(shards)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"weight_map": 3}', '{"weight_map": {"a": "../../a.safetensors"}}']
)
def test_an_index_that_makes_no_sense_is_refused(shards, text):
    (shards / INDEX_FILE).write_text(text)
    with pytest.raises(ValueError, match="does not say which file holds which tensor"):
        TensorFiles(shards)


# --- writing -------------------------------------------------------------------------------------

LAYOUT = {"a": StoredTensor((2, 3), "BF16"), "b": StoredTensor((4,), "F32")}


def test_what_is_written_in_any_order_is_what_safetensors_reads(tmp_path):
    file = tmp_path / "model.safetensors"
    write_tensors(file, LAYOUT, reversed(TENSORS.items()), {"format": "pt"})
    read = load_file(file)
    assert {name: (tensor.dtype, tensor.tolist()) for name, tensor in read.items()} == {
        "a": (torch.bfloat16, TENSORS["a"].tolist()),
        "b": (torch.float32, TENSORS["b"].tolist()),
    }
    assert TensorFiles(file).metadata == {"format": "pt"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]


@given(
    st.lists(
        st.tuples(st.lists(st.integers(1, 5), max_size=3), st.sampled_from(["F32", "BF16", "F16"])),
        min_size=1,
        max_size=6,
    )
)
def test_every_layout_comes_back(tmp_path_factory, entries):
    file = tmp_path_factory.mktemp("layout") / "model.safetensors"
    layout = {
        f"t{i}": StoredTensor(tuple(shape), dtype) for i, (shape, dtype) in enumerate(entries)
    }
    tensors = {name: torch.full(stored.shape, 3.0) for name, stored in layout.items()}
    write_tensors(file, layout, tensors.items(), {})
    assert TensorFiles(file).tensors == layout
    assert all(bool((tensor == 3.0).all()) for tensor in load_file(file).values())


def test_a_transposed_view_is_written_in_its_own_order(tmp_path):
    file = tmp_path / "model.safetensors"
    write_tensors(file, {"a": StoredTensor((3, 2), "F32")}, [("a", TENSORS["a"].T)], {})
    assert load_file(file)["a"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ([("a", torch.ones(2, 3))], r"1 tensors of .* got no values, e\.g\. b"),
        ([("a", torch.ones(3, 2))], r"'a' of shape \(3, 2\) does not fit .*: \(2, 3\)"),
        ([("c", torch.ones(1))], r"'c' of shape \(1,\) .* not expected, or came before"),
        ([("b", torch.ones(4))] * 2, r"'b' of shape \(4,\) .* not expected, or came before"),
    ],
)
def test_a_file_is_written_whole_or_not_at_all(tmp_path, tensors, message):
    file = tmp_path / "model.safetensors"
    with pytest.raises(ValueError, match=message):
        write_tensors(file, LAYOUT, tensors, {})
    assert not file.exists()
