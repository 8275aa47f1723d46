from __future__ import annotations

import pytest
import torch

from pi0_ros.model.config import Pi0Config
from pi0_ros.model.pi0 import Pi0


def test_prefix_embeddings_are_those_of_openpi(golden):
    tokens, pad = golden.model.embed_prefix(*golden.observation)
    torch.testing.assert_close(tokens, golden.outputs["prefix_embs"], atol=1e-6, rtol=0)
    assert torch.equal(pad, golden.outputs["prefix_pad_mask"])


@torch.no_grad()
def test_suffix_embeddings_are_those_of_openpi(golden):
    moment = golden.model.moment(golden.inputs["time"])
    x_t = golden.outputs["loss_x_t"]
    tokens = golden.model.embed_suffix(golden.inputs["state"], x_t, moment)
    torch.testing.assert_close(tokens, golden.outputs["suffix_embs"], atol=1e-6, rtol=0)


@torch.no_grad()
def test_what_adaptive_norms_follow_is_that_of_openpi(golden_pi05):
    condition = golden_pi05.model.condition(golden_pi05.inputs["time"][:, None])[:, 0]
    torch.testing.assert_close(condition, golden_pi05.outputs["adarms_cond"], atol=1e-6, rtol=0)


@torch.no_grad()
def test_velocities_are_those_of_openpi(golden):
    prefix = golden.model.encode_prefix(*golden.observation)
    outputs = golden.outputs["v_x_t"], golden.outputs["v_t"]
    for time, x_t, expected in zip(golden.inputs["v_times"], *outputs, strict=True):
        time = time.expand(prefix.batch)
        found = golden.model.velocity(prefix, golden.inputs["state"], x_t, time)
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


@torch.no_grad()
def test_the_loss_is_that_of_openpi(golden):
    rest = [golden.inputs[name] for name in ("state", "actions", "noise", "time")]
    found = golden.model.loss(*golden.observation, *rest)
    torch.testing.assert_close(found, golden.outputs["loss"], atol=1e-4, rtol=1e-4)


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


@torch.no_grad()
def test_one_time_for_all_equals_the_same_time_for_each_action(model, observe, draw):
    inputs, x_t, time = observe(model.config), draw(model.config), torch.tensor([0.3, 0.8])
    state, prefix = inputs.pop("state"), model.encode_prefix(**inputs)
    each = time[:, None].expand(2, model.config.horizon)
    found = model.velocity(prefix, state, x_t, each)
    torch.testing.assert_close(found, model.velocity(prefix, state, x_t, time), atol=5e-6, rtol=0)


def test_the_loss_reaches_every_parameter_but_what_nobody_reads(model, observe, draw):
    inputs = observe(model.config)
    noise, actions = draw(model.config, seed=3), draw(model.config, seed=4)
    loss = model.loss(**inputs, actions=actions, noise=noise, time=torch.tensor([0.3, 0.7]))
    assert loss.shape == actions.shape
    loss.mean().backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None}
    unread = ("attention.out.weight", "mlp_norm.scale", "mlp.gate_up.weight", "mlp.down.weight")
    assert idle == {"vlm.norm.scale", *(f"vlm.blocks.1.{name}" for name in unread)}


@torch.no_grad()
def test_the_loss_is_the_same_in_training_and_evaluation(model, observe, draw):
    inputs = {**observe(model.config), "time": torch.tensor([0.3, 0.7])}
    chunks = {"noise": draw(model.config, seed=3), "actions": draw(model.config, seed=4)}
    evaluated = model.eval().loss(**inputs, **chunks)
    assert torch.equal(model.train().loss(**inputs, **chunks), evaluated)


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
