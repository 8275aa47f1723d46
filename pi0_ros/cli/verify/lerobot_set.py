"""LeRobot's recorded policy: its processors, its samples, its real-time chunking."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pi0_ros.cli.verify.comparison import EXACT, Comparison, Result, absolute, of_norm, scaled
from pi0_ros.cli.verify.conditions import EMBEDDED, Conditions
from pi0_ros.cli.verify.recording import Manifest, Recording, read_manifest
from pi0_ros.embodiment.normalisation import Normalisation
from pi0_ros.embodiment.normaliser import lerobot_normaliser
from pi0_ros.embodiment.vector import padded
from pi0_ros.model.flow import euler_times, mean_over_real
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.realtime import Guidance, guidance_weight, overlap_weights
from pi0_ros.model.sampler import Sampler
from pi0_ros.model.stored.weights import load_openpi
from pi0_ros.policy.checkpoints.lerobot_form import ACTION, STATE, describe_lerobot
from pi0_ros.policy.checkpoints.lerobot_processors import NORMALIZER, PREPROCESSOR

NETWORK = absolute(2e-5)
NORMALISED = scaled(2e-6)  # LeRobot computes them in float32
ROBOT = scaled(2e-5)  # a chunk in the robot's units is as far off as the network was
JACOBIAN = of_norm(1e-5)  # of a random network it is large, and so are these samples
RANGES = ("MIN_MAX", "QUANTILES")
NETWORKS = ("prefix_*", "train.*", "sample_actions.*", "predict_action_chunk*", "rtc*")


def compare_lerobot(folder: Path, name: str, conditions: Conditions) -> list[Result]:
    """Compare a folder that holds one of LeRobot's policies.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or a tensor is missing or mis-shaped.
    """
    checkpoint, device = describe_lerobot(folder), conditions.device
    inputs = Recording(folder / "inputs.safetensors", device)
    # By their place: LeRobot puts cameras that are absent behind those that are there.
    config = replace(checkpoint.config, cameras=tuple(inputs.below("prepared.image.")))
    case = _Case(
        load_openpi(checkpoint.weights, config, device, conditions.dtype).requires_grad_(False),
        inputs,
        Comparison(name, Recording(folder / "outputs.safetensors")),
        checkpoint.normalisations[""],
        read_manifest(folder / "config.json")["num_inference_steps"],
        conditions.path,
    )
    if conditions.dtype == torch.float32:
        _prefix(case, conditions)
        _loss(case)
        _samples(case)
        _chunking(case, read_manifest(folder / "arch.json")["rtc_cases"])
    else:
        case.outputs.leave_out("recorded in float32 only, which bfloat16 rounds", *NETWORKS)
    _processors(case)
    _ranges(case, folder)
    return case.outputs.complete()


@dataclass(frozen=True, eq=False)
class _Case:
    model: Pi0
    inputs: Recording
    outputs: Comparison
    normalisation: Normalisation
    steps: int
    path: str

    @property
    def observation(self) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor, Tensor]:
        """Images, their masks, tokens and their mask, as the model takes them."""
        inputs, cameras = self.inputs, self.model.config.cameras
        return (
            {camera: inputs[f"prepared.image.{camera}"] for camera in cameras},
            {camera: inputs[f"prepared.image_mask.{camera}"] for camera in cameras},
            inputs["observation.language.tokens"],
            inputs["observation.language.attention_mask"],
        )

    def sample(self, steps: int, guidance: Guidance | None = None) -> Tensor:
        sampler = Sampler(self.model, steps, exact_times=True, path=self.path)
        state, noise = self.inputs["prepared.state_padded"], self.inputs["noise"]
        return sampler.sample(*self.observation, state, noise, guidance=guidance)

    @property
    def width(self) -> int:
        """Numbers of an action that are not padding."""
        return self.inputs[f"raw.{ACTION}"].shape[-1]

    def raw(self, feature: str) -> np.ndarray:
        """Return what the robot said, before any processor."""
        return np.asarray(self.inputs[f"raw.{feature}"].cpu().numpy())


def _processors(case: _Case) -> None:
    """Compare what the preprocessor makes of the robot's numbers."""
    made = case.normalisation
    for kind, feature, normaliser in (
        ("state", STATE, made.state),
        ("action", ACTION, made.actions),
    ):
        found = normaliser.normalise(case.raw(feature))
        wide = padded(found, case.model.config.action_dim)
        for tensor, numbers in ((feature, found), (f"prepared.{kind}_padded", wide)):
            recorded = case.inputs[tensor].cpu()
            case.outputs.check(tensor, numbers, NORMALISED, recorded=recorded)


