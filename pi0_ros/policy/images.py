"""A camera's picture as π0 takes it: fitted into a square on black, then scaled to [-1, 1]."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch.nn import functional


def fit(rgb: np.ndarray, size: int) -> np.ndarray:
    """Shrink or enlarge a picture until it fits into a square, and centre it on black.

    π0 was trained on Pillow's bilinear filter, which averages where it shrinks; the filters of
    torch and OpenCV give other numbers.

    Args:
        rgb: (H, W, 3) uint8 of any size.
        size: Side of the square [px].

    Returns:
        (size, size, 3) uint8; the picture itself where it has this size already.

    Raises:
        ValueError: It is no such picture.
    """
    _check(rgb)
    if rgb.shape[:2] == (size, size):
        return rgb
    height, width, top, left = _place(rgb, size)
    inner = Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR)
    square = np.zeros((size, size, 3), np.uint8)
    square[top : top + height, left : left + width] = np.asarray(inner)
    return square


def scaled(rgb: np.ndarray) -> np.ndarray:
    """Bring a fitted picture to the network's range and order.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        (3, H, W) float32 in [-1, 1].
    """
    signed = rgb.astype(np.float32) / 255.0 * 2.0 - 1.0
    return np.ascontiguousarray(signed.transpose(2, 0, 1))


def interpolated(rgb: np.ndarray, size: int) -> np.ndarray:
    """Fit a picture as LeRobot does, whose filter looks at four pixels and averages nothing.

    Args:
        rgb: (H, W, 3) uint8 of any size.
        size: Side of the square [px].

    Returns:
        (3, size, size) float32 in [-1, 1], black around the picture.

    Raises:
        ValueError: It is no such picture.
    """
    _check(rgb)
    height, width, top, left = _place(rgb, size)
    inner = functional.interpolate(
        torch.from_numpy(scaled(rgb))[None], (height, width), mode="bilinear", align_corners=False
    )
    square = np.full((3, size, size), -1.0, np.float32)
    square[:, top : top + height, left : left + width] = inner[0].numpy()
    return square


def _check(rgb: np.ndarray) -> None:
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        raise ValueError(
            f"an image has shape {rgb.shape} and dtype {rgb.dtype}; π0 takes RGB images of shape "
            "(H, W, 3) and dtype uint8 with at least one pixel"
        )


def _place(rgb: np.ndarray, size: int) -> tuple[int, int, int, int]:
    """Return height, width, top and left of the picture within the square, at least a pixel."""
    ratio = max(rgb.shape[0], rgb.shape[1]) / size
    height, width = (max(int(extent / ratio), 1) for extent in rgb.shape[:2])
    return height, width, (size - height) // 2, (size - width) // 2
