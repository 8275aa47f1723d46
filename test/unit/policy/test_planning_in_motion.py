"""Planner and network while a robot moves, on a clock of the test: chunks continue each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.pi0 import Pi0Policy
from pi0_ros.policy.planner import Planner
from pi0_ros.policy.progress import Progress
from pi0_ros.policy.protocol import Continuation
from pi0_ros.policy.settings import PolicySettings

MS = 1_000_000
STATUS_MS, IMAGE_MS, LATENCY_MS, LEAD_MS = 100, 33, 150, 60
PERIOD_MS = 50  # of ur5e_bimanual's actions


def at(chunk: ActionChunk, place: float) -> np.ndarray:
    """Where a chunk is at a place [actions], on the line between two actions, (A,)."""
    return np.array([np.interp(place, np.arange(50), column) for column in chunk.actions.T])


@dataclass
class Cell:
    """A robot that plays chunks exactly, at one speed, and a network that takes 150 ms to plan.

    While the network plans the robot goes on: the policy's call lets the time pass.
    """

    robot: Embodiment
    network: Pi0Policy
    speed: float
    latency_ms: int = LATENCY_MS
    name: str = "slow"
    now_ms: int = 10_000
    chunk: ActionChunk | None = None
    joined_ms: int = 0  # a chunk's first action would have been due then, at this speed
    seams: list[float] = field(default_factory=list)  # jumps between chunks, if nothing faded
    chunks: list[ActionChunk] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.continues = self.network.continues
        self.heard: Progress | None = None
        self.planner = Planner(
            self.robot,
            self,
            self._snapshot,
            self.robot.policy.execute,
            lambda: self.now_ms * MS,
            progress=lambda: self.heard,
        )
        self.planner.set_prompt("left arm reach the red block")

    def warm_up(self) -> None:
        """The network is small."""

    def check_prompt(self, prompt: str) -> str | None:
        return None

    def plan(
        self, observation: Observation, previous: Continuation | None = None, sequence: int = 0
    ) -> ActionChunk:
        for _ in range(self.latency_ms):
            self.pass_1_ms()
        return self.network.plan(observation, previous, sequence)

    def place(self, at_ms: float) -> float:
        """Place within the chunk at an instant [actions]."""
        return max(self.speed * (at_ms - self.joined_ms) / PERIOD_MS, 0.0)

    def pass_1_ms(self) -> None:
        self.now_ms += 1
        if self.chunk is not None and self.now_ms % STATUS_MS == 0:
            self.heard = Progress(
                sequence=self.chunk.sequence,
                start_ns=self.chunk.start_ns,
                step=self.place(self.now_ms),
                at_ns=self.now_ms * MS,
                rate=self.speed,
                is_executing=True,
            )

    def go_on(self, duration_ms: int) -> None:
        """Plan and play for a time."""
        end_ms = self.now_ms + duration_ms
        while self.now_ms < end_ms:
            self.pass_1_ms()
            result = self.planner.tick()
            if isinstance(result, ActionChunk):
                self._join(result)

    def _join(self, chunk: ActionChunk) -> None:
        """Go on with a chunk once what is committed is over, at the place that was executed."""
        final_ms, before, old = self.now_ms + LEAD_MS, self.chunk, self.place
        if before is None:  # who stood begins with action 0
            self.joined_ms = self.now_ms
        else:
            end = at(before, old(final_ms))
            self.joined_ms = chunk.start_ns // MS
            self.seams.append(float(np.abs(at(chunk, self.place(final_ms)) - end).max()))
        self.chunk = chunk
        self.chunks.append(chunk)

    def _snapshot(self, now_ns: int, prompt: str) -> Observation:
        stamp_ms = (self.now_ms - 20) // IMAGE_MS * IMAGE_MS
        random = np.random.default_rng(stamp_ms)
        images = {c.name: random.integers(0, 256, (8, 8, 3), np.uint8) for c in self.robot.cameras}
        return Observation(images, self.robot.home, prompt, stamp_ms * MS)


def run(
    checkpoint: Path, robot: Embodiment, rtc: str, speed: float, latency_ms: int = LATENCY_MS
) -> Cell:
    network = Pi0Policy(PolicySettings("pi0", str(checkpoint), device="cpu", rtc=rtc), robot)
    cell = Cell(robot, network, speed, latency_ms)
    cell.go_on(6000)
    return cell


@pytest.mark.parametrize("speed", [1.0, 0.5])
def test_seams_all_but_vanish_whatever_the_speed(
    checkpoint: Path, embodiment: Embodiment, speed: float
) -> None:
    """What remains is that a line between two places cuts the corners of a path that trembles."""
    free = run(checkpoint, embodiment, "none", speed)
    for rtc in ("guided", "identity"):
        bound = run(checkpoint, embodiment, rtc, speed)
        assert len(bound.seams) >= 3
        assert np.mean(bound.seams) < 0.2 * np.mean(free.seams)
        assert max(bound.seams) < min(free.seams)
        assert {note for chunk in bound.chunks for note in chunk.notes} == set()


def test_half_the_speed_means_half_the_plans_and_half_the_committed_steps(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    """From the image, 20 to 53 ms old, over 150 ms of planning to the end of the lead of 60 ms."""
    full, half = (run(checkpoint, embodiment, "identity", speed) for speed in (1.0, 0.5))
    assert {chunk.frozen_steps for chunk in full.chunks[2:]} <= {6, 7}  # 4.6 to 5.3 actions
    assert {chunk.frozen_steps for chunk in half.chunks[2:]} == {4}  # 2.3 to 2.7
    assert len(half.chunks) == pytest.approx(len(full.chunks) / 2, abs=1)


@pytest.mark.parametrize("speed", [1.0, 0.5])
def test_a_new_plan_arrives_when_the_actions_to_execute_are_executed(
    checkpoint: Path, embodiment: Embodiment, speed: float
) -> None:
    cell = run(checkpoint, embodiment, "none", speed)
    ends = [
        speed * (later.start_ns + later.inference_ns - earlier.start_ns) / PERIOD_MS / MS
        for earlier, later in zip(cell.chunks[1:], cell.chunks[2:], strict=False)
    ]
    # The image of the later one is 20 to 53 ms older than the beginning of its planning.
    assert len(ends) >= 2
    assert all(16.0 - speed * 53 / PERIOD_MS <= end <= 16.1 for end in ends)


def test_a_policy_as_slow_as_the_overlap_is_long_falls_back_to_the_fade_with_a_reason(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    cell = run(checkpoint, embodiment, "identity", 1.0, latency_ms=1500)
    assert all(chunk.frozen_steps == 0 for chunk in cell.chunks)
    notes = [note for chunk in cell.chunks[1:] for note in chunk.notes]
    assert notes
    assert all(note.startswith("rtc_fade: delay of ") for note in notes)
