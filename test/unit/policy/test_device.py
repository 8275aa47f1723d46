from __future__ import annotations

import pytest
import torch

from pi0_ros.policy.device import find_device, find_dtype

GPUS = pytest.mark.parametrize("gpus", [0, 1, 2])


@pytest.fixture
def see(monkeypatch: pytest.MonkeyPatch, gpus: int) -> int:
    """Let torch see some GPUs."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    return gpus


@GPUS
def test_auto_is_the_gpu_where_there_is_one(see: int) -> None:
    assert find_device("auto").type == ("cuda" if see else "cpu")
    assert find_device("cpu").type == "cpu"


@GPUS
@pytest.mark.parametrize(("name", "needed"), [("cuda", 1), ("cuda:0", 1), ("cuda:1", 2)])
def test_a_gpu_that_torch_does_not_see_is_refused(see: int, name: str, needed: int) -> None:
    if see >= needed:
        assert find_device(name) == torch.device(name)
        return
    with pytest.raises(ValueError, match=rf"device '{name}' .* sees {see or 'no'} GPUs?; use auto"):
        find_device(name)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:a", "cuda:-1", "CPU"])
def test_an_unknown_device_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=f"device '{name}' is unknown; known: auto, cpu, cuda, cu"):
        find_device(name)


def test_auto_is_bfloat16_on_a_gpu_and_float32_elsewhere() -> None:
    assert find_dtype("auto", torch.device("cuda")) == torch.bfloat16
    assert find_dtype("auto", torch.device("cpu")) == torch.float32
    assert find_dtype("bfloat16", torch.device("cpu")) == torch.bfloat16


def test_an_unknown_type_is_refused_with_the_known_ones() -> None:
    said = r"dtype 'float16' is unknown; known: auto, bfloat16, float32\. Did you mean"
    with pytest.raises(ValueError, match=said):
        find_dtype("float16", torch.device("cpu"))
