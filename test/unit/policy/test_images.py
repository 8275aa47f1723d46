from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from pi0_ros.embodiment.loading import load_convention
from pi0_ros.policy.images import fit, interpolated, scaled

DATA = Path(__file__).parents[3] / "config" / "golden" / "openpi" / "pipeline"


@pytest.fixture(scope="module")
def openpi() -> dict[str, np.ndarray]:
    return load_file(DATA / "pipeline.safetensors")


@pytest.mark.parametrize("index", range(4))
def test_openpis_pictures_are_reproduced_to_the_bit(
    openpi: dict[str, np.ndarray], index: int
) -> None:
    expected = openpi[f"resize.{index}.pil_uint8"]
    for picture, square in zip(openpi[f"resize.{index}.in"], expected, strict=True):
        np.testing.assert_array_equal(fit(picture, square.shape[0]), square)


def test_openpis_aloha_pictures_are_reproduced_to_the_bit(openpi: dict[str, np.ndarray]) -> None:
    cameras = ("cam_high", "cam_left_wrist")
    raw = {name: openpi[f"aloha.raw_image.{name}"].transpose(1, 2, 0) for name in cameras}
    slots = load_convention("aloha").slots(raw)
    present = [
        k.rsplit(".")[-1] for k, v in openpi.items() if k.startswith("aloha.image_mask") and v
    ]
    assert sorted(slots) == sorted(present)
    for slot, picture in slots.items():
        np.testing.assert_array_equal(picture, openpi[f"aloha.image.{slot}"])
        np.testing.assert_array_equal(fit(picture, 56), openpi[f"chain.aloha.model_image.{slot}"])


def test_a_wide_picture_is_centred_on_black() -> None:
    wide = np.full((2, 4, 3), 255, np.uint8)
    assert fit(wide, 4)[..., 0].tolist() == [[0] * 4, [255] * 4, [255] * 4, [0] * 4]


def test_an_odd_row_of_black_goes_below() -> None:
    assert fit(np.full((3, 4, 3), 255, np.uint8), 4)[:, 0, 0].tolist() == [255, 255, 255, 0]


def test_a_picture_of_the_right_size_stays_as_it_is() -> None:
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(fit(picture, 4), picture)


def test_shrinking_averages_what_it_leaves_out() -> None:
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (np.abs(fit(stripes, 2).astype(int) - 100) <= 15).all()


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40))
def test_pictures_of_any_size_fill_one_side_but_for_openpis_truncation(
    height: int, width: int, size: int
) -> None:
    square = fit(np.full((height, width, 3), 255, np.uint8), size)
    assert square.shape == (size, size, 3)
    lit = square[..., 0] == 255
    rows, columns = int(lit.any(axis=1).sum()), int(lit.any(axis=0).sum())
    assert lit.sum() == rows * columns
    assert max(rows, columns) in {size, max(size - 1, 1)}


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (1, 1)])
def test_a_picture_of_one_row_or_pixel_keeps_at_least_one(shape: tuple[int, int]) -> None:
    square = fit(np.full((*shape, 3), 255, np.uint8), 8)
    assert (square == 255).any()


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8),
     np.zeros((3, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8),
     np.zeros((1, 4, 4, 3), np.uint8)],
)  # fmt: skip
def test_what_is_no_rgb_picture_is_refused_with_its_shape_and_dtype(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"an image has shape .* dtype .*; π0 takes RGB") as caught:
        fit(wrong, 8)
    assert str(wrong.shape) in str(caught.value)


def test_channels_come_first_and_cover_minus_one_to_one() -> None:
    network = scaled(np.array([[[0, 255, 51]]], np.uint8))
    assert (network.shape, network.dtype) == ((3, 1, 1), np.float32)
    assert network.flags["C_CONTIGUOUS"]
    np.testing.assert_allclose(network[:, 0, 0], [-1.0, 1.0, -0.6], atol=1e-7)


@pytest.mark.parametrize("index", range(4))
def test_pictures_that_are_interpolated_are_reproduced_but_for_rounding(
    openpi: dict[str, np.ndarray], index: int
) -> None:
    expected = openpi[f"resize.{index}.torch_float"].transpose(0, 3, 1, 2)
    for picture, square in zip(openpi[f"resize.{index}.in"], expected, strict=True):
        made = interpolated(picture, square.shape[-1])
        assert (made.shape, made.dtype) == (square.shape, np.float32)
        np.testing.assert_allclose(made, square, rtol=0, atol=1e-6)


def test_interpolation_leaves_out_what_lies_between_its_four_pixels() -> None:
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::4] = 255  # columns 0 and 4; the new pixels look at 1, 2 and 5, 6
    np.testing.assert_array_equal(interpolated(stripes, 2), np.full((3, 2, 2), -1.0))


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (1, 1)])
def test_an_interpolated_picture_of_one_row_or_pixel_keeps_at_least_one(
    shape: tuple[int, int],
) -> None:
    square = interpolated(np.full((*shape, 3), 255, np.uint8), 8)
    assert square.shape == (3, 8, 8)
    assert square.max() == 1.0


def test_what_is_no_rgb_picture_is_not_interpolated_either() -> None:
    with pytest.raises(ValueError, match=r"shape \(4, 4, 3\) and dtype float64; π0 takes RGB"):
        interpolated(np.zeros((4, 4, 3)), 8)
