"""LeRobot's π0 and ours in one process: same weights, same inputs, same torch.

Runs in the environment of `lerobot_peer`, which sees this installation's packages, too.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from safetensors.torch import save_model
from torch import nn

from pi0_ros.cli.bench import model as bench
from pi0_ros.cli.bench.model_sizes import Inputs, ModelSize, model_size
from pi0_ros.model.config import Pi0Config
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.stored.weights import load_openpi

# Packages of which single files are imported without the rest, and modules whose names those
# files mention but never use in sampling: data sets, training, checkpoints. So neither
# torchvision nor Python 3.12 is needed, and no line of the network is changed.
PACKAGES = ("policies", "policies.pi0", "policies.rtc")
LEFT_OUT = ("transforms", "optim", "policies.pretrained")

FLOAT32_TOLERANCE = 1e-4  # largest difference of normalised actions
# bfloat16 rounds by up to 0.4 % in every layer, and where it rounds is each one's own choice: ours
# may be so many times further from LeRobot's float32 than LeRobot's own bfloat16 is.
BFLOAT16_FACTOR = 3.0

# What writes to a residual stream; smaller, so that the stream keeps its size.
ADD_TO_RESIDUALS = tuple(f"{layer}.weight" for layer in ("o_proj", "out_proj", "down_proj", "fc2"))


def import_network() -> ModuleType:
    """Import the file with LeRobot's π0 network."""
    root = Path(importlib.import_module("lerobot").__path__[0])
    for name in PACKAGES:
        package = ModuleType(f"lerobot.{name}")
        package.__path__ = [str(root.joinpath(*name.split(".")))]
        sys.modules[package.__name__] = package
    for name in LEFT_OUT:
        module = ModuleType(f"lerobot.{name}")
        module.__dict__["__getattr__"] = empty_class
        sys.modules[module.__name__] = module
    return importlib.import_module("lerobot.policies.pi0.modeling_pi0")


def empty_class(name: str) -> type:
    """Stand in for any class of a module that is left out."""
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})


