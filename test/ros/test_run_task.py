"""The action run_task over DDS: how a task begins, what it tells, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from pi0_msgs.action import RunTask
from pi0_msgs.msg import ActionChunk, ExecutorStatus, PolicyStatus
from pi0_msgs.srv import SetPrompt
from rclpy.action import ActionClient

from pi0_ros.bridge.stamps import to_duration, to_ns, to_time
from pi0_ros.execution.chunk import ActionChunk as Chunk
from pi0_ros.execution.chunk import action_kinds
from pi0_ros.nodes import qos
from pi0_ros.nodes.policy_node import PolicyNode
from pi0_ros.policy.scripted import ScriptedPolicy

PROMPT = "left arm reach the red block"
OTHER = "right arm reach the red block"
RESULT = RunTask.Result
TIMEOUT_S = 20.0
STARTING_S = 60.0  # a process takes its time on a busy machine


class Cell:
    """The robot's cameras and states, its operator, and an executor that plays what comes."""

    def __init__(self, peer, robot):
        self.peer, self.robot = peer, robot
        self.chunks = peer.listen(ActionChunk, "policy_node/action_chunk", qos.CHUNKS)
        self.status = peer.listen(PolicyStatus, "policy_node/status")
        self.client = ActionClient(peer.node, RunTask, "run_task")
        self.feedback, self.answers = [], {}
        self.plays = True
        peer.publish("chunk_executor_node/status", ExecutorStatus())

    def feed(self):
        """One round of what a robot publishes."""
        rgb = np.full((120, 160, 3), 150, np.uint8)
        rgb[55:65, 75:85] = (220, 10, 10)
        self.peer.publish_pose()
        self.peer.publish_images(rgb)
        if self.plays:
            self.report()

    def report(self):
        """Play the newest chunk at full speed from its first action, or hold without one."""
        now_ns = self.peer.now_ns
        message = ExecutorStatus(state=ExecutorStatus.HOLDING, reason="no_chunk")
        if self.chunks and self.chunks[-1].actions:
            age_ns = now_ns - to_ns(self.chunks[-1].header.stamp)
            message = ExecutorStatus(state=ExecutorStatus.EXECUTING, reason="ok", clock_rate=1.0)
            message.sequence = self.chunks[-1].sequence
            message.chunk_age = to_duration(age_ns)
            message.step = age_ns / 50e6
        message.header.stamp = to_time(now_ns)
        self.peer.publish("chunk_executor_node/status", message)

    def until(self, condition, within_s=TIMEOUT_S):
        return self.peer.until(condition, self.feed, within_s=within_s)

    def send(self, prompt=PROMPT, timeout_s=0.0, **conditions):
        """Send a goal and ask for its result; return its handle, accepted or not."""
        self.until(self.client.server_is_ready)
        goal = RunTask.Goal(prompt=prompt, timeout=duration(timeout_s), **conditions)
        sent = self.client.send_goal_async(
            goal, feedback_callback=lambda message: self.feedback.append(message.feedback)
        )
        handle = self.until(lambda: sent.done() and sent.result())
        if handle.accepted:
            self.answers[bytes(handle.goal_id.uuid)] = handle.get_result_async()
        return handle

    def result_of(self, goal):
        """Wait for status and result."""
        future = self.answers[bytes(goal.goal_id.uuid)]
        answer = self.until(lambda: future.done() and future.result())
        return answer.status, answer.result

    def meet(self):
        """Wait until another process has found us: an answer before that would be lost.

        It finds what we made in the order in which we made it, so that who answers a later client
        also answers the one of the action.
        """
        client = self.peer.node.create_client(GetState, "policy_node/get_state")
        asked = []

        def ask():
            self.feed()
            if client.service_is_ready():
                asked.append(client.call_async(GetState.Request()))

        self.peer.until(
            lambda: any(one.done() for one in asked), ask, every_s=0.2, within_s=STARTING_S
        )

    def is_withdrawn(self):
        return self.chunks and not self.chunks[-1].actions


def duration(seconds):
    return to_duration(round(seconds * 1e9))


@pytest.fixture
def cell(peer, robot):
    made = Cell(peer, robot)
    yield made
    made.client.destroy()


