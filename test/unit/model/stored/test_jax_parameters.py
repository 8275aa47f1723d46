from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import torch
from safetensors.torch import load_file

from pi0_ros.model.config import CAMERAS, Pi0Config
from pi0_ros.model.sampler import Sampler
from pi0_ros.model.stored.jax_parameters import JaxParameters, find_parameters, to_openpi
from pi0_ros.model.stored.matching import match
from pi0_ros.model.stored.names import openpi_parts
from pi0_ros.model.stored.sizes import infer_config
from pi0_ros.model.stored.tensor_source import StoredTensor
from pi0_ros.model.stored.weights import load_openpi, stored_tensors

DATA = Path(__file__).parents[3] / "data" / "openpi_jax"
VARIANTS = ("pi0", "pi05")


# --- the mapping, backwards: PyTorch's tensors as JAX stacks them --------------------------------

TOWER = "paligemma_with_expert.paligemma.model.vision_tower.vision_model."
PALIGEMMA = "paligemma_with_expert.paligemma.model."


def stacked(tensors, prefix, name):
    """Stack one tensor of all layers."""
    pattern = re.compile(re.escape(prefix) + r"(\d+)\." + re.escape(name))
    layers = {int(found[1]): tensors[n] for n in tensors if (found := pattern.fullmatch(n))}
    return torch.stack([layers[layer] for layer in sorted(layers)])


def image_arrays(tensors, heads):
    tree = {}

    def layer(name):
        return stacked(tensors, TOWER + "encoder.layers.", name)

    block = "PaliGemma/img/Transformer/encoderblock/"
    for n in (0, 1):
        tree[f"{block}LayerNorm_{n}/scale"] = layer(f"layer_norm{n + 1}.weight")
        tree[f"{block}LayerNorm_{n}/bias"] = layer(f"layer_norm{n + 1}.bias")
        tree[f"{block}MlpBlock_0/Dense_{n}/kernel"] = layer(f"mlp.fc{n + 1}.weight").mT
        tree[f"{block}MlpBlock_0/Dense_{n}/bias"] = layer(f"mlp.fc{n + 1}.bias")
    attention = block + "MultiHeadDotProductAttention_0/"
    for name in ("query", "key", "value"):
        kernel, bias = (layer(f"self_attn.{name[0]}_proj.{kind}") for kind in ("weight", "bias"))
        tree[f"{attention}{name}/kernel"] = kernel.mT.unflatten(2, (heads, -1))  # (L, W, H, D)
        tree[f"{attention}{name}/bias"] = bias.unflatten(1, (heads, -1))
    out = layer("self_attn.out_proj.weight").mT
    tree[attention + "out/kernel"] = out.unflatten(1, (heads, -1))  # (L, H, D, W)
    tree[attention + "out/bias"] = layer("self_attn.out_proj.bias")
    patch = tensors[TOWER + "embeddings.patch_embedding.weight"]
    tree["PaliGemma/img/embedding/kernel"] = patch.permute(2, 3, 1, 0)
    tree["PaliGemma/img/embedding/bias"] = tensors[TOWER + "embeddings.patch_embedding.bias"]
    position = tensors[TOWER + "embeddings.position_embedding.weight"]
    tree["PaliGemma/img/pos_embedding"] = position[None]
    tree["PaliGemma/img/Transformer/encoder_norm/scale"] = tensors[TOWER + "post_layernorm.weight"]
    tree["PaliGemma/img/Transformer/encoder_norm/bias"] = tensors[TOWER + "post_layernorm.bias"]
    head = PALIGEMMA + "multi_modal_projector.linear."
    tree["PaliGemma/img/head/kernel"] = tensors[head + "weight"].mT
    tree["PaliGemma/img/head/bias"] = tensors[head + "bias"]
    return tree


