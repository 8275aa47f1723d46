"""Time and memory of one sampling of π0 with random weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pi0_ros.cli.bench.model_sizes import PROMPT_TOKENS, Inputs, ModelSize
from pi0_ros.model.initialisation import initialise
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.sampler import Sampler

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

Sampling = Callable[[], torch.Tensor]
"""One sampling: returns normalised actions, (1, H, A)."""
Times = dict[str, np.ndarray]
"""Seconds of each run by clock, (repeats,): ``process`` counts all threads, ``wall`` waits."""


def bench_model(size: ModelSize, dtype: str, device: str, threads: int) -> dict[str, Any]:
    """Time samplings of a model with random weights.

    Args:
        size: The model and how often it is run.
        dtype: ``float32`` or ``bfloat16``.
        device: ``cpu`` or ``cuda``.
        threads: CPU threads.

    Returns:
        What was run, times [ms] and peak memory [MiB].

    Raises:
        ValueError: There is no GPU, but it was asked for.
    """
    place = prepare(device, threads)
    with bars() as progress:
        progress.add_task("random weights", total=None)
        draw = torch.Generator(place).manual_seed(0)
        model = initialise(Pi0(size.config), draw, place, DTYPES[dtype])
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()  # drawing in float32 takes more than running
    run = sampling(model, size, Inputs.random(size.config, place))
    times = interleave({"sampling": run}, size, place)["sampling"]
    return {
        **conditions(size, model, place),
        "dtype": dtype,
        "time": in_ms(times),
        "peak_memory_mib": peak_memory_mib(place),
    }


def prepare(device: str, threads: int) -> torch.device:
    """Set the number of CPU threads and find the device.

    Raises:
        ValueError: There is no GPU, but it was asked for.
    """
    torch.set_num_threads(threads)
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch sees no GPU on this machine; use --device cpu")
    return torch.device(device)


def sampling(model: Pi0, size: ModelSize, inputs: Inputs, *, exact_times: bool = False) -> Sampling:
    """Return one sampling as the policy does it, to be called again and again."""
    sampler = Sampler(model.eval().requires_grad_(False), size.steps, exact_times=exact_times)
    tokens = inputs.tokens[:, :PROMPT_TOKENS]  # the padding cut off: same numbers, less work

    def run() -> torch.Tensor:
        with torch.inference_mode():
            return sampler.sample(inputs.images, None, tokens, None, inputs.state, inputs.noise)

    return run


def interleave(
    runs: Mapping[str, Callable[[], object]], size: ModelSize, device: torch.device
) -> dict[str, Times]:
    """Run each in turn, again and again, so that other load on the machine meets them alike.

    Returns:
        Times of each run; warm-ups are left out.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    # Refreshed by hand: a thread that draws would be measured, too.
    with bars(auto_refresh=False) as progress:
        task = progress.add_task("", total=(size.warm_ups + size.repeats) * len(runs))
        for _ in range(size.warm_ups + size.repeats):
            for name, run in runs.items():
                progress.update(task, description=name, refresh=True)
                taken[name].append(_time(run, device))
                progress.advance(task)
    return {
        name: dict(zip(("process", "wall"), np.array(pairs[size.warm_ups :]).T, strict=True))
        for name, pairs in taken.items()
    }


def _time(run: Callable[[], object], device: torch.device) -> tuple[float, float]:
    wall, process = time.perf_counter(), time.process_time()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.process_time() - process, time.perf_counter() - wall


def in_ms(times: Times) -> dict[str, float]:
    """Sum times up as median and 95th percentile by clock [ms]."""
    return {
        f"{clock}_{name}_ms": round(float(np.percentile(seconds, percent)) * 1e3, 2)
        for clock, seconds in times.items()
        for name, percent in (("p50", 50), ("p95", 95))
    }


def conditions(size: ModelSize, model: Pi0, device: torch.device) -> dict[str, Any]:
    """Say what is run, so that a number is never quoted without it."""
    gpu = device.type == "cuda"
    return {
        "size": size.name,
        "million_parameters": round(sum(p.numel() for p in model.parameters()) / 1e6, 1),
        "cameras": len(size.config.cameras),
        "prompt_tokens": PROMPT_TOKENS,
        "steps": size.steps,
        "repeats": size.repeats,
        "device": torch.cuda.get_device_name(device) if gpu else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def peak_memory_mib(device: torch.device) -> dict[str, int]:
    """Most memory that this process has held, and its tensors on the GPU [MiB]."""
    # Not getrusage: what a parent process held before it started this one counts there.
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))  # [KiB]
    gpu = {"gpu": torch.cuda.max_memory_allocated(device) // 2**20} if device.type == "cuda" else {}
    return {"host": peak // 2**10, **gpu}


def bars(*, auto_refresh: bool = True) -> Progress:
    """Show progress on stderr, where it leaves nothing behind and keeps out of the output."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        auto_refresh=auto_refresh,
    )
