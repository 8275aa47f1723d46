from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from pi0_ros.embodiment.normalisation import NormStats, Statistics

Numbers = dict[str, np.ndarray]
ARM = Statistics(mean=(1.0, -2.0), std=(0.5, 2.0))


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


def write(tmp_path: Path, content: Any) -> Path:
    file = tmp_path / "norm_stats.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def stats(width: int) -> dict[str, Any]:
    one = {"mean": [0.0] * width, "std": [1.0] * width}
    return {"norm_stats": {"state": one, "actions": one}}


def test_one_standard_deviation_above_the_mean_is_one() -> None:
    arm = ARM.normaliser("z_score")
    np.testing.assert_allclose(arm.normalise(np.array([1.5, 0.0])), [1.0, 1.0], rtol=1e-5)
    np.testing.assert_allclose(arm.denormalise(np.array([1.0, -1.0])), [1.5, -4.0], rtol=1e-5)


def test_a_joint_that_never_moved_is_divided_by_openpis_millionth() -> None:
    still = Statistics(mean=(3.0,), std=(0.0,)).normaliser("z_score")
    np.testing.assert_allclose(still.normalise(np.array([3.0])), [0.0])
    np.testing.assert_allclose(still.normalise(np.array([3.000001])), [1.0], rtol=1e-6)


def test_the_millionth_is_added_to_a_std_that_is_not_zero_too() -> None:
    fine = Statistics(mean=(0.0,), std=(1e-6,)).normaliser("z_score")
    np.testing.assert_allclose(fine.normalise(np.array([1e-6])), [0.5], rtol=1e-12)


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValidationError, match="lengths differ: 2, 1"):
        Statistics(mean=(0.0, 0.0), std=(1.0,))
    with pytest.raises(ValidationError, match="lengths differ: 1, 1, 2, 1"):
        Statistics(mean=(0.0,), std=(1.0,), q01=(0.0, 0.0), q99=(1.0,))


@pytest.mark.parametrize("wrong", [{"mean": [float("nan")]}, {"std": [-1.0]}, {"sdt": [1.0]}])
def test_numbers_and_keys_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Statistics.model_validate({"mean": [0.0], "std": [1.0], **wrong})


def test_what_was_saved_is_loaded_again(tmp_path: Path) -> None:
    quantiles = ARM.model_copy(update={"q01": (0.0, -6.0), "q99": (2.0, 2.0)})
    NormStats(state=ARM, actions=quantiles).save(tmp_path / "norm_stats.json")
    loaded = NormStats.load(tmp_path / "norm_stats.json")
    assert loaded.state == ARM
    assert loaded.actions == quantiles


def test_statistics_wider_than_the_robot_are_accepted(tmp_path: Path) -> None:
    assert len(NormStats.load(write(tmp_path, stats(32))).state.mean) == 32


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"norm_stats\.json does not exist"):
        NormStats.load(tmp_path / "norm_stats.json")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", "{}", '{"norm_stats": {}}', '{"norm_stats": []}',
     '{"norm_stats": {"state": {"mean": [NaN], "std": [1]}, "actions": {"mean": [], "std": []}}}'],
)  # fmt: skip
def test_a_malformed_file_is_named(tmp_path: Path, content: str) -> None:
    file = write(tmp_path, content)
    with pytest.raises(ValueError, match=f"{file} holds no norm_stats of state and actions"):
        NormStats.load(file)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "norm_stats.json"
    file.write_bytes(b"\xff\x00")
    with pytest.raises(ValueError, match=f"{file} holds no norm_stats"):
        NormStats.load(file)


@pytest.mark.parametrize(("kind", "name"), [("z_score", "zscore"), ("quantile", "quantile")])
def test_openpis_normalisation_is_reproduced(
    openpi: Numbers, openpi_stats: dict[int, NormStats], kind: str, name: str
) -> None:
    made = openpi_stats[14].normalisation(kind, "norm_stats.json")
    for what, one in (("state", made.state), ("actions", made.actions)):
        close(one.normalise(openpi[f"norm.in_{what}"]), openpi[f"norm.{name}.{what}"])
        padded = openpi[f"unnorm.{name}.in_{what}"]
        assert padded.shape[-1] == 32
        close(one.denormalise(padded), openpi[f"unnorm.{name}.{what}"])


def test_the_millionth_is_added_to_a_quantile_range_too() -> None:
    still = Statistics(mean=(0.0,), std=(0.0,), q01=(3.0,), q99=(3.0,)).normaliser("quantile")
    np.testing.assert_array_equal(still.normalise(np.array([3.0])), [-1.0])
    np.testing.assert_allclose(still.normalise(np.array([3.000001])), [1.0], rtol=1e-6)
    np.testing.assert_allclose(still.denormalise(np.array([1.0])), [3.000001], rtol=1e-15)


@pytest.mark.parametrize(
    ("quantiles", "says"),
    [
        ({}, r"f\.json: actions: q01 and q99 missing, which quantile .*; compute the statistics"),
        ({"q99": (1.0, 1.0)}, "actions: q01 missing"),
        ({"q01": (0.0, 2.0), "q99": (1.0, 1.0)}, "actions: q99 is below q01 at dimension 1"),
    ],
)
def test_quantiles_that_are_missing_or_crossed_are_told_with_file_and_key(
    quantiles: dict[str, tuple[float, float]], says: str
) -> None:
    whole = ARM.model_copy(update={"q01": (0.0, -6.0), "q99": (2.0, 2.0)})
    stats = NormStats(state=whole, actions=ARM.model_copy(update=quantiles))
    with pytest.raises(ValueError, match=says):
        stats.normalisation("quantile", "f.json")
    assert stats.normalisation("z_score", "f.json")


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    said = r"f\.json: state: normalisation 'quantiles' is unknown; known: quantile, z_score\. Did"
    with pytest.raises(ValueError, match=said):
        NormStats(state=ARM, actions=ARM).normalisation("quantiles", "f.json")
