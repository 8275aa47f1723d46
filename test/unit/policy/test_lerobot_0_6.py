"""Policies that LeRobot 0.6.1 saved, and what it made of raw pictures, a state and a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from pi0_ros.embodiment.files import share_directory
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.pi0 import Pi0Policy
from pi0_ros.policy.settings import PolicySettings

DATA = Path(__file__).parents[2] / "data" / "lerobot_0_6"
PIECES = (
    share_directory() / "config" / "golden" / "openpi" / "pipeline" / "tiny_sentencepiece.model"
)


@pytest.mark.parametrize("variant", ["pi0", "pi05"])
def test_raw_observations_become_the_actions_of_lerobot(
    variant: str, robot: Callable[..., Embodiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rename, resize, normalise, prompt, sample, denormalise, relative actions: all at once."""
    recorded = load_file(DATA / variant / "recorded.safetensors")
    settings = PolicySettings("pi0", str(DATA / variant), str(PIECES), device="cpu")
    cameras = {"front": "base_0_rgb", "wrist": "left_wrist_0_rgb"}
    policy = Pi0Policy(settings, robot(joints=7, cameras=cameras))
    monkeypatch.setattr("pi0_ros.policy.pi0.drawn", lambda *_: recorded["noise"][0])
    images = {name: recorded[f"image.{name}"].numpy() for name in cameras}
    state = recorded["state"].double().numpy()
    chunk = policy.plan(Observation(images, state, "fold the towel", stamp_ns=0), None)
    np.testing.assert_allclose(chunk.actions, recorded["actions"][0].numpy(), atol=2e-5)
