"""openpi's recorded model: every stage from images to actions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pi0_ros.cli.verify.comparison import (
    EXACT,
    Comparison,
    Result,
    absolute,
    root_mean_square,
    scaled,
)
from pi0_ros.cli.verify.conditions import EMBEDDED, Conditions
from pi0_ros.cli.verify.recording import Manifest, Recording, read_manifest
from pi0_ros.model import masks
from pi0_ros.model.config import ExpertConfig, Pi0Config, VisionConfig
from pi0_ros.model.flow import euler_times, interpolate, time_embedding
from pi0_ros.model.layout import layout
from pi0_ros.model.memory import Appended, Recorded
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.sampler import Sampler
from pi0_ros.model.stored.weights import load_openpi

NETWORK = absolute(2e-5)  # equivalent runs of openpi itself differ by 4e-6
MIXTURE = absolute(1e-6)  # one product and one sum
# openpi's own bfloat16 runs are off its float32 runs by 0.02 to 0.05, 0.005 to 0.012 rms.
BFLOAT16, BFLOAT16_RMS = absolute(0.05), root_mean_square(0.012)


def compare_openpi(folder: Path, name: str, conditions: Conditions) -> list[Result]:
    """Compare a folder that holds one of openpi's models.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or a tensor is missing or mis-shaped.
    """
    manifest = read_manifest(folder / "config.json")
    case = _Case(
        load_openpi(
            folder / "model.safetensors",
            recorded_config(manifest),
            conditions.device,
            conditions.dtype,
        ).requires_grad_(False),
        Recording(folder / "inputs.safetensors", conditions.device),
        Comparison(name, Recording(folder / "outputs.safetensors")),
        tuple(manifest["num_steps"]),
        conditions,
    )
    if conditions.dtype == torch.bfloat16:
        return _in_bfloat16(folder, case)
    for check in (_images, _masks, _prefix, _suffix, _loss, _velocities, _samples):
        check(case)
    return case.outputs.complete()


@dataclass(frozen=True, eq=False)
class _Case:
    model: Pi0
    inputs: Recording
    outputs: Comparison
    steps: tuple[int, ...]
    conditions: Conditions

    @property
    def config(self) -> Pi0Config:
        return self.model.config

    @property
    def observation(self) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor, Tensor]:
        """Images, their masks, tokens and their mask, as the model takes them."""
        inputs, cameras = self.inputs, self.config.cameras
        return (
            {camera: inputs[f"images.{camera}"] for camera in cameras},
            {camera: inputs[f"image_masks.{camera}"] for camera in cameras},
            inputs["tokenized_prompt"],
            inputs["tokenized_prompt_mask"],
        )

    def sample(self, steps: int) -> Tensor:
        sampler = Sampler(self.model, steps, path=self.conditions.path)
        return sampler.sample(*self.observation, self.inputs["state"], self.inputs["noise"])


def _in_bfloat16(folder: Path, case: _Case) -> list[Result]:
    """Compare actions, and masks, which nothing rounds: openpi's run is recorded no further."""
    rounded = Comparison(case.outputs.name, Recording(folder / "outputs_bf16.safetensors"))
    for steps in case.steps:
        for tolerance in (BFLOAT16, BFLOAT16_RMS):
            rounded.check(f"sample_actions.{steps}", case.sample(steps), tolerance)
    _masks(case)
    case.outputs.leave_out("recorded in float32; bfloat16 rounds it, see sample_actions", "*")
    return rounded.complete() + case.outputs.complete()


def recorded_config(manifest: Manifest) -> Pi0Config:
    """Tell the sizes of a set's model."""
    dims = manifest["dims"]
    vision, vlm, expert = dims["vision"], dims["vlm"], dims["expert"]
    return Pi0Config(
        vision=VisionConfig(
            image_size=vision["image_size"],
            patch_size=vision["patch_size"],
            width=vision["hidden_size"],
            depth=vision["num_hidden_layers"],
            heads=vision["num_attention_heads"],
            mlp=vision["intermediate_size"],
        ),
        vlm=ExpertConfig(vlm["width"], vlm["mlp_dim"]),
        expert=ExpertConfig(expert["width"], expert["mlp_dim"]),
        depth=vlm["depth"],
        heads=vlm["num_heads"],
        kv_heads=vlm["num_kv_heads"],
        head_dim=vlm["head_dim"],
        vocab=dims["vocab_size"],
        action_dim=dims["action_dim"],
        horizon=dims["action_horizon"],
        prompt_length=dims["max_token_len"],
        cameras=tuple(manifest["cameras"]),
        variant="pi05" if dims["pi05"] else "pi0",
    )


def _images(case: _Case) -> None:
    for camera in case.config.cameras:
        image = case.inputs[f"images.{camera}"]
        features, tokens = case.conditions.embedding(EMBEDDED), case.conditions.embedding(1e-6)
        vision = case.model.vision
        case.outputs.check(f"siglip_last_hidden.{camera}", vision.features(image), features)
        case.outputs.check(f"image_tokens.{camera}", vision(image), tokens)


