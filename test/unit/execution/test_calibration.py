"""The gate in a closed loop: clean chunks of simulated robots never trip it."""

from __future__ import annotations

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
from pi0_ros.policy.protocol import CannotPlan
from pi0_ros.policy.scripted import ScriptedPolicy
from pi0_ros.simulation.cameras import SimCameras
from pi0_ros.simulation.robot import SimRobot

MS = 1_000_000  # [ns]
LATENCY_NS = 150 * MS  # from an image to its plan
START_NS = 1_000_000 * MS


class ClosedLoop:
    """Camera, scripted policy, executor and simulated robot on one stepped clock.

    Args:
        machine: The robot.
        execute: Actions from one observation to the next.
    """

    def __init__(self, machine: Embodiment, execute: int) -> None:
        self.machine = machine
        self.period_ns = machine.command.period_ns
        self.robot = SimRobot(machine, self.period_ns / 1e9)
        camera = machine.cameras[0]
        self.cameras = SimCameras(self.robot.model, camera.width, camera.height)
        self.policy = ScriptedPolicy(machine, load_urdf(machine))
        self.observe_ns = execute * machine.policy.period_ns

    def chunks(
        self, random: np.random.Generator, prompt: str, seconds: float
    ) -> Iterator[tuple[ActionChunk, Verdict]]:
        """Run one trial and yield each chunk that arrives, with what the gate says of it."""
        self.robot.reset(random)
        self.policy = ScriptedPolicy(self.machine, load_urdf(self.machine))
        core, columns = ChunkExecutor(self.machine), self.machine.joint_columns
        core.permission.is_enabled = True
        now_ns, pending = START_NS, []
        next_ns = now_ns + LATENCY_NS
        while now_ns < START_NS + seconds * 1e9:
            pose = self.robot.positions
            core.measure(now_ns, pose)
            core.advance(now_ns)
            if now_ns >= next_ns:
                pending.append((self._plan(pose, prompt, now_ns), pose))
                next_ns += self.observe_ns
            if pending and now_ns >= pending[0][0].start_ns + LATENCY_NS:
                chunk, seen = pending.pop(0)
                playing_ns = core.chunk.start_ns if core.chunk else None
                yield chunk, check_chunk(chunk, self.machine, now_ns, playing_ns, seen)
                core.accept(chunk, now_ns)
            window = core.window(now_ns)
            if window is not None:
                self.robot.command = window.at(now_ns)[0][columns]
            self.robot.step()
            now_ns += self.period_ns

    def _plan(self, pose: np.ndarray, prompt: str, now_ns: int) -> ActionChunk:
        self.cameras.place(self.robot.data.qpos)
        name = self.machine.cameras[0].name
        state = state_of(self.machine, pose)
        seen = Observation({name: self.cameras.image(name)}, state, prompt, now_ns)
        return self.policy.plan(seen, None, 0)


def prompts(machine: Embodiment) -> list[str]:
    return [f"{arm} arm reach the {color} block" for arm in machine.arms for color in COLORS]
