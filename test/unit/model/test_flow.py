from __future__ import annotations

import pytest
import torch

from pi0_ros.model.flow import (
    delayed,
    euler_times,
    interpolate,
    mean_over_real,
    time_embedding,
    training_times,
)


def test_time_embeddings_are_those_of_openpi(golden):
    embedded = time_embedding(golden.inputs["v_times"], golden.config.expert.width)
    torch.testing.assert_close(embedded, golden.outputs["time_emb"], atol=1e-6, rtol=0)


def test_the_embedding_holds_sines_then_cosines_from_the_shortest_period_on():
    # Periods 0.004 and 4: after 0.001 a quarter of the first turn is done.
    embedded = time_embedding(torch.tensor([0.0, 0.001]), 4)
    small = torch.tensor(2 * torch.pi * 0.001 / 4)
    expected = torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, small.sin(), 0.0, small.cos()]])
    torch.testing.assert_close(embedded, expected, atol=1e-6, rtol=0)


def test_the_path_is_that_of_openpi(golden):
    actions, noise, time = (golden.inputs[name] for name in ("actions", "noise", "time"))
    x_t, velocity = interpolate(actions, noise, time)
    torch.testing.assert_close(x_t, golden.outputs["loss_x_t"], atol=1e-6, rtol=0)
    torch.testing.assert_close(velocity, golden.outputs["loss_u_t"], atol=1e-6, rtol=0)


def test_the_path_leads_from_actions_at_0_to_noise_at_1():
    actions, noise = torch.zeros(3, 1, 1), torch.full((3, 1, 1), 4.0)
    x_t, velocity = interpolate(actions, noise, torch.tensor([0.0, 0.25, 1.0]))
    assert x_t.flatten().tolist() == [0.0, 1.0, 4.0]
    assert velocity.flatten().tolist() == [4.0, 4.0, 4.0]


@pytest.mark.parametrize("steps", [5, 10])
def test_euler_times_are_exactly_those_of_openpi(golden, steps):
    assert euler_times(steps) == tuple(golden.outputs[f"sample_times.{steps}"].tolist())


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 50, 1000])
def test_there_are_as_many_times_as_steps(steps):
    times = euler_times(steps)
    assert len(times) == steps
    assert times[0] == 1.0
    assert times[-1] == pytest.approx(1 / steps, abs=1e-4)


@pytest.mark.parametrize("steps", [0, -1])
def test_no_steps_are_refused(steps):
    with pytest.raises(ValueError, match=f"steps is {steps}; sampling needs at least 1"):
        euler_times(steps)


def test_training_times_follow_the_beta_law():
    times = training_times(100_000, torch.Generator().manual_seed(0))
    assert 0.001 <= times.min() < times.max() <= 1.0
    # Beta(1.5, 1) has the mean 0.6 and the distribution function x^1.5.
    assert times.mean().item() == pytest.approx(0.001 + 0.999 * 0.6, abs=0.003)
    below = ((times - 0.001) / 0.999 < 0.25).float().mean().item()
    assert below == pytest.approx(0.125, abs=0.005)


def test_training_times_come_from_the_generator_alone():
    first = training_times(4, torch.Generator().manual_seed(3))
    assert torch.equal(first, training_times(4, torch.Generator().manual_seed(3)))
    assert not torch.equal(first, training_times(4, torch.Generator().manual_seed(4)))


def test_exact_times_are_whole_parts_of_the_way():
    assert euler_times(4, exact=True) == (1.0, 0.75, 0.5, 0.25)
    # openpi's rounding shows from the third of ten steps on.
    assert euler_times(10, exact=True)[2] == 0.8 != euler_times(10)[2]


def test_a_time_per_action_mixes_each_by_itself():
    actions, noise = torch.zeros(1, 2, 1), torch.full((1, 2, 1), 4.0)
    x_t, _ = interpolate(actions, noise, torch.tensor([[0.0, 0.5]]))
    assert x_t.flatten().tolist() == [0.0, 2.0]


def test_the_loss_counts_only_what_was_recorded():
    # One chunk of three actions of two dimensions; the second dimension is padding.
    error = torch.tensor([[[1.0, 100.0], [3.0, 100.0], [50.0, 100.0]]])
    assert mean_over_real(error).item() == pytest.approx(354 / 6)
    assert mean_over_real(error, action_dims=1).item() == 18.0
    ended = torch.tensor([[True, True, False]])
    assert mean_over_real(error, action_dims=1, real=ended).item() == 2.0
    assert mean_over_real(error, real=ended & False).item() == 0.0


def test_committed_actions_are_clean_and_do_not_count():
    time, free = delayed(torch.tensor([0.5, 0.9]), torch.tensor([0, 2]), 3)
    torch.testing.assert_close(time, torch.tensor([[0.5, 0.5, 0.5], [0.0, 0.0, 0.9]]))
    assert free.tolist() == [[True, True, True], [False, False, True]]