def gemma_arrays(tensors, prefix, suffix, config, adaptive):
    tree = {}

    def layer(name):
        return stacked(tensors, prefix + "layers.", name)

    def norm(name, get):
        if not adaptive:
            return {f"{name}/scale": get("weight")}
        kernel = {f"{name}/Dense_0/kernel": get("dense.weight").mT}
        return kernel | {f"{name}/Dense_0/bias": get("dense.bias")}

    def heads(name, count):  # (L, H D, W) -> (L, H, W, D)
        return layer(f"self_attn.{name}_proj.weight").unflatten(1, (count, -1)).mT

    block = "PaliGemma/llm/layers/"
    attention = block + "attn/"
    key_value = torch.stack([heads(name, config.kv_heads) for name in "kv"], 1)
    tree[f"{attention}q_einsum{suffix}/w"] = heads("q", config.heads)
    tree[f"{attention}kv_einsum{suffix}/w"] = key_value
    out = layer("self_attn.o_proj.weight").mT.unflatten(1, (config.heads, -1))
    tree[f"{attention}attn_vec_einsum{suffix}/w"] = out
    gate_up = torch.stack([layer(f"mlp.{name}_proj.weight").mT for name in ("gate", "up")], 1)
    tree[f"{block}mlp{suffix}/gating_einsum"] = gate_up
    tree[f"{block}mlp{suffix}/linear"] = layer("mlp.down_proj.weight").mT
    for theirs, ours in (
        ("pre_attention_norm", "input_layernorm"),
        ("pre_ffw_norm", "post_attention_layernorm"),
    ):
        tree |= norm(f"{block}{theirs}{suffix}", lambda kind, ours=ours: layer(f"{ours}.{kind}"))
    last = norm(f"PaliGemma/llm/final_norm{suffix}", lambda kind: tensors[f"{prefix}norm.{kind}"])
    return tree | last


def jax_arrays(model):
    tensors, config = dict(stored_tensors(model)), model.config
    vlm, expert = PALIGEMMA + "language_model.", "paligemma_with_expert.gemma_expert.model."
    tree = image_arrays(tensors, config.vision.heads)
    tree |= gemma_arrays(tensors, vlm, "", config, adaptive=False)
    tree |= gemma_arrays(tensors, expert, "_1", config, adaptive=config.variant == "pi05")
    tree["PaliGemma/llm/embedder/input_embedding"] = tensors[vlm + "embed_tokens.weight"]
    for name, value in tensors.items():
        layer, kind = name.rsplit(".", 1)
        if "." not in layer:
            kernel = kind == "weight"
            tree[f"{layer}/{'kernel' if kernel else 'bias'}"] = value.mT if kernel else value
    return tree


def test_the_mapping_undoes_how_jax_arranges_the_golden_weights(golden):
    mapped = {}
    for path, array in jax_arrays(golden.model).items():
        mapped |= to_openpi(path, array)
    expected = dict(stored_tensors(golden.model))
    assert set(mapped) == set(expected)
    assert all(torch.equal(mapped[name], value) for name, value in expected.items())


def test_the_mapping_tells_several_key_heads_apart(tiny):
    mapped = {}
    for path, array in jax_arrays(tiny).items():
        mapped |= to_openpi(path, array)
    assert all(torch.equal(mapped[name], value) for name, value in stored_tensors(tiny))


def test_an_array_that_is_not_known_keeps_its_path():
    for path in ("PaliGemma/llm/layers/attn/q_einsum/lora_a", "surprise"):
        assert list(to_openpi(path, torch.zeros(2, 3))) == [path]


# --- what orbax wrote ----------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_openpis_jax_model_sampled_comes_out(variant):
    source = JaxParameters(DATA / variant)
    config = infer_config(source, horizon=4, prompt_length=6, vision_heads=2)
    samples = load_file(DATA / "samples.safetensors")
    given = {name: samples[f"{variant}.{name}"] for name in ("tokens", "token_mask", "state")}
    batch = torch.arange(2).view(2, 1, 1, 1)
    channel, y, x = torch.meshgrid(torch.arange(3), *[torch.arange(224)] * 2, indexing="ij")
    actions = Sampler(load_openpi(source, config), 4).sample(
        images={
            name: torch.sin(0.05 * (y + 2 * x).double() + channel + i + batch).float()
            for i, name in enumerate(CAMERAS)
        },
        image_masks={name: torch.tensor([True, name != CAMERAS[2]]) for name in CAMERAS},
        noise=samples[f"{variant}.noise"],
        **given,
    )
    # JAX embeds the time in float32, which alone moves samples by up to 1e-4.
    torch.testing.assert_close(actions, samples[f"{variant}.actions"], rtol=0, atol=1e-4)


def test_the_params_directory_is_as_good_as_the_checkpoint():
    assert find_parameters(DATA / "pi0") == find_parameters(DATA / "pi0" / "params")
    inside = JaxParameters(DATA / "pi0" / "params")
    assert inside.tensors == JaxParameters(DATA / "pi0").tensors


