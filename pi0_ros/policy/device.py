"""Where and in which type the network runs, by the names a user writes."""

from __future__ import annotations

import re

import torch

from pi0_ros.embodiment.errors import unknown_name

DEVICES = ("auto", "cpu", "cuda")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def find_device(name: str) -> torch.device:
    """Return a device by name; ``auto`` is the GPU where torch sees one.

    Raises:
        ValueError: The name is unknown, or torch does not see this GPU.
    """
    if name not in DEVICES and not re.fullmatch(r"cuda:\d+", name):
        raise ValueError(unknown_name("device", name, (*DEVICES, "cuda:N")))
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        name = "cuda" if count else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count:
        seen = f"{count or 'no'} GPU{'s' * (count > 1)}"
        raise ValueError(
            f"device '{name}' was asked for, but torch sees {seen}; use auto or cpu, or check the "
            "driver with nvidia-smi"
        )
    return device


def find_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return a type by name; ``auto`` is bfloat16 on a GPU and float32 elsewhere.

    Raises:
        ValueError: The name is unknown.
    """
    if name == "auto":
        name = "bfloat16" if device.type == "cuda" else "float32"
    if name not in DTYPES:
        raise ValueError(unknown_name("dtype", name, ("auto", *DTYPES)))
    return DTYPES[name]
