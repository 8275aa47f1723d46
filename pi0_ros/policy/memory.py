"""Running out of memory, as something that a node survives."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pi0_ros.policy.protocol import OutOfMemory

CPU_ALLOCATOR = "can't allocate memory"  # torch has a type of its own for GPUs only
GIB = 2**30


@contextmanager
def memory_of(device: torch.device) -> Iterator[None]:
    """Turn a lack of memory on a device into `OutOfMemory`, with what was taken given back."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        is_lack = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not is_lack and CPU_ALLOCATOR not in str(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold what was allocated on the way
        said = _describe(device)
    else:
        return
    raise OutOfMemory(said)


def _describe(device: torch.device) -> str:
    """Say how much memory is free and what helps; empties torch's cache."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info(device)
        remedy = "end other programs on it (nvidia-smi lists them), or use dtype bfloat16"
    else:
        page = os.sysconf("SC_PAGE_SIZE")
        free, total = (page * os.sysconf(f"SC_{pages}_PAGES") for pages in ("AVPHYS", "PHYS"))
        remedy = "end other programs, or use a smaller checkpoint"
    return (
        f"{device} is out of memory: {free / GIB:.1f} of {total / GIB:.1f} GiB are free; {remedy}. "
        "Planning is tried again"
    )
