"""Builders for the tests of the simulation: robots at home and cells around them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.cell import Cell
from pi0_ros.simulation.robot import SimRobot


@pytest.fixture(scope="session")
def embodiment() -> Embodiment:
    """Two UR5e arms, as the simulation speaks them."""
    return load_embodiment("ur5e_bimanual", simulation=True)


@pytest.fixture(scope="session")
def robot_of() -> Callable[[str], SimRobot]:
    """Return the robot of a name at home, with the blocks of seed 0; compiled once."""

    @cache
    def compiled(name: str) -> SimRobot:
        return SimRobot(load_embodiment(name, simulation=True), 0.002)

    def at_home(name: str) -> SimRobot:
        compiled(name).reset(np.random.default_rng(0))
        return compiled(name)

    return at_home


@pytest.fixture(scope="module")
def compiled(embodiment: Embodiment) -> SimRobot:
    """One robot for all tests of a file: compiling the scene takes most of the time."""
    return SimRobot(embodiment, 0.002)


@pytest.fixture
def robot(compiled: SimRobot) -> SimRobot:
    """The robot at home, with the blocks of seed 0."""
    compiled.reset(np.random.default_rng(0))
    return compiled


@pytest.fixture
def cell(embodiment: Embodiment) -> Cell:
    """A cell at home."""
    return Cell(embodiment, seed=0)