def _masks(case: _Case) -> None:
    """Compare who sees whom, and where each token stands."""
    check, config, device = case.outputs.check, case.config, case.conditions.device
    _, prefix = case.model.embed_prefix(*case.observation)
    assert prefix is not None  # the observation has masks
    batch, length = prefix.shape
    own = masks.suffix_starts(config.suffix_length, config.has_state_token, device)
    suffix = prefix.new_ones(batch, config.suffix_length)
    starts = torch.cat([own.new_zeros(length), own])
    real = torch.cat([prefix, suffix], 1)
    allowed, positions = masks.block_mask(real, starts), masks.positions(real)
    check("prefix_pad_mask", prefix, EXACT)
    check("suffix_pad_mask", suffix, EXACT)
    check("prefix_ar_mask", starts[:length].expand(batch, -1), EXACT)
    check("suffix_ar_mask", own.expand(batch, -1), EXACT)
    check("joint_att_mask", allowed, EXACT)
    check("prefix_att_mask", allowed[:, :length, :length], EXACT)
    check("denoise_att_mask", allowed[:, length:], EXACT)
    check("joint_position_ids", positions, EXACT)
    check("prefix_position_ids", positions[:, :length], EXACT)
    check("denoise_position_ids", positions[:, length:], EXACT)


def _prefix(case: _Case) -> None:
    """Compare the prefix's embeddings, and what the VLM makes of them where they are real."""
    check, model = case.outputs.check, case.model
    embedded, pad = model.embed_prefix(*case.observation)
    check("prefix_embs", embedded, case.conditions.embedding(EMBEDDED))
    real = case.outputs.recorded["prefix_pad_mask"]
    prefix = model.encode_prefix(*case.observation)
    for layer, (keys, values) in enumerate(prefix.keys_values):
        for kind, found in (("k", keys), ("v", values)):
            # (B, K, N, D) -> (B, N, K, D), so that the tokens can be chosen
            tensor = f"prefix_kv.{layer}.{kind}"
            recorded = case.outputs.recorded[tensor].transpose(1, 2)
            check(tensor, found.transpose(1, 2), NETWORK, recorded=recorded, where=real)
    places = layout(case.config, pad, embedded.shape[1], model.dtype, embedded.device)
    out = model.vlm(embedded, Recorded(), places.prefix_mask, places.prefix_turn)
    check("prefix_out", out, NETWORK, where=real)


def _suffix(case: _Case) -> None:
    check, inputs, model = case.outputs.check, case.inputs, case.model
    limit, time = case.conditions.embedding(1e-6), inputs["time"]
    check("time_emb", time_embedding(inputs["v_times"], case.config.expert.width), limit)
    if not case.config.has_state_token:
        check("adarms_cond", model.condition(time[:, None])[:, 0], limit)
    x_t, _ = interpolate(inputs["actions"], inputs["noise"], time)
    check("suffix_embs", model.embed_suffix(inputs["state"], x_t, model.moment(time)), limit)


def _loss(case: _Case) -> None:
    check, inputs, model = case.outputs.check, case.inputs, case.model
    state, actions, noise, time = (inputs[n] for n in ("state", "actions", "noise", "time"))
    x_t, u_t = interpolate(actions, noise, time)
    check("loss_x_t", x_t, MIXTURE)
    check("loss_u_t", u_t, MIXTURE)
    prefix, moment = model.encode_prefix(*case.observation), model.moment(time)
    places, memory = prefix.layout, Appended(prefix.keys_values)
    suffix = model.embed_suffix(state, x_t, moment)
    turn = places.suffix_turn
    out = model.expert(suffix, memory, places.suffix_mask, turn, moment.modulations)
    check("loss_suffix_out", out[:, -case.config.horizon :], NETWORK)
    check("loss_v_t", model.velocity(prefix, state, x_t, time), NETWORK)
    check("loss", model.loss(*case.observation, state, actions, noise, time), scaled(1e-4))


def _velocities(case: _Case) -> None:
    inputs = case.inputs
    prefix = case.model.encode_prefix(*case.observation)
    mixed, found = [], []
    for time in inputs["v_times"]:
        times = time.expand(prefix.batch)
        x_t, _ = interpolate(inputs["actions"], inputs["noise"], times)
        mixed.append(x_t)
        found.append(case.model.velocity(prefix, inputs["state"], x_t, times))
    case.outputs.check("v_x_t", torch.stack(mixed), MIXTURE)
    case.outputs.check("v_t", torch.stack(found), NETWORK)


def _samples(case: _Case) -> None:
    """Compare whole samplings, and each step of those whose way is recorded."""
    for steps in case.steps:
        times = torch.tensor(euler_times(steps))
        case.outputs.check(f"sample_times.{steps}", times, EXACT)
        case.outputs.check(f"sample_actions.{steps}", case.sample(steps), NETWORK)
    for text in case.outputs.recorded.below("sample_traj."):
        case.outputs.check(f"sample_traj.{text}", _steps(case, int(text)), NETWORK)


def _steps(case: _Case, steps: int) -> Tensor:
    """Take each Euler step by itself, from where the recorded sampling was, (n + 1, B, H, A)."""
    way = case.outputs.recorded[f"sample_traj.{steps}"].to(case.conditions.device)
    prefix, after = case.model.encode_prefix(*case.observation), [case.inputs["noise"]]
    for x, time in zip(way[:-1], euler_times(steps), strict=False):
        times = torch.full((prefix.batch,), time, device=x.device)
        after.append(x - case.model.velocity(prefix, case.inputs["state"], x, times) / steps)
    return torch.stack(after)
