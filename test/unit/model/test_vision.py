from __future__ import annotations

import torch

from pi0_ros.model.config import CAMERAS


def test_features_are_those_of_openpi(golden):
    for camera in CAMERAS:
        features = golden.model.vision.features(golden.images[camera])
        expected = golden.outputs[f"siglip_last_hidden.{camera}"]
        # After the last norm the features are of size 1 to 4; equivalent runs differ by 2e-6.
        torch.testing.assert_close(features, expected, atol=5e-6, rtol=0)


def test_image_tokens_are_those_of_openpi(golden):
    for camera in CAMERAS:
        tokens = golden.model.vision(golden.images[camera])
        expected = golden.outputs[f"image_tokens.{camera}"]
        torch.testing.assert_close(tokens, expected, atol=1e-6, rtol=0)


def test_patches_are_read_row_by_row(tiny):
    """Without blocks and positions, a token depends on its own patch only."""
    vision = tiny.vision
    vision.blocks = torch.nn.ModuleList()
    image = torch.zeros(1, 3, 8, 8)
    dark = vision(image)
    image[:, :, 0:4, 4:8] = 1.0  # top right
    changed = (vision(image) != dark).any(-1)
    assert changed.tolist() == [[False, True, False, False]]
