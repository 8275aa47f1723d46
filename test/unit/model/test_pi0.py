from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from pi0_ros.model.config import Pi0Config
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.weights import load_openpi


def test_prefix_embeddings_are_those_of_openpi(golden):
    tokens, pad = golden.model.embed_prefix(*golden.observation)
    torch.testing.assert_close(tokens, golden.outputs["prefix_embs"], atol=1e-6, rtol=0)
    assert torch.equal(pad, golden.outputs["prefix_pad_mask"])


def test_suffix_embeddings_are_those_of_openpi(golden):
    x_t = golden.outputs["loss_x_t"]
    tokens, condition = golden.model.embed_suffix(
        golden.inputs["state"], x_t, golden.inputs["time"]
    )
    torch.testing.assert_close(tokens, golden.outputs["suffix_embs"], atol=1e-6, rtol=0)
    if golden.config.variant == "pi05":
        torch.testing.assert_close(condition, golden.outputs["adarms_cond"], atol=1e-6, rtol=0)
    else:
        assert condition is None


@torch.no_grad()
def test_velocities_are_those_of_openpi(golden):
    prefix = golden.model.encode_prefix(*golden.observation)
    outputs = golden.outputs["v_x_t"], golden.outputs["v_t"]
    for time, x_t, expected in zip(golden.inputs["v_times"], *outputs, strict=True):
        time = time.expand(prefix.batch)
        found = golden.model.velocity(prefix, golden.inputs["state"], x_t, time)
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("steps", [5, 10])
def test_samples_are_those_of_openpi(golden, steps):
    found = golden.model.sample(
        *golden.observation, golden.inputs["state"], golden.inputs["noise"], steps
    )
    expected = golden.outputs[f"sample_actions.{steps}"]
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


@torch.no_grad()
def test_the_loss_is_that_of_openpi(golden):
    rest = [golden.inputs[name] for name in ("state", "actions", "noise", "time")]
    found = golden.model.loss(*golden.observation, *rest)
    torch.testing.assert_close(found, golden.outputs["loss"], atol=1e-4, rtol=1e-4)


def test_a_bfloat16_model_stays_near_openpi_in_bfloat16(golden_pi0):
    file = golden_pi0.folder / "model.safetensors"
    model = load_openpi(file, golden_pi0.config, dtype=torch.bfloat16)
    inputs = golden_pi0.inputs
    found = model.sample(*golden_pi0.observation, inputs["state"], inputs["noise"])
    expected = load_file(golden_pi0.folder / "outputs_bf16.safetensors")["sample_actions.10"]
    assert found.dtype == torch.float32
    assert (found - expected).square().mean().sqrt() < 0.01  # measured 0.004


def test_a_batch_samples_what_its_observations_sample_alone(golden):
    images, image_masks, tokens, token_mask = golden.observation
    state, noise = golden.inputs["state"], golden.inputs["noise"]
    together = golden.model.sample(*golden.observation, state, noise)
    for i in range(len(state)):
        row = slice(i, i + 1)
        alone = golden.model.sample(
            {name: image[row] for name, image in images.items()},
            {name: mask[row] for name, mask in image_masks.items()},
            tokens[row],
            token_mask[row],
            state[row],
            noise[row],
        )
        torch.testing.assert_close(alone, together[row], atol=5e-6, rtol=0)


@pytest.mark.parametrize("camera", ["base_0_rgb", "right_wrist_0_rgb"])
def test_pixels_of_a_masked_camera_do_not_matter_at_all(tiny, observe, draw, camera):
    inputs, noise = observe(tiny.config), draw(tiny.config)
    inputs["image_masks"][camera] = torch.tensor([False, True])
    before = tiny.sample(**inputs, noise=noise)
    inputs["images"][camera] = inputs["images"][camera].flip(-1) * 0.5
    after = tiny.sample(**inputs, noise=noise)
    assert torch.equal(after[0], before[0])
    assert not torch.equal(after[1], before[1])


@pytest.mark.parametrize("camera", ["base_0_rgb", "left_wrist_0_rgb"])
def test_leaving_a_camera_out_equals_masking_it(tiny, observe, draw, camera):
    inputs, noise = observe(tiny.config), draw(tiny.config)
    inputs["image_masks"][camera] = torch.tensor([False, False])
    masked = tiny.sample(**inputs, noise=noise)
    del inputs["images"][camera], inputs["image_masks"][camera]
    torch.testing.assert_close(tiny.sample(**inputs, noise=noise), masked, atol=5e-6, rtol=0)


