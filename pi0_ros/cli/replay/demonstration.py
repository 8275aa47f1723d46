"""What the policy would have planned where somebody else moved the robot, against what was done."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from pi0_ros.bridge.bags.commanded import CommandedPositions
from pi0_ros.bridge.bags.recording import Kind, Recording, Sample
from pi0_ros.embodiment.spec import Camera
from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.execution.shadow import ShadowComparison
from pi0_ros.observation.assembler import ObservationAssembler
from pi0_ros.observation.freshness import Freshness
from pi0_ros.observation.observation import NotReady
from pi0_ros.observation.positions import MeasuredPositions, Pose
from pi0_ros.policy.protocol import CannotPlan, Policy

TRY_NS = 5_000_000  # policy_node's pause between two looks
RESTART_NS = 1_000_000_000  # a stamp so much earlier is a clock that started over


class Demonstration:
    """Plans along a bag as policy_node would have, while the robot went its own way.

    Now is the newest stamp, so that a bag of simulated time does as well. Each plan is made for
    itself: there is none before it that the robot follows.

    Args:
        recording: Cameras, states and, where recorded, commands.
        policy: Makes the plans.
        prompt: The sentence to follow.
        execute: Actions that are played before the next plan.
        latency_ns: From an observation to the take-over of its plan [ns].
        span_ns: Which part of the bag [ns, the recorder's clock].

    Attributes:
        measured: The plans against where the joints were.
        commanded: The plans against what was commanded; no samples where that is not in the bag.
        reasons: Why there was no plan at times, or never: the last sentence of each stream and
            kind, newest last. What was missing before the first plan had only not begun.
        count: Plans made so far.
        messages: Read so far.
    """

    def __init__(
        self,
        recording: Recording,
        policy: Policy,
        prompt: str,
        execute: int,
        latency_ns: int,
        span_ns: tuple[int, int],
    ) -> None:
        """Start at the beginning."""
        robot = recording.embodiment
        self._recording, self._policy, self._prompt = recording, policy, prompt
        self._execute_ns = execute * robot.policy.period_ns
        self._latency_ns, self._span_ns = latency_ns, span_ns
        self._limits = Freshness()
        self._assembler = ObservationAssembler(robot, self._limits)
        self._positions = MeasuredPositions(robot, self._limits.state_age_ns)
        self._commands = CommandedPositions(recording)
        self._cameras: dict[str, Camera] = {camera.name: camera for camera in robot.cameras}
        self._coming: deque[tuple[int, ActionChunk]] = deque()
        self._now_ns = self._due_ns = self._try_ns = 0
        self.measured, self.commanded = ShadowComparison(robot), ShadowComparison(robot)
        self.reasons: dict[tuple[str, str], str] = {}
        self.count = self.messages = 0

    def plans(self) -> Iterator[tuple[int, ActionChunk | None]]:
        """Go through the bag.

        Yields:
            How far it is [ns, the recorder's clock], and a plan where one was made.
        """
        recording = self._recording
        streams = (*recording.cameras, *recording.states, *self._commands.streams)
        for sample in recording.samples(streams, *self._span_ns):
            self.messages += 1
            self._advance(sample.stamp_ns)
            self._take(sample)
            yield sample.received_ns, self._plan()

    def _advance(self, stamp_ns: int) -> None:
        """Let time pass, and plans take over whose latency is over."""
        if stamp_ns > self._now_ns:
            self._now_ns = stamp_ns
        elif self._now_ns - stamp_ns > RESTART_NS:
            self._now_ns = self._due_ns = self._try_ns = stamp_ns
            self._coming.clear()
        while self._coming and self._coming[0][0] <= self._now_ns:
            _, chunk = self._coming.popleft()
            self.measured.take_chunk(chunk)
            self.commanded.take_chunk(chunk)

    def _take(self, sample: Sample) -> None:
        stream = sample.stream
        try:
            if stream.kind is Kind.COMMAND:
                due = self._commands.take(sample)
                if due is not None:
                    self.commanded.take_pose(*due)
            elif stream.kind is Kind.IMAGE:
                if self._is_wanted(stream.name):
                    self._assembler.add_image(stream.name, sample.stamp_ns, sample.value())
            else:
                _, positions = sample.value()
                self._assembler.add_positions(stream.place, sample.stamp_ns, positions)
                pose = self._positions.take(stream.place, sample.stamp_ns, positions)
                if isinstance(pose, Pose):
                    self.measured.take_pose(pose.stamp_ns, pose.positions)
        except ValueError as error:
            if stream.kind is Kind.COMMAND:
                self._tell((stream.name, "command"), str(error))
            else:
                key = stream.name if stream.kind is Kind.IMAGE else stream.place
                self._assembler.report_fault(key, str(error))

    def _is_wanted(self, camera: str) -> bool:
        """Whether an image of now may serve the next plan; others need not be decoded."""
        return self._now_ns >= self._due_ns - self._limits.age_of(self._cameras[camera])

    def _plan(self) -> ActionChunk | None:
        if self._now_ns < max(self._due_ns, self._try_ns):
            return None
        self._try_ns = self._now_ns + TRY_NS
        observation = self._assembler.snapshot(self._now_ns, self._prompt)
        if isinstance(observation, NotReady):
            for lack in observation.reasons:
                self._tell(lack.identity, str(lack))
            return None
        try:
            plan = self._policy.plan(observation, None, self.count)
        except CannotPlan as error:
            self._tell(("policy", ""), str(error))
            self._due_ns = self._now_ns + self._recording.embodiment.policy.period_ns
            return None
        stamps_ns = observation.image_stamps_ns
        chunk = replace(plan, sequence=self.count, image_stamps_ns=stamps_ns)
        if not self.count:
            self.reasons.clear()
        self.count += 1
        self._due_ns = chunk.start_ns + self._execute_ns
        self._coming.append((chunk.start_ns + self._latency_ns, chunk))
        return chunk

    def _tell(self, identity: tuple[str, str], sentence: str) -> None:
        self.reasons.pop(identity, None)
        self.reasons[identity] = sentence
