from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import padded
from pi0_ros.model.sampler import Sampler
from pi0_ros.policy.checkpoints.checkpoint import load
from pi0_ros.policy.checkpoints.fit import fit
from pi0_ros.policy.checkpoints.lerobot_form import describe_lerobot, is_lerobot

Change = Callable[[Path, dict[str, Any]], None]
BEFORE, AFTER = "policy_preprocessor.json", "policy_postprocessor.json"
NORMALIZER_FILE = "policy_preprocessor_step_5_normalizer_processor.safetensors"
HEAD = "model.paligemma_with_expert.paligemma.lm_head.weight"
EMBEDDING = "model.paligemma_with_expert.paligemma.model.language_model.embed_tokens.weight"
NAMES = ["shoulder.pos", "elbow.pos", "wrist.pos", "left_gripper.pos", "lift.pos", "GRIPPER"]


def refusal(folder: Path) -> str:
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        describe_lerobot(folder)
    return str(caught.value)


def insert(folder: Path, change: Change, place: int, name: str, **config: Any) -> None:
    """Put a step into the preprocessor, before the one that is at its place now."""
    steps = json.loads((folder / BEFORE).read_text())["steps"]
    change(
        folder / BEFORE,
        {"steps": [*steps[:place], {"registry_name": name, "config": config}, *steps[place:]]},
    )


# --- as it stands --------------------------------------------------------------------------------


def test_a_policy_of_lerobots_is_described(lerobot: Path) -> None:
    assert is_lerobot(lerobot)
    told = describe_lerobot(lerobot)
    assert (told.form, told.normalisation_kind) == ("LeRobot", "MEAN_STD")
    assert told.config.cameras == ("base", "left_wrist")
    assert (told.config.horizon, told.config.prompt_length, told.config.vocab) == (12, 13, 211)
    assert told.convention is not None
    assert (told.convention.state_width, told.convention.action_width) == (6, 6)
    assert not told.convention.delta_mask.any()
    assert told.tokenizer_id == "google/paligemma-3b-pt-224"
    assert told.exact_times
    assert not told.averages_pixels
    assert not told.cleans_prompt


def test_the_chunk_of_lerobot_comes_out_in_the_robots_units(
    lerobot: Path, robot: Callable[..., Embodiment]
) -> None:
    told = describe_lerobot(lerobot)
    pipeline = fit(told, robot()).pipeline
    given, expected = (load_file(lerobot / f"{n}.safetensors") for n in ("inputs", "outputs"))

    raw = given["raw.observation.state"][0].double().numpy()
    state = padded(pipeline.state(raw), 32)
    np.testing.assert_allclose(state, given["prepared.state_padded"][0], atol=1e-6)

    model = load(told, torch.device("cpu"), torch.float32)
    sampled = Sampler(model, 5, exact_times=told.exact_times).sample(
        {name: given[f"prepared.image.{i}"] for i, name in enumerate(told.config.cameras)},
        None,
        given["observation.language.tokens"],
        given["observation.language.attention_mask"],
        torch.from_numpy(state[None]).float(),
        given["noise"],
    )
    expected_samples = expected["sample_actions.padded.steps5"]
    torch.testing.assert_close(sampled, expected_samples, rtol=0, atol=2e-5)

    chunk = pipeline.actions(sampled[0].double().numpy(), raw)
    wanted = expected["predict_action_chunk.unnormalized"][0].double().numpy()
    np.testing.assert_allclose(chunk, wanted, rtol=0, atol=2e-5)


# --- as newer versions write it ------------------------------------------------------------------


