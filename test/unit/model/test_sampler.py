from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pi0_ros.model.config import CAMERAS, Pi0Config
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.precision import parameter_dtype
from pi0_ros.model.sampler import PATHS, Sampler
from pi0_ros.model.stored.weights import load_openpi


def sample(model, steps=10, **inputs):
    return Sampler(model, steps).sample(**inputs)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("steps", [5, 10])
def test_samples_are_those_of_openpi(golden, steps, path):
    state, noise = golden.inputs["state"], golden.inputs["noise"]
    found = Sampler(golden.model, steps, path=path).sample(*golden.observation, state, noise)
    expected = golden.outputs[f"sample_actions.{steps}"]
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_a_bfloat16_model_is_as_near_to_openpi_as_bfloat16_allows(golden):
    """openpi's own bfloat16 run is off its float32 run by up to 0.05, 0.005 to 0.012 rms."""
    file = golden.folder / "model.safetensors"
    model = load_openpi(file, golden.config, dtype=torch.bfloat16)
    found = sample(
        model,
        **golden.named_observation,
        state=golden.inputs["state"],
        noise=golden.inputs["noise"],
    )
    expected = load_file(golden.folder / "outputs_bf16.safetensors")["sample_actions.10"]
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 0.05  # measured 0.021
    assert (found - expected).square().mean().sqrt() < 0.012  # measured 0.0055


def test_a_batch_samples_what_its_observations_sample_alone(golden):
    images, image_masks, tokens, token_mask = golden.observation
    state, noise = golden.inputs["state"], golden.inputs["noise"]
    sampler = Sampler(golden.model)
    together = sampler.sample(*golden.observation, state, noise)
    for i in range(len(state)):
        row = slice(i, i + 1)
        alone = sampler.sample(
            {name: image[row] for name, image in images.items()},
            {name: mask[row] for name, mask in image_masks.items()},
            tokens[row],
            token_mask[row],
            state[row],
            noise[row],
        )
        torch.testing.assert_close(alone, together[row], atol=5e-6, rtol=0)


def test_without_masks_everything_is_real(model, observe, draw):
    inputs, noise = observe(model.config), draw(model.config)
    masked = sample(model, **inputs, noise=noise)
    inputs["image_masks"] = inputs["token_mask"] = None
    found = sample(model, **inputs, noise=noise)
    torch.testing.assert_close(found, masked, atol=5e-6, rtol=0)


@pytest.mark.parametrize("mask", ["image_masks", "token_mask"])
def test_one_mask_may_be_left_out_alone(model, observe, draw, mask):
    inputs, noise = observe(model.config), draw(model.config)
    inputs["token_mask"][:, 4:] = False
    inputs["image_masks"]["base_0_rgb"] = torch.tensor([True, False])
    other = {"image_masks", "token_mask"} - {mask}
    everything = observe(model.config)[mask]
    expected = sample(model, **{**inputs, mask: everything}, noise=noise)
    assert inputs[other.pop()] is not None
    found = sample(model, **{**inputs, mask: None}, noise=noise)
    torch.testing.assert_close(found, expected, atol=5e-6, rtol=0)


@pytest.mark.parametrize("camera", ["base_0_rgb", "right_wrist_0_rgb"])
def test_pixels_of_a_masked_camera_do_not_matter_at_all(model, observe, draw, camera):
    inputs, noise = observe(model.config), draw(model.config)
    inputs["image_masks"][camera] = torch.tensor([False, True])
    before = sample(model, **inputs, noise=noise)
    inputs["images"][camera] = inputs["images"][camera].flip(-1) * 0.5
    after = sample(model, **inputs, noise=noise)
    assert torch.equal(after[0], before[0])
    assert not torch.equal(after[1], before[1])


@pytest.mark.parametrize("camera", ["base_0_rgb", "left_wrist_0_rgb"])
def test_leaving_a_camera_out_equals_masking_it(model, observe, draw, camera):
    inputs, noise = observe(model.config), draw(model.config)
    inputs["image_masks"][camera] = torch.tensor([False, False])
    masked = sample(model, **inputs, noise=noise)
    del inputs["images"][camera], inputs["image_masks"][camera]
    found = sample(model, **inputs, noise=noise)
    torch.testing.assert_close(found, masked, atol=5e-6, rtol=0)


def test_padding_of_the_prompt_does_not_matter(model, observe, draw):
    inputs, noise = observe(model.config), draw(model.config)
    inputs["token_mask"][:, 4:] = False
    long = sample(model, **inputs, noise=noise)
    inputs["tokens"][:, 4:] = 0
    assert torch.equal(sample(model, **inputs, noise=noise), long)
    inputs["tokens"], inputs["token_mask"] = inputs["tokens"][:, :4], None
    found = sample(model, **inputs, noise=noise)
    torch.testing.assert_close(found, long, atol=5e-6, rtol=0)


def test_swapping_two_cameras_changes_the_sample(model, observe, draw):
    inputs, noise = observe(model.config), draw(model.config)
    before = sample(model, **inputs, noise=noise)
    images = inputs["images"]
    left, right = images["left_wrist_0_rgb"], images["right_wrist_0_rgb"]
    inputs["images"] = {**images, "left_wrist_0_rgb": right, "right_wrist_0_rgb": left}
    assert not torch.allclose(sample(model, **inputs, noise=noise), before, atol=1e-4)


def test_the_order_of_the_image_mapping_does_not_matter(model, observe, draw):
    inputs, noise = observe(model.config), draw(model.config)
    before = sample(model, **inputs, noise=noise)
    inputs["images"] = dict(reversed(inputs["images"].items()))
    assert torch.equal(sample(model, **inputs, noise=noise), before)


