from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pi0_ros.embodiment.normalisation import Statistics
from pi0_ros.embodiment.running_statistics import RunningStatistics


def of(*batches: np.ndarray) -> Statistics:
    running = RunningStatistics()
    for batch in batches:
        running.update(batch)
    return running.statistics()


def test_openpis_running_statistics_are_reproduced(openpi: dict[str, np.ndarray]) -> None:
    found = of(*(openpi[f"running.batch.{k}"] for k in range(5)))
    for name in ("mean", "std", "q01", "q99"):
        close = {"rtol": 0, "atol": 1e-12}
        np.testing.assert_allclose(getattr(found, name), openpi[f"running.{name}"], **close)


@given(arrays(np.float64, (12, 2), elements=st.floats(-100, 100)), st.integers(1, 11))
def test_mean_and_std_do_not_depend_on_the_batches(values: np.ndarray, cut: int) -> None:
    found = of(values[:cut], values[cut:])
    np.testing.assert_allclose(found.mean, values.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(np.square(found.std), values.var(axis=0), atol=1e-9)


def test_quantiles_are_the_left_edges_of_their_bins() -> None:
    found = of(np.linspace(0.0, 1.0, 10_001)[:, None])
    assert found.q01 is not None
    assert found.q99 is not None
    np.testing.assert_allclose([found.q01[0], found.q99[0]], [0.01, 0.99], atol=2 / 5000)


def test_a_range_that_grows_keeps_the_counts_of_before() -> None:
    found = of(np.array([[0.0], [1.0]] * 100), np.array([[-1.0], [2.0]]))
    assert found.q01 is not None
    assert found.q99 is not None
    np.testing.assert_allclose([found.q01[0], found.q99[0]], [0.0, 1.0], atol=2 * 3 / 5000)


def test_a_dimension_that_never_moves_stays_where_it_is_while_another_grows() -> None:
    found = of(np.array([[3.0, 0.0], [3.0, 1.0]]), np.array([[3.0, 9.0], [3.0, -9.0]]))
    np.testing.assert_allclose([found.mean[0], found.std[0]], [3.0, 0.0], atol=1e-12)
    assert found.q01 is not None
    assert found.q99 is not None
    np.testing.assert_allclose([found.q01[0], found.q99[0]], [3.0, 3.0], atol=1e-9)


def test_leading_axes_are_all_samples() -> None:
    values = np.arange(24.0).reshape(2, 3, 4)
    assert of(values) == of(values.reshape(6, 4))


def test_a_batch_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="a batch has 3 dimensions, the ones before it 2"):
        of(np.zeros((4, 2)), np.zeros((4, 3)))


def test_a_batch_without_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a batch of shape \(0, 2\) holds no numbers"):
        of(np.zeros((0, 2)))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_batch_that_is_not_finite_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="not finite; leave these frames out"):
        of(np.array([[0.0], [wrong]]))


@pytest.mark.parametrize("count", [0, 1])
def test_one_vector_has_no_statistics(count: int) -> None:
    running = RunningStatistics()
    for _ in range(count):
        running.update(np.zeros((1, 2)))
    with pytest.raises(ValueError, match=f"at least 2 vectors; there were {count}"):
        running.statistics()
