"""Observations in time over DDS: late and shuffled states, simulated time that starts over."""

from __future__ import annotations

import heapq
from itertools import pairwise

import numpy as np
import pytest
from pi0_msgs.msg import ActionChunk, PolicyStatus
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Header

from pi0_ros.bridge.images import encode_image
from pi0_ros.bridge.joint_states import joint_state
from pi0_ros.bridge.stamps import to_ns, to_time
from pi0_ros.embodiment.loading import load_embodiment, load_urdf
from pi0_ros.nodes import qos
from pi0_ros.nodes.policy_node import PolicyNode
from pi0_ros.nodes.policy_reports import PolicyReports
from pi0_ros.observation.observation import Lack, NotReady
from pi0_ros.policy.planner import Planner
from pi0_ros.policy.scripted import ScriptedPolicy

MS = 1_000_000
PROMPT = "left arm reach the red block"
SPEED = 0.1  # of every joint [rad/s]: where it is tells when it was measured


@pytest.fixture
def seen(monkeypatch):
    """The observations that the policy gets."""
    observations = []
    plan = ScriptedPolicy.plan

    def watched(self, observation, *others):
        observations.append(observation)
        return plan(self, observation, *others)

    monkeypatch.setattr(ScriptedPolicy, "plan", watched)
    return observations


def red_block():
    rgb = np.full((120, 160, 3), 150, np.uint8)
    rgb[55:65, 75:85] = (220, 10, 10)
    return rgb


class Cell:
    """Cameras at 30 Hz, each a little off; drivers whose states come late and shuffled.

    The first driver tells its joints at 100 Hz, the others at 15 Hz.
    """

    def __init__(self, peer, delay_ms, jitter_ms):
        self._peer = peer
        self._chance = np.random.default_rng(0)
        self._delay_ms, self._jitter_ms = delay_ms, jitter_ms
        self.start_ns = self._image_due = peer.now_ns
        self._due = [self.start_ns for _ in peer.robot.state_sources]
        self._under_way = []
        self.told = []

    def publish(self):
        now_ns = self._peer.now_ns
        for place, due_ns in enumerate(self._due):
            for stamp_ns in range(due_ns, now_ns, self._period_ns(place)):
                late_ms = self._delay_ms + self._chance.uniform(0, self._jitter_ms)
                heapq.heappush(self._under_way, (stamp_ns + int(late_ms * MS), stamp_ns, place))
                self._due[place] = stamp_ns + self._period_ns(place)
        while self._under_way and self._under_way[0][0] <= now_ns:
            _, stamp_ns, place = heapq.heappop(self._under_way)
            self._tell(self._peer.robot.state_sources[place], stamp_ns)
        if self._image_due <= now_ns:
            self._image_due = now_ns + 33 * MS
            for camera in self._peer.robot.cameras:
                stamp_ns = now_ns - int(self._chance.uniform(0, 20) * MS)
                image = encode_image(red_block(), Header(stamp=to_time(stamp_ns)))
                self._peer.publish(camera.topic, image, qos.IMAGES)

    def instant_of(self, state):
        """When the joints were there (S,) [ns], to a few ns."""
        return self.start_ns + (state - self._peer.robot.home) / SPEED * 1e9

    def _period_ns(self, place):
        return 66 * MS if place else 10 * MS

    def _tell(self, source, stamp_ns):
        robot = self._peer.robot
        at = robot.home + SPEED * (stamp_ns - self.start_ns) / 1e9
        position = at[[robot.joint_names.index(name) for name in source.joints]]
        message = joint_state(source.driver_names, stamp_ns, position, 0 * position)
        self._peer.publish(source.topic, message)
        self.told.append(stamp_ns)


