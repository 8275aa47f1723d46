from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pi0_ros.cli.conversion import Conversion, run
from pi0_ros.embodiment.convention import Convention
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.model.stored import weights
from pi0_ros.model.tokens import PromptTokenizer
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.checkpoints.checkpoint import describe, load
from pi0_ros.policy.checkpoints.own_form import PipelineSection
from pi0_ros.policy.images import fit, interpolated, scaled
from pi0_ros.policy.pi0 import Pi0Policy
from pi0_ros.policy.protocol import CannotPlan
from pi0_ros.policy.settings import PolicySettings

Build = Callable[..., Path]
PROMPT = "left arm reach the red block"
BLACK = np.zeros((4, 6, 3), np.uint8)


def make(folder: Path, embodiment: Embodiment, **settings: Any) -> Pi0Policy:
    chosen = {"device": "cpu", "steps": 2, **settings}
    return Pi0Policy(PolicySettings("pi0", str(folder), **chosen), embodiment)


def seen(embodiment: Embodiment, image: np.ndarray = BLACK, prompt: str = PROMPT) -> Observation:
    images = {camera.name: image for camera in embodiment.cameras}
    return Observation(images, embodiment.home, prompt, stamp_ns=7)


def reason(policy: Pi0Policy, observation: Observation) -> str:
    with pytest.raises(CannotPlan) as caught:
        policy.plan(observation, None)
    return str(caught.value)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the sampler was asked last; it answers 0.25 everywhere, or what is put in `answer`."""
    said: dict[str, Any] = {"answer": 0.25}
    names = ("images", "image_masks", "tokens", "token_mask", "state", "noise")

    def sample(_: object, *inputs: object) -> torch.Tensor:
        said.update(zip(names, inputs, strict=True))
        return torch.full_like(said["noise"], said["answer"])

    monkeypatch.setattr("pi0_ros.policy.pi0.Sampler.sample", sample)
    return said


# --- chunks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_chunk_has_the_robots_names_period_and_units(
    checkpoint: Path, embodiment: Embodiment, dtype: str
) -> None:
    policy = make(checkpoint, embodiment, dtype=dtype)
    policy.warm_up()
    chunk = policy.plan(seen(embodiment), None)
    assert chunk.names == embodiment.joint_names
    assert chunk.actions.shape == (50, 14)
    assert (chunk.start_ns, chunk.period_ns) == (7, 50_000_000)
    assert chunk.prompt == PROMPT
    np.testing.assert_allclose(chunk.actions, np.tile(embodiment.home, (50, 1)), atol=0.1)


def test_the_same_seed_plans_the_same_and_another_seed_otherwise(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    first, again, other = (
        make(checkpoint, embodiment, seed=seed).plan(seen(embodiment), None).actions
        for seed in (1, 1, 2)
    )
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

    usual = seen(embodiment)
    others = [
        seen(embodiment, image=BLACK + 200),
        seen(embodiment, prompt="right arm"),
        replace(usual, state=usual.state + 0.05),
    ]
    for other in others:
        assert np.abs(plan(other) - plan(usual)).max() > 1e-9


def test_relative_actions_are_added_to_the_state_and_grippers_are_not(
    openpi: Build, embodiment: Embodiment, asked: dict[str, Any]
) -> None:
    # Mean 0 and std 1: the network's 0.25 is 0.25 rad, and a quarter of the grippers' 0.7929 rad.
    policy = make(openpi(), embodiment)
    state = np.arange(14) / 100
    chunk = policy.plan(replace(seen(embodiment), state=state), None)
    expected = np.where(np.arange(14) % 7 == 6, 0.25 * 0.7929, state + 0.25)
    np.testing.assert_allclose(chunk.actions, np.tile(expected, (50, 1)), atol=1e-5)


@pytest.mark.parametrize("variant", ["pi0", "pi05"])
def test_a_converted_checkpoint_plans_the_same(
    openpi: Build, embodiment: Embodiment, tmp_path: Path, variant: str
) -> None:
    source, target = openpi(variant), tmp_path / "own"
    run(Conversion(source, target, tokenizer=source / "tokenizer.model"))
    plans = [make(folder, embodiment).plan(seen(embodiment), None) for folder in (source, target)]
    assert describe(target).form == "pi0_ros"
    np.testing.assert_array_equal(plans[1].actions, plans[0].actions)


# --- what the network is asked -------------------------------------------------------------------


def test_every_camera_is_in_its_slot_at_the_networks_size(
    openpi: Build, embodiment: Embodiment, asked: dict[str, Any]
) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), np.uint8)
    images = dict(zip([c.name for c in embodiment.cameras], pictures, strict=True))
    make(openpi(), embodiment).plan(replace(seen(embodiment), images=images), None)
    for slot, picture in zip(
        ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb"), pictures, strict=True
    ):
        np.testing.assert_array_equal(asked["images"][slot][0], scaled(fit(picture, 28)))


def test_absent_cameras_are_left_out(
    checkpoint: Path, embodiment: Embodiment, asked: dict[str, Any]
) -> None:
    one_eyed = embodiment.model_copy(update={"cameras": embodiment.cameras[1:2]})
    make(checkpoint, one_eyed).plan(seen(one_eyed), None)
    assert set(asked["images"]) == {"left_wrist_0_rgb"}
    assert asked["image_masks"] is None


def test_the_state_is_normalised_and_padded_with_zeros(
    checkpoint: Path, embodiment: Embodiment, asked: dict[str, Any]
) -> None:
    state = embodiment.home + np.where(np.arange(14) == 0, 0.005 + 1e-6, 0.0)  # one std and epsilon
    make(checkpoint, embodiment).plan(replace(seen(embodiment), state=state), None)
    np.testing.assert_allclose(asked["state"][0], np.eye(18)[0], atol=1e-6)


def test_a_prompt_is_encoded_without_padding(
    openpi: Build, embodiment: Embodiment, asked: dict[str, Any]
) -> None:
    folder = openpi()
    make(folder, embodiment).plan(seen(embodiment), None)
    whole = PromptTokenizer(folder / "tokenizer.model", describe(folder).config).encode(PROMPT)
    assert asked["tokens"][0].tolist() == whole.tokens[whole.mask].tolist()
    assert asked["token_mask"] is None


def test_an_empty_prompt_is_a_beginning_and_a_line_break(
    openpi: Build, embodiment: Embodiment, asked: dict[str, Any]
) -> None:
    folder = openpi()
    make(folder, embodiment).plan(seen(embodiment, prompt=""), None)
    encoded = PromptTokenizer(folder / "tokenizer.model", describe(folder).config).encode("")
    assert asked["tokens"][0].tolist() == encoded.tokens[encoded.mask].tolist()
    assert asked["tokens"][0, 0] == 2


def test_a_prompt_that_is_too_long_is_cut_with_a_warning_and_still_plans(
    checkpoint: Path, embodiment: Embodiment, caplog: pytest.LogCaptureFixture
) -> None:
    policy, long = make(checkpoint, embodiment), "fold the shirt " * 100
    assert policy.check_prompt(long) is None
    with caplog.at_level(logging.WARNING):
        chunk = policy.plan(seen(embodiment, prompt=long), None)
    assert np.isfinite(chunk.actions).all()
    assert "tokens and the model reads 32: its end is cut" in caplog.text


@pytest.mark.parametrize("size", [(1, 1), (1, 640), (480, 1), (3, 2), (64, 64)])
def test_images_of_any_size_work(
    checkpoint: Path, embodiment: Embodiment, size: tuple[int, int]
) -> None:
    image = np.full((*size, 3), 128, np.uint8)
    chunk = make(checkpoint, embodiment).plan(seen(embodiment, image), None)
    assert np.isfinite(chunk.actions).all()


# --- observations that cannot be planned from ----------------------------------------------------


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (np.zeros(13), "the state has shape (13,); ur5e_bimanual has 14 observed joints"),
        (np.zeros(15), "the state has shape (15,); ur5e_bimanual has 14 observed joints"),
        (np.zeros((1, 14)), "the state has shape (1, 14); ur5e_bimanual has 14 observed joints"),
        (
            np.where(np.arange(14) == 1, np.nan, 0.0),
            "the positions of left_shoulder_lift_joint are not finite",
        ),
    ],
)
def test_a_state_that_is_not_the_robots_is_named(
    checkpoint: Path, embodiment: Embodiment, state: np.ndarray, says: str
) -> None:
    policy = make(checkpoint, embodiment)
    assert reason(policy, replace(seen(embodiment), state=state)) == says


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_picture_is_named(
    checkpoint: Path, embodiment: Embodiment, image: np.ndarray
) -> None:
    said = reason(make(checkpoint, embodiment), seen(embodiment, image))
    assert f"an image has shape {image.shape} and dtype {image.dtype}; π0 takes RGB" in said


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_network_that_returns_no_numbers_has_no_plan(
    checkpoint: Path, embodiment: Embodiment, asked: dict[str, Any], wrong: float
) -> None:
    asked["answer"] = wrong
    said = reason(make(checkpoint, embodiment), seen(embodiment))
    assert said.startswith("900 of the 900 numbers that the network returned are not finite")


# --- making --------------------------------------------------------------------------------------


def test_weights_that_are_not_finite_are_never_run(copied: Path, embodiment: Embodiment) -> None:
    tensors = load_file(copied / "model.safetensors")
    tensors["action_in_proj.bias"][0] = float("inf")
    save_file(tensors, copied / "model.safetensors")
    with pytest.raises(ValueError, match=r"action_in_proj\.bias are NaN or infinite"):
        make(copied, embodiment)


def test_a_tokenizer_of_another_model_is_refused_before_the_weights_are_read(
    copied: Path, embodiment: Embodiment, openpi: Build
) -> None:
    (copied / "model.safetensors").touch()
    other = openpi() / "tokenizer.model"
    with pytest.raises(ValueError, match=r"tokenizer\.model has 400 tokens .* the model needs"):
        make(copied, embodiment, tokenizer=str(other))


def test_a_checkpoint_of_another_robot_is_refused(
    checkpoint: Path, robot: Callable[..., Embodiment]
) -> None:
    with pytest.raises(ValueError, match="does not fit tester: it has states of 14 and actions of"):
        make(checkpoint, robot())


# --- π0.5 ----------------------------------------------------------------------------------------


def numbers(text: str) -> list[str]:
    return text.split("State: ")[1].split(";")[0].split()


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The state's numbers in each encoded prompt, empty where it has none."""
    heard: list[list[str]] = []
    encode = PromptTokenizer.encode

    def listen(
        self: PromptTokenizer, prompt: str, state: torch.Tensor | None = None, **how: bool
    ) -> Any:
        encoded = encode(self, prompt, state, **how)
        text = self._pieces.decode(encoded.tokens[encoded.mask].tolist())
        heard.append(numbers(text) if "State: " in text else [])
        return encoded

    monkeypatch.setattr(PromptTokenizer, "encode", listen)
    return heard