def test_a_directory_without_parameters_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no JAX parameters"):
        JaxParameters(tmp_path)


def test_without_tensorstore_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    with pytest.raises(ValueError, match=r"pip install -r requirements/jax\.txt"):
        JaxParameters(DATA / "pi0")


def test_a_lost_data_file_is_an_error(tmp_path):
    shutil.copytree(DATA / "pi05", tmp_path / "pi05")
    data = tmp_path / "pi05" / "params" / "ocdbt.process_0" / "d"
    for file in data.iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=r"params.* cannot be read \("):
        read_all(JaxParameters(tmp_path / "pi05"))


def test_a_truncated_manifest_is_an_error(tmp_path):
    shutil.copytree(DATA / "pi05", tmp_path / "pi05")
    manifest = tmp_path / "pi05" / "params" / "manifest.ocdbt"
    manifest.write_bytes(manifest.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"cannot be read .* Copy or download the checkpoint"):
        JaxParameters(tmp_path / "pi05")


# --- other ways in which orbax writes ------------------------------------------------------------

FORMS = [("zarr", True), ("zarr", False), ("zarr3", True), ("zarr3", False)]
NAME = "action_in_proj.bias"
VALUES = [1.0, 2.5, -3.0]


def read_all(source):
    return dict(source.read(set(source.tensors)))


@pytest.fixture
def write(tmp_path):
    """Write one array as orbax does, and return the checkpoint."""

    def written(driver="zarr", ocdbt=True, dtype="float32", values=VALUES, name="bias.value"):
        params = tmp_path / "params"
        params.mkdir()
        store = {"driver": "file", "path": f"{params}/"}
        place = f"params.action_in_proj.{name}/"
        if ocdbt:
            store = {"driver": "ocdbt", "base": store, "path": place}
        else:
            store["path"] += place
        spec = {"driver": driver, "kvstore": store}
        kind = getattr(tensorstore, dtype)
        array = tensorstore.open(
            spec,
            create=True,
            dtype=kind,
            shape=[3],
            chunk_layout=tensorstore.ChunkLayout(chunk_shape=[2]),
        ).result()
        array.write(np.array(values).astype(kind.numpy_dtype)).result()
        metadata = {"store_array_data_equal_to_fill_value": True}
        (params / "_METADATA").write_text(json.dumps(metadata))
        return tmp_path

    return written


@pytest.mark.parametrize(("driver", "ocdbt"), FORMS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_every_form_and_type_is_read(write, driver, ocdbt, dtype):
    source = JaxParameters(write(driver, ocdbt, dtype))
    short = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}[dtype]
    assert source.tensors == {NAME: StoredTensor((3,), short)}
    tensor = read_all(source)[NAME]
    assert tensor.dtype == getattr(torch, dtype)
    assert tensor.tolist() == VALUES


def test_the_trailing_value_of_openpis_training_may_be_absent(write):
    assert set(JaxParameters(write(name="bias")).tensors) == {NAME}


def test_another_type_is_refused_by_name(write):
    source = JaxParameters(write(dtype="int32"))
    parts = openpi_parts(Pi0Config.demo(), {"action_in.bias": (3,)})
    with pytest.raises(
        ValueError, match=r"1 of a type other than .*: action_in_proj\.bias is int3"
    ):
        match(source, parts)


def test_nan_is_refused(write):
    with pytest.raises(ValueError, match=r"1 of 3 entries of action_in_proj\.bias are NaN"):
        read_all(JaxParameters(write(values=[1.0, float("nan"), 2.0])))


def test_a_lost_chunk_is_an_error_and_not_zeros(write):
    checkpoint = write(ocdbt=False)
    (checkpoint / "params" / "params.action_in_proj.bias.value" / "1").unlink()
    with pytest.raises(ValueError, match=r"params: action_in_proj/bias cannot be read"):
        read_all(JaxParameters(checkpoint))


def test_older_writers_left_out_chunks_of_zeros(write):
    checkpoint = write(ocdbt=False)
    (checkpoint / "params" / "params.action_in_proj.bias.value" / "1").unlink()
    (checkpoint / "params" / "_METADATA").write_text("{}")
    assert read_all(JaxParameters(checkpoint))[NAME].tolist() == [1.0, 2.5, 0.0]
