"""A loop that hangs is told by the thread of the callbacks."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from pi0_msgs.msg import PolicyStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from pi0_ros.nodes.loop_watch import LoopWatch
from pi0_ros.nodes.policy_node import PolicyNode
from pi0_ros.nodes.worker_thread import WorkerThread, with_pauses
from pi0_ros.policy.scripted import ScriptedPolicy


@pytest.fixture
def node() -> Iterator[Node]:
    """A node that another thread spins, as the main function of a node does."""
    made, executor = Node("watched"), SingleThreadedExecutor()
    executor.add_node(made)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield made
    executor.shutdown()
    thread.join()
    made.destroy_node()


def test_a_loop_that_hangs_is_an_error_until_it_comes_back(peer, node, capfd):
    heard = peer.listen(DiagnosticArray, "/diagnostics")
    said = []
    going, passed = threading.Event(), threading.Event()
    going.set()
    watch = LoopWatch(node, "planning", lambda: 0.5, said.append)

    def work() -> None:
        watch.beat()
        passed.set()
        going.wait()

    thread = WorkerThread("loop", with_pauses(0.01, work), pytest.fail)
    peer.until(passed.is_set)
    going.clear()
    peer.until(lambda: heard)
    status = heard[0].status[0]
    assert status.level == DiagnosticStatus.ERROR
    assert status.name == "/watched: planning"
    assert status.message.startswith("planning has taken 0.")
    assert status.message.endswith(" s, limit 0.5")
    peer.until(lambda: len(said) > 2)  # each check says how long it has been
    seconds = [float(text.split()[3]) for text in said]
    assert seconds == sorted(seconds)

    going.set()
    peer.until(lambda: heard[-1].status[0].level == DiagnosticStatus.OK)
    assert said[-1] is None
    assert said.count(None) == 1
    thread.stop()
    watch.destroy()
    logged = capfd.readouterr().err
    assert logged.count("planning has taken ") == 1
    assert logged.count("planning goes on") == 1


def test_a_loop_that_comes_round_is_not_mentioned(peer, node):
    heard = peer.listen(DiagnosticArray, "/diagnostics")
    said: list[str | None] = []
    rounds: list[int] = []
    watch = LoopWatch(node, "planning", lambda: 5.0, said.append)

    def work() -> None:
        watch.beat()
        rounds.append(1)

    thread = WorkerThread("loop", with_pauses(0.01, work), pytest.fail)
    peer.until(lambda: len(rounds) > 100)
    sentinel = DiagnosticArray(status=[DiagnosticStatus(name="sentinel")])
    node.create_publisher(DiagnosticArray, "/diagnostics", 10).publish(sentinel)
    peer.until(lambda: heard)
    assert heard[0].status[0].name == "sentinel"
    assert said == []
    thread.stop()
    watch.destroy()


def test_a_watch_that_is_destroyed_leaves_nothing_on_its_node(node):
    before = len(list(node.publishers)), len(list(node.timers))
    LoopWatch(node, "planning", lambda: 1.0).destroy()
    assert (len(list(node.publishers)), len(list(node.timers))) == before
    assert rclpy.ok()


@pytest.fixture
def released():
    """Set at the end, whatever happens: a thread that waits for it lets its node be destroyed."""
    event = threading.Event()
    yield event
    event.set()


def test_a_plan_that_does_not_come_back_is_told_on_status_and_diagnostics(
    peer, start, released, monkeypatch
):
    class Hung(ScriptedPolicy):
        def plan(self, *arguments):
            released.wait()
            return super().plan(*arguments)

    monkeypatch.setattr("pi0_ros.nodes.planning.HUNG_S", 0.3)
    monkeypatch.setattr("pi0_ros.policy.making.ScriptedPolicy", Hung)
    statuses = peer.listen(PolicyStatus, "policy_node/status")
    diagnostics = peer.listen(DiagnosticArray, "/diagnostics")
    start(PolicyNode, prompt="left arm reach the red block")
    table = np.full((120, 160, 3), 150, np.uint8)
    table[55:65, 75:85] = (220, 10, 10)  # a red block

    def feed():
        peer.publish_pose()
        peer.publish_images(table)

    def says_so(status):
        return any(reason.startswith("planning has taken") for reason in status.reasons)

    peer.until(lambda: any(map(says_so, statuses)), feed)
    assert statuses[-1].state == PolicyStatus.WAITING
    peer.until(
        lambda: any(array.status[0].level == DiagnosticStatus.ERROR for array in diagnostics)
    )
    released.set()
    peer.until(lambda: statuses[-1].state == PolicyStatus.PLANNING, feed)
