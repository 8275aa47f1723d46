"""Builders for the tests of robots: the smallest description of one, and others' numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from pi0_ros.embodiment.files import EmbodimentError
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.normalisation import NormStats

OPENPI = Path(__file__).parents[3] / "config" / "golden" / "openpi" / "pipeline"
LEROBOT = Path(__file__).parents[3] / "config" / "golden" / "lerobot"


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
        "paddings": {"paper": 18, "openpi": 32},
        "command": {"rate_hz": 500, "lead_ms": 40},
        "arms": {"only": {"tool_link": "tool", "joints": ["slide"]}},
        "joints": [
            {"name": "slide", "index": 0, "unit": "m", **limits},
            {"name": "grip", "index": 1, "unit": "rad", **limits, "gripper": grip},
        ],
        "cameras": [camera("front", "base_0_rgb"), camera("wrist", "left_wrist_0_rgb")],
        "controllers": [
            controller("slide_controller", "joint_trajectory", "slide"),
            controller("grip_controller", "forward_position", "grip"),
        ],
    }


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[[dict[str, Any]], str]:
    """Write a description into a file and return what is said about it when it is loaded."""
    (tmp_path / "slider.urdf").write_text('<robot name="slider"><link name="world"/></robot>')

    def refuse(description: dict[str, Any]) -> str:
        file = tmp_path / "slider.yaml"
        file.write_text(json.dumps(description, indent=1))  # YAML includes JSON
        with pytest.raises(EmbodimentError) as caught:
            load_embodiment(str(file))
        said = str(caught.value)
        assert str(file) in said
        return said

    return refuse


def camera(name: str, slot: str) -> dict[str, Any]:
    optics = {"width": 640, "height": 480, "rate_hz": 30, "fovy_deg": 45.0}
    return {"name": name, "slot": slot, "topic": f"{name}/image_raw", "frame": name, **optics}


def controller(name: str, kind: str, joint: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "topic": name, "rate_hz": 100, "joints": [joint]}


@pytest.fixture(scope="session")
def openpi() -> dict[str, np.ndarray]:
    """What went into openpi's own pipeline, and what came out."""
    return load_file(OPENPI / "pipeline.safetensors")


@pytest.fixture(scope="session")
def openpi_stats() -> dict[int, NormStats]:
    """The statistics of these numbers, of 14 dimensions and of 32."""
    return {
        width: NormStats.load(OPENPI / folder / "norm_stats.json")
        for width, folder in ((14, "norm_stats"), (32, "norm_stats_32"))
    }


@pytest.fixture(scope="session")
def lerobot() -> dict[str, np.ndarray]:
    """LeRobot's statistics, and what its processors take and give."""
    names = ("inputs", "outputs", "policy_preprocessor_step_5_normalizer_processor")
    return {
        key: v for name in names for key, v in load_file(LEROBOT / f"{name}.safetensors").items()
    }
