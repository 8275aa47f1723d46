"""Checkpoints from one form into another, whole or not at all."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from pi0_ros.model.config import Pi0Config
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.stored import weights
from pi0_ros.model.stored.jax_parameters import JaxParameters, find_parameters
from pi0_ros.model.stored.matching import match
from pi0_ros.model.stored.names import EXPERT_HEAD
from pi0_ros.model.stored.sizes import HORIZON, infer_config
from pi0_ros.model.stored.tensor_files import TensorFiles
from pi0_ros.model.stored.tensor_source import READABLE, StoredTensor, TensorSource
from pi0_ros.model.tokens import PromptTokenizer
from pi0_ros.policy.checkpoints.openpi_form import ASSETS, KINDS, read_openpi_config
from pi0_ros.policy.checkpoints.own_form import (
    SECTION,
    STATISTICS_FILE,
    PipelineSection,
    is_own,
)
from pi0_ros.policy.checkpoints.tokenizer_file import TOKENIZER_FILE


@dataclass(frozen=True)
class Conversion:
    """What `pi0 convert` is asked for; see its help."""

    source: Path
    target: Path
    to: str = "pi0"
    tokenizer: Path | None = None
    asset: str = ""
    dtype: str = "float32"
    horizon: int | None = None
    prompt_length: int | None = None
    vision_heads: int | None = None
    force: bool = False


def run(wanted: Conversion) -> None:
    """Convert a checkpoint, with a progress bar, and say what was written.

    Raises:
        FileNotFoundError: The source holds no weights.
        ValueError: The source is damaged or of another kind, its statistics are not clear, or the
            target may not be written.
    """
    source = _open(wanted.source)
    horizons = wanted.horizon, read_openpi_config(wanted.source).action_horizon
    horizon = next((told for told in horizons if told is not None), None)
    config = infer_config(
        source,
        horizon=HORIZON if horizon is None else horizon,
        prompt_length=wanted.prompt_length,
        vision_heads=wanted.vision_heads,
    )
    assets = find_statistics(wanted.source)
    statistics = None if wanted.to == "openpi" else _choose(assets, wanted)
    if wanted.tokenizer is not None:
        PromptTokenizer(wanted.tokenizer, config)  # a wrong one is refused before the long work
    with whole(wanted.target, force=wanted.force) as folder:
        _convert_weights(wanted, source, config, folder)
        if wanted.to == "pi0":
            _copy_beside(folder, statistics, wanted.tokenizer)
        else:
            for asset, file in assets.items():
                (folder / ASSETS / asset).mkdir(parents=True)
                shutil.copy(file, folder / ASSETS / asset / STATISTICS_FILE)
    _tell(wanted, config, statistics)
    if horizon is None:
        say(f"horizon {HORIZON} is assumed, as neither the weights nor a config.json say it")


@contextmanager
def whole(target: Path, *, force: bool) -> Iterator[Path]:
    """Give a folder to write in; it becomes `target` when nothing went wrong.

    Raises:
        ValueError: The target exists, and is no checkpoint or may not be replaced.
    """
    if target.exists():
        if not force:
            raise ValueError(f"{target} exists. Choose another folder, or replace it with --force.")
        if not (target / weights.WEIGHTS_FILE).is_file():
            raise ValueError(
                f"{target} is no checkpoint, so --force does not replace it. Choose another folder."
            )
    part = target.with_name(target.name + ".part")
    if part.exists():
        shutil.rmtree(part)  # of a conversion that was interrupted
    part.mkdir(parents=True)
    yield part
    if target.exists():
        old = target.with_name(target.name + ".old")
        os.replace(target, old)
        os.replace(part, target)
        shutil.rmtree(old)
    else:
        os.replace(part, target)


def find_statistics(source: Path) -> dict[str, Path]:
    """Find the statistics of a checkpoint of openpi's, by the id of their robot."""
    checkpoint = source.parent if find_parameters(source) == source else source
    assets = checkpoint / ASSETS
    return {
        file.parent.relative_to(assets).as_posix(): file
        for file in sorted(assets.rglob(STATISTICS_FILE))
    }