def test_pi05_plans_with_the_state_in_its_prompt(
    openpi: Build, embodiment: Embodiment, texts: list[list[str]]
) -> None:
    policy = make(openpi("pi05"), embodiment)
    chunk = policy.plan(replace(seen(embodiment), state=np.full(14, 0.01)), None)
    assert np.isfinite(chunk.actions).all()
    # Quantiles of -2 and 2: what is just above 0 is just above the middle of 256 bins.
    assert texts == [["128"] * 14]


def test_pi05_without_the_state_in_its_prompt_sees_none(
    openpi: Build, embodiment: Embodiment, texts: list[list[str]], tmp_path: Path
) -> None:
    source = openpi("pi05")
    blind = Convention.identity(14, 14).model_copy(update={"state_in_prompt": False})
    section = PipelineSection(normalisation="quantile", convention=blind).model_dump(mode="json")
    own = tmp_path / "own"
    model = load(describe(source), torch.device("cpu"), torch.float32)
    weights.save(model, own, {"pipeline": section})
    for file in (source / "tokenizer.model", source / "assets" / "ur5e_dual" / "norm_stats.json"):
        (own / file.name).write_bytes(file.read_bytes())
    policy = make(own, embodiment)
    first = policy.plan(seen(embodiment), None)
    again = make(own, embodiment).plan(replace(seen(embodiment), state=np.ones(14)), None)
    assert texts == [[], []]
    np.testing.assert_array_equal(again.actions, first.actions)


