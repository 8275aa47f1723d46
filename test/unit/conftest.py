"""What the tests of every layer start from: the robot of this repository."""

from __future__ import annotations

import pytest

import pi0_ros.simulation  # noqa: F401  (chooses off-screen GL before anybody imports mujoco)
from pi0_ros.embodiment.loading import load_embodiment, load_urdf
from pi0_ros.embodiment.spec import Embodiment


@pytest.fixture(scope="session")
def embodiment() -> Embodiment:
    """Two UR5e arms: six joints and a gripper on either side."""
    return load_embodiment("ur5e_bimanual")


@pytest.fixture(scope="session")
def urdf(embodiment: Embodiment) -> str:
    """Its URDF text."""
    return load_urdf(embodiment)
