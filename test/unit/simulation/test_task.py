from __future__ import annotations

import numpy as np

from pi0_ros.policy import scripted
from pi0_ros.simulation.task import reach_goal


def test_the_goal_is_1_cm_above_the_middle_of_the_blocks_top_face() -> None:
    np.testing.assert_allclose(reach_goal(np.array([0.4, -0.1, 0.025])), [0.4, -0.1, 0.06])


def test_the_goal_follows_a_lifted_block() -> None:
    np.testing.assert_allclose(reach_goal(np.array([0.0, 0.0, 0.125]))[2], 0.16)


def test_the_scripted_policy_has_the_same_goal() -> None:
    height = scripted.BLOCK_HEIGHT_M + scripted.CLEARANCE_M
    assert reach_goal(np.array([0.0, 0.0, 0.025]))[2] == height
