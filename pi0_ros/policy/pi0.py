"""The π0 policy: an observation through the network to a chunk in ROS units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import (
    actions_to_model,
    actions_to_ros,
    padded,
    state_to_model,
)
from pi0_ros.execution.chunk import ActionChunk, action_kinds
from pi0_ros.model.realtime import Guidance
from pi0_ros.model.sampler import Sampler
from pi0_ros.model.tokens import PromptTokenizer
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.checkpoints.checkpoint import describe, load
from pi0_ros.policy.checkpoints.description import Description
from pi0_ros.policy.checkpoints.fit import fit
from pi0_ros.policy.checkpoints.hub import find_checkpoint
from pi0_ros.policy.checkpoints.tokenizer_file import find_tokenizer
from pi0_ros.policy.device import find_device, find_dtype
from pi0_ros.policy.images import fit as fit_image
from pi0_ros.policy.images import interpolated, scaled
from pi0_ros.policy.memory import memory_of
from pi0_ros.policy.protocol import CannotPlan, Continuation
from pi0_ros.policy.settings import RTC, PolicySettings

FORMS = {"guided": "jacobian", "identity": "identity"}

Inputs = tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]
"""Images by slot (1, 3, S, S), tokens (1, L) and the padded state (1, A), on the device."""


class Pi0Policy:
    """Runs π0 or π0.5 in this process, from a checkpoint of any form.

    Args:
        settings: Checkpoint, tokenizer, device, dtype, sampler steps, real-time chunking and seed.
        embodiment: The robot.

    Raises:
        ValueError: The checkpoint is damaged or does not fit, or was not trained for what is asked
            of it, or device or dtype do not exist.
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
        self._rtc, self.continues = _checked_rtc(settings.rtc, description), settings.rtc != "none"
        tokenizer_file = find_tokenizer(description, settings.tokenizer)
        self._tokenizer = PromptTokenizer(tokenizer_file, self._config)
        model = load(description, self._device, dtype).requires_grad_(False)
        self._sampler = Sampler(model, settings.steps, exact_times=description.exact_times)
        self._seed = settings.seed

    def warm_up(self) -> None:
        """Run the network twice on nothing, so that the first real plan is not a slow one."""
        black = np.zeros((1, 1, 3), np.uint8)
        inputs = self._inputs(
            dict.fromkeys(self._fit.slots.values(), black),
            np.zeros(self._fit.pipeline.convention.state_width),
            "warm up",
        )
        still = torch.zeros(self._config.horizon, self._config.action_dim)
        ways: list[dict[str, Any]] = [{}]
        if self.continues:
            ways.append(self._steering(still[:2].numpy(), delay=1, end=2))
        for way in ways:
            for _ in range(2):
                self._sample(inputs, still, **way)

    def check_prompt(self, prompt: str) -> str | None:
        """Every sentence is allowed; the tokenizer cuts what is longer than the model's limit."""
        return None

    def plan(
        self, observation: Observation, previous: Continuation | None = None, sequence: int = 0
    ) -> ActionChunk:
        """Sample a chunk, the same for the same three.

        Raises:
            CannotPlan: The observation is not one of this robot, the device is out of memory, or
                the network returned something that is not finite.
        """
        e, pipeline, config = self._embodiment, self._fit.pipeline, self._config
        note = self._why_not(previous)
        previous = None if note else previous
        try:
            with memory_of(self._device):
                here = state_to_model(e, self._checked(observation.state))
                images = {slot: observation.images[name] for name, slot in self._fit.slots.items()}
                inputs = self._inputs(images, pipeline.state(here), observation.prompt)
                steering = {} if previous is None else self._continuing(previous, here)
                shape = config.horizon, config.action_dim
                sampled = self._sample(inputs, drawn(self._seed, sequence, shape), **steering)
        except ValueError as error:
            raise CannotPlan(str(error)) from error
        if not np.isfinite(sampled).all():
            raise CannotPlan(
                f"{np.sum(~np.isfinite(sampled))} of the {sampled.size} numbers that the network "
                "returned are not finite; try dtype float32, or another checkpoint"
            )
        actions = actions_to_ros(e, pipeline.actions(sampled, here))
        return self._chunk(observation, actions, previous, note)

    def _chunk(
        self,
        observation: Observation,
        actions: np.ndarray,
        previous: Continuation | None,
        note: str,
    ) -> ActionChunk:
        """Make the chunk of actions (H, A) in ROS units."""
        continued: dict[str, Any] = {}
        if previous is not None:
            if self._rtc == "trained":  # they are fixed, but for what the units' floats lose
                actions[: previous.delay] = previous.actions[: previous.delay]
            continued = {
                "frozen_steps": previous.delay,
                "previous_sequence": previous.sequence,
                "previous_step": previous.step,
            }
        return ActionChunk(
            names=self._embodiment.axis_names,
            kinds=action_kinds(self._embodiment),
            actions=actions,
            start_ns=observation.stamp_ns,
            period_ns=self._embodiment.policy.period_ns,
            prompt=observation.prompt,
            notes=(note,) * bool(note),
            **continued,
        )

    def _why_not(self, previous: Continuation | None) -> str:
        """Return a note why the checkpoint cannot continue a chunk; empty where it can."""
        most = self._description.trained_delay
        if previous is None or self._rtc != "trained" or previous.delay <= most:
            return ""
        return (
            f"rtc_fade: delay of {previous.delay} actions exceeds the {most} that the checkpoint "
            "was trained with"
        )

    def _continuing(self, previous: Continuation, here: np.ndarray) -> dict[str, Any]:
        """Bring what is continued into the network's space, as seen from a new state (S,)."""
        rows = actions_to_model(self._embodiment, previous.actions)
        targets = self._fit.pipeline.targets(rows, here)
        return self._steering(targets, previous.delay, previous.end(self._config.horizon))

    def _steering(self, targets: np.ndarray, delay: int, end: int) -> dict[str, Any]:
        """Return what the sampler takes to continue normalised actions, (T, A)."""
        left = self._batch(torch.from_numpy(targets).float())
        if self._rtc == "trained":
            wide = torch.nn.functional.pad(left, (0, self._config.action_dim - left.shape[-1]))
            return {"committed": wide[:, :delay]}
        # So that the last step corrects all that is left; published are 5 for 5 steps.
        strongest = float(len(self._sampler.times))
        return {"guidance": Guidance(left, delay, end, "exp", strongest, FORMS[self._rtc])}

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

    def _sample(self, inputs: Inputs, noise: torch.Tensor, **steering: Any) -> np.ndarray:
        """Run the sampler from noise (H, A) to actions, (H, A)."""
        images, tokens, state = inputs
        actions = self._sampler.sample(
            images, None, tokens, None, state, self._batch(noise), **steering
        )
        return np.asarray(actions[0].cpu().numpy(), dtype=np.float64)


def drawn(seed: int, sequence: int, shape: tuple[int, int]) -> torch.Tensor:
    """Draw a plan's noise (H, A), the same whatever was drawn before."""
    noise = np.random.default_rng((seed, sequence)).standard_normal(shape, np.float32)
    return torch.from_numpy(noise)


def _checked_rtc(rtc: str, description: Description) -> str:
    """Return a way of real-time chunking that a checkpoint is capable of."""
    if rtc not in RTC:
        raise ValueError(unknown_name("rtc", rtc, RTC))
    if rtc == "trained" and not description.trained_delay:
        key = "rtc_training_max_delay" if description.form == "LeRobot" else "trained_delay"
        raise ValueError(
            f"rtc 'trained' needs a checkpoint that was trained with simulated delay, and "
            f"{description.directory} does not say so ({key} in its config.json); use rtc guided, "
            "which any checkpoint is capable of"
        )
    return rtc
