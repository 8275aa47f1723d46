"""The gate in a closed loop: clean chunks of simulated robots never trip it.

``PI0_GATE_TRIALS=20 pytest -rP test/unit/execution/test_calibration.py`` runs more of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from pi0_ros.embodiment.files import known_embodiments
from pi0_ros.embodiment.loading import load_embodiment, load_urdf
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.vector import state_of
from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.execution.executor import ChunkExecutor
from pi0_ros.execution.gate import Verdict, check_chunk
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.instruction import COLORS
from pi0_ros.policy.scripted import ScriptedPolicy
from pi0_ros.simulation.cameras import SimCameras
from pi0_ros.simulation.robot import SimRobot

MS = 1_000_000  # [ns]
LATENCY_NS = 150 * MS  # from an image to its plan
START_NS = 1_000_000 * MS
TRIAL_NS = 3_000 * MS
TRIALS = int(os.environ.get("PI0_GATE_TRIALS", "1"))


class ClosedLoop:
    """Camera, scripted policy, executor and simulated robot on one stepped clock."""

    def __init__(self, machine: Embodiment) -> None:
        self.machine = machine
        self.robot = SimRobot(machine, machine.command.period_ns / 1e9)
        camera = machine.cameras[0]
        self.cameras = SimCameras(self.robot.model, camera.width, camera.height)

    def chunks(
        self, random: np.random.Generator, prompt: str
    ) -> Iterator[tuple[ActionChunk, Verdict]]:
        """Run one trial; each chunk as it arrives, with what the gate says of it."""
        self.robot.reset(random)
        policy = ScriptedPolicy(self.machine, load_urdf(self.machine))
        core, plan = ChunkExecutor(self.machine), None
        core.permission.is_enabled = True
        observe_ns = START_NS
        step_ns = self.machine.policy.execute * self.machine.policy.period_ns
        for now_ns in range(START_NS, START_NS + TRIAL_NS, self.machine.command.period_ns):
            core.measure(now_ns, self.robot.positions)
            core.advance(now_ns)
            if now_ns >= observe_ns:
                plan, seen = policy.plan(self.observe(prompt, now_ns)), self.robot.positions
                observe_ns += step_ns
            if plan is not None and now_ns >= plan.start_ns + LATENCY_NS:
                playing_ns = core.chunk.start_ns if core.chunk else None
                yield plan, check_chunk(plan, self.machine, now_ns, playing_ns, seen)
                core.accept(plan, now_ns)
                plan = None
            window = core.window(now_ns)
            if window is not None:
                core.served(now_ns, window.end_ns)
                self.robot.command = window.at(now_ns)[0][self.machine.joint_columns]
            self.robot.step()

    def observe(self, prompt: str, now_ns: int) -> Observation:
        self.cameras.place(self.robot.data.qpos)
        name = self.machine.cameras[0].name
        state = state_of(self.machine, self.robot.positions)
        return Observation({name: self.cameras.image(name)}, state, prompt, now_ns)


@pytest.mark.parametrize("name", known_embodiments())
def test_no_clean_chunk_of_a_simulated_robot_trips_the_gate(name: str) -> None:
    machine = load_embodiment(name)
    loop = ClosedLoop(machine)
    prompts = [f"{arm} arm reach the {color} block" for arm in machine.arms for color in COLORS]
    count, found = 0, []
    for trial in range(TRIALS):
        prompt = prompts[trial % len(prompts)]
        for chunk, verdict in loop.chunks(np.random.default_rng(4 + trial), prompt):
            count += 1
            found += [(trial, chunk.start_ns - START_NS, str(said)) for said in verdict.findings]
        moved = np.abs(loop.robot.positions - machine.home).max()
        assert moved > 0.1, "chunks of a robot that stands prove nothing"
    loop.cameras.close()
    print(f"{name}: {len(found)} findings in {count} chunks of {TRIALS} trials")
    assert found == []
    assert count >= 4 * TRIALS
