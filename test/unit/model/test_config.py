from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pi0_ros.model.config import Pi0Config, VisionConfig

PRESETS = [Pi0Config.paper(), Pi0Config.openpi(), Pi0Config.pi05(), Pi0Config.demo()]


@pytest.mark.parametrize("config", PRESETS)
def test_a_configuration_survives_the_way_through_json(config):
    assert Pi0Config.from_json(config.to_json()) == config


def test_the_released_model_sees_816_prefix_tokens_and_51_suffix_tokens():
    config = Pi0Config.openpi()
    assert len(config.cameras) * config.vision.patches + config.prompt_length == 816
    assert config.suffix_length == 51


def test_the_paper_differs_from_the_release_in_18_action_dimensions_only():
    assert Pi0Config.paper() == replace(Pi0Config.openpi(), action_dim=18)


def test_pi05_has_no_state_token():
    assert Pi0Config.pi05().suffix_length == Pi0Config.pi05().horizon


def edited(**changes):
    return json.dumps({**json.loads(Pi0Config.demo().to_json()), **changes})


def test_an_unknown_key_is_named_with_what_is_allowed_and_what_was_meant():
    with pytest.raises(ValueError, match=r"'horizn' is unknown; .*'horizon'.*Did you mean"):
        Pi0Config.from_json(edited(horizn=50))


def test_an_unknown_key_of_a_part_is_named_with_its_path():
    with pytest.raises(ValueError, match=r"'vlm\.dropout' is unknown; .*Remove it"):
        Pi0Config.from_json(edited(vlm={"width": 8, "mlp": 8, "dropout": 0}))


def test_a_missing_key_is_named():
    values = json.loads(Pi0Config.demo().to_json())
    del values["vision"]["heads"]
    with pytest.raises(ValueError, match=r"lacks \['vision\.heads'\]"):
        Pi0Config.from_json(json.dumps(values))


@pytest.mark.parametrize("value", [1.5, "7", True, None, [7]])
def test_a_size_that_is_no_whole_number_is_named(value):
    with pytest.raises(ValueError, match=r"'depth' is .*; it must be a whole number"):
        Pi0Config.from_json(edited(depth=value))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vision": 3}, "'vision' is 3; it must be a JSON object"),
        ({"cameras": "base_0_rgb"}, "must be a list of camera names"),
        ({"cameras": []}, "at least one name"),
        ({"cameras": ["a", "a"]}, "no name twice"),
        ({"variant": 5}, "must be one of"),
        ({"variant": "pi1"}, "'pi1' is unknown; use one of"),
        ({"depth": 0}, "model.depth is 0; it must be at least 1"),
        ({"vlm": {"width": 0, "mlp": 8}}, "vlm.width is 0"),
        ({"kv_heads": 3}, "heads is 4 and not a multiple of kv_heads = 3"),
        ({"head_dim": 33}, "head_dim is 33 and not a multiple of 2"),
        ({"expert": {"width": 2, "mlp": 8}}, "expert.width is 2"),
    ],
)
def test_sizes_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Pi0Config.from_json(edited(**changes))


def test_a_patch_must_divide_the_image():
    with pytest.raises(ValueError, match=r"not a multiple of vision.patch_size = 5"):
        VisionConfig(image_size=64, patch_size=5, width=8, depth=1, heads=1, mlp=8)


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_text_that_is_no_json_object_is_refused(text):
    with pytest.raises(ValueError, match=r"not JSON|must be a JSON object"):
        Pi0Config.from_json(text)
