"""The task of the simulated cell: bring the named arm's tool to the named block."""

from __future__ import annotations

import numpy as np

from pi0_ros.simulation.scene import BLOCK_HALF_M

CLEARANCE_M = 0.01  # between the block's top face and the tool point
REACHED_M = 0.02  # an arm has reached a block when its tool is this close to the goal ...
REACHED_FOR_S = 0.5  # ... for this long


def reach_goal(block: np.ndarray) -> np.ndarray:
    """Return where the tool point shall go, (3,) [m], for a block's centre, (3,) [m]."""
    return np.asarray(block + np.array([0.0, 0.0, BLOCK_HALF_M + CLEARANCE_M]))
