"""policy_node plans while the robot moves: when, what it continues, and what it survives."""

from __future__ import annotations

import subprocess
import sys
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
import yaml
from pi0_msgs.msg import ActionChunk, ExecutorStatus, PolicyStatus
from pi0_msgs.srv import GetActionChunk, SetPrompt
from std_srvs.srv import Trigger

from pi0_ros.bridge.stamps import to_duration, to_ns, to_time
from pi0_ros.execution.chunk import ActionChunk as Chunk
from pi0_ros.execution.chunk import action_kinds
from pi0_ros.nodes import qos
from pi0_ros.nodes.policy_node import PolicyNode
from pi0_ros.policy.checkpoints.random_checkpoint import write_random_checkpoint
from pi0_ros.policy.protocol import OutOfMemory
from pi0_ros.policy.scripted import ScriptedPolicy
from pi0_ros.policy.settings import REPLANS, RTC

PROMPT = "left arm reach the red block"
EXECUTOR = "chunk_executor_node/status"


@pytest.fixture
def chunks(peer):
    return peer.listen(ActionChunk, "policy_node/action_chunk", qos.CHUNKS)


@pytest.fixture
def status(peer):
    # Made before a node starts, as is what tells the executor's progress.
    peer.publish(EXECUTOR, ExecutorStatus(), qos.STATUS)
    return peer.listen(PolicyStatus, "policy_node/status")


