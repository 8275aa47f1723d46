from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pi0_ros.model.config import Pi0Config
from pi0_ros.model.initialisation import initialise, position_pattern
from pi0_ros.model.pi0 import Pi0
from pi0_ros.model.sampler import Sampler


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_same_seed_gives_the_same_model(tiny_config):
    first, second = (initialise(Pi0(tiny_config), seeded(5)).state_dict() for _ in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_another_seed_gives_another_model(tiny_config):
    first, second = (initialise(Pi0(tiny_config), seeded(seed)) for seed in (5, 6))
    assert not torch.equal(first.action_in.weight, second.action_in.weight)


def test_no_global_randomness_is_used(tiny_config):
    before = torch.get_rng_state()
    initialise(Pi0(tiny_config), seeded(0))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("variant", ["pi0", "pi05"])
def test_a_random_demo_model_is_finite_and_of_the_size_of_its_noise(observe, draw, variant):
    config = replace(Pi0Config.demo(), variant=variant)
    model = initialise(Pi0(config), seeded(0)).eval()
    inputs = observe(config, batch=4)
    actions = Sampler(model).sample(**inputs, noise=draw(config, batch=4))
    assert torch.isfinite(actions).all()
    assert 0.3 < actions.std() < 3


def test_tokens_enter_the_language_model_at_about_unit_size(observe):
    config = Pi0Config.demo()
    model = initialise(Pi0(config), seeded(0)).eval()
    inputs = observe(config)
    inputs.pop("state")
    tokens, _ = model.embed_prefix(**inputs)
    images, prompt = tokens.split([48, 32], 1)
    assert 0.7 < images.std() < 1.4
    assert 0.7 < prompt.std() < 1.4


def test_matrices_that_write_to_the_residual_stream_are_smaller():
    model = initialise(Pi0(Pi0Config.demo()), seeded(0))
    block = model.vlm.blocks[0]  # width 128 into heads of 128 in all, three layers
    assert block.attention.qkv.weight.std().item() == pytest.approx(128**-0.5, rel=0.03)
    assert block.attention.out.weight.std().item() == pytest.approx((128 * 6) ** -0.5, rel=0.03)
    assert block.mlp.down.weight.std().item() == pytest.approx((256 * 6) ** -0.5, rel=0.03)


def test_twenty_steps_of_training_lower_the_loss(tiny, observe, draw):
    inputs = {**observe(tiny.config), "actions": draw(tiny.config, seed=3)}
    inputs |= {"noise": draw(tiny.config, seed=4), "time": torch.tensor([0.3, 0.6])}
    optimiser = torch.optim.AdamW(tiny.parameters(), lr=1e-3)
    losses = []
    for _ in range(20):
        loss = tiny.loss(**inputs).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_the_type_is_chosen_while_initialising(tiny_config):
    model = initialise(Pi0(tiny_config), seeded(0), dtype=torch.bfloat16)
    assert model.embedding.weight.dtype == torch.bfloat16
    assert model.state_in.weight.dtype == torch.float32
    with pytest.raises(ValueError, match=r"dtype is torch.float64"):
        initialise(Pi0(tiny_config), seeded(0), dtype=torch.float64)


@pytest.mark.parametrize(("side", "width"), [(4, 128), (16, 1152), (2, 6), (3, 7)])
def test_every_patch_has_a_position_of_its_own(side, width):
    pattern = position_pattern(side, width)
    assert pattern.shape == (side * side, width)
    assert len(torch.unique(pattern, dim=0)) == side * side


def test_the_first_half_of_a_position_tells_the_row_the_second_the_column():
    grid = position_pattern(3, 8).view(3, 3, 8)
    assert torch.equal(grid[1, 0, :4], grid[1, 2, :4])
    assert torch.equal(grid[0, 1, 4:], grid[2, 1, 4:])
