from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from pi0_ros.embodiment.value_map import Flip, Linear, Linkage

values = arrays(np.float64, (4, 2), elements=st.floats(-10, 10))


def linear(start: tuple[float, float], end: tuple[float, float]) -> Linear:
    return Linear(map="linear", dims=(0,), input=start, output=end)


def linkage(horn: float = 3.0, rod: float = 5.0) -> Linkage:
    return Linkage(map="linkage", dims=(6,), horn=horn, rod=rod)


def test_a_flip_turns_the_sign() -> None:
    np.testing.assert_array_equal(Flip(map="flip", dims=(0,)).apply(np.array([2.0])), [-2.0])


def test_a_line_goes_through_its_points_and_on() -> None:
    mapped = linear((0.0, 2.0), (10.0, 0.0)).apply(np.array([0.0, 1.0, 2.0, 4.0]))
    np.testing.assert_array_equal(mapped, [10.0, 5.0, 0.0, -10.0])


@given(values)
def test_undo_undoes_apply(values: np.ndarray) -> None:
    for one in (Flip(map="flip", dims=(0,)), linear((-1.0, 2.0), (0.5, 0.0))):
        np.testing.assert_allclose(one.undo(one.apply(values)), values, atol=1e-12)


@pytest.mark.parametrize("key", ["input", "output"])
def test_a_line_through_one_point_is_refused(key: str) -> None:
    points = {"input": [0, 1], "output": [0, 1], key: [3, 3]}
    with pytest.raises(ValidationError, match=f"{key} is twice 3.0; a line needs"):
        Linear.model_validate({"map": "linear", "dims": [0], **points})


def test_a_linkages_angle_follows_from_its_triangle() -> None:
    """Horn 3 and rod 5 with distance 4: the horn stands square to the slider's way, sine 0."""
    np.testing.assert_allclose(linkage().apply(np.array([4.0])), [0.0], atol=1e-15)


def test_a_linkage_out_of_reach_stays_at_its_end() -> None:
    np.testing.assert_allclose(linkage().apply(np.array([1.0, 9.0])), [-np.pi / 2, np.pi / 2])


@pytest.mark.parametrize("distance", [0.0, -0.01, np.nan])
def test_a_slider_behind_its_servo_does_not_exist(distance: float) -> None:
    with pytest.raises(ValueError, match=r"dimension\(s\) 6: a slider .* m from its servo"):
        linkage().apply(np.array([4.0, distance]))


@pytest.mark.parametrize("key", ["horn", "rod"])
def test_a_linkage_needs_lengths(key: str) -> None:
    with pytest.raises(ValidationError, match=f"{key}\n.*greater than 0"):
        linkage(**{key: 0.0})


@pytest.mark.parametrize("dims", [[], [-1]])
def test_a_map_needs_dimensions(dims: list[int]) -> None:
    with pytest.raises(ValidationError, match="dims"):
        Flip.model_validate({"map": "flip", "dims": dims})