def test_sampling_uses_no_global_randomness(model, observe, draw):
    inputs, noise = observe(model.config), draw(model.config)
    before = torch.get_rng_state()
    first = sample(model, **inputs, noise=noise)
    assert torch.equal(first, sample(model, **inputs, noise=noise))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_sampler_remembers_nothing_of_earlier_observations(model, observe, draw):
    """Its buffer is reused, and made anew where batch or prompt change."""
    sampler, noise = Sampler(model), draw(model.config)
    first, other = observe(model.config, seed=1), observe(model.config, seed=9)
    alone = {**observe(model.config, batch=1), "noise": draw(model.config, batch=1)}
    expected = sampler.sample(**first, noise=noise)
    sampler.sample(**other, noise=noise)
    assert torch.equal(sampler.sample(**first, noise=noise), expected)
    sampler.sample(**alone)
    assert torch.equal(sampler.sample(**first, noise=noise), expected)


def test_inputs_stay_as_they_are(model, observe, draw):
    inputs, noise = observe(model.config), draw(model.config)
    state = inputs["state"].clone()
    sample(model, **inputs, noise=noise)
    assert torch.equal(noise, draw(model.config))
    assert torch.equal(inputs["state"], state)


def test_committed_actions_come_out_as_they_went_in(model, observe, draw):
    inputs, noise = observe(model.config), draw(model.config)
    fixed = draw(model.config, seed=5)[:, :3]
    found = sample(model, **inputs, noise=noise, committed=fixed)
    assert torch.equal(found[:, :3], fixed)
    assert not torch.equal(found, sample(model, **inputs, noise=noise))
    assert torch.equal(found, sample(model, **inputs, noise=noise, committed=fixed))


def test_noise_of_committed_actions_does_not_matter(model, observe, draw):
    inputs, noise = observe(model.config), draw(model.config)
    fixed = draw(model.config, seed=5)[:, :3]
    before = sample(model, **inputs, noise=noise, committed=fixed)
    noise[:, :3] += 1.0
    assert torch.equal(sample(model, **inputs, noise=noise, committed=fixed), before)


@torch.no_grad()
def test_committed_actions_enter_as_clean_ones(model, observe, draw):
    """One Euler step by hand: time 0 for the committed actions, 1 for the rest."""
    inputs, noise = observe(model.config), draw(model.config)
    fixed = draw(model.config, seed=5)[:, :3]
    found = sample(model, 1, **inputs, noise=noise, committed=fixed)
    state = inputs.pop("state")
    x = torch.cat([fixed, noise[:, 3:]], 1)
    time = torch.tensor([0.0] * 3 + [1.0] * (model.config.horizon - 3)).expand(2, -1)
    velocity = model.velocity(model.encode_prefix(**inputs), state, x, time)
    torch.testing.assert_close(found[:, 3:], (x - velocity)[:, 3:], atol=5e-6, rtol=0)


class Operations(TorchDispatchMode):
    """Counts what torch is asked to compute; what only looks at memory differently is free."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))

        def memory(values):
            tensors = (v for v in tree_leaves(values) if isinstance(v, torch.Tensor))
            return {t.untyped_storage()._cdata for t in tensors}

        if function._schema.is_mutable or not memory(out) <= memory((args, kwargs)):
            self.counts[str(function)] += 1
        return out


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_full_sampling_takes_at_most_3500_operations(dtype):
    """Ten steps, three cameras, released size; LeRobot takes 12,312, counted the same way."""
    model = Pi0(Pi0Config.openpi()).requires_grad_(False)
    for name, parameter in model.named_parameters():
        parameter.data = parameter.data.to(parameter_dtype(name, dtype))
    with torch.device("meta"):
        images = {name: torch.empty(1, 3, 224, 224) for name in CAMERAS}
        image_masks = {name: torch.empty(1, dtype=torch.bool) for name in CAMERAS}
        tokens = torch.empty(1, 48, dtype=torch.int64)
        token_mask = torch.empty(1, 48, dtype=torch.bool)
        state, noise = torch.empty(1, 32), torch.empty(1, 50, 32)
    sampler = Sampler(model, 10)
    with Operations() as operations:
        actions = sampler.sample(images, image_masks, tokens, token_mask, state, noise)
    assert actions.shape == (1, 50, 32)
    assert 3_000 < operations.counts.total() <= 3_500  # measured 3,387 and 3,411


def test_the_weights_may_be_trained_between_samplers(model, observe, draw):
    inputs, noise = observe(model.config), draw(model.config)
    before = sample(model, **inputs, noise=noise)
    for parameter in model.parameters():
        parameter.data += 0.01
    assert not torch.allclose(sample(model, **inputs, noise=noise), before, atol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_both_paths_agree_for_any_number_of_steps_and_cameras(tiny_config, observe, draw, steps):
    from pi0_ros.model.initialisation import initialise

    for cameras in (CAMERAS[:1], CAMERAS[:2], ("a", "b", "c", "d")):
        for variant in ("pi0", "pi05"):
            config = replace(tiny_config, cameras=cameras, variant=variant)
            model = initialise(Pi0(config), torch.Generator().manual_seed(3)).eval()
            inputs = {**observe(config), "noise": draw(config)}
            static, stepwise = (Sampler(model, steps, path=path) for path in PATHS)
            expected = stepwise.sample(**inputs)
            torch.testing.assert_close(static.sample(**inputs), expected, atol=5e-6, rtol=0)


def test_an_unknown_path_is_named_with_those_there_are(tiny):
    with pytest.raises(ValueError, match=r"path 'fast' is unknown; use one of \['static', 'step"):
        Sampler(tiny, path="fast")
