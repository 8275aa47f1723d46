from __future__ import annotations

import pytest
import torch

from pi0_ros.model.realtime import Guidance
from pi0_ros.model.sampler import Sampler


def sample(model, observe, draw, steps=10, **changes):
    inputs = {**observe(model.config), "noise": draw(model.config), **changes}
    return Sampler(model, steps).sample(**inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": torch.zeros(2, 4)}, r"state has shape \(2, 4\); the model needs \(2, 5\)"),
        ({"state": torch.zeros(2, 5, dtype=torch.int64)}, "state is torch.int64"),
        ({"noise": torch.zeros(2, 7, 6)}, r"noise has shape .*; the model needs \(2, 7, 5\)"),
        ({"tokens": torch.zeros(2, 10).long()}, r"tokens has shape .* \(batch, 1 to 9\)"),
        ({"tokens": torch.zeros(9).long()}, "tokens has shape"),
        ({"tokens": torch.zeros(2, 9)}, "tokens is torch.float32"),
        ({"token_mask": torch.ones(2, 8).bool()}, r"token_mask has shape .* needs \(2, 9\)"),
        ({"token_mask": torch.ones(2, 9)}, "token_mask is torch.float32; the model needs .*bool"),
        ({"images": {}, "image_masks": {}}, "there are no images; give at least one of"),
        ({"image_masks": {}}, "give one mask per image"),
        ({"steps": 0}, "steps is 0"),
        ({"committed": torch.zeros(2, 7, 5)}, r"committed has shape .* \(2, 1 to 6, 5\)"),
        ({"committed": torch.zeros(2, 2, 4)}, "committed has shape"),
        ({"committed": torch.zeros(2, 2, 5).long()}, "committed is torch.int64"),
        (
            {"guidance": Guidance(torch.zeros(2, 8, 5), 1, 4)},
            "previous has 8 actions of 5; the model has 7 of 5",
        ),
    ],
)
def test_a_wrong_input_is_named_with_what_is_needed(tiny, observe, draw, changes, message):
    with pytest.raises(ValueError, match=message):
        sample(tiny, observe, draw, **changes)


def test_a_misspelt_camera_is_named_with_what_was_meant(tiny, observe, draw):
    images = observe(tiny.config)["images"]
    images["base_0_rbg"] = images.pop("base_0_rgb")
    with pytest.raises(ValueError, match=r"'base_0_rbg' is unknown.*Did you mean 'base_0_rgb'"):
        sample(tiny, observe, draw, images=images)


def test_an_image_of_a_wrong_size_is_named(tiny, observe, draw):
    images = observe(tiny.config)["images"]
    images["left_wrist_0_rgb"] = torch.zeros(2, 8, 8, 3)
    with pytest.raises(ValueError, match=r"'left_wrist_0_rgb' has shape .* needs \(2, 3, 8, 8\)"):
        sample(tiny, observe, draw, images=images)


def test_raw_pixels_are_refused_with_the_conversion(tiny, observe, draw):
    images = observe(tiny.config)["images"]
    images["base_0_rgb"] = images["base_0_rgb"].byte()
    with pytest.raises(ValueError, match=r"is torch.uint8; .* x / 127.5 - 1"):
        sample(tiny, observe, draw, images=images)


def test_a_camera_mask_must_be_boolean(tiny, observe, draw):
    flags = {name: torch.ones(2) for name in tiny.config.cameras}
    with pytest.raises(ValueError, match=r"mask of image 'base_0_rgb' is torch.float32"):
        sample(tiny, observe, draw, image_masks=flags)


@pytest.mark.parametrize("name", ["actions", "noise"])
def test_the_loss_refuses_a_chunk_of_a_wrong_shape(tiny, observe, draw, name):
    inputs = {**observe(tiny.config), "actions": draw(tiny.config), "noise": draw(tiny.config)}
    inputs[name] = inputs[name][:, :3]
    with pytest.raises(ValueError, match=rf"{name} has shape \(2, 3, 5\)"):
        tiny.loss(**inputs, time=torch.tensor([0.5, 0.5]))


def test_the_loss_refuses_a_single_time(tiny, observe, draw):
    inputs = {**observe(tiny.config), "actions": draw(tiny.config), "noise": draw(tiny.config)}
    with pytest.raises(
        ValueError, match=r"time has shape \(\); the model needs \(2,\) or \(2, 7\)"
    ):
        tiny.loss(**inputs, time=torch.tensor(0.5))
