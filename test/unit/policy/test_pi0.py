from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.model import weights
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.pi0 import Pi0Policy, _image
from pi0_ros.policy.protocol import CannotPlan
from pi0_ros.policy.settings import PolicySettings


def make(folder: Path, embodiment: Embodiment, seed: int = 0) -> Pi0Policy:
    settings = PolicySettings("pi0", str(folder), device="cpu", seed=seed, steps=2)
    return Pi0Policy(settings, embodiment)


def seen(embodiment: Embodiment, brightness: int = 128, size: tuple[int, int] = (48, 64),
         prompt: str = "left arm reach the red block") -> Observation:  # fmt: skip
    image = np.full((*size, 3), brightness, np.uint8)
    images = {camera.name: image for camera in embodiment.cameras}
    return Observation(images, embodiment.home, prompt, stamp_ns=7)


def test_a_chunk_has_the_robots_names_period_and_units(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    policy = make(checkpoint, embodiment)
    policy.warm_up()
    chunk = policy.plan(seen(embodiment), None)
    assert chunk.names == embodiment.joint_names
    assert chunk.actions.shape == (50, 14)
    assert (chunk.start_ns, chunk.period_ns) == (7, 50_000_000)
    assert chunk.prompt == "left arm reach the red block"
    np.testing.assert_allclose(chunk.actions, np.tile(embodiment.home, (50, 1)), atol=0.1)


def test_the_same_seed_plans_the_same_and_another_seed_otherwise(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    observation = seen(embodiment)
    first = make(checkpoint, embodiment, seed=1).plan(observation, None).actions
    again = make(checkpoint, embodiment, seed=1).plan(observation, None).actions
    other = make(checkpoint, embodiment, seed=2).plan(observation, None).actions
    np.testing.assert_array_equal(again, first)
    assert np.abs(other - first).max() > 1e-4


def test_warming_up_does_not_change_the_plan(checkpoint: Path, embodiment: Embodiment) -> None:
    cold, warm = make(checkpoint, embodiment), make(checkpoint, embodiment)
    warm.warm_up()
    observation = seen(embodiment)
    np.testing.assert_array_equal(
        warm.plan(observation, None).actions, cold.plan(observation, None).actions
    )


def test_images_state_and_prompt_all_have_a_part_in_the_plan(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    def plan(observation: Observation) -> np.ndarray:
        return make(checkpoint, embodiment).plan(observation, None).actions

    usual = plan(seen(embodiment))
    moved = seen(embodiment)
    moved = Observation(moved.images, moved.state + 0.05, moved.prompt, moved.stamp_ns)
    others = [seen(embodiment, brightness=250), seen(embodiment, prompt="right arm"), moved]
    for other in others:
        assert np.abs(plan(other) - usual).max() > 1e-9


@pytest.mark.parametrize("size", [(1, 1), (1, 640), (480, 1), (3, 2)])
def test_images_of_any_size_work(
    checkpoint: Path, embodiment: Embodiment, size: tuple[int, int]
) -> None:
    chunk = make(checkpoint, embodiment).plan(seen(embodiment, size=size), None)
    assert np.isfinite(chunk.actions).all()


def test_a_robot_with_fewer_cameras_than_the_checkpoint_works(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    one_eyed = embodiment.model_copy(update={"cameras": embodiment.cameras[:1]})
    chunk = make(checkpoint, one_eyed).plan(seen(one_eyed), None)
    assert np.isfinite(chunk.actions).all()


def test_every_sentence_is_allowed(checkpoint: Path, embodiment: Embodiment) -> None:
    assert make(checkpoint, embodiment).check_prompt("fold the shirt " * 100) is None


def test_weights_that_are_not_finite_are_no_plan(
    checkpoint: Path, embodiment: Embodiment, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(checkpoint, tmp_path / "broken"))
    model = weights.load(broken)
    with torch.no_grad():
        model.get_parameter("action_out.bias")[3] = torch.nan
    weights.save(model, broken)
    with pytest.raises(CannotPlan, match="numbers that are not finite; check its weights"):
        make(broken, embodiment).plan(seen(embodiment), None)


def test_an_image_is_fitted_into_a_square_on_black() -> None:
    wide = np.full((2, 4, 3), 255, np.uint8)
    square = _image(wide, 4)
    assert square.shape == (1, 3, 4, 4)
    assert square[0, 0].tolist() == [[-1] * 4, [1] * 4, [1] * 4, [-1] * 4]


def test_channels_stay_in_order_and_cover_minus_one_to_one() -> None:
    pixel = np.array([[[0, 255, 51]]], np.uint8)
    np.testing.assert_allclose(_image(pixel, 1)[0, :, 0, 0].numpy(), [-1.0, 1.0, -0.6], atol=1e-6)
