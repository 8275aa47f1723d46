"""Builders for the tests of the simulation: a robot at home and a cell around it."""

from __future__ import annotations

import numpy as np
import pytest

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.simulation.cell import Cell
from pi0_ros.simulation.robot import SimRobot


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