@pytest.mark.parametrize("step", ["relative_actions_processor", "delta_actions_processor"])
def test_a_policy_of_lerobot_0_6_has_its_steps_elsewhere(
    lerobot: Path, change: Change, step: str
) -> None:
    moved = NORMALIZER_FILE.replace("step_5", "step_6")
    (lerobot / NORMALIZER_FILE).rename(lerobot / moved)
    change(lerobot / BEFORE, {"steps/5/state_file": moved})
    insert(lerobot, change, 5, step, enabled=True, exclude_joints=["gripper"], action_names=NAMES)
    after = {"registry_name": "absolute_actions_processor", "config": {"enabled": True}}
    change(lerobot / AFTER, {"steps/1": after})
    rename = {"observation.images.front": "observation.images.base", "other": "that"}
    change(lerobot / BEFORE, {"steps/0/config/rename_map": rename})
    empty = {"type": "VISUAL", "shape": [3, 64, 64]}
    change(lerobot / "config.json", {"input_features/observation.images.empty_camera_0": empty})

    told = describe_lerobot(lerobot)
    assert told.convention is not None
    assert told.convention.delta == (3, -1, 1, -1)
    assert told.convention.delta_mask.tolist() == [True, True, True, False, True, False]
    assert told.config.cameras == ("base", "left_wrist")
    assert told.camera_names == {"base": "base", "left_wrist": "left_wrist", "front": "base"}


@pytest.mark.parametrize("names", [None, []])
def test_without_names_all_actions_are_relative(
    lerobot: Path, change: Change, names: list[str] | None
) -> None:
    settings = {"enabled": True, "exclude_joints": ["gripper"], "action_names": names}
    insert(lerobot, change, 5, "relative_actions_processor", **settings)
    after = {"registry_name": "absolute_actions_processor", "config": {"enabled": True}}
    change(lerobot / AFTER, {"steps/1": after})
    told = describe_lerobot(lerobot)
    assert told.convention is not None
    assert told.convention.delta == (6,)


def test_relative_actions_that_are_off_change_nothing(lerobot: Path, change: Change) -> None:
    insert(lerobot, change, 5, "relative_actions_processor", enabled=False, action_names=NAMES)
    told = describe_lerobot(lerobot)
    assert told.convention is not None
    assert told.convention.delta == ()


def test_relative_actions_of_which_only_one_file_knows_are_refused(
    lerobot: Path, change: Change
) -> None:
    insert(lerobot, change, 5, "relative_actions_processor", enabled=True)
    assert f"relative actions are on in {BEFORE} and the other way round" in refusal(lerobot)


def test_the_embedding_is_read_where_both_it_and_the_head_are_stored(lerobot: Path) -> None:
    file = lerobot / "model.safetensors"
    tensors = load_file(file)
    embedding = tensors[HEAD] + 1.0
    save_file({**tensors, EMBEDDING: embedding}, file)
    model = load(describe_lerobot(lerobot), torch.device("cpu"), torch.float32)
    torch.testing.assert_close(model.embedding.weight.detach(), embedding, rtol=0, atol=0)


def test_both_modes_are_told_where_they_differ(lerobot: Path, change: Change) -> None:
    change(lerobot / AFTER, {"steps/0/config/norm_map/ACTION": "MIN_MAX"})
    told = describe_lerobot(lerobot)
    assert told.normalisation_kind == "MEAN_STD, actions MIN_MAX"
    ends = load_file(lerobot / NORMALIZER_FILE)
    top = told.normalisations[""].actions.denormalise(np.ones(6))
    np.testing.assert_allclose(top, ends["action.max"].numpy(), rtol=1e-6)


def test_identity_needs_no_statistics(lerobot: Path, change: Change, gone: object) -> None:
    for file, place, kind in ((BEFORE, 5, "STATE"), (AFTER, 0, "ACTION")):
        changes = {f"steps/{place}/config/norm_map/{kind}": "IDENTITY"}
        change(lerobot / file, {**changes, f"steps/{place}/state_file": gone})
    both = describe_lerobot(lerobot).normalisations[""]
    np.testing.assert_array_equal(both.state.normalise(np.arange(6)), np.arange(6))


def test_a_state_that_is_left_out_of_normalisation_stays_as_it_is(
    lerobot: Path, change: Change
) -> None:
    change(lerobot / BEFORE, {"steps/5/config/normalize_observation_keys": ["other"]})
    told = describe_lerobot(lerobot)
    assert told.normalisation_kind == "IDENTITY, actions MEAN_STD"


# --- what is missing, malformed or contradicts ---------------------------------------------------


