from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pi0_ros.policy.checkpoints.openpi_form import describe_openpi

Build = Callable[..., Path]


def stats(mean: float, std: float = 1.0) -> dict[str, Any]:
    """Statistics of seven dimensions, as openpi's older files are: without quantiles."""
    one = {"mean": [mean] * 7, "std": [std] * 7}
    return {"norm_stats": {"state": one, "actions": one}}


@pytest.mark.parametrize(("variant", "length"), [("pi0", 48), ("pi05", 200)])
def test_sizes_are_told_from_the_weights(openpi: Build, variant: str, length: int) -> None:
    config = describe_openpi(openpi(variant)).config
    assert config.variant == variant
    assert (config.vision.width, config.vision.heads, config.heads, config.depth) == (768, 12, 8, 2)
    assert (config.action_dim, config.horizon, config.prompt_length) == (32, 50, length)


def test_what_was_assumed_is_said(openpi: Build) -> None:
    assumed = describe_openpi(openpi()).assumed
    assert "prompts of at most 48 tokens, openpi's usual number" in assumed
    assert "chunks of 50 actions, as config.json has no action_horizon" in assumed


def test_the_horizon_of_config_json_is_taken(openpi: Build) -> None:
    told = describe_openpi(openpi(config={"action_dim": 32, "action_horizon": 10, "other": {}}))
    assert told.config.horizon == 10
    assert len(told.assumed) == 1


def test_every_robot_has_its_statistics_by_the_id_of_its_folders(openpi: Build) -> None:
    assets = {"trossen": stats(1.0), "lerobot/aloha_sim_transfer_cube_human": stats(2.0)}
    known = describe_openpi(openpi(assets=assets)).normalisations
    assert sorted(known) == ["lerobot/aloha_sim_transfer_cube_human", "trossen"]
    means = [known[robot].actions.denormalise(np.zeros(7))[0] for robot in sorted(known)]
    assert means == [2.0, 1.0]


def test_pi0_takes_z_scores_and_pi05_quantiles(openpi: Build) -> None:
    zero = np.zeros(14)
    # Mean 0, std 1 and quantiles -2 and 2: half a range is two standard deviations.
    made = {v: describe_openpi(openpi(v)).normalisations["ur5e_dual"] for v in ("pi0", "pi05")}
    np.testing.assert_allclose(made["pi0"].state.normalise(zero + 2.0), zero + 2.0, rtol=1e-5)
    np.testing.assert_allclose(made["pi05"].state.normalise(zero + 2.0), zero + 1.0, rtol=1e-5)


def test_pi05_without_quantiles_is_told_which_file_lacks_them(openpi: Build) -> None:
    folder = openpi("pi05", assets={"droid": stats(0.0)})
    with pytest.raises(ValueError, match=r"droid/norm_stats\.json: state: q01 and q99 missing"):
        describe_openpi(folder)


def test_without_statistics_there_are_none(openpi: Build) -> None:
    assert describe_openpi(openpi(assets={})).normalisations == {}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"action_dim": 18}, r"config\.json says action_dim 18, but the weights have 32; use the"),
        ({"action_horizon": "ten"}, r"config\.json: action_horizon: .* integer.* \(got 'ten'\)"),
        ({"action_horizon": 0}, r"model\.horizon is 0; it must be at least 1"),
    ],
)
def test_a_config_that_contradicts_the_weights_is_refused(
    openpi: Build, config: dict[str, Any], says: str
) -> None:
    folder = openpi(config=config)
    with pytest.raises(ValueError, match=says):
        describe_openpi(folder)


def test_statistics_that_are_none_are_named(openpi: Build) -> None:
    folder = openpi(assets={"ur5e": {"norm_stats": {}}})
    with pytest.raises(ValueError, match=r"ur5e/norm_stats\.json holds no norm_stats of state"):
        describe_openpi(folder)