@pytest.fixture
def lerobot_pi05(lerobot: Path, openpi: Build, change: Callable[..., None]) -> Path:
    """A π0.5 that LeRobot 0.4 saved for a robot of six joints, with quantiles of -2 and 2."""
    source = openpi("pi05")
    for name in ("arch.json", "model.safetensors"):
        (lerobot / name).unlink()
    for name in ("tokenizer.model", "model.safetensors"):
        (lerobot / name).write_bytes((source / name).read_bytes())
    sizes = {"type": "pi05", "image_resolution": [28, 28], "tokenizer_max_length": 200}
    change(lerobot / "config.json", sizes)
    change(lerobot / "policy_preprocessor.json", {"steps/5/config/norm_map/STATE": "QUANTILES"})
    prepare = "pi05_prepare_state_tokenizer_processor_step"
    change(lerobot / "policy_preprocessor.json", {"steps/2/registry_name": prepare})
    file = json.loads((lerobot / "policy_preprocessor.json").read_text())["steps"][5]["state_file"]
    ends = {"q01": torch.full((6,), -2.0), "q99": torch.full((6,), 2.0)}
    save_file({f"observation.state.{key}": value for key, value in ends.items()}, lerobot / file)
    return lerobot


def test_lerobots_pi05_pads_the_state_in_its_prompt_before_0_5_only(
    lerobot_pi05: Path,
    robot: Callable[..., Embodiment],
    change: Callable[..., None],
    texts: list[list[str]],
    asked: dict[str, Any],
) -> None:
    arm = robot()
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    make(lerobot_pi05, arm).plan(seen(arm, picture), None)
    assert describe(lerobot_pi05).assumed == (
        "zeros behind the state in the prompt, as LeRobot 0.4 wrote them",
    )
    np.testing.assert_array_equal(asked["images"]["base"][0], interpolated(picture, 28))

    newer = {"steps/4": {"registry_name": "relative_actions_processor", "config": {}}}
    change(lerobot_pi05 / "policy_preprocessor.json", newer)
    make(lerobot_pi05, arm).plan(seen(arm, picture), None)
    assert texts == [["128"] * 32, ["128"] * 6]
    assert describe(lerobot_pi05).assumed == ()
