"""LeRobot's checkpoints: `config.json`, `model.safetensors` and two processor pipelines."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from pi0_ros.embodiment.convention import Convention
from pi0_ros.embodiment.normalisation import Normalisation
from pi0_ros.model.config import Pi0Config
from pi0_ros.model.stored.sizes import HORIZON, infer_config
from pi0_ros.model.stored.tensor_files import TensorFiles
from pi0_ros.policy.checkpoints.description import (
    CONFIG_FILE,
    Description,
    checked,
    read_as,
    read_json,
)
from pi0_ros.policy.checkpoints.lerobot_processors import (
    NORMALIZER,
    POSTPROCESSOR,
    PREPROCESSOR,
    RELATIVE,
    UNNORMALIZER,
    Processors,
)

TYPES = ("pi0", "pi05")
STATE, ACTION, IMAGES = "observation.state", "action", "observation.images."
EMPTY_CAMERA = "empty_camera_"  # a slot that LeRobot never fills; no picture is ever in it
# Sizes that neither LeRobot's configuration nor the weights tell, where somebody wrote them down.
ARCHITECTURE_FILE = "arch.json"


class Feature(BaseModel):
    """One input or output: its kind and shape."""

    model_config = ConfigDict(frozen=True)

    type: str
    shape: tuple[int, ...] = Field(min_length=1)


class LeRobotConfig(BaseModel):
    """What `config.json` says that matters here; the rest is about training."""

    model_config = ConfigDict(frozen=True)

    type: str
    input_features: dict[str, Feature]
    output_features: dict[str, Feature]
    chunk_size: int = HORIZON
    tokenizer_max_length: int | None = Field(None, gt=0)
    max_action_dim: int | None = None
    image_resolution: tuple[int, int] | None = None
    use_peft: bool = False
    rtc_training_max_delay: int = Field(default=0, ge=0)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras in the order of the network's slots."""
        visual = [key for key, feature in self.input_features.items() if feature.type == "VISUAL"]
        names = [key.removeprefix(IMAGES) for key in visual]
        return tuple(name for name in names if not name.startswith(EMPTY_CAMERA))


class _Sizes(BaseModel):
    v_heads: int | None = None


class _Architecture(BaseModel):
    arch: _Sizes


def is_lerobot(directory: Path) -> bool:
    """Whether a directory holds a π0 or π0.5 of LeRobot's."""
    file = directory / CONFIG_FILE
    return file.is_file() and read_json(file).get("type") in TYPES


def describe_lerobot(directory: Path) -> Description:
    """Read a checkpoint of LeRobot 0.4 or newer.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is malformed, or files contradict each other.
    """
    said = read_as(LeRobotConfig, directory / CONFIG_FILE)
    _check_runs_alone(directory, said)
    before, after = (Processors(directory / name) for name in (PREPROCESSOR, POSTPROCESSOR))
    weights = TensorFiles(directory)
    config = infer_config(
        weights,
        horizon=said.chunk_size,
        prompt_length=said.tokenizer_max_length,
        cameras=said.cameras,
        vision_heads=_vision_heads(directory),
    )
    _check_agreement(directory, said, config)
    state, kind = before.normaliser(NORMALIZER, STATE, "STATE")
    actions, action_kind = after.normaliser(UNNORMALIZER, ACTION, "ACTION")
    convention = _convention(directory, said, before, after)
    # LeRobot 0.4 writes the padded state into π0.5's prompt; newer ones, which have a step for
    # relative actions, do not.
    pads = config.variant == "pi05" and not before.has(RELATIVE)
    return Description(
        directory=directory,
        form="LeRobot",
        config=config,
        weights=weights,
        normalisations={"": Normalisation(state, actions)},
        normalisation_kind=kind if kind == action_kind else f"{kind}, actions {action_kind}",
        convention=convention,
        camera_names={name: name for name in said.cameras}
        | {
            source.removeprefix(IMAGES): target.removeprefix(IMAGES)
            for source, target in before.renames().items()
            if target.startswith(IMAGES)
        },
        tokenizer_id=before.tokenizer(),
        exact_times=True,
        averages_pixels=False,
        cleans_prompt=not config.has_state_token,
        pads_prompt_state=pads,
        trained_delay=said.rtc_training_max_delay,
        assumed=("zeros behind the state in the prompt, as LeRobot 0.4 wrote them",) * pads,
    )


def _check_runs_alone(directory: Path, said: LeRobotConfig) -> None:
    if said.use_peft:
        raise ValueError(
            f"{directory} holds adapters (use_peft) beside another checkpoint's weights; merge "
            "them with peft's merge_and_unload and save the policy again"
        )
    if not said.cameras:
        raise ValueError(
            f"{directory / CONFIG_FILE} has no camera in input_features, which has "
            f"{', '.join(said.input_features) or 'nothing'}; π0 needs one of type VISUAL"
        )
    for features, key in ((said.input_features, STATE), (said.output_features, ACTION)):
        if key not in features:
            raise ValueError(
                f"{directory / CONFIG_FILE} does not say the shape of {key}, but of "
                f"{', '.join(features) or 'nothing'}; save the policy again"
            )


def _convention(
    directory: Path, said: LeRobotConfig, before: Processors, after: Processors
) -> Convention:
    """Say how the dataset's numbers are written: as they are, or relative to the state."""
    relative = before.relative()
    if relative.enabled != after.makes_absolute():
        raise ValueError(
            f"{directory}: relative actions are {'on' if relative.enabled else 'off'} in "
            f"{PREPROCESSOR} and the other way round in {POSTPROCESSOR}; use files of one policy"
        )
    width = said.output_features[ACTION].shape[0]
    values = {
        "name": "lerobot",
        "title": "The dataset's own numbers",
        "state_width": said.input_features[STATE].shape[0],
        "action_width": width,
        "delta": relative.delta(width),
    }
    return checked(Convention, values, str(directory / CONFIG_FILE))


def _vision_heads(directory: Path) -> int | None:
    file = directory / ARCHITECTURE_FILE
    return read_as(_Architecture, file).arch.v_heads if file.is_file() else None


def _check_agreement(directory: Path, said: LeRobotConfig, config: Pi0Config) -> None:
    """Refuse weights that the configuration does not describe."""
    size = config.vision.image_size
    for key, told, found in (
        ("type", said.type, config.variant),
        ("max_action_dim", said.max_action_dim, config.action_dim),
        ("image_resolution", said.image_resolution, (size, size)),
    ):
        if told not in (None, found):
            raise ValueError(
                f"{directory / CONFIG_FILE} says {key} {told}, but the weights have {found}; "
                "use the config.json that belongs to them"
            )
