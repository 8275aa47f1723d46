from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pi0_ros.embodiment.normaliser import (
    LEROBOT_MODES,
    Identity,
    Normaliser,
    Range,
    ZScore,
    lerobot_normaliser,
)

Numbers = dict[str, np.ndarray]
STILL = {
    "action.mean": np.array([3.0]),
    "action.std": np.array([0.0]),
    **{f"action.{name}": np.array([3.0]) for name in ("min", "max", "q01", "q99", "q10", "q90")},
}


def z_score(epsilon: float = 0.5, inverse_epsilon: float = 0.5) -> ZScore:
    return ZScore(np.array([1.0, -2.0]), np.array([0.5, 1.5]), epsilon, inverse_epsilon)


def unit_range() -> Range:
    return Range(np.array([0.0, -10.0]), np.array([2.0, 20.0]))


def test_a_z_score_is_the_distance_from_the_mean_in_widened_stds() -> None:
    np.testing.assert_array_equal(z_score().normalise(np.array([2.0, 2.0])), [1.0, 2.0])
    np.testing.assert_array_equal(z_score().denormalise(np.array([1.0, 2.0])), [2.0, 2.0])


def test_each_direction_has_its_own_epsilon() -> None:
    uneven = z_score(epsilon=0.5, inverse_epsilon=0.0)
    np.testing.assert_array_equal(uneven.normalise(np.array([2.0, 2.0])), [1.0, 2.0])
    np.testing.assert_array_equal(uneven.denormalise(np.array([1.0, 2.0])), [1.5, 1.0])