@pytest.mark.parametrize(
    ("name", "arm"), [("ur5e_bimanual", "left arm"), ("franka", "arm")], ids=["one topic", "two"]
)
def test_the_state_handed_to_the_policy_is_of_the_images_instant(peer_of, start, seen, name, arm):
    """States come 110 to 150 ms late and out of order; the state is right within 1 ms."""
    peer = peer_of(load_embodiment(name))
    ages = {"image_age_ms": 1000.0, "state_age_ms": 1000.0}  # for a busy machine
    start(PolicyNode, embodiment=name, prompt=f"{arm} reach the red block", execute=1, **ages)
    cell = Cell(peer, delay_ms=110, jitter_ms=40)
    peer.until(lambda: len(seen) >= 20, cell.publish, every_s=0.002)
    assert any(late < early for early, late in pairwise(cell.told))
    for observation in seen:
        off_ms = (cell.instant_of(observation.state) - observation.stamp_ns) / MS
        assert np.abs(off_ms).max() < 1.0
        stamps_ns = observation.image_stamps_ns
        assert stamps_ns[0] == observation.stamp_ns
        assert max(abs(stamp_ns - stamps_ns[0]) for stamp_ns in stamps_ns) <= 50 * MS


def feed(peer, now_ns):
    """Publish /clock, states and images of one instant of simulated time [ns]."""
    peer.publish("/clock", Clock(clock=to_time(now_ns)))
    home = peer.robot.home
    peer.publish("joint_states", joint_state(peer.robot.joint_names, now_ns, home, 0 * home))
    for camera in peer.robot.cameras:
        image = encode_image(red_block(), Header(stamp=to_time(now_ns)))
        peer.publish(camera.topic, image, qos.IMAGES)


@pytest.mark.parametrize("first_ns", [3_600_000 * MS, 2_000 * MS], ids=["an hour", "2 s"])
def test_when_simulated_time_starts_over_it_plans_on(peer, start, seen, capfd, first_ns):
    chunks = peer.listen(ActionChunk, "policy_node/action_chunk", qos.CHUNKS)
    status = peer.listen(PolicyStatus, "policy_node/status")
    start(PolicyNode, prompt=PROMPT, execute=1, use_sim_time=True)
    now_ns = first_ns

    def go_on():
        nonlocal now_ns
        now_ns += 20 * MS
        feed(peer, now_ns)

    peer.until(lambda: len(chunks) >= 3, go_on)
    now_ns = 0
    count = len(chunks)
    peer.until(lambda: len(chunks) >= count + 5, go_on)
    peer.until(lambda: status[-1].state == PolicyStatus.PLANNING, go_on)
    assert to_ns(chunks[-1].header.stamp) < first_ns
    assert 0 < seen[-1].stamp_ns <= now_ns
    assert "all images and positions are forgotten" in capfd.readouterr().err


@pytest.fixture
def reports(robot):
    """Of a node that is not spun: it publishes at changes only."""
    node = Node("reporter")
    policy = ScriptedPolicy(robot, load_urdf(robot))
    planner = Planner(robot, policy, lambda *_: NotReady.because("nobody asks"), 1, lambda: 0)
    made = PolicyReports(node, planner, PolicyStatus(), {})
    yield made
    made.destroy()
    node.destroy_node()


def old(camera, age_s):
    return Lack(camera, "old", f"{camera}: image {age_s} s old, limit 0.30")


def test_a_reason_is_logged_once_per_change_and_published_at_its_newest(peer, reports, capfd):
    status = peer.listen(PolicyStatus, "reporter/status")
    peer.until(lambda: status, reports.publish)
    for age_s in ("0.31", "0.32", "0.33"):
        reports.become(PolicyStatus.WAITING, (old("base_camera", age_s),))
    reports.publish()
    newest = "base_camera: image 0.33 s old, limit 0.30"
    peer.until(lambda: list(status[-1].reasons) == [newest])
    reports.become(PolicyStatus.WAITING, (old("base_camera", "0.34"), old("wrist", "0.31")))
    reports.become(PolicyStatus.PLANNING)
    peer.until(lambda: status[-1].state == PolicyStatus.PLANNING)
    told = [line.partition("[reporter]: ") for line in capfd.readouterr().err.splitlines()]
    assert [line for _, mine, line in told if mine] == [
        "no plan: base_camera: image 0.31 s old, limit 0.30",
        "no plan: base_camera: image 0.34 s old, limit 0.30; wrist: image 0.31 s old, limit 0.30",
        "observations are complete again",
    ]


def test_a_policy_that_has_a_plan_again_is_not_said_to_see_again(reports, capfd):
    reports.become(PolicyStatus.WAITING, NotReady.because("no red block is visible").reasons)
    reports.become(PolicyStatus.PLANNING)
    assert "planning again" in capfd.readouterr().err