def _ranges(case: _Case, folder: Path) -> None:
    """Compare the normalisations that this policy does not use, with the statistics it has."""
    steps = read_manifest(folder / PREPROCESSOR)["steps"]
    (file,) = (one["state_file"] for one in steps if one["registry_name"] == NORMALIZER)
    stored = Recording(folder / file)
    statistics = {name: stored.array(name) for name in stored.unread}
    for mode in RANGES:
        made = {
            feature: lerobot_normaliser(mode, feature, statistics, file)
            for feature in (STATE, ACTION)
        }
        for kind, feature in (("state", STATE), ("action", ACTION)):
            found = made[feature].normalise(case.raw(feature))
            case.outputs.check(f"norm.{mode}.{kind}", found, NORMALISED)
        chunk = case.outputs.recorded.array("predict_action_chunk")
        found = made[ACTION].denormalise(chunk)
        case.outputs.check(f"unnorm.{mode}.action", found, NORMALISED)


def _prefix(case: _Case, conditions: Conditions) -> None:
    embedded, real = case.model.embed_prefix(*case.observation)
    assert real is not None  # the observation has masks
    case.outputs.check("prefix_embs", embedded, conditions.embedding(EMBEDDED))
    case.outputs.check("prefix_pad_masks", real, EXACT)


def _loss(case: _Case) -> None:
    names = ("prepared.state_padded", "prepared.action_padded", "noise", "train.time")
    loss = case.model.loss(*case.observation, *(case.inputs[name] for name in names))
    case.outputs.check("train.loss_elementwise_padded", loss, scaled(1e-4))
    mean = mean_over_real(loss, case.width)[None]
    case.outputs.check("train.loss_mean_over_real_dims", mean, scaled(1e-4))


def _samples(case: _Case) -> None:
    """Compare samples, and the chunk that reaches the robot."""
    others = map(int, case.outputs.recorded.below("sample_actions.padded.steps"))
    for steps in sorted({case.steps, *others}):
        tensor = f"sample_actions.padded.steps{steps}"
        case.outputs.check(tensor, case.sample(steps), NETWORK)
    chunk = case.sample(case.steps)[..., : case.width]
    case.outputs.check("predict_action_chunk", chunk, NETWORK)
    robot = case.normalisation.actions.denormalise(chunk.cpu().numpy())
    case.outputs.check("predict_action_chunk.unnormalized", robot, ROBOT)


def _chunking(case: _Case, cases: list[Manifest]) -> None:
    """Compare chunks that continue a previous one, in LeRobot's form and in the published one."""
    check, horizon = case.outputs.check, case.model.config.horizon
    for one in cases:
        name, delay, end = one["name"], one["inference_delay"], one["execution_horizon"]
        schedule, largest = one["schedule"].lower(), one["w"]
        previous = case.inputs[f"rtc.{name}.prev_chunk_left_over"]
        end = min(end, previous.shape[1])
        weights = overlap_weights(schedule, delay, end, horizon)
        check(f"rtc.{name}.weights", weights, absolute(1e-6))
        times = euler_times(case.steps, exact=True)
        factors = torch.tensor([guidance_weight(time, largest) for time in times])
        check(f"rtc.{name}.guidance_weights", factors, absolute(1e-5))
        for form, tensor, tolerance in (
            ("identity", "rtc", NETWORK),
            ("jacobian", "rtc_true_vjp", JACOBIAN),
        ):
            guidance = Guidance(previous, delay, end, schedule, largest, form)
            check(f"{tensor}.{name}.padded", case.sample(case.steps, guidance), tolerance)
