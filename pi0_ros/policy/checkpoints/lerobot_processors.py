"""LeRobot's processor pipelines: what happens to the numbers before and after the network."""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.normaliser import LEROBOT_EPSILON, Normaliser, lerobot_normaliser
from pi0_ros.model.stored.tensor_files import TensorFiles
from pi0_ros.policy.checkpoints.description import checked, read_as

PREPROCESSOR, POSTPROCESSOR = "policy_preprocessor.json", "policy_postprocessor.json"
NORMALIZER, UNNORMALIZER = "normalizer_processor", "unnormalizer_processor"
TOKENIZER, RENAME = "tokenizer_processor", "rename_observations_processor"
RELATIVE = ("relative_actions_processor", "delta_actions_processor")  # the latter in LeRobot 0.5
ABSOLUTE = "absolute_actions_processor"
# Steps of π0 and π0.5 that need no settings: what they do is done here, too.
PLAIN = (
    "to_batch_processor",
    "device_processor",
    "pi0_new_line_processor",
    "pi05_prepare_state_tokenizer_processor_step",
)
KNOWN = (NORMALIZER, UNNORMALIZER, TOKENIZER, RENAME, *RELATIVE, ABSOLUTE, *PLAIN)


class Step(BaseModel):
    """One step of a pipeline, as its file describes it: name, settings, file of tensors."""

    model_config = ConfigDict(frozen=True)

    registry_name: str
    config: dict[str, Any] = {}
    state_file: str | None = None


class NormalizerSettings(BaseModel):
    """How features are normalised, by their kind: STATE, ACTION."""

    model_config = ConfigDict(frozen=True)

    norm_map: dict[str, str]
    eps: float = LEROBOT_EPSILON
    normalize_observation_keys: tuple[str, ...] | None = None


class RelativeSettings(BaseModel):
    """Which actions are relative to the state: all but those whose name contains a word."""

    model_config = ConfigDict(frozen=True)

    enabled: bool = False
    exclude_joints: tuple[str, ...] | None = None
    action_names: tuple[str, ...] | None = None

    def delta(self, width: int) -> tuple[int, ...]:
        """Write them in the notation of a convention, for actions of a width."""
        if not self.enabled:
            return ()
        words = [word.lower() for word in self.exclude_joints or () if word]
        names = [name.lower() for name in self.action_names or ()][:width]
        mask = [not any(word in name for word in words) for name in names]
        mask += [True] * (width - len(mask))
        return tuple(sum(1 if flag else -1 for flag in run) for _, run in groupby(mask))


class TokenizerSettings(BaseModel):
    """Where the tokenizer comes from."""

    model_config = ConfigDict(frozen=True)

    tokenizer_name: str | None = None


class RenameSettings(BaseModel):
    """The policy's key of an observation, by the robot's."""

    model_config = ConfigDict(frozen=True)

    rename_map: dict[str, str] = {}


class _File(BaseModel):
    steps: tuple[Step, ...]


class Processors:
    """One pipeline, read from its file."""

    def __init__(self, file: Path) -> None:
        """Read the steps.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is malformed, or has a step whose effect is not known.
        """
        if not file.is_file():
            raise FileNotFoundError(
                f"{file} does not exist, so the policy's statistics are unknown and its actions "
                "would be wrong; copy the whole directory, or bring a checkpoint of LeRobot before "
                "0.4 up to date with its migrate_policy_normalization"
            )
        self._file = file
        self._steps = {step.registry_name: step for step in read_as(_File, file).steps}
        for name in self._steps:
            if name not in KNOWN:
                raise ValueError(
                    f"{file}: {unknown_name('step', name, KNOWN)} What it does to the numbers "
                    "would be left out; use a policy without it"
                )

    def has(self, names: Collection[str]) -> bool:
        """Whether one of these steps is there."""
        return not self._steps.keys().isdisjoint(names)

    def relative(self) -> RelativeSettings:
        """Return which actions are relative."""
        name = next((name for name in RELATIVE if name in self._steps), RELATIVE[0])
        return checked(RelativeSettings, self._settings(name), self._where(name))

    def makes_absolute(self) -> bool:
        """Whether the state is added to relative actions."""
        where = self._where(ABSOLUTE)
        return checked(RelativeSettings, self._settings(ABSOLUTE), where).enabled

    def renames(self) -> dict[str, str]:
        """Return the policy's key of each renamed observation, by the robot's."""
        return checked(RenameSettings, self._settings(RENAME), self._where(RENAME)).rename_map

    def tokenizer(self) -> str:
        """Return the Hub's repository of the tokenizer; empty where none is named."""
        settings = checked(TokenizerSettings, self._settings(TOKENIZER), self._where(TOKENIZER))
        return settings.tokenizer_name or ""

    def normaliser(self, name: str, feature: str, kind: str) -> tuple[Normaliser, str]:
        """Make the normaliser of one feature, and name its mode.

        Args:
            name: The step.
            feature: ``observation.state`` or ``action``.
            kind: The feature's kind in the step's ``norm_map``.

        Raises:
            FileNotFoundError: The file of the statistics is missing.
            ValueError: The step or its statistics are missing, malformed or not supported.
        """
        settings = checked(NormalizerSettings, self._settings(name), self._where(name))
        if settings.eps != LEROBOT_EPSILON:
            raise ValueError(
                f"{self._where(name)} has eps {settings.eps}; read is {LEROBOT_EPSILON}, as "
                "LeRobot writes"
            )
        chosen = settings.normalize_observation_keys
        if chosen is not None and feature not in chosen and kind == "STATE":
            return lerobot_normaliser("IDENTITY", feature, {}, ""), "IDENTITY"
        mode = settings.norm_map.get(kind)
        if mode is None:
            raise ValueError(
                f"{self._where(name)} has no mode for {kind} in its norm_map, which has "
                f"{', '.join(settings.norm_map) or 'nothing'}; save the policy again"
            )
        return self._normaliser(name, mode, feature), mode

    def _normaliser(self, name: str, mode: str, feature: str) -> Normaliser:
        if mode == "IDENTITY":
            return lerobot_normaliser(mode, feature, {}, "")
        stored = self._steps[name].state_file
        if stored is None:
            raise ValueError(
                f"{self._where(name)} has no state_file with the statistics that {mode} needs; "
                "save the policy again with those of its dataset"
            )
        file = self._file.parent / Path(stored).name
        if not file.is_file():
            raise FileNotFoundError(
                f"{file} does not exist, which {self._where(name)} names; copy it, too"
            )
        tensors = TensorFiles(file)
        wanted = [key for key in tensors.tensors if key.rpartition(".")[0] == feature]
        statistics = {
            key: np.array(tensor.numpy(), dtype=np.float64) for key, tensor in tensors.read(wanted)
        }
        return lerobot_normaliser(mode, feature, statistics, str(file))

    def _settings(self, name: str) -> dict[str, Any]:
        return self._steps[name].config if name in self._steps else {}

    def _where(self, name: str) -> str:
        return f"{self._file}, {name}"
