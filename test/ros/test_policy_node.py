"""policy_node over DDS: observations in, chunks out, or the reasons why not."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from pi0_msgs.msg import ActionChunk, PolicyStatus
from pi0_msgs.srv import GetActionChunk, SetPrompt

from pi0_ros.bridge.stamps import to_ns, to_time
from pi0_ros.nodes import qos
from pi0_ros.nodes.policy_node import PolicyNode
from pi0_ros.policy.checkpoints.random_checkpoint import write_random_checkpoint
from pi0_ros.policy.scripted import ScriptedPolicy

CHUNKS = "policy_node/action_chunk"
STATUS = "policy_node/status"
PROMPT = "left arm reach the red block"
STALE = r"base_camera: image \d+\.\d\d s old, limit 0\.30"


@pytest.fixture
def chunks(peer):
    return peer.listen(ActionChunk, CHUNKS, qos.CHUNKS)


@pytest.fixture
def status(peer):
    return peer.listen(PolicyStatus, STATUS)


def table_with_a_red_block():
    """What the base camera sees, roughly: a gray table and a red block in the middle."""
    rgb = np.full((120, 160, 3), 150, np.uint8)
    rgb[55:65, 75:85] = (220, 10, 10)
    return rgb


def feed(peer, **changes):
    peer.publish_pose()
    stamp_ns = peer.publish_images(table_with_a_red_block(), **changes)
    peer.publish_pose()  # the images' instant lies between two poses
    return stamp_ns


def test_a_complete_observation_becomes_a_chunk_that_starts_at_the_image(
    peer, start, chunks, status, robot
):
    start(PolicyNode, prompt=PROMPT)
    stamps = []
    peer.until(lambda: chunks, lambda: stamps.append(feed(peer)))
    chunk = chunks[0]
    assert chunk.names == list(robot.joint_names)
    assert len(chunk.actions) == robot.policy.horizon * len(robot.joints)
    assert (chunk.period.sec, chunk.period.nanosec) == (0, 50_000_000)
    assert any(to_time(stamp) == chunk.header.stamp for stamp in stamps)
    assert chunk.prompt == PROMPT
    assert chunk.header.frame_id == "ur5e_bimanual"
    peer.until(lambda: status and status[-1].state == PolicyStatus.PLANNING)
    assert status[-1].latency.nanosec > 0


def test_compressed_cameras_do_as_well(peer, start, chunks):
    start(PolicyNode, prompt=PROMPT, image_transport="compressed")
    peer.until(lambda: chunks, lambda: feed(peer, compressed=True))


def test_it_plans_again_after_the_executed_actions_and_counts_its_chunks(peer, start, chunks):
    start(PolicyNode, prompt=PROMPT, execute=16)  # 0.8 s, less the time that a plan takes
    peer.until(lambda: len(chunks) >= 3, lambda: feed(peer))
    assert all(b.sequence - a.sequence == 1 for a, b in pairwise(chunks[:3]))
    starts = [to_ns(chunk.header.stamp) for chunk in chunks[:3]]
    assert all(later - earlier >= 300_000_000 for earlier, later in pairwise(starts))


def test_a_camera_that_never_comes_is_named(peer, start, status, chunks):
    start(PolicyNode, prompt=PROMPT)
    peer.until(
        lambda: status and list(status[-1].reasons) == ["right_wrist_camera: no image yet"],
        lambda: feed(peer, without="right_wrist_camera"),
    )
    assert status[-1].state == PolicyStatus.WAITING
    assert chunks == []


def test_a_camera_that_stops_is_named_with_its_age_and_the_limit(peer, start, status, chunks):
    start(PolicyNode, prompt=PROMPT)
    peer.until(lambda: chunks, lambda: feed(peer))
    peer.until(
        lambda: any(re.search(STALE, reason) for reason in status[-1].reasons),
        lambda: (peer.publish_pose(), peer.publish_images(without="base_camera")),
    )


def test_a_wrong_encoding_is_named_and_a_right_one_ends_it(peer, start, status, chunks):
    start(PolicyNode, prompt=PROMPT)

    def feed_wrong():
        feed(peer, without="base_camera")
        image = peer_image(peer)
        image.encoding = "16UC1"
        peer.publish("base_camera/image_raw", image, qos.IMAGES)

    peer.until(
        lambda: status and any("16UC1" in reason for reason in status[-1].reasons), feed_wrong
    )
    assert status[-1].reasons[0].startswith("base_camera: encoding '16UC1' is not supported")
    assert chunks == []
    peer.until(lambda: chunks, lambda: feed(peer))


def peer_image(peer):
    from std_msgs.msg import Header

    from pi0_ros.bridge.images import encode_image

    return encode_image(table_with_a_red_block(), Header(stamp=to_time(peer.now_ns)))


def test_a_joint_that_joint_states_lack_is_named_on_status_and_diagnostics(
    peer, start, status, chunks
):
    start(PolicyNode, prompt=PROMPT)
    diagnostics = peer.listen(DiagnosticArray, "/diagnostics")

    def feed_without_elbow():
        peer.publish_images(table_with_a_red_block())
        peer.publish_pose(without="right_elbow_joint")

    reason = "joint_states lacks right_elbow_joint"
    peer.until(lambda: status and list(status[-1].reasons) == [reason], feed_without_elbow)
    warned = peer.until(
        lambda: [s for m in diagnostics for s in m.status if s.message == reason],
        feed_without_elbow,
    )
    assert warned[0].level == DiagnosticStatus.WARN
    assert chunks == []


def test_no_prompt_means_no_plan_until_one_is_set(peer, start, status, chunks):
    start(PolicyNode)
    peer.until(
        lambda: status and list(status[-1].reasons) == ["no prompt; call ~/set_prompt"],
        lambda: feed(peer),
    )
    refused = peer.call(SetPrompt, "policy_node/set_prompt", prompt="fold the towel")
    assert not refused.success
    assert "red, blue" in refused.message
    assert peer.call(SetPrompt, "policy_node/set_prompt", prompt=PROMPT).success
    peer.until(lambda: chunks, lambda: feed(peer))


def test_a_block_that_is_not_there_is_a_reason_not_a_plan(peer, start, status, chunks):
    start(PolicyNode, prompt="left arm reach the blue block")
    peer.until(
        lambda: status and any("no blue block is visible" in r for r in status[-1].reasons),
        lambda: feed(peer),
    )
    assert chunks == []


def test_one_chunk_is_planned_on_demand(peer, start, status):
    start(PolicyNode)
    peer.until(lambda: status and status[-1].state == PolicyStatus.WAITING, lambda: feed(peer))
    for _ in range(20):
        feed(peer)
        response = peer.call(GetActionChunk, "policy_node/get_action_chunk", prompt=PROMPT)
        if response.success:
            break
    assert response.success, response.reasons
    assert response.chunk.prompt == PROMPT
    empty = peer.call(GetActionChunk, "policy_node/get_action_chunk", prompt="")
    assert not empty.success
    assert "no prompt; call ~/set_prompt" in empty.reasons


def test_a_policy_that_raises_fails_the_node_aloud(peer, start, status, monkeypatch):
    def explode(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(ScriptedPolicy, "plan", explode)
    diagnostics = peer.listen(DiagnosticArray, "/diagnostics")
    start(PolicyNode, prompt=PROMPT)
    peer.until(lambda: status and status[-1].state == PolicyStatus.FAILED, lambda: feed(peer))
    assert status[-1].reasons == ["RuntimeError: out of memory"]
    errors = peer.until(
        lambda: [s for m in diagnostics for s in m.status if s.level == DiagnosticStatus.ERROR]
    )
    assert "out of memory" in errors[0].message


def test_deactivating_stops_the_plans_and_activating_starts_them_again(peer, start, status, chunks):
    start(PolicyNode, prompt=PROMPT, execute=1)
    peer.until(lambda: chunks, lambda: feed(peer))
    change = "policy_node/change_state"
    off = Transition(id=Transition.TRANSITION_DEACTIVATE)
    assert peer.call(ChangeState, change, transition=off).success
    peer.until(lambda: status[-1].state == PolicyStatus.INACTIVE)
    chunks.clear()
    count = len(status)
    peer.until(lambda: len(status) >= count + 2, lambda: feed(peer))  # two more periods
    assert chunks == []
    on = Transition(id=Transition.TRANSITION_ACTIVATE)
    assert peer.call(ChangeState, change, transition=on).success
    peer.until(lambda: chunks, lambda: feed(peer))


def test_the_network_plans_in_the_same_node(peer, start, chunks, robot, tmp_path):
    write_random_checkpoint(tmp_path, robot, seed=0)
    start(PolicyNode, policy="pi0", checkpoint=str(tmp_path), prompt="anything at all")
    peer.until(lambda: chunks, lambda: feed(peer))
    actions = np.array(chunks[0].actions).reshape(robot.policy.horizon, -1)
    assert np.isfinite(actions).all()
    assert np.abs(actions - robot.home).max() < 0.1  # random weights tremble about home
