from __future__ import annotations

import array
from typing import Any

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from pi0_ros.bridge.images import (
    ENCODINGS,
    ImageError,
    decode_compressed,
    decode_image,
    encode_compressed,
    encode_image,
    pinhole_info,
)

HEADER = Header(stamp=Time(sec=3, nanosec=4), frame_id="base_camera_optical_frame")
# A row of orange, then a row of white and black.
RGB = np.array([[[200, 100, 0], [200, 100, 0]], [[255, 255, 255], [0, 0, 0]]], np.uint8)
PIXELS = {
    "rgb8": RGB,
    "bgr8": RGB[..., ::-1],
    "rgba8": np.dstack([RGB, np.full((2, 2), 7, np.uint8)]),
    "bgra8": np.dstack([RGB[..., ::-1], np.full((2, 2), 7, np.uint8)]),
}


def message(encoding: str, pixels: np.ndarray, padding: int = 0, **changes: Any) -> Image:
    """An image whose rows are followed by padding bytes of 0xEE."""
    height, width, channels = pixels.shape
    rows = pixels.reshape(height, width * channels)
    padded = np.pad(rows, [(0, 0), (0, padding)], constant_values=0xEE)
    made = Image(encoding=encoding, height=height, width=width, step=padded.shape[1])
    made.data = array.array("B", padded.tobytes())
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("padding", [0, 1, 5])
@pytest.mark.parametrize("encoding", PIXELS)
def test_every_color_encoding_becomes_the_same_rgb(encoding: str, padding: int) -> None:
    decoded = decode_image(message(encoding, PIXELS[encoding], padding))
    np.testing.assert_array_equal(decoded, RGB)
    assert decoded.dtype == np.uint8


@pytest.mark.parametrize("padding", [0, 3])
def test_gray_becomes_three_equal_channels(padding: int) -> None:
    gray = np.array([[[0], [128]], [[255], [7]]], np.uint8)
    decoded = decode_image(message("mono8", gray, padding))
    np.testing.assert_array_equal(decoded, np.repeat(gray, 3, axis=2))


def test_every_encoding_of_the_table_is_tested() -> None:
    assert set(ENCODINGS) == {*PIXELS, "mono8"}


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_the_image_is_a_copy_that_outlives_its_message(encoding: str) -> None:
    arrived = message(encoding, PIXELS[encoding])
    decoded = decode_image(arrived)
    arrived.data[0] = 1
    np.testing.assert_array_equal(decoded, RGB)
    decoded[:] = 0  # and it can be written


@pytest.mark.parametrize("encoding", ["16UC1", "yuv422", "rgb16", ""])
def test_an_unsupported_encoding_is_told_with_the_supported_ones(encoding: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode_image(message(encoding, RGB))
    assert str(caught.value) == (
        f"encoding '{encoding}' is not supported; supported: rgb8, bgr8, rgba8, bgra8, mono8"
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"height": 3}, "2x3 rgb8 with step 6 and 12 bytes is incomplete"),
        ({"height": 3}, "it needs at least 1x1, a step of 6 and 18 bytes"),
        ({"step": 5}, "2x2 rgb8 with step 5 and 12 bytes is incomplete"),
        ({"step": 0}, "it needs at least 1x1, a step of 6 and 12 bytes"),
        ({"width": 0}, "0x2 rgb8"),
        ({"height": 0}, "2x0 rgb8"),
        ({"data": array.array("B", bytes(11))}, "with step 6 and 11 bytes"),
        ({"data": array.array("B")}, "with step 6 and 0 bytes"),
    ],
)
def test_an_incomplete_image_is_told_with_what_it_needs(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode_image(message("rgb8", RGB, **changes))
    assert says in str(caught.value)


def test_a_message_of_nothing_is_told() -> None:
    with pytest.raises(ImageError, match="encoding '' is not supported"):
        decode_image(Image())


def test_what_was_encoded_is_decoded_again() -> None:
    made = encode_image(RGB, HEADER)
    assert (made.width, made.height, made.step, made.encoding) == (2, 2, 6, "rgb8")
    assert made.header == HEADER
    np.testing.assert_array_equal(decode_image(made), RGB)


def test_a_view_with_gaps_is_encoded_row_by_row() -> None:
    wide = np.zeros((2, 4, 3), np.uint8)
    wide[:, ::2] = RGB
    np.testing.assert_array_equal(decode_image(encode_image(wide[:, ::2], HEADER)), RGB)


def test_a_jpeg_keeps_its_colors_nearly() -> None:
    ramp = np.zeros((32, 64, 3), np.uint8)
    ramp[..., 0] = 200
    ramp[..., 2] = np.linspace(0, 120, 64).astype(np.uint8)
    made = encode_compressed(ramp, HEADER)
    assert made.header == HEADER
    assert made.format == "rgb8; jpeg compressed bgr8"
    decoded = decode_compressed(made)
    assert (decoded.shape, decoded.dtype) == (ramp.shape, np.uint8)
    assert np.abs(decoded.astype(int) - ramp.astype(int)).max() <= 8


def test_a_png_keeps_its_colors_exactly() -> None:
    _, encoded = cv2.imencode(".png", RGB[..., ::-1])
    png = CompressedImage(format="png", data=array.array("B", encoded.tobytes()))
    np.testing.assert_array_equal(decode_compressed(png), RGB)


@pytest.mark.parametrize("data", [b"", b"garbage" * 10, b"\xff\xd8\xff\xe0"])
def test_garbage_is_told_with_its_size_and_format(data: bytes) -> None:
    broken = CompressedImage(format="jpeg", data=array.array("B", data))
    with pytest.raises(ImageError, match=f"{len(data)} bytes of format 'jpeg' are no image; jpeg"):
        decode_compressed(broken)


def test_an_ideal_camera_has_its_focal_length_from_its_field_of_view() -> None:
    info = pinhole_info(640, 480, 90.0, HEADER)
    np.testing.assert_allclose(info.k.reshape(3, 3), [[240, 0, 320], [0, 240, 240], [0, 0, 1]])
    expected = [[240, 0, 320, 0], [0, 240, 240, 0], [0, 0, 1, 0]]
    np.testing.assert_allclose(info.p.reshape(3, 4), expected)
    np.testing.assert_array_equal(info.r.reshape(3, 3), np.eye(3))
    assert (info.width, info.height, info.distortion_model) == (640, 480, "plumb_bob")
    assert list(info.d) == [0.0] * 5
    assert info.header == HEADER