@pytest.mark.parametrize("name", [BEFORE, AFTER])
def test_without_a_processor_the_statistics_are_unknown(lerobot: Path, name: str) -> None:
    (lerobot / name).unlink()
    said = refusal(lerobot)
    assert f"{name} does not exist, so the policy's statistics are unknown" in said
    assert "migrate_policy_normalization" in said


def test_a_missing_file_of_statistics_is_named_with_the_step(lerobot: Path) -> None:
    (lerobot / NORMALIZER_FILE).unlink()
    assert f"{NORMALIZER_FILE} does not exist, which {lerobot / BEFORE}, normalizer" in refusal(
        lerobot
    )


def test_a_damaged_file_of_statistics_is_named(lerobot: Path) -> None:
    (lerobot / NORMALIZER_FILE).write_bytes(b"damaged")
    assert f"{NORMALIZER_FILE} is not a complete safetensors file" in refusal(lerobot)


def test_a_statistic_that_is_missing_is_named(lerobot: Path) -> None:
    tensors = load_file(lerobot / NORMALIZER_FILE)
    del tensors["observation.state.std"]
    save_file(tensors, lerobot / NORMALIZER_FILE)
    said = refusal(lerobot)
    assert f"{NORMALIZER_FILE} lacks observation.state.std, which MEAN_STD needs" in said


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"steps/5/config/norm_map/STATE": "MEAN"},
            "normalisation mode 'MEAN' is unknown; known: IDENTITY, MEAN_STD, MIN_MAX, QUANTILE10",
        ),
        (
            {"steps/5/config/norm_map": {"VISUAL": "IDENTITY"}},
            "normalizer_processor has no mode for STATE in its norm_map, which has VISUAL",
        ),
        (
            {"steps/5/state_file": None},
            "normalizer_processor has no state_file with the statistics that MEAN_STD needs",
        ),
        ({"steps/5/config/eps": 0.1}, "normalizer_processor has eps 0.1; read is 1e-08"),
        (
            {"steps/1/registry_name": "image_crop_resize_processor"},
            "step 'image_crop_resize_processor' is unknown; known: absolute_actions_processor",
        ),
        ({"steps/1": {"class": "mine.Step"}}, "steps.1.registry_name: Field required"),
        ({"steps": "none"}, "steps: Input should be a valid tuple"),
        ({"steps": []}, "normalizer_processor: norm_map: Field required"),
    ],
)
def test_a_processor_that_is_not_understood_is_refused(
    lerobot: Path, change: Change, changes: dict[str, Any], says: str
) -> None:
    change(lerobot / BEFORE, changes)
    said = refusal(lerobot)
    assert said.startswith(str(lerobot))
    assert says in said


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"max_action_dim": 18}, "says max_action_dim 18, but the weights have 32; use the config"),
        ({"type": "pi05"}, "says type pi05, but the weights have pi0;"),
        ({"image_resolution": [224, 224]}, "says image_resolution (224, 224), but the weights"),
        (
            {"use_peft": True},
            "holds adapters (use_peft) beside another checkpoint's weights; merge",
        ),
        ({"chunk_size": "many"}, "config.json: chunk_size: Input should be a valid integer"),
        ({"chunk_size": 0}, "model.horizon is 0; it must be at least 1"),
        ({"input_features": 3}, "config.json: input_features: Input should be a valid dict"),
        (
            {"input_features": {"observation.state": {"type": "STATE", "shape": [6]}}},
            "has no camera in input_features, which has observation.state; π0 needs one",
        ),
        ({"output_features": {}}, "does not say the shape of action, but of nothing"),
        ({"output_features/action/shape": []}, "output_features.action.shape: Tuple should have"),
    ],
)
def test_a_config_that_contradicts_the_weights_or_itself_is_refused(
    lerobot: Path, change: Change, changes: dict[str, Any], says: str
) -> None:
    change(lerobot / "config.json", changes)
    assert says in refusal(lerobot)


def test_an_image_tower_of_unknown_heads_is_refused(lerobot: Path) -> None:
    (lerobot / "arch.json").unlink()
    assert "the heads of an image tower of width 36 are not known; known are" in refusal(lerobot)