def test_a_range_goes_from_minus_one_to_one_and_on() -> None:
    values = np.array([[0.0, -10.0], [1.0, 0.0], [2.0, 10.0], [3.0, 20.0]])
    expected = [[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]
    np.testing.assert_array_equal(unit_range().normalise(values), expected)
    np.testing.assert_array_equal(unit_range().denormalise(np.array(expected)), values)


@pytest.mark.parametrize("made", [z_score(), unit_range(), Identity()])
@given(values=arrays(np.float64, (3, 5, 2), elements=st.floats(-100, 100)))
def test_denormalise_undoes_normalise(made: Normaliser, values: np.ndarray) -> None:
    np.testing.assert_allclose(made.denormalise(made.normalise(values)), values, atol=1e-12)


@pytest.mark.parametrize("made", [z_score(), unit_range(), Identity()])
def test_numbers_are_float64_and_the_callers_stay_as_they_are(made: Normaliser) -> None:
    values = np.ones((2, 2), np.float32)
    assert made.normalise(values).dtype == made.denormalise(values).dtype == np.float64
    for returned in (made.normalise(values), made.denormalise(values)):
        returned[:] = 7.0
    np.testing.assert_array_equal(values, 1.0)


@pytest.mark.parametrize("made", [z_score(), unit_range()])
def test_a_narrower_vector_is_served_by_the_first_statistics(made: Normaliser) -> None:
    for way in (made.normalise, made.denormalise):
        np.testing.assert_array_equal(way(np.array([0.25])), way(np.array([0.25, 9.0]))[:1])


@pytest.mark.parametrize("made", [z_score(), unit_range()])
def test_a_wider_vector_has_no_statistics(made: Normaliser) -> None:
    with pytest.raises(ValueError, match=r"a vector of 3 is wider .* 2 dimensions; use the stat"):
        made.normalise(np.zeros(3))


def test_beyond_its_statistics_a_z_score_goes_back_with_mean_0_and_std_1() -> None:
    np.testing.assert_array_equal(z_score().denormalise(np.array([0.0, 0.0, 2.0]))[2:], [3.0])


def test_beyond_its_statistics_a_range_leaves_values_as_they_are() -> None:
    np.testing.assert_array_equal(unit_range().denormalise(np.array([0.0, 0.0, 7.0]))[2:], [7.0])


@pytest.mark.parametrize(
    ("mean", "std", "says"),
    [
        ([0.0, np.nan], [1.0, 1.0], "mean is nan at dimension 1; it must be finite"),
        ([0.0, 0.0], [np.inf, 1.0], "std is inf at dimension 0; it must be finite"),
        ([0.0, 0.0], [1.0, -1.0], "std is -1.0 at dimension 1; it must be at least 0"),
        ([0.0, 0.0], [1.0], r"mean has shape \(2,\) and std \(1,\); both must be vectors"),
        ([[0.0]], [[1.0]], r"mean has shape \(1, 1\)"),
    ],
)
def test_a_z_score_of_numbers_that_cannot_be_is_refused(
    mean: list[float], std: list[float], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        ZScore(np.array(mean), np.array(std), 1e-6, 1e-6)


@pytest.mark.parametrize("span", [0.0, -1.0])
def test_a_range_without_extent_is_refused(span: float) -> None:
    with pytest.raises(ValueError, match=r"span is .* at dimension 1; it must be above 0"):
        Range(np.zeros(2), np.array([1.0, span]))


@pytest.mark.parametrize("mode", ["MIN_MAX", "QUANTILES"])
def test_lerobots_ranges_are_reproduced(lerobot: Numbers, mode: str) -> None:
    state = lerobot_normaliser(mode, "observation.state", lerobot, "stats")
    action = lerobot_normaliser(mode, "action", lerobot, "stats")
    for way, values, expected in (
        (state.normalise, "raw.observation.state", f"norm.{mode}.state"),
        (action.normalise, "raw.action", f"norm.{mode}.action"),
        (action.denormalise, "predict_action_chunk", f"unnorm.{mode}.action"),
    ):
        np.testing.assert_allclose(way(lerobot[values]), lerobot[expected], rtol=1e-6, atol=2e-6)


def test_lerobots_z_scores_are_reproduced(lerobot: Numbers) -> None:
    state = lerobot_normaliser("MEAN_STD", "observation.state", lerobot, "stats")
    action = lerobot_normaliser("MEAN_STD", "action", lerobot, "stats")
    for way, values, expected in (
        (state.normalise, "raw.observation.state", "observation.state"),
        (action.normalise, "raw.action", "action"),
        (action.denormalise, "predict_action_chunk", "predict_action_chunk.unnormalized"),
    ):
        np.testing.assert_allclose(way(lerobot[values]), lerobot[expected], rtol=1e-6, atol=2e-6)


def test_lerobots_tenth_quantiles_are_a_range_too() -> None:
    statistics = {"action.q10": np.array([0.0]), "action.q90": np.array([4.0])}
    made = lerobot_normaliser("QUANTILE10", "action", statistics, "stats")
    np.testing.assert_array_equal(made.normalise(np.array([1.0])), [-0.5])


def test_lerobot_has_no_epsilon_where_there_is_a_range_or_on_the_way_back() -> None:
    tiny = {"action.min": np.array([0.0]), "action.max": np.array([1e-9])}
    made = lerobot_normaliser("MIN_MAX", "action", tiny, "stats")
    np.testing.assert_array_equal(made.normalise(np.array([1e-9])), [1.0])
    still = lerobot_normaliser("MEAN_STD", "action", STILL, "stats")
    np.testing.assert_allclose(still.normalise(np.array([3.00000001])), [1.0], rtol=1e-6)
    np.testing.assert_array_equal(still.denormalise(np.array([1.0])), [3.0])


@pytest.mark.parametrize("mode", ["MIN_MAX", "QUANTILES", "QUANTILE10"])
def test_lerobot_puts_its_epsilon_in_place_of_a_range_that_is_zero(mode: str) -> None:
    made = lerobot_normaliser(mode, "action", STILL, "stats")
    np.testing.assert_array_equal(made.normalise(np.array([3.0])), [-1.0])
    np.testing.assert_allclose(made.normalise(np.array([3.00000001])), [1.0], atol=1e-6)
    np.testing.assert_allclose(made.denormalise(np.array([1.0])), [3.00000001], rtol=1e-15)


def test_lerobots_identity_needs_no_statistics() -> None:
    assert isinstance(lerobot_normaliser("IDENTITY", "action", {}, "stats"), Identity)


@pytest.mark.parametrize("mode", [mode for mode in LEROBOT_MODES if mode != "IDENTITY"])
def test_a_statistic_that_lerobots_mode_needs_and_the_file_lacks_is_named(mode: str) -> None:
    with pytest.raises(ValueError, match=rf"stats lacks action\..*, which {mode} needs; save"):
        lerobot_normaliser(mode, "action", {"action.count": np.array([1.0])}, "stats")


def test_an_unknown_mode_of_lerobot_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"stats: normalisation mode 'MEANSTD' is unknown; .*you"):
        lerobot_normaliser("MEANSTD", "action", STILL, "stats")


@pytest.mark.parametrize(("name", "value"), [("max", 2.0), ("min", np.nan), ("max", np.inf)])
def test_a_statistic_of_lerobot_that_cannot_be_is_named(name: str, value: float) -> None:
    wrong = {**STILL, f"action.{name}": np.array([value])}
    with pytest.raises(ValueError, match=r"stats, action\.min and action\.max: .* at dimension 0"):
        lerobot_normaliser("MIN_MAX", "action", wrong, "stats")
