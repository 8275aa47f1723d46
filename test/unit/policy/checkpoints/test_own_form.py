from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import state_to_model
from pi0_ros.policy.checkpoints.own_form import describe_own, is_own

Change = Callable[[Path, dict[str, Any]], None]


def test_a_checkpoint_says_everything_about_itself(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    told = describe_own(checkpoint)
    assert (told.form, told.normalisation_kind) == ("pi0_ros", "z_score")
    assert (told.config.action_dim, told.config.horizon) == (18, 50)
    assert told.convention is not None
    assert told.convention.name == "identity"
    home = state_to_model(embodiment, embodiment.home)
    np.testing.assert_array_equal(told.normalisations[""].state.normalise(home), np.zeros(14))
    assert told.assumed == ()


def test_quantiles_are_used_where_it_says_so(copied: Path, change: Change) -> None:
    change(copied / "config.json", {"pipeline/normalisation": "quantile"})
    ends = {"q01": [1.0] * 14, "q99": [3.0] * 14}
    stats = copied / "norm_stats.json"
    change(stats, {f"norm_stats/actions/{key}": value for key, value in ends.items()})
    change(stats, {f"norm_stats/state/{key}": value for key, value in ends.items()})
    middle = describe_own(copied).normalisations[""].actions.denormalise(np.zeros(14))
    np.testing.assert_allclose(middle, np.full(14, 2.0), atol=1e-5)


def test_the_convention_may_be_left_to_the_robots_yaml(copied: Path, change: Change) -> None:
    change(copied / "config.json", {"pipeline/convention": None})
    assert describe_own(copied).convention is None


@pytest.mark.parametrize("form", ["pi0_ros/2", "pi0_ros/1"])
def test_it_is_recognised_in_any_version(copied: Path, change: Change, form: str) -> None:
    change(copied / "config.json", {"format": form})
    assert is_own(copied)


def test_another_program_or_none_is_not_recognised(copied: Path, change: Change) -> None:
    change(copied / "config.json", {"format": "other/1"})
    assert not is_own(copied)
    (copied / "config.json").unlink()
    assert not is_own(copied)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": "pi0_ros/2"}, r"format 'pi0_ros/2'; read is 'pi0_ros/1' .* `pi0 convert`"),
        ({"model/horizon": "ten"}, r"config\.json: 'horizon' is 'ten'; .* a whole number"),
        ({"model/horizn": 3}, r"key 'horizn' is unknown; .* Did you mean 'horizon'"),
        (
            {"pipeline/normalisation": "zscore"},
            r"pipeline: normalisation: Input should be 'z_score' or 'quantile' \(got 'zscore'\)",
        ),
        (
            {"pipeline/convention/state_widht": 3},
            r"convention: .*key 'state_widht' is unknown; .* Did you mean 'state_width'",
        ),
        ({"pipeline": []}, r"config\.json, pipeline: Input should be a valid dict"),
    ],
)
def test_what_config_json_says_wrongly_is_named_with_what_is_allowed(
    copied: Path, change: Change, changes: dict[str, Any], says: str
) -> None:
    change(copied / "config.json", changes)
    with pytest.raises(ValueError, match=says):
        describe_own(copied)


def test_a_config_without_pipeline_is_told_what_is_missing(
    copied: Path, change: Change, gone: object
) -> None:
    change(copied / "config.json", {"pipeline": gone})
    with pytest.raises(ValueError, match=r"config\.json has no section 'pipeline', which says how"):
        describe_own(copied)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("config.json", r"config\.json does not exist; .* Check the path"),
        ("model.safetensors", r"holds neither model\.safetensors nor"),
        ("norm_stats.json", r"norm_stats\.json does not exist; a checkpoint needs its statistics"),
    ],
)
def test_a_missing_file_is_named(copied: Path, name: str, says: str) -> None:
    (copied / name).unlink()
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        describe_own(copied)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("config.json", r"config\.json is not JSON"),
        ("model.safetensors", "is not a complete safetensors file"),
        ("norm_stats.json", "holds no norm_stats of state and actions"),
    ],
)
def test_a_damaged_file_is_named(copied: Path, name: str, says: str) -> None:
    (copied / name).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=says):
        describe_own(copied)