@pytest.fixture
def standing(robot, monkeypatch):
    """A policy that wants the robot to stay at home."""

    def stay(self, observation, previous, sequence):
        actions = np.tile(robot.home, (robot.policy.horizon, 1))
        names, kinds = robot.axis_names, action_kinds(robot)
        period_ns, prompt = robot.policy.period_ns, observation.prompt
        return Chunk(names, kinds, actions, observation.stamp_ns, period_ns, prompt=prompt)

    monkeypatch.setattr(ScriptedPolicy, "plan", stay)


# --- stop conditions -----------------------------------------------------------------------------


def test_a_task_ends_when_its_time_is_over_and_its_plan_is_withdrawn(cell, start):
    start(PolicyNode, execute=4)
    status, result = cell.result_of(cell.send(timeout_s=1.0))
    assert (status, result.reason) == (GoalStatus.STATUS_SUCCEEDED, RESULT.TIMED_OUT)
    assert result.message == "the time of 1 s is over"
    cell.until(cell.is_withdrawn)
    planned = cell.chunks[:-1]
    assert result.chunks == len(planned) > 1
    assert {chunk.prompt for chunk in planned} == {PROMPT}
    assert cell.chunks[-1].sequence > planned[-1].sequence
    assert to_ns(cell.chunks[-1].header.stamp) > to_ns(planned[-1].header.stamp)
    cell.until(lambda: cell.status[-1].prompt == "")  # the prompt ends with the task
    assert result.steps > 0


def test_a_task_ends_with_the_action_that_is_asked_for(cell, start):
    start(PolicyNode)
    status, result = cell.result_of(cell.send(max_steps=12, timeout_s=20.0))
    assert (status, result.reason) == (GoalStatus.STATUS_SUCCEEDED, RESULT.STEPS_DONE)
    assert 12 <= result.steps < 100  # of 400 until the time is over
    cell.until(cell.is_withdrawn)


def test_a_task_ends_when_its_plans_have_stood_for_so_long(cell, start, standing):
    start(PolicyNode, execute=4)
    status, result = cell.result_of(cell.send(settled=duration(0.5), timeout_s=20.0))
    assert (status, result.reason) == (GoalStatus.STATUS_SUCCEEDED, RESULT.SETTLED)
    assert result.message.startswith("the plans asked for no motion for 0.5 s")
    assert result.steps >= 10
    cell.until(cell.is_withdrawn)


def test_a_plan_that_moves_does_not_settle(cell, start):
    start(PolicyNode, execute=4)
    _, result = cell.result_of(cell.send(settled=duration(0.2), timeout_s=1.5))
    assert result.reason == RESULT.TIMED_OUT


# --- what it tells meanwhile ---------------------------------------------------------------------


def test_feedback_tells_how_far_the_task_and_the_chunk_are(cell, start):
    start(PolicyNode)
    goal = cell.send(max_steps=1000, timeout_s=4.0)
    cell.until(lambda: cell.feedback and cell.feedback[-1].steps >= 8)
    told = cell.feedback[-1]
    assert told.chunks >= 1
    assert told.step == pytest.approx(to_ns(told.chunk_age) / 50e6, abs=0.1)
    assert told.progress == pytest.approx(to_ns(told.elapsed) / 4e9, abs=0.01)  # > 8 / 1000
    assert to_ns(told.latency) > 0
    assert list(told.waiting_for) == []
    goal.cancel_goal_async()
    cell.result_of(goal)


def test_without_a_limit_the_progress_is_unknown(cell, start):
    start(PolicyNode)
    goal = cell.send()
    cell.until(lambda: cell.feedback)
    assert cell.feedback[0].progress == -1
    goal.cancel_goal_async()
    cell.result_of(goal)