def test_padding_of_the_prompt_does_not_matter(tiny, observe, draw):
    inputs, noise = observe(tiny.config), draw(tiny.config)
    inputs["token_mask"][:, 4:] = False
    long = tiny.sample(**inputs, noise=noise)
    inputs["tokens"][:, 4:] = 0
    assert torch.equal(tiny.sample(**inputs, noise=noise), long)
    inputs["tokens"], inputs["token_mask"] = inputs["tokens"][:, :4], inputs["token_mask"][:, :4]
    torch.testing.assert_close(tiny.sample(**inputs, noise=noise), long, atol=5e-6, rtol=0)


def test_swapping_two_cameras_changes_the_sample(tiny, observe, draw):
    inputs, noise = observe(tiny.config), draw(tiny.config)
    before = tiny.sample(**inputs, noise=noise)
    images = inputs["images"]
    left, right = images["left_wrist_0_rgb"], images["right_wrist_0_rgb"]
    inputs["images"] = {**images, "left_wrist_0_rgb": right, "right_wrist_0_rgb": left}
    assert not torch.allclose(tiny.sample(**inputs, noise=noise), before, atol=1e-4)


def test_the_order_of_the_image_mapping_does_not_matter(tiny, observe, draw):
    inputs, noise = observe(tiny.config), draw(tiny.config)
    before = tiny.sample(**inputs, noise=noise)
    inputs["images"] = dict(reversed(inputs["images"].items()))
    assert torch.equal(tiny.sample(**inputs, noise=noise), before)


@torch.no_grad()
def test_a_repeated_prefix_serves_several_samples_of_each_observation(tiny, observe, draw):
    inputs = observe(tiny.config)
    state = inputs.pop("state")
    prefix = tiny.encode_prefix(**inputs)
    x_t, time = draw(tiny.config, batch=4), torch.tensor([0.1, 0.2, 0.3, 0.4])
    found = tiny.velocity(prefix.repeat(2), state.repeat_interleave(2, 0), x_t, time)
    second = tiny.velocity(prefix, state, x_t[1::2], time[1::2])
    torch.testing.assert_close(found[1::2], second, atol=5e-6, rtol=0)


def test_a_velocity_has_gradients_with_respect_to_the_actions(tiny, observe, draw):
    inputs = observe(tiny.config)
    state = inputs.pop("state")
    x_t = draw(tiny.config).requires_grad_()
    prefix = tiny.encode_prefix(**inputs)
    tiny.velocity(prefix, state, x_t, torch.tensor([0.5, 0.5])).sum().backward()
    assert x_t.grad is not None
    assert x_t.grad.abs().sum() > 0


@pytest.mark.parametrize("model", ["tiny", "tiny_pi05"])
def test_the_loss_reaches_every_parameter_but_what_nobody_reads(
    request, observe, draw, tiny_config, model
):
    model = request.getfixturevalue(model)
    inputs = observe(tiny_config)
    noise, actions = draw(tiny_config, seed=3), draw(tiny_config, seed=4)
    for parameter in model.parameters():  # open the gates, which start closed in pi05
        parameter.data += 0.01
    loss = model.loss(**inputs, actions=actions, noise=noise, time=torch.tensor([0.3, 0.7]))
    assert loss.shape == actions.shape
    loss.mean().backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None}
    last = "vlm.blocks.1."
    unread = ("attention.query.weight", "attention.out.weight", "mlp_norm.weight")
    unread += ("mlp.gate.weight", "mlp.up.weight", "mlp.down.weight")
    assert idle == {"vlm.norm.weight", *(last + name for name in unread)}


def test_a_new_model_has_no_numbers():
    assert {p.device.type for p in Pi0(Pi0Config.demo()).parameters()} == {"meta"}


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (Pi0Config.openpi(), 3_238_048_528),
        (Pi0Config.pi05(), 3_353_433_872),
        (Pi0Config.paper(), 3_238_005_506),
        (Pi0Config.demo(), 1_455_474),
    ],
)
def test_presets_have_their_number_of_parameters(config, count):
    assert sum(p.numel() for p in Pi0(config).parameters()) == count


def test_sampling_uses_no_global_randomness(tiny, observe, draw):
    inputs, noise = observe(tiny.config), draw(tiny.config)
    before = torch.get_rng_state()
    first = tiny.sample(**inputs, noise=noise)
    assert torch.equal(first, tiny.sample(**inputs, noise=noise))
    assert torch.equal(torch.get_rng_state(), before)
