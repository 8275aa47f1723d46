"""The statistics of a robot's state and actions, as openpi's norm_stats.json holds them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.normaliser import Normaliser, Range, ZScore

OPENPI_EPSILON = 1e-6  # openpi adds it to every std and range, in both directions
KINDS = ("z_score", "quantile")  # of π0, and of π0.5


@dataclass(frozen=True, eq=False)
class Normalisation:
    """The normalisers of a robot's state and of its actions."""

    state: Normaliser
    actions: Normaliser


class Statistics(BaseModel):
    """Mean and standard deviation of one vector, and its quantiles where they are known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(ge=0)], ...]
    q01: tuple[float, ...] | None = None
    q99: tuple[float, ...] | None = None

    @model_validator(mode="after")
    def _lengths_agree(self) -> Statistics:
        given = [v for v in (self.mean, self.std, self.q01, self.q99) if v is not None]
        if len({len(values) for values in given}) != 1:
            raise ValueError(f"lengths differ: {', '.join(str(len(v)) for v in given)}")
        return self

    def normaliser(self, kind: str) -> Normaliser:
        """Make openpi's normaliser of one kind.

        Args:
            kind: ``z_score`` for π0, ``quantile`` for π0.5.

        Raises:
            ValueError: The kind is unknown, or its statistics are missing or cannot be.
        """
        if kind not in KINDS:
            raise ValueError(unknown_name("normalisation", kind, KINDS))
        if kind == "z_score":
            return ZScore(np.array(self.mean), np.array(self.std), OPENPI_EPSILON, OPENPI_EPSILON)
        missing = [name for name in ("q01", "q99") if getattr(self, name) is None]
        if missing:
            raise ValueError(
                f"{' and '.join(missing)} missing, which quantile normalisation needs; compute "
                "the statistics again with quantiles, or use a checkpoint that takes z-scores"
            )
        lower, upper = np.array(self.q01), np.array(self.q99)
        crossed = np.flatnonzero(upper < lower)
        if crossed.size:
            raise ValueError(f"q99 is below q01 at dimension {crossed[0]}")
        return Range(lower, upper - lower + OPENPI_EPSILON)


class NormStats(BaseModel):
    """Statistics of the robot's state and of its actions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Statistics
    actions: Statistics

    @staticmethod
    def load(path: Path) -> NormStats:
        """Read a norm_stats.json.

        Raises:
            ValueError: The file is missing or malformed.
        """
        if not path.is_file():
            raise ValueError(f"{path} does not exist; a checkpoint needs its statistics")
        try:
            return NormStats.model_validate(json.loads(path.read_text())["norm_stats"])
        except (ValueError, KeyError, TypeError) as error:  # no JSON, no such key, no mapping
            raise ValueError(f"{path} holds no norm_stats of state and actions: {error}") from error

    def save(self, path: Path) -> None:
        """Write a norm_stats.json."""
        path.write_text(json.dumps({"norm_stats": self.model_dump()}, indent=2) + "\n")

    def normalisation(self, kind: str, source: str | Path) -> Normalisation:
        """Make the normalisers of state and actions.

        Args:
            kind: ``z_score`` for π0, ``quantile`` for π0.5.
            source: The file that the statistics were read from, for the errors.

        Raises:
            ValueError: The kind is unknown, or its statistics are missing or cannot be.
        """
        made = {}
        for name in ("state", "actions"):
            try:
                made[name] = getattr(self, name).normaliser(kind)
            except ValueError as error:
                raise ValueError(f"{source}: {name}: {error}") from error
        return Normalisation(**made)
