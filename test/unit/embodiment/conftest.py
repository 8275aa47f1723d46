"""Builders for the tests of robots: the smallest description that is one."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def description() -> dict[str, Any]:
    """A slide with a gripper, as its YAML reads; the gripper's model number counts backwards."""
    limits = {"lower": 0.0, "upper": 2.0, "velocity": 1.0, "acceleration": 4.0, "home": 0.5}
    grip = {"open": 0.0, "closed": 0.8, "model_open": 1.0, "model_closed": 0.0}
    return {
        "name": "slider",
        "title": "A slide with a gripper",
        "urdf": "slider.urdf",
        "policy": {"rate_hz": 20, "horizon": 50, "execute": 16},
        "command": {"rate_hz": 500, "lead_ms": 40},
        "arms": {"only": {"tool_link": "tool", "joints": ["slide"]}},
        "joints": [
            {"name": "slide", "unit": "m", **limits},
            {"name": "grip", "unit": "rad", **limits, "gripper": grip},
        ],
        "cameras": [camera("front", "base_0_rgb"), camera("wrist", "left_wrist_0_rgb")],
        "controllers": [
            controller("slide_controller", "joint_trajectory", "slide"),
            controller("grip_controller", "forward_position", "grip"),
        ],
    }


def camera(name: str, slot: str) -> dict[str, Any]:
    optics = {"width": 640, "height": 480, "rate_hz": 30, "fovy_deg": 45.0}
    return {"name": name, "slot": slot, "topic": f"{name}/image_raw", "frame": name, **optics}


def controller(name: str, kind: str, joint: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "topic": name, "rate_hz": 100, "joints": [joint]}
