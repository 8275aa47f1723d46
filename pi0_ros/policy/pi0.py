"""The π0 policy: an observation through the network to a chunk in ROS units."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch.nn import functional

from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import padded, to_model, to_ros
from pi0_ros.execution.chunk import ActionChunk, ActionKind
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.checkpoint import load_checkpoint
from pi0_ros.policy.protocol import CannotPlan
from pi0_ros.policy.settings import PolicySettings

DEVICES = ("auto", "cpu", "cuda")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Pi0Policy:
    """Runs π0 in this process.

    Args:
        settings: Checkpoint, device, dtype, sampler steps and seed.
        embodiment: The robot.

    Raises:
        ValueError: The checkpoint does not fit, or device or dtype do not exist.
        FileNotFoundError: A file of the checkpoint is missing.
    """

    name = "pi0"

    def __init__(self, settings: PolicySettings, embodiment: Embodiment) -> None:
        """Load the weights."""
        torch.set_num_threads(settings.threads)
        self._embodiment = embodiment
        if settings.dtype not in DTYPES:
            raise ValueError(unknown_name("dtype", settings.dtype, DTYPES))
        self._device = _device(settings.device)
        checkpoint = load_checkpoint(
            settings.checkpoint, embodiment, self._device, DTYPES[settings.dtype]
        )
        self._model = checkpoint.model.eval().requires_grad_(False)
        self._tokenizer = checkpoint.tokenizer
        self._statistics = checkpoint.statistics
        self._steps = settings.steps
        self._noise = torch.Generator().manual_seed(settings.seed)

    def warm_up(self) -> None:
        """Run the network twice on nothing, so that the first real plan is not a slow one."""
        config = self._model.config
        size = config.vision.image_size
        images: dict[str, np.ndarray] = {
            camera.slot: np.zeros((size, size, 3), np.uint8) for camera in self._embodiment.cameras
        }
        state = np.zeros(config.action_dim)
        for _ in range(2):
            self._sample(images, state, "warm up", torch.zeros(config.horizon, config.action_dim))

    def check_prompt(self, prompt: str) -> str | None:
        """Every sentence is allowed; the tokenizer cuts what is longer than the model's limit."""
        return None

    def plan(self, observation: Observation, previous: ActionChunk | None) -> ActionChunk:
        """Sample a chunk.

        Raises:
            CannotPlan: The network returned something that is not finite.
        """
        e, config = self._embodiment, self._model.config
        state = self._statistics.state.normalise(to_model(e, observation.state))
        images: dict[str, np.ndarray] = {
            camera.slot: observation.images[camera.name] for camera in e.cameras
        }
        noise = torch.randn(config.horizon, config.action_dim, generator=self._noise)
        sampled = self._sample(images, padded(state, config.action_dim), observation.prompt, noise)[
            :, : len(e.joints)
        ]
        if not np.isfinite(sampled).all():
            raise CannotPlan("the network returned numbers that are not finite; check its weights")
        return ActionChunk(
            names=e.joint_names,
            kinds=(ActionKind.POSITION,) * len(e.joints),
            actions=to_ros(e, self._statistics.actions.denormalise(sampled)),
            start_ns=observation.stamp_ns,
            period_ns=e.policy.period_ns,
            prompt=observation.prompt,
        )

    def _sample(
        self, images: Mapping[str, np.ndarray], state: np.ndarray, prompt: str, noise: torch.Tensor
    ) -> np.ndarray:
        """Run the sampler for one observation, (H, A)."""
        size = self._model.config.vision.image_size
        tokens = self._tokenizer.encode(prompt)
        present = torch.ones(1, dtype=torch.bool, device=self._device)
        with torch.inference_mode():
            actions = self._model.sample(
                {slot: _image(rgb, size).to(self._device) for slot, rgb in images.items()},
                dict.fromkeys(images, present),
                tokens.tokens[None].to(self._device),
                tokens.mask[None].to(self._device),
                torch.from_numpy(state.astype(np.float32))[None].to(self._device),
                noise[None].to(self._device),
                steps=self._steps,
            )
        return np.asarray(actions[0].float().cpu().numpy(), dtype=np.float64)


def _device(name: str) -> torch.device:
    if name not in DEVICES:
        raise ValueError(unknown_name("device", name, DEVICES))
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device 'cuda' was asked for, but torch sees no GPU; use auto or cpu")
    return torch.device(name)


def _image(rgb: np.ndarray, size: int) -> torch.Tensor:
    """Fit an image (H, W, 3) uint8 into a square on black, (1, 3, size, size) in [-1, 1]."""
    pixels = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255.0
    height, width = rgb.shape[:2]
    ratio = max(width, height) / size
    inner = (max(int(height / ratio), 1), max(int(width / ratio), 1))
    resized = functional.interpolate(
        pixels, inner, mode="bilinear", antialias=True, align_corners=False
    )
    top, left = (size - inner[0]) // 2, (size - inner[1]) // 2
    square = functional.pad(resized, (left, size - inner[1] - left, top, size - inner[0] - top))
    return square * 2.0 - 1.0