@pytest.fixture(scope="module")
def checkpoint(robot, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    write_random_checkpoint(folder, robot, seed=0)
    return str(folder)


@pytest.fixture(autouse=True)
def quick(monkeypatch, robot):
    """Have policy scripted plan to stand, in no time: what takes long here is what tests say."""

    def stand(_, observation, *more):
        actions = np.tile(robot.home, (robot.policy.horizon, 1))
        return Chunk(robot.axis_names, action_kinds(robot), actions, observation.stamp_ns,
                     robot.policy.period_ns, prompt=observation.prompt)  # fmt: skip

    monkeypatch.setattr(ScriptedPolicy, "plan", stand)


def feed(peer):
    """An image of a red block on a table, between two poses at home."""
    rgb = np.full((120, 160, 3), 150, np.uint8)
    rgb[55:65, 75:85] = (220, 10, 10)
    peer.publish_pose()
    peer.publish_images(rgb)
    peer.publish_pose()


def play(peer, chunk, rate):
    """Tell that an executor has played a chunk at a rate from its stamp on."""
    now_ns = peer.now_ns
    age_ns = now_ns - to_ns(chunk.header.stamp)
    status = ExecutorStatus(state=ExecutorStatus.EXECUTING, reason="ok", sequence=chunk.sequence)
    status.header.stamp = to_time(now_ns)
    status.chunk_age = to_duration(age_ns)
    status.clock_rate, status.step = rate, rate * age_ns / to_ns(chunk.period)
    peer.publish(EXECUTOR, status, qos.STATUS)


def test_continuous_planning_goes_on_with_every_new_image(peer, start, chunks, status):
    # 40 actions would last 2 s.
    start(PolicyNode, prompt=PROMPT, replan="continuous", execute=40, niceness=0)

    def stamps():
        return [to_ns(chunk.header.stamp) for chunk in chunks]

    peer.until(lambda: any(b - a < 1e9 for a, b in pairwise(stamps())), lambda: feed(peer))
    assert len(set(stamps())) == len(chunks)
    peer.until(lambda: status[-1].replan == "continuous" and status[-1].forecast.nanosec > 0)


def test_on_demand_each_prompt_and_each_call_of_replan_is_one_plan(peer, start, chunks, status):
    start(PolicyNode, replan="on_demand", execute=1)
    peer.until(lambda: status and status[-1].state == PolicyStatus.WAITING, lambda: feed(peer))
    refused = peer.call(Trigger, "policy_node/replan")
    assert (refused.success, refused.message) == (False, "no prompt; call ~/set_prompt")
    assert peer.call(SetPrompt, "policy_node/set_prompt", prompt=PROMPT).success
    peer.until(lambda: chunks, lambda: feed(peer))
    count = len(status)
    peer.until(lambda: len(status) >= count + 2, lambda: feed(peer))  # two more periods
    assert len(chunks) == 1
    assert peer.call(Trigger, "policy_node/replan").success
    peer.until(lambda: len(chunks) == 2, lambda: feed(peer))


@pytest.mark.parametrize("rate", [1.0, 0.5])
def test_a_network_continues_the_chunk_that_the_executor_plays(
    peer, start, chunks, status, checkpoint, rate
):
    network = {"policy": "pi0", "checkpoint": checkpoint, "steps": 2, "rtc": "identity"}
    start(PolicyNode, prompt=PROMPT, execute=2, niceness=0, **network)
    peer.until(lambda: chunks, lambda: feed(peer))
    peer.until(
        lambda: len(chunks) > 3 and chunks[-1].frozen_steps,
        lambda: (feed(peer), play(peer, chunks[-1], rate)),
    )
    chunk = chunks[-1]
    before = next(c for c in chunks if c.sequence == chunk.previous_sequence)
    period_ns = to_ns(chunk.period)
    between_ns = to_ns(chunk.header.stamp) - to_ns(before.header.stamp)
    assert chunk.previous_step == pytest.approx(rate * between_ns / period_ns, abs=0.05)
    old, new = (np.array(c.actions).reshape(50, -1) for c in (before, chunk))
    places = chunk.previous_step + np.arange(chunk.frozen_steps)
    expected = [np.interp(places, np.arange(50), column) for column in old.T]
    assert np.abs(new[: chunk.frozen_steps].T - expected).max() < 5e-4  # 5e-3 is their spread


def test_when_the_prompt_ends_or_the_node_stops_the_plan_is_withdrawn(peer, start, chunks, status):
    node = start(PolicyNode, prompt=PROMPT)
    peer.until(lambda: chunks, lambda: feed(peer))
    peer.call(SetPrompt, "policy_node/set_prompt", prompt="")
    peer.until(lambda: len(chunks[-1].actions) == 0, lambda: feed(peer))
    assert chunks[-1].names == chunks[0].names
    assert chunks[-1].sequence > chunks[-2].sequence
    peer.call(SetPrompt, "policy_node/set_prompt", prompt=PROMPT)
    peer.until(lambda: len(chunks[-1].actions), lambda: feed(peer))
    assert node.trigger_deactivate().name == "SUCCESS"
    peer.until(lambda: len(chunks[-1].actions) == 0)


def test_a_plan_for_a_service_blocks_no_callback(peer, start, chunks, status, monkeypatch):
    begun, may_end = threading.Event(), threading.Event()
    plan = ScriptedPolicy.plan

    def plan_slowly(self, observation, *more):
        if observation.prompt != PROMPT:
            begun.set()
            may_end.wait(20)
        return plan(self, observation, *more)

    monkeypatch.setattr(ScriptedPolicy, "plan", plan_slowly)
    start(PolicyNode, prompt=PROMPT, execute=2)
    peer.until(lambda: chunks, lambda: feed(peer))
    client = peer.node.create_client(GetActionChunk, "policy_node/get_action_chunk")
    peer.until(client.service_is_ready)
    other = "right arm reach the red block"
    answer = client.call_async(GetActionChunk.Request(prompt=other))
    peer.until(begun.is_set, lambda: feed(peer))
    count = len(status)
    answered = peer.call(SetPrompt, "policy_node/set_prompt", prompt="dance")  # while it plans
    assert not answered.success
    peer.until(lambda: len(status) > count)
    assert not answer.done()
    may_end.set()
    peer.until(answer.done, lambda: feed(peer))
    assert answer.result().success
    assert answer.result().chunk.prompt == other
    heard = len(chunks)
    peer.until(lambda: len(chunks) > heard, lambda: feed(peer))
    assert {chunk.prompt for chunk in chunks} == {PROMPT}


def test_a_service_plans_while_the_node_is_inactive(peer, start, chunks, status):
    node = start(PolicyNode)
    node.trigger_deactivate()
    for _ in range(50):
        feed(peer)
        response = peer.call(GetActionChunk, "policy_node/get_action_chunk", prompt=PROMPT)
        if response.success:
            break
    assert response.success, response.reasons
    assert not peer.call(Trigger, "policy_node/replan").success
    assert chunks == []


def test_a_lack_of_memory_is_a_reason_until_it_is_over(peer, start, chunks, status, monkeypatch):
    with monkeypatch.context() as patch:

        def fail(*_):
            raise OutOfMemory("cuda:0 is out of memory: 0.0 of 24.0 GiB are free")

        patch.setattr(ScriptedPolicy, "plan", fail)
        start(PolicyNode, prompt=PROMPT)
        peer.until(
            lambda: status and any("out of memory" in said for said in status[-1].reasons),
            lambda: feed(peer),
        )
        assert status[-1].state == PolicyStatus.WAITING
    peer.until(lambda: chunks, lambda: feed(peer))
    peer.until(lambda: status[-1].state == PolicyStatus.PLANNING, lambda: feed(peer))


def test_a_network_without_memory_is_a_reason_and_recovers(
    peer, start, chunks, status, checkpoint, monkeypatch
):
    with monkeypatch.context() as patch:
        start(PolicyNode, policy="pi0", checkpoint=checkpoint, prompt=PROMPT, steps=2)
        patch.setattr("pi0_ros.model.sampler.Sampler._integrate", lambda *_: torch.empty(10**15))
        peer.until(
            lambda: status and any("cpu is out of memory" in r for r in status[-1].reasons),
            lambda: feed(peer),
        )
    peer.until(lambda: chunks, lambda: feed(peer))


BROKEN = """
from pi0_ros.nodes.policy_node import main
from pi0_ros.policy.scripted import ScriptedPolicy
from pi0_ros.policy.settings import REPLANS, RTC

def explode(*_):
    raise ZeroDivisionError("a bug")

ScriptedPolicy.plan = explode
main()
"""


def test_the_process_of_a_policy_that_raises_says_why_and_ends_with_an_error(peer, status):
    command = [sys.executable, "-c", BROKEN, "--ros-args", "-p", f"prompt:={PROMPT}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        peer.until(lambda: process.poll() is not None, lambda: feed(peer))
        assert "ZeroDivisionError: a bug" in process.stderr.read()
    assert process.returncode == 1
    failed = [message for message in status if message.state == PolicyStatus.FAILED]
    assert list(failed[-1].reasons) == ["ZeroDivisionError: a bug"]


@pytest.mark.parametrize("name", [*REPLANS, *RTC])
def test_no_choice_is_a_truth_value_in_yaml(name):
    assert yaml.safe_load(name) == name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["execute:=51"], "execute is 51; ur5e_bimanual's chunks have 50 actions"),
        (["rtc:=trained", "policy:=pi0"], "rtc 'trained' needs a checkpoint"),
        (["replan:=sometimes"], "replan 'sometimes' is unknown"),
    ],
)
def test_a_wrong_parameter_of_planning_is_refused_at_start(words, said, checkpoint):
    words = [*words, *([f"checkpoint:={checkpoint}"] if "policy:=pi0" in words else [])]
    arguments = [word for pair in words for word in ("-p", pair)]
    command = [sys.executable, "-m", "pi0_ros.nodes.policy_node", "--ros-args", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert said in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert ended.returncode == 1
