"""Builders for the tests of observations: streams that arrive as they should."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.observation.assembler import ObservationAssembler

MS = 1_000_000
Deliver = Callable[..., None]


@pytest.fixture(scope="session")
def changed(embodiment: Embodiment) -> Callable[..., Embodiment]:
    """Build the robot with other values for some keys of its YAML."""
    known = {name: getattr(embodiment, name) for name in Embodiment.model_fields}
    return lambda **changes: Embodiment(**known | changes)


@pytest.fixture
def image() -> Callable[[int], np.ndarray]:
    """Build a small gray image that is told apart by its brightness."""
    return lambda brightness: np.full((2, 3, 3), brightness, np.uint8)


@pytest.fixture
def deliver(embodiment: Embodiment, image: Callable[[int], np.ndarray]) -> Deliver:
    """Give every stream one value of an instant [ms], but for those that are left out."""

    def build(assembler: ObservationAssembler, at_ms: int, without: str = "") -> None:
        for camera in embodiment.cameras:
            if camera.name != without:
                assembler.add_image(camera.name, at_ms * MS, image(at_ms % 256))
        if without != "joint_states":
            positions = np.full(len(embodiment.joints), at_ms / 1000)
            assembler.add_positions(0, at_ms * MS, positions)

    return build
