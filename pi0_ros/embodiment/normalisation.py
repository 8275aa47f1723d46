"""z-score statistics of state and actions, as openpi's norm_stats.json holds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

STD_FLOOR = 1e-6  # openpi adds it to every std


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

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """Return (values - mean) / (std + 1e-6), (..., D) with D at most the statistics' width."""
        width = values.shape[-1]
        mean, std = np.array(self.mean[:width]), np.array(self.std[:width])
        return np.asarray((values - mean) / (std + STD_FLOOR))

    def denormalise(self, values: np.ndarray) -> np.ndarray:
        """Return values * (std + 1e-6) + mean, the inverse of :meth:`normalise`."""
        width = values.shape[-1]
        mean, std = np.array(self.mean[:width]), np.array(self.std[:width])
        return np.asarray(values * (std + STD_FLOOR) + mean)


class NormStats(BaseModel):
    """Statistics of the robot's state and of its actions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Statistics
    actions: Statistics

    @staticmethod
    def load(path: Path, width: int) -> NormStats:
        """Read a norm_stats.json.

        Args:
            path: The file.
            width: Dimensions that the robot has; the statistics must cover them.

        Raises:
            ValueError: The file is missing, malformed or too narrow.
        """
        if not path.is_file():
            raise ValueError(f"{path} does not exist; a checkpoint needs its statistics")
        try:
            stats = NormStats.model_validate(json.loads(path.read_text())["norm_stats"])
        except (ValueError, KeyError, TypeError) as error:  # no JSON, no such key, no mapping
            raise ValueError(f"{path} holds no norm_stats of state and actions: {error}") from error
        for name in ("state", "actions"):
            known = len(getattr(stats, name).mean)
            if known < width:
                raise ValueError(
                    f"{path}: statistics of {name} have {known} dimensions, the robot has {width}; "
                    "use the statistics of this robot"
                )
        return stats

    def save(self, path: Path) -> None:
        """Write a norm_stats.json."""
        path.write_text(json.dumps({"norm_stats": self.model_dump()}, indent=2) + "\n")
