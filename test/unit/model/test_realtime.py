from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from pi0_ros.model.realtime import (
    FORMS,
    SCHEDULES,
    Guidance,
    guidance_weight,
    guided,
    overlap_weights,
)
from pi0_ros.model.sampler import Sampler

LEROBOT = Path(__file__).parents[3] / "config" / "golden" / "lerobot"
CASES = json.loads((LEROBOT / "arch.json").read_text())["rtc_cases"]


@pytest.fixture(scope="module")
def recorded():
    """What LeRobot's real-time chunking was given, and what it made of it."""
    return load_file(LEROBOT / "inputs.safetensors"), load_file(LEROBOT / "outputs.safetensors")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_weights_of_the_overlap_are_those_of_lerobot(recorded, case):
    inputs, outputs = recorded
    left = inputs[f"rtc.{case['name']}.prev_chunk_left_over"].shape[1]
    end = min(case["execution_horizon"], left)
    found = overlap_weights(case["schedule"].lower(), case["inference_delay"], end, 12)
    torch.testing.assert_close(found, outputs[f"rtc.{case['name']}.weights"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_weights_of_the_guidance_are_those_of_lerobot(recorded, case):
    _, outputs = recorded
    found = torch.tensor([guidance_weight(1 - k / 5, case["w"]) for k in range(5)])
    expected = outputs[f"rtc.{case['name']}.guidance_weights"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_the_guidance_is_weakest_half_way():
    # (tau² + t²) / (tau t): 2 in the middle, and beyond any bound at both ends.
    assert guidance_weight(0.5, 10.0) == 2.0
    assert guidance_weight(0.9, 10.0) == pytest.approx(9.11, abs=0.01)
    assert guidance_weight(1.0, 10.0) == guidance_weight(0.0, 10.0) == 10.0


@given(st.sampled_from(SCHEDULES), st.integers(0, 60), st.integers(1, 50), st.integers(1, 50))
def test_weights_hold_what_is_committed_and_never_rise(schedule, delay, end, horizon):
    end = min(end, horizon)
    weights = overlap_weights(schedule, delay, end, horizon).tolist()
    assert len(weights) == horizon
    assert weights[: min(delay, end)] == [1.0] * min(delay, end)
    assert weights[end:] == [0.0] * (horizon - end)
    assert all(0.0 <= after <= before for before, after in pairwise(weights))


def test_schedules_differ_only_between_the_delay_and_the_end():
    # Four actions, one committed, three in the overlap: (3 - i) / 3 falls linearly.
    assert overlap_weights("linear", 1, 3, 4).tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert overlap_weights("ones", 1, 3, 4).tolist() == [1, 1, 1, 0]
    assert overlap_weights("zeros", 1, 3, 4).tolist() == [1, 0, 0, 0]
    exp = overlap_weights("exp", 1, 3, 4).tolist()
    e = torch.e
    assert exp == pytest.approx([1, 2 / 3 * (e ** (2 / 3) - 1) / (e - 1),
                                 1 / 3 * (e ** (1 / 3) - 1) / (e - 1), 0])  # fmt: skip


def test_the_published_form_multiplies_by_the_jacobian():
    """With v = c x the clean estimate is (1 - t c) x, so the Jacobian is the number 1 - t c."""
    x, target = torch.full((1, 1, 1), 2.0), torch.full((1, 1, 1), 5.0)
    t, c, weights = 0.5, 0.4, torch.ones(1, 1)
    clean = (1 - t * c) * 2.0
    plain = c * 2.0
    for form, jacobian in (("identity", 1.0), ("jacobian", 1 - t * c)):
        guidance = Guidance(target, 1, 1, largest=10.0, form=form)
        found = guided(guidance, target, weights, lambda x: c * x, x, t)
        assert found.item() == pytest.approx(plain - 2.0 * jacobian * (5.0 - clean))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", ["static", "stepwise"])
def test_a_guided_chunk_is_nearer_to_the_previous_one(model, observe, draw, form, path):
    inputs, noise = observe(model.config), draw(model.config)
    sampler = Sampler(model, path=path)
    free = sampler.sample(**inputs, noise=noise)
    previous = free[:, :4] + 0.5
    found = sampler.sample(**inputs, noise=noise, guidance=Guidance(previous, 2, 4, form=form))
    assert (found[:, :2] - previous[:, :2]).abs().mean() < 0.5 * 0.5
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("form", FORMS)
def test_guidance_works_in_inference_mode_and_with_trainable_weights(model, observe, draw, form):
    model.requires_grad_(True)
    sampler, guidance = Sampler(model), Guidance(torch.zeros(2, 4, 5), 2, 4, form=form)
    inputs = {**observe(model.config), "noise": draw(model.config)}
    expected = sampler.sample(**inputs, guidance=guidance)
    with torch.inference_mode():
        inputs = {**observe(model.config), "noise": draw(model.config)}
        assert torch.equal(Sampler(model).sample(**inputs, guidance=guidance), expected)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"form": "vjp"}, r"form 'vjp' is unknown; use one of \['identity', 'jacobian'\]"),
        ({"schedule": "cosine"}, "schedule 'cosine' is unknown; use one of"),
        ({"delay": -1}, "delay is -1 and end is 4; a delay is 0 or more"),
        ({"end": 0}, "delay is 2 and end is 0"),
        ({"previous": torch.zeros(2, 0, 5)}, "previous has shape .* at least one action"),
        ({"previous": torch.zeros(4, 5)}, "previous has shape"),
        ({"largest": 0.0}, "largest is 0.0; the bound must be positive"),
        ({"largest": float("nan")}, "largest is nan; the bound must be positive"),
    ],
)
def test_a_guidance_that_no_sampler_can_follow_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Guidance(**{"previous": torch.zeros(2, 4, 5), "delay": 2, "end": 4, **changes})


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="schedule 'cosine' is unknown"):
        overlap_weights("cosine", 1, 2, 3)
