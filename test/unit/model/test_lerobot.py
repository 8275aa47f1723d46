"""LeRobot's numbers: its weights, its times, its real-time chunking."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pi0_ros.model.flow import mean_over_real
from pi0_ros.model.realtime import Guidance
from pi0_ros.model.sampler import PATHS, Sampler
from pi0_ros.model.stored.sizes import infer_config
from pi0_ros.model.stored.tensor_files import TensorFiles
from pi0_ros.model.stored.weights import load_openpi

FOLDER = Path(__file__).parents[3] / "config" / "golden" / "lerobot"
ABOUT = json.loads((FOLDER / "arch.json").read_text())
INPUTS, OUTPUTS = (load_file(FOLDER / f"{name}.safetensors") for name in ("inputs", "outputs"))
CASES = ABOUT["rtc_cases"]
STEPS = ABOUT["arch"]["steps"]


@pytest.fixture(scope="module")
def lerobot():
    arch, files = ABOUT["arch"], TensorFiles(FOLDER)
    config = infer_config(
        files, arch["chunk"], arch["prompt"], ("base", "wrist"), vision_heads=arch["v_heads"]
    )
    return load_openpi(files, config)


OBSERVATION = {
    "images": {"base": INPUTS["prepared.image.0"], "wrist": INPUTS["prepared.image.1"]},
    "image_masks": {
        "base": INPUTS["prepared.image_mask.0"],
        "wrist": INPUTS["prepared.image_mask.1"],
    },
    "tokens": INPUTS["observation.language.tokens"],
    "token_mask": INPUTS["observation.language.attention_mask"],
    "state": INPUTS["prepared.state_padded"],
}


def sample(model, steps=STEPS, path="static", **arguments):
    sampler = Sampler(model, steps, exact_times=True, path=path)
    return sampler.sample(**OBSERVATION, noise=INPUTS["noise"], **arguments)


def guidance(case, form):
    return Guidance(
        INPUTS[f"rtc.{case['name']}.prev_chunk_left_over"],
        case["inference_delay"],
        case["execution_horizon"],
        schedule=case["schedule"].lower(),
        largest=case["w"],
        form=form,
    )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("steps", [1, 3, 5])
def test_samples_are_those_of_lerobot(lerobot, steps, path):
    expected = OUTPUTS[f"sample_actions.padded.steps{steps}"]
    torch.testing.assert_close(sample(lerobot, steps, path), expected, atol=2e-5, rtol=0)


@torch.no_grad()
def test_the_loss_is_that_of_lerobot(lerobot):
    chunk = {"actions": INPUTS["prepared.action_padded"], "noise": INPUTS["noise"]}
    loss = lerobot.loss(**OBSERVATION, **chunk, time=INPUTS["train.time"])
    expected = OUTPUTS["train.loss_elementwise_padded"]
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-4)
    mean = mean_over_real(loss, action_dims=6)
    torch.testing.assert_close(mean, OUTPUTS["train.loss_mean_over_real_dims"][0])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_guidance_by_the_identity_is_that_of_lerobot(lerobot, case, path):
    found = sample(lerobot, path=path, guidance=guidance(case, "identity"))
    expected = OUTPUTS[f"rtc.{case['name']}.padded"]
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_guidance_by_the_jacobian_is_the_published_form(lerobot, case):
    """A random network is far from smooth, so these chunks are large: compare relatively."""
    found = sample(lerobot, guidance=guidance(case, "jacobian"))
    expected = OUTPUTS[f"rtc_true_vjp.{case['name']}.padded"]
    assert (found - expected).norm() < 1e-5 * expected.norm()  # measured 2e-6
    assert (found - OUTPUTS[f"rtc.{case['name']}.padded"]).norm() > 0.1 * expected.norm()