def _open(source: Path) -> TensorSource:
    if (source / "policy_preprocessor.json").is_file():
        raise ValueError(
            f"{source} is a checkpoint of LeRobot's, which says in its processors how it is used. "
            "It runs as it stands: give it as the checkpoint."
        )
    if is_own(source):
        raise ValueError(f"{source} is in our form already. Give it as the checkpoint.")
    return JaxParameters(source) if find_parameters(source) else TensorFiles(source)


def _choose(assets: Mapping[str, Path], wanted: Conversion) -> Path | None:
    if not wanted.asset and len(assets) > 1:
        raise ValueError(
            f"{wanted.source} has the statistics of several robots: {', '.join(assets)}. Name one "
            "of them with --asset."
        )
    if wanted.asset and wanted.asset not in assets:
        raise ValueError(
            f"asset '{wanted.asset}' is not among the statistics of {wanted.source}: "
            f"{', '.join(assets) or 'it has none'}. Name one of them with --asset."
        )
    return assets[wanted.asset] if wanted.asset else next(iter(assets.values()), None)


def _convert_weights(
    wanted: Conversion, source: TensorSource, config: Pi0Config, folder: Path
) -> None:
    """Stream the tensors from one form into the other."""
    layout = weights.stored_layout(config, getattr(torch, wanted.dtype))
    names = match(source, weights.parts_of(Pi0(config)))
    head = StoredTensor((config.vocab, config.expert.width), layout["action_in_proj.weight"].dtype)
    if wanted.to == "openpi":
        layout[EXPERT_HEAD] = head
    with _progress() as progress:
        task = progress.add_task("converting", total=sum(map(_size, layout.values())))

        def tensors() -> Iterator[tuple[str, torch.Tensor]]:
            for stored, tensor in source.read(names):
                yield names[stored], tensor
                progress.advance(task, _size(layout[names[stored]]))
            if wanted.to == "openpi":
                yield EXPERT_HEAD, torch.zeros(head.shape, dtype=READABLE[head.dtype])
                progress.advance(task, _size(head))

        if wanted.to == "pi0":
            weights.write(folder, config, layout, tensors(), _sections(config))
            return
        weights.write_weights(folder / weights.WEIGHTS_FILE, layout, tensors())
        sizes = {"action_dim": config.action_dim, "action_horizon": config.horizon}
        text = json.dumps({**sizes, "precision": wanted.dtype}, indent=2)
        (folder / weights.CONFIG_FILE).write_text(text + "\n", encoding="utf-8")


def _sections(config: Pi0Config) -> dict[str, Any]:
    """Say how the statistics are used; the robot's YAML says how openpi writes its numbers."""
    pipeline = PipelineSection(normalisation=KINDS[config.variant])
    return {SECTION: pipeline.model_dump(mode="json")}


def _size(stored: StoredTensor) -> int:
    return math.prod(stored.shape) * READABLE[stored.dtype].itemsize


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)


def _copy_beside(folder: Path, statistics: Path | None, tokenizer: Path | None) -> None:
    for file, name in ((statistics, STATISTICS_FILE), (tokenizer, TOKENIZER_FILE)):
        if file is not None:
            shutil.copy(file, folder / name)


def say(text: str) -> None:
    """Print a sentence as it stands."""
    Console(soft_wrap=True, markup=False, highlight=False).print(text)


def _tell(wanted: Conversion, config: Pi0Config, statistics: Path | None) -> None:
    kind = "π0.5" if config.variant == "pi05" else "π0"
    say(
        f"{kind} in {wanted.target}: {config.depth} layers, {config.action_dim} action dimensions, "
        f"horizon {config.horizon}, {config.prompt_length} prompt tokens"
    )
    if wanted.to == "pi0":
        lacks = {STATISTICS_FILE: statistics, TOKENIZER_FILE: wanted.tokenizer}
        for name in (name for name, file in lacks.items() if file is None):
            say(f"it still needs {wanted.target / name}")