def build(network: ModuleType, sizes: Pi0Config, dtype: str) -> Any:
    """Build LeRobot's π0; it knows its released size only, so others are put in on the way."""
    experts = {"gemma_2b": sizes.vlm, "gemma_300m": sizes.expert}

    def gemma(variant: str) -> Any:
        expert = experts[variant]
        return network.GemmaConfig(
            expert.width, sizes.depth, expert.mlp, sizes.heads, sizes.kv_heads, sizes.head_dim
        )

    def resized(original: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        def make(config: Any) -> nn.Module:
            resize(config, sizes)
            return original(config=config)

        return make

    replaced = ("PaliGemmaForConditionalGenerationWithPiGemma", "PiGemmaForCausalLM")
    makers: dict[str, Any] = {name: resized(getattr(network, name)) for name in replaced}
    with patch.multiple(network, get_gemma_config=gemma, **makers):
        settings = network.PI0Config(
            dtype=dtype,
            device=torch.get_default_device().type,
            chunk_size=sizes.horizon,
            n_action_steps=sizes.horizon,
            max_state_dim=sizes.action_dim,
            max_action_dim=sizes.action_dim,
            image_resolution=(sizes.vision.image_size, sizes.vision.image_size),
        )
        return network.PI0Pytorch(settings).eval().requires_grad_(False)


def resize(peer: Any, sizes: Pi0Config) -> None:
    """Put sizes in that LeRobot has written into its code."""
    getattr(peer, "text_config", peer).vocab_size = sizes.vocab
    if hasattr(peer, "vision_config"):
        peer.vision_config.hidden_size = sizes.vision.width
        peer.vision_config.intermediate_size = sizes.vision.mlp
        peer.vision_config.num_hidden_layers = sizes.vision.depth
        peer.vision_config.num_attention_heads = sizes.vision.heads
        peer.vision_config.patch_size = sizes.vision.patch_size
        peer.vision_config.projection_dim = sizes.vlm.width


@torch.no_grad()
def randomise(peer: nn.Module, depth: int) -> None:
    """Draw weights that keep activations at their size and leave no bias or scale at rest."""
    device = next(peer.parameters()).device
    draw = torch.Generator(device).manual_seed(0)
    for name, parameter in peer.named_parameters():
        noise = torch.randn(parameter.shape, generator=draw, device=device)
        if parameter.dim() == 1:
            parameter.add_(0.1 * noise)
            continue
        writes = name.endswith(ADD_TO_RESIDUALS)
        parameter.copy_(noise / (parameter[0].numel() * (2 * depth if writes else 1)) ** 0.5)


def peer_sampling(peer: Any, size: ModelSize, inputs: Inputs) -> bench.Sampling:
    """Return one sampling as LeRobot does it: with its padded prompt."""

    def run() -> torch.Tensor:
        actions: torch.Tensor = peer.sample_actions(
            list(inputs.images.values()),
            list(inputs.masks.values()),
            inputs.tokens,
            inputs.token_mask,
            inputs.state,
            noise=inputs.noise,
            num_steps=size.steps,
        )
        return actions

    return run


def make_runs(
    size: ModelSize, dtype: str, device: torch.device
) -> tuple[Pi0, dict[str, bench.Sampling]]:
    """Build all models with the same weights; LeRobot's float32 is its default and always there.

    Returns:
        Our model, and one sampling of each: ours, LeRobot's in `dtype`, LeRobot's in float32.
    """
    network = import_network()
    inputs = Inputs.random(size.config, device)
    with device:
        default = build(network, size.config, "float32")
    randomise(default, size.config.depth)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        save_model(default, str(file))  # as LeRobot writes its checkpoints
        model = load_openpi(file, size.config, device, bench.DTYPES[dtype])
    peers = {"lerobot float32": default}
    if dtype != "float32":
        with device:
            narrow = build(network, size.config, dtype)
        narrow.load_state_dict(default.state_dict())
        peers = {f"lerobot {dtype}": narrow, **peers}
    runs = {f"pi0_ros {dtype}": bench.sampling(model, size, inputs, exact_times=True)}
    for name, peer in peers.items():
        runs[name] = peer_sampling(peer, size, inputs)
    return model, runs


def differences(outputs: dict[str, torch.Tensor], dtype: str) -> tuple[dict[str, float], float]:
    """Compare actions with those of LeRobot in float32.

    Returns:
        Largest difference of each output, and the one that is allowed to ours.
    """
    reference = outputs["lerobot float32"].double()
    largest = {name: float((x.double() - reference).abs().max()) for name, x in outputs.items()}
    if dtype == "float32":
        return largest, FLOAT32_TOLERANCE
    return largest, BFLOAT16_FACTOR * largest[f"lerobot {dtype}"]


def compare(size: ModelSize, dtype: str, device: str, threads: int) -> dict[str, Any]:
    """Compare outputs, then times; where outputs differ, times would mean nothing.

    Returns:
        What was run, ``agree``, differences, and if they agree times [ms] and their ratios.
    """
    place = bench.prepare(device, threads)
    with bench.bars() as progress:
        progress.add_task("models with the same weights", total=None)
        model, runs = make_runs(size, dtype, place)
    own = f"pi0_ros {dtype}"
    largest, tolerance = differences({name: run() for name, run in runs.items()}, dtype)
    del largest["lerobot float32"]
    numbers = {
        **bench.conditions(size, model, place),
        "dtype": dtype,
        "lerobot": peer_conditions(size),
        "agree": largest[own] <= tolerance,
        "largest_difference": {**{k: float(f"{v:.2g}") for k, v in largest.items()},
                               "allowed": float(f"{tolerance:.2g}")},
    }  # fmt: skip
    if not numbers["agree"]:
        return numbers
    times = bench.interleave(runs, size, place)
    # A GPU works while the process waits, so there only the wall clock tells.
    clock = "wall" if device == "cuda" else "process"
    median = {name: float(np.median(t[clock])) for name, t in times.items()}
    faster = {f"than {name}": round(median[name] / median[own], 2) for name in list(runs)[1:]}
    return {
        **numbers,
        **{name: bench.in_ms(t) for name, t in times.items()},
        f"times_as_fast_by_{clock}_p50": faster,
    }


def peer_conditions(size: ModelSize) -> dict[str, str]:
    """Say how LeRobot is run."""
    version, python = importlib.metadata.version, sysconfig.get_python_version()
    declared = importlib.metadata.metadata("lerobot")["Requires-Python"]
    return {
        "version": f"{version('lerobot')} (its network alone, unchanged)",
        "transformers": version("transformers"),
        "Python": f"{python} (it declares {declared})",
        "prompt padded to": str(size.config.prompt_length),
    }


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    size = model_size(**request["size"])
    try:
        answer = compare(size, request["dtype"], request["device"], request["threads"])
    except KeyboardInterrupt:
        sys.exit(130)
    Path(request["answer"]).write_text(json.dumps(answer))
