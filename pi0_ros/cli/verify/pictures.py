"""Recorded pictures: what openpi makes of a camera's image before the network sees it."""

from __future__ import annotations

import numpy as np

from pi0_ros.cli.verify.comparison import EXACT, Comparison
from pi0_ros.cli.verify.recording import Manifest
from pi0_ros.embodiment.loading import load_convention
from pi0_ros.model.config import CAMERAS
from pi0_ros.policy.images import fit


def check_pictures(case: Comparison, manifest: Manifest) -> None:
    """Compare fitted pictures, and the slots that ALOHA's go to."""
    recorded = case.recorded
    for number, (_, _, size) in enumerate(manifest["resize_targets"]):
        pictures = recorded.array(f"resize.{number}.in")
        fitted = np.stack([fit(picture, size) for picture in pictures])
        case.check(f"resize.{number}.pil_uint8", fitted, EXACT)
    case.leave_out(
        "openpi's fall-back for images that were not fitted before; here all of them are",
        "resize.*.torch_float",
        "resize.*.jax_float",
    )
    raw = {
        camera: recorded.array(f"aloha.raw_image.{camera}").transpose(1, 2, 0)
        for camera in recorded.below("aloha.raw_image.")
    }
    slots = load_convention("aloha").slots(raw)
    for slot in CAMERAS:
        case.check(f"aloha.image_mask.{slot}", np.array([slot in slots]), EXACT)
        fitted, plain = f"chain.aloha.model_image.{slot}", f"aloha.image.{slot}"
        if slot not in slots:
            case.leave_out(
                "black in openpi; here the slot of an absent camera is left out", fitted, plain
            )
            continue
        case.check(plain, slots[slot], EXACT)
        size = recorded[fitted].shape[0]
        case.check(fitted, fit(slots[slot], size), EXACT)
