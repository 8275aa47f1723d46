"""The managed nodes under a lifecycle manager."""

from __future__ import annotations

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState

from pi0_ros.nodes.chunk_executor_node import ChunkExecutorNode
from pi0_ros.nodes.policy_node import PolicyNode
from pi0_ros.nodes.sim_robot_node import SimRobotNode

NODES = {
    "policy_node": PolicyNode,
    "chunk_executor_node": ChunkExecutorNode,
    "sim_robot_node": SimRobotNode,
}
ROUND = (
    Transition.TRANSITION_DEACTIVATE,
    Transition.TRANSITION_CLEANUP,
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
)


def state_of(peer, name):
    return peer.call(GetState, f"{name}/get_state").current_state.id


def change(peer, name, transition):
    request = Transition(id=transition)
    return peer.call(ChangeState, f"{name}/change_state", transition=request).success


@pytest.mark.parametrize("name", NODES)
def test_a_node_goes_through_its_lifecycle_again_and_again(peer, start, name):
    start(NODES[name])
    for transition in ROUND * 2:
        assert change(peer, name, transition)
    assert state_of(peer, name) == State.PRIMARY_STATE_ACTIVE


def test_a_transition_that_fails_says_why_and_leaves_the_node_unconfigured(peer, start, capfd):
    with pytest.raises(AssertionError, match="did not start"):
        start(PolicyNode, policy="pi0")
    assert "needs a checkpoint" in capfd.readouterr().err
