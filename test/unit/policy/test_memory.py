from __future__ import annotations

import weakref

import pytest
import torch

from pi0_ros.policy.memory import memory_of
from pi0_ros.policy.protocol import OutOfMemory

CPU = torch.device("cpu")


def test_more_memory_than_there_is_becomes_a_reason_with_the_device_and_a_remedy() -> None:
    said = r"cpu is out of memory: \d+\.\d of \d+\.\d GiB are free; end other programs, or use a "
    with pytest.raises(OutOfMemory, match=said), memory_of(CPU):
        torch.empty(10**15)
    with pytest.raises(OutOfMemory, match=said), memory_of(CPU):
        raise MemoryError


def test_a_gpu_without_memory_gives_back_what_torch_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    emptied = []
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: emptied.append(True))
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (2**29, 24 * 2**30))
    with pytest.raises(OutOfMemory) as caught, memory_of(torch.device("cuda:1")):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    assert str(caught.value) == (
        "cuda:1 is out of memory: 0.5 of 24.0 GiB are free; end other programs on it (nvidia-smi "
        "lists them), or use dtype bfloat16. Planning is tried again"
    )
    assert emptied == [True]


def test_what_was_allocated_on_the_way_is_free_before_the_cache_is_emptied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: list[weakref.ref[torch.Tensor]] = []
    alive = []
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: alive.append(held[0]() is not None))
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (0, 24 * 2**30))

    def allocate() -> None:
        tensor = torch.zeros(8)
        held.append(weakref.ref(tensor))
        torch.empty(10**15)

    with pytest.raises(OutOfMemory), memory_of(torch.device("cuda:0")):
        allocate()
    assert alive == [False]


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("no such camera")])
def test_any_other_error_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)), memory_of(CPU):
        raise error


def test_without_an_error_nothing_happens() -> None:
    with memory_of(CPU):
        made = torch.ones(2)
    assert made.sum() == 2