def test_what_a_task_waits_for_is_told_of_policy_and_executor(cell, peer, start):
    cell.plays = False
    start(PolicyNode)
    goal = cell.send("left arm reach the blue block")  # none is there
    cell.until(lambda: cell.feedback and "no blue block" in " ".join(cell.feedback[-1].waiting_for))
    cell.until(lambda: "nothing heard of it" in " ".join(cell.feedback[-1].waiting_for))
    stopped = ExecutorStatus(state=ExecutorStatus.STOPPED, reason="estop", detail="release it")

    def press():
        cell.feed()
        stopped.header.stamp = to_time(peer.now_ns)
        peer.publish("chunk_executor_node/status", stopped)

    said = "chunk_executor_node: estop: release it"
    peer.until(lambda: said in cell.feedback[-1].waiting_for, press)
    cell.until(lambda: "silent for" in " ".join(cell.feedback[-1].waiting_for))
    goal.cancel_goal_async()
    assert cell.result_of(goal)[1].steps == 0


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("goal", "says"),
    [
        ({"prompt": ""}, "the prompt is empty; say what the robot shall do"),
        ({"prompt": "fold the towel"}, "red, blue"),
        ({"timeout_s": -1.0}, "timeout is -1 s; it must be 0 (never) or more"),
        ({"settled": duration(-0.5)}, "settled is -0.5 s; it must be 0 (never) or more"),
    ],
)
def test_a_goal_that_cannot_be_meant_is_refused_and_the_log_says_why(
    cell, start, capfd, goal, says
):
    start(PolicyNode)
    assert not cell.send(**goal).accepted
    refusal = capfd.readouterr().err.split("run_task refused: ")[1]
    assert says in refusal.splitlines()[0]
    assert cell.result_of(cell.send(timeout_s=0.1))[1].reason == RESULT.TIMED_OUT


def test_a_second_goal_is_refused_while_one_runs(cell, start, capfd):
    start(PolicyNode)
    first = cell.send()
    assert not cell.send(OTHER).accepted
    assert "run_task refused: another goal is running; cancel it first" in capfd.readouterr().err
    first.cancel_goal_async()
    assert cell.result_of(first)[1].reason == RESULT.CANCELLED
    assert cell.result_of(cell.send(OTHER, timeout_s=0.1))[1].reason == RESULT.TIMED_OUT


# --- interruptions -------------------------------------------------------------------------------


def test_a_cancelled_task_withdraws_its_plan(cell, start):
    start(PolicyNode)
    goal = cell.send()
    cell.until(lambda: cell.chunks)
    goal.cancel_goal_async()
    status, result = cell.result_of(goal)
    assert (status, result.reason) == (GoalStatus.STATUS_CANCELED, RESULT.CANCELLED)
    cell.until(cell.is_withdrawn)


def test_a_plan_that_is_made_while_its_task_is_cancelled_is_never_published(
    cell, start, monkeypatch
):
    planning, go_on, plan = threading.Event(), threading.Event(), ScriptedPolicy.plan

    def plan_slowly(self, observation, previous, sequence):
        if observation.prompt == PROMPT:
            planning.set()
            assert go_on.wait(20.0)
        return plan(self, observation, previous, sequence)

    monkeypatch.setattr(ScriptedPolicy, "plan", plan_slowly)
    start(PolicyNode)
    goal = cell.send()
    cell.until(planning.is_set)
    goal.cancel_goal_async()
    assert cell.result_of(goal)[1].reason == RESULT.CANCELLED
    go_on.set()
    goal = cell.send(OTHER)  # its plan is the sentinel: made after the cancelled one
    cell.until(lambda: cell.chunks)
    assert cell.chunks[0].prompt == OTHER
    goal.cancel_goal_async()
    cell.result_of(goal)


def test_another_prompt_aborts_the_task_and_is_followed_without_a_withdrawal(cell, peer, start):
    start(PolicyNode)
    goal = cell.send()
    cell.until(lambda: cell.chunks)
    assert peer.call(SetPrompt, "policy_node/set_prompt", prompt=OTHER).success
    status, result = cell.result_of(goal)
    assert (status, result.reason) == (GoalStatus.STATUS_ABORTED, RESULT.FAILED)
    assert result.message == f"the prompt was changed to '{OTHER}' by ~/set_prompt"
    cell.until(lambda: cell.chunks[-1].prompt == OTHER)
    assert all(chunk.actions for chunk in cell.chunks)


def test_an_empty_prompt_withdraws_the_plan_and_aborts_the_task(cell, peer, start):
    start(PolicyNode)
    goal = cell.send()
    cell.until(lambda: cell.chunks)
    assert peer.call(SetPrompt, "policy_node/set_prompt", prompt="").success
    cell.until(cell.is_withdrawn)
    assert cell.result_of(goal)[1].message == "the prompt was withdrawn by ~/set_prompt"


