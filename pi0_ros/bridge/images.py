"""Camera messages to RGB arrays and back, without cv_bridge (which the wheels do not have)."""

from __future__ import annotations

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

# Encoding -> channels and OpenCV's conversion to RGB (None: it is RGB already).
ENCODINGS: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
}
JPEG_QUALITY = 90


class ImageError(ValueError):
    """An image message that cannot become an RGB array; the message says what is supported."""


def decode_image(message: Image) -> np.ndarray:
    """Return a raw image as RGB, (H, W, 3) uint8; rows may be padded.

    Raises:
        ImageError: The encoding is not an 8-bit color or gray one, or the data are too short.
    """
    if message.encoding not in ENCODINGS:
        raise ImageError(
            f"encoding '{message.encoding}' is not supported; supported: {', '.join(ENCODINGS)}"
        )
    channels, conversion = ENCODINGS[message.encoding]
    height, width, step = message.height, message.width, message.step
    if height < 1 or width < 1 or step < width * channels or len(message.data) < height * step:
        raise ImageError(
            f"{width}x{height} {message.encoding} with step {step} and {len(message.data)} bytes "
            f"is incomplete; it needs at least 1x1, a step of {width * channels} and "
            f"{height * max(step, width * channels)} bytes"
        )
    pixels = np.ndarray((height, width, channels), np.uint8, message.data, 0, (step, channels, 1))
    if conversion is None:
        return pixels.copy()
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), conversion))


def decode_compressed(message: CompressedImage) -> np.ndarray:
    """Return a JPEG or PNG as RGB, (H, W, 3) uint8.

    Raises:
        ImageError: The data are not an image.
    """
    encoded = np.frombuffer(message.data, np.uint8)
    pixels = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    if pixels is None:
        raise ImageError(
            f"{encoded.size} bytes of format '{message.format}' are no image; "
            "jpeg and png are supported"
        )
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def encode_image(rgb: np.ndarray, header: Header) -> Image:
    """Return RGB, (H, W, 3) uint8, as a raw rgb8 message."""
    height, width, _ = rgb.shape
    message = Image(header=header, height=height, width=width, encoding="rgb8", step=3 * width)
    message.data.frombytes(np.ascontiguousarray(rgb))  # 0.03 ms; assigning an array takes 54 ms
    return message


def encode_compressed(rgb: np.ndarray, header: Header) -> CompressedImage:
    """Return RGB, (H, W, 3) uint8, as a JPEG message."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    message = CompressedImage(header=header, format="rgb8; jpeg compressed bgr8")
    message.data.frombytes(encoded)
    return message


def pinhole_info(width: int, height: int, fovy_deg: float, header: Header) -> CameraInfo:
    """Describe an ideal camera of a vertical field of view [deg]; sizes in [px]."""
    focal = height / 2 / float(np.tan(np.radians(fovy_deg) / 2))
    cx, cy = width / 2, height / 2
    return CameraInfo(
        header=header,
        width=width,
        height=height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )
