"""Where and how the network runs while it is compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from pi0_ros.cli.verify.comparison import Tolerance, absolute

EMBEDDED = 5e-6  # of features of size 1 to 4; processors differ by up to 1.7e-6


@dataclass(frozen=True)
class Conditions:
    """What a user may choose.

    Attributes:
        device: Where the network runs.
        dtype: Its type.
        path: How it samples, one of `sampler.PATHS`.
    """

    device: torch.device
    dtype: torch.dtype = torch.float32
    path: str = "static"

    def embedding(self, limit: float) -> Tolerance:
        """Bound what few layers compute; a GPU adds products up in another order than a CPU."""
        return absolute(max(limit, 1e-5) if self.device.type == "cuda" else limit)

    def __str__(self) -> str:
        """Name them in one line."""
        name = str(self.device)
        if self.device.type == "cuda":
            name += f" ({torch.cuda.get_device_name(self.device)}), TF32 off"
        dtype = str(self.dtype).removeprefix("torch.")
        return f"{name}, {dtype}, {self.path}, torch {torch.__version__}"


@contextmanager
def as_recorded() -> Iterator[None]:
    """Run torch as the numbers were recorded: without TF32, in one thread."""
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32, torch.get_num_threads()
    # TF32 keeps 10 of 23 bits, and would hide what is looked for; convolutions have their own
    # switch.
    torch.set_float32_matmul_precision("highest")
    cudnn.allow_tf32 = False
    torch.set_num_threads(1)  # beside other load, threads make models this small 20 times slower
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.allow_tf32 = before[1]
        torch.set_num_threads(before[2])
