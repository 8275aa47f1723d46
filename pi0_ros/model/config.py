"""The sizes of a π0 model: everything that decides which parameters it has."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

CAMERAS = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")
VARIANTS = ("pi0", "pi05")


@dataclass(frozen=True)
class VisionConfig:
    """Sizes of the SigLIP image tower.

    Attributes:
        image_size: Height and width of the square input image [pixels].
        patch_size: Height and width of one patch [pixels]; divides ``image_size``.
        width: Channels of one image token inside the tower.
        depth: Number of transformer blocks.
        heads: Attention heads; divides ``width``.
        mlp: Hidden units of each block's MLP.
    """

    image_size: int
    patch_size: int
    width: int
    depth: int
    heads: int
    mlp: int

    def __post_init__(self) -> None:
        """Reject sizes that no tower can have."""
        _require_positive("vision", self)
        _require_divides("vision.patch_size", self.patch_size, "vision.image_size", self.image_size)
        _require_divides("vision.heads", self.heads, "vision.width", self.width)

    @property
    def patches(self) -> int:
        """Image tokens of one camera."""
        return (self.image_size // self.patch_size) ** 2


@dataclass(frozen=True)
class ExpertConfig:
    """Sizes of one Gemma expert that may differ between the two.

    Attributes:
        width: Channels of the expert's residual stream.
        mlp: Hidden units of each block's gated MLP.
    """

    width: int
    mlp: int


@dataclass(frozen=True)
class Pi0Config:
    """Sizes of the whole model.

    The two experts attend to each other layer by layer, so depth, heads and head size are
    shared; only their widths and MLPs differ.

    Attributes:
        vision: The image tower.
        vlm: The expert of images and prompt.
        expert: The expert of state and actions.
        depth: Layers of both experts.
        heads: Query heads of both experts.
        kv_heads: Key and value heads of both experts; divides ``heads``.
        head_dim: Channels of one head; even, because rotary embedding turns pairs.
        vocab: Rows of the token embedding.
        action_dim: Padded width of state and actions.
        horizon: Actions in one chunk.
        prompt_length: Most prompt tokens.
        cameras: Camera slots, in the order of their tokens.
        variant: ``pi0`` (a state token; time enters with the actions) or ``pi05`` (the state is
            part of the prompt; time drives adaptive norms).
    """

    vision: VisionConfig
    vlm: ExpertConfig
    expert: ExpertConfig
    depth: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    action_dim: int
    horizon: int
    prompt_length: int
    cameras: tuple[str, ...] = CAMERAS
    variant: str = "pi0"

    def __post_init__(self) -> None:
        """Reject sizes that do not fit together."""
        object.__setattr__(self, "cameras", tuple(self.cameras))
        _require_positive("vlm", self.vlm)
        _require_positive("expert", self.expert)
        _require_positive("model", self)
        _require_divides("kv_heads", self.kv_heads, "heads", self.heads)
        _require_divides("2", 2, "head_dim", self.head_dim)
        _require_divides("2", 2, "expert.width", self.expert.width)
        if self.expert.width < 4:
            raise ValueError(
                f"expert.width is {self.expert.width}; the time embedding needs at least two "
                "frequencies, that is 4 channels. Use a larger width."
            )
        if not self.cameras or len(set(self.cameras)) != len(self.cameras):
            raise ValueError(
                f"cameras is {list(self.cameras)}; it needs at least one name and no name twice. "
                f"openpi's checkpoints use {list(CAMERAS)}."
            )
        if self.variant not in VARIANTS:
            raise ValueError(f"variant '{self.variant}' is unknown; use one of {list(VARIANTS)}.")

    @property
    def has_state_token(self) -> bool:
        """Whether the state enters as a token of the action expert (not as prompt text)."""
        return self.variant == "pi0"

    @property
    def suffix_length(self) -> int:
        """Tokens of the action expert: the actions, and the state where it has a token."""
        return self.horizon + int(self.has_state_token)

    @classmethod
    def openpi(cls) -> Pi0Config:
        """Return the sizes of the released π0 checkpoints (32 action dimensions).

        Source: openpi, the configuration of pi0_base.
        """
        return cls(
            vision=VisionConfig(224, 14, width=1152, depth=27, heads=16, mlp=4304),
            vlm=ExpertConfig(width=2048, mlp=16384),
            expert=ExpertConfig(width=1024, mlp=4096),
            depth=18,
            heads=8,
            kv_heads=1,
            head_dim=256,
            vocab=257152,
            action_dim=32,
            horizon=50,
            prompt_length=48,
        )

    @classmethod
    def paper(cls) -> Pi0Config:
        """Return the sizes the paper describes: as released, with 18 action dimensions.

        Source: arXiv 2410.24164, section V.A and appendix B (its "18 heads" is the depth; the
        underlying Gemma-2B has 8).
        """
        return replace(cls.openpi(), action_dim=18)

    @classmethod
    def pi05(cls) -> Pi0Config:
        """Return the sizes of the released π0.5 checkpoints.

        Source: openpi, the configuration of pi05_base.
        """
        return replace(cls.openpi(), prompt_length=200, variant="pi05")

    @classmethod
    def demo(cls) -> Pi0Config:
        """Return a model of 1.4 M parameters that one CPU core can run and train."""
        return cls(
            vision=VisionConfig(64, 16, width=128, depth=3, heads=4, mlp=512),
            vlm=ExpertConfig(width=128, mlp=256),
            expert=ExpertConfig(width=96, mlp=192),
            depth=3,
            heads=4,
            kv_heads=1,
            head_dim=32,
            vocab=256,
            action_dim=18,
            horizon=50,
            prompt_length=32,
        )

    def to_json(self) -> str:
        """Write the configuration as JSON text that `from_json` reads back."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Pi0Config:
        """Read a configuration from JSON text.

        Raises:
            ValueError: The text is no JSON object, or a key is unknown, missing or of a wrong type.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"the model configuration is not JSON: {error}.") from error
        config: Pi0Config = _read(cls, values, "")
        return config


_NESTED: dict[str, type[VisionConfig] | type[ExpertConfig]] = {
    "vision": VisionConfig,
    "vlm": ExpertConfig,
    "expert": ExpertConfig,
}


def _read(cls: type[Any], values: object, where: str) -> Any:
    """Build one configuration class from parsed JSON; `where` is the path to it."""
    if not isinstance(values, Mapping):
        raise ValueError(
            f"'{where.rstrip('.') or 'configuration'}' is {values!r}; it must be a JSON object."
        )
    _check_keys(cls, values, where)
    return cls(**{key: _value(key, value, where + key) for key, value in values.items()})


def _check_keys(cls: type[Any], values: Mapping[str, object], where: str) -> None:
    allowed = [field.name for field in fields(cls)]
    for key in values:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else "Remove it."
            raise ValueError(f"key '{where}{key}' is unknown; allowed are {allowed}. {hint}")
    # Even keys with defaults must be written: a file describes its weights completely.
    missing = [where + name for name in allowed if name not in values]
    if missing:
        raise ValueError(f"the model configuration lacks {missing}. Add them.")


def _value(key: str, value: Any, where: str) -> Any:
    """Convert one JSON value to what the field `key` holds."""
    if key in _NESTED:
        return _read(_NESTED[key], value, where + ".")
    if key == "cameras":
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise ValueError(f"'{where}' is {value!r}; it must be a list of camera names.")
    elif key == "variant":
        if not isinstance(value, str):
            raise ValueError(f"'{where}' is {value!r}; it must be one of {list(VARIANTS)}.")
    elif not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"'{where}' is {value!r}; it must be a whole number.")
    return value


def _require_positive(where: str, config: VisionConfig | ExpertConfig | Pi0Config) -> None:
    for field in fields(config):
        value = getattr(config, field.name)
        if isinstance(value, int) and value < 1:
            raise ValueError(
                f"{where}.{field.name} is {value}; it must be at least 1. Write a positive number."
            )


def _require_divides(name: str, divisor: int, of: str, value: int) -> None:
    if value % divisor:
        raise ValueError(
            f"{of} is {value} and not a multiple of {name}"
            + ("" if name == str(divisor) else f" = {divisor}")
            + ". Choose sizes that divide evenly."
        )