def test_deactivating_aborts_the_task_withdraws_its_plan_and_refuses_others(cell, peer, start):
    start(PolicyNode)
    goal = cell.send()
    cell.until(lambda: cell.chunks)
    change(peer, Transition.TRANSITION_DEACTIVATE)
    status, result = cell.result_of(goal)
    assert (status, result.message) == (GoalStatus.STATUS_ABORTED, "policy_node is not active")
    cell.until(cell.is_withdrawn)
    assert not cell.send().accepted
    for transition in (
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    ):
        change(peer, transition)
    assert cell.result_of(cell.send(timeout_s=0.1))[1].reason == RESULT.TIMED_OUT


def test_a_node_that_is_shut_down_in_the_middle_of_a_task_still_answers(cell, peer, start, capfd):
    start(PolicyNode)
    goal = cell.send()
    cell.until(lambda: cell.chunks)
    change(peer, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert cell.result_of(goal)[1].message == "policy_node is not active"
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_stopped_in_the_middle_of_a_task_still_answers(cell, number):
    words = [sys.executable, "-m", "pi0_ros.nodes.policy_node"]
    process = subprocess.Popen(words, env=dict(os.environ), stderr=subprocess.PIPE, text=True)
    try:
        cell.meet()
        goal = cell.send()
        cell.until(lambda: cell.chunks)
        process.send_signal(number)
        assert cell.result_of(goal)[1].message == "policy_node is not active"
        cell.until(cell.is_withdrawn)
        said = process.communicate(timeout=20.0)[1]
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in said


# --- pi0 task ------------------------------------------------------------------------------------


@pytest.fixture
def command(cell):
    """Run `pi0 task` until it ends or is where the test wants it; its output and exit code."""
    started = []

    def run(*words, until=None, then=lambda process: None):
        # A Ctrl-C is ignored in what a shell starts in the background; not so here.
        program = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        program += "from pi0_ros.cli.main import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", program, "task", *words],
            env={**os.environ, "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        if until is not None:
            cell.until(until, STARTING_S)
            then(process)
        cell.until(lambda: process.poll() is not None, STARTING_S)
        return process.communicate()[0], process.returncode

    yield run
    for process in started:
        process.kill()


def test_the_command_shows_the_task_and_succeeds_by_a_stop_condition(cell, start, command):
    start(PolicyNode)
    said, code = command(PROMPT, "--steps", "20", "--wait", "60")
    assert "actions were executed (" in said.splitlines()[-1]
    assert code == 0


def test_a_command_that_is_interrupted_cancels_the_task(cell, start, command):
    start(PolicyNode)
    for number in (signal.SIGINT, signal.SIGTERM):
        cell.chunks.clear()
        said, code = command(
            PROMPT,
            until=lambda: any(len(chunk.actions) for chunk in cell.chunks),
            then=lambda process, number=number: process.send_signal(number),
        )
        assert said.splitlines()[-1].startswith("cancelled (")
        assert code == 130
        cell.until(cell.is_withdrawn)


def test_a_task_that_fails_fails_the_command(cell, peer, start, command):
    start(PolicyNode)
    said, code = command(
        PROMPT,
        until=lambda: cell.chunks,
        then=lambda _: peer.call(SetPrompt, "policy_node/set_prompt", prompt=OTHER),
    )
    assert f"failed: the prompt was changed to '{OTHER}' by ~/set_prompt" in said
    assert code == 1


def test_the_command_says_why_a_task_is_refused_and_that_its_node_has_died(cell, command):
    words = [sys.executable, "-m", "pi0_ros.nodes.policy_node"]
    node = subprocess.Popen(words, env=dict(os.environ), stderr=subprocess.DEVNULL)
    try:
        said, code = command("fold the towel", "--wait", "60")
        assert "pi0 task: refused: 'fold the towel' must name one arm" in said
        assert code == 2
        said, code = command(PROMPT, until=lambda: cell.chunks, then=lambda _: node.kill())
        assert "pi0 task: policy_node was silent for 5 s" in said
        assert code == 1
    finally:
        node.kill()
        node.wait()


def test_without_a_robot_the_command_says_where_it_looked(cell, command):
    said, code = command(PROMPT, "--namespace", "nowhere", "--wait", "0.1")
    assert "nobody serves run_task in ROS domain" in said
    assert "namespace /nowhere; start the robot with `pi0 up`" in said
    assert code == 2


def change(peer, transition):
    request = Transition(id=transition)
    assert peer.call(ChangeState, "policy_node/change_state", transition=request).success
