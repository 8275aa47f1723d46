"""Our own checkpoints: `config.json`, `model.safetensors`, `norm_stats.json`, `tokenizer.model`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field

from pi0_ros.embodiment.convention import Convention
from pi0_ros.embodiment.normalisation import NormStats
from pi0_ros.embodiment.strict import Spec
from pi0_ros.model.config import Pi0Config
from pi0_ros.model.stored.tensor_files import TensorFiles
from pi0_ros.model.stored.weights import FORMAT, read_config
from pi0_ros.policy.checkpoints.description import CONFIG_FILE, Description, checked, read_json

STATISTICS_FILE = "norm_stats.json"
SECTION = "pipeline"


class PipelineSection(Spec):
    """What `config.json` says about the numbers around the network.

    Attributes:
        normalisation: How the statistics are used.
        convention: How the robot's numbers are written; None where the robot's YAML says it.
        trained_delay: Most committed actions that the network was trained to continue.
    """

    normalisation: Literal["z_score", "quantile"]
    convention: Convention | None = None
    trained_delay: int = Field(default=0, ge=0)


def is_own(directory: Path) -> bool:
    """Whether a directory says that it is in our form, of any version."""
    file = directory / CONFIG_FILE
    return file.is_file() and str(read_json(file).get("format", "")).startswith(
        FORMAT.split("/")[0]
    )


def describe_own(directory: Path) -> Description:
    """Read a checkpoint in our own form.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is malformed, or files contradict each other.
    """
    sections = read_config(directory)
    file = directory / CONFIG_FILE
    try:
        config = Pi0Config.from_json(json.dumps(sections["model"]))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    if SECTION not in sections:
        raise ValueError(
            f"{file} has no section '{SECTION}', which says how the statistics are used and how "
            "the robot's numbers are written; add it, or write the checkpoint again"
        )
    pipeline = checked(PipelineSection, sections[SECTION], f"{file}, {SECTION}")
    statistics_file = directory / STATISTICS_FILE
    statistics = NormStats.load(statistics_file)
    return Description(
        directory=directory,
        form="pi0_ros",
        config=config,
        weights=TensorFiles(directory),
        normalisations={"": statistics.normalisation(pipeline.normalisation, statistics_file)},
        normalisation_kind=pipeline.normalisation,
        convention=pipeline.convention,
        trained_delay=pipeline.trained_delay,
    )
