"""The π0 policy: an observation through the network to a chunk in ROS units."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import actions_to_ros, padded, state_to_model
from pi0_ros.execution.chunk import ActionChunk, action_kinds
from pi0_ros.model.sampler import Sampler
from pi0_ros.model.tokens import PromptTokenizer
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.checkpoints.checkpoint import describe, load
from pi0_ros.policy.checkpoints.fit import fit
from pi0_ros.policy.checkpoints.hub import find_checkpoint
from pi0_ros.policy.checkpoints.tokenizer_file import find_tokenizer
from pi0_ros.policy.device import find_device, find_dtype
from pi0_ros.policy.images import fit as fit_image
from pi0_ros.policy.images import interpolated, scaled
from pi0_ros.policy.protocol import CannotPlan
from pi0_ros.policy.settings import PolicySettings

Inputs = tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]
"""Images by slot (1, 3, S, S), tokens (1, L) and the padded state (1, A), on the device."""


class Pi0Policy:
    """Runs π0 or π0.5 in this process, from a checkpoint of any form.

    Args:
        settings: Checkpoint, tokenizer, device, dtype, sampler steps and seed.
        embodiment: The robot.

    Raises:
        ValueError: The checkpoint is damaged or does not fit, or device or dtype do not exist.
        FileNotFoundError: A file of the checkpoint is missing.
    """

    name = "pi0"

    def __init__(self, settings: PolicySettings, embodiment: Embodiment) -> None:
        """Load the weights."""
        torch.set_num_threads(settings.threads)
        self._embodiment = embodiment
        self._device = find_device(settings.device)
        dtype = find_dtype(settings.dtype, self._device)
        # All that is quick to check is checked before the weights are read.
        description = describe(find_checkpoint(settings.checkpoint))
        self._description, self._config = description, description.config
        self._fit = fit(description, embodiment)
        tokenizer_file = find_tokenizer(description, settings.tokenizer)
        self._tokenizer = PromptTokenizer(tokenizer_file, self._config)
        model = load(description, self._device, dtype).requires_grad_(False)
        self._sampler = Sampler(model, settings.steps, exact_times=description.exact_times)
        self._noise = torch.Generator().manual_seed(settings.seed)

    def warm_up(self) -> None:
        """Run the network twice on nothing, so that the first real plan is not a slow one."""
        black = np.zeros((1, 1, 3), np.uint8)
        inputs = self._inputs(
            dict.fromkeys(self._fit.slots.values(), black),
            np.zeros(self._fit.pipeline.convention.state_width),
            "warm up",
        )
        for _ in range(2):
            self._sample(inputs, torch.zeros(self._config.horizon, self._config.action_dim))

    def check_prompt(self, prompt: str) -> str | None:
        """Every sentence is allowed; the tokenizer cuts what is longer than the model's limit."""
        return None

    def plan(self, observation: Observation, previous: ActionChunk | None) -> ActionChunk:
        """Sample a chunk.

        Raises:
            CannotPlan: The observation is not one of this robot, or the network returned something
                that is not finite.
        """
        e, pipeline = self._embodiment, self._fit.pipeline
        try:
            here = state_to_model(e, self._checked(observation.state))
            images = {slot: observation.images[name] for name, slot in self._fit.slots.items()}
            inputs = self._inputs(images, pipeline.state(here), observation.prompt)
        except ValueError as error:
            raise CannotPlan(str(error)) from error
        shape = self._config.horizon, self._config.action_dim
        sampled = self._sample(inputs, torch.randn(shape, generator=self._noise))
        if not np.isfinite(sampled).all():
            raise CannotPlan(
                f"{np.sum(~np.isfinite(sampled))} of the {sampled.size} numbers that the network "
                "returned are not finite; try dtype float32, or another checkpoint"
            )
        return ActionChunk(
            names=e.axis_names,
            kinds=action_kinds(e),
            actions=actions_to_ros(e, pipeline.actions(sampled, here)),
            start_ns=observation.stamp_ns,
            period_ns=e.policy.period_ns,
            prompt=observation.prompt,
        )

    def _checked(self, state: np.ndarray) -> np.ndarray:
        """Insist on one finite number per observed joint."""
        names = [joint.name for joint in self._embodiment.state_joints]
        if state.shape != (len(names),):
            raise ValueError(
                f"the state has shape {state.shape}; {self._embodiment.name} has {len(names)} "
                "observed joints"
            )
        wrong = [name for name, value in zip(names, state, strict=True) if not np.isfinite(value)]
        if wrong:
            raise ValueError(f"the positions of {', '.join(wrong)} are not finite")
        return state

    def _inputs(self, images: Mapping[str, np.ndarray], state: np.ndarray, prompt: str) -> Inputs:
        """Bring images by slot (H, W, 3), the normalised state (S,) and a prompt to the device."""
        config, told = self._config, self._description
        size, wide = config.vision.image_size, padded(state, config.action_dim)
        pictures = {
            slot: scaled(fit_image(rgb, size)) if told.averages_pixels else interpolated(rgb, size)
            for slot, rgb in images.items()
        }
        text = None
        if not config.has_state_token and self._fit.pipeline.convention.state_in_prompt:
            text = torch.from_numpy(wide if told.pads_prompt_state else state)
        encoded = self._tokenizer.encode(prompt, text, clean=told.cleans_prompt)
        return (
            {slot: self._batch(torch.from_numpy(p)) for slot, p in pictures.items()},
            self._batch(encoded.tokens[encoded.mask]),  # so nothing has to be masked
            self._batch(torch.from_numpy(wide).float()),
        )

    def _batch(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor[None].to(self._device)

    def _sample(self, inputs: Inputs, noise: torch.Tensor) -> np.ndarray:
        """Run the sampler from noise (H, A) to actions, (H, A)."""
        images, tokens, state = inputs
        actions = self._sampler.sample(images, None, tokens, None, state, self._batch(noise))
        return np.asarray(actions[0].cpu().numpy(), dtype=np.float64)
