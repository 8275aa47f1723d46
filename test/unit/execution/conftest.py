"""Builders for the execution tests: a robot with round numbers, chunks, and a driven executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk, ActionKind
from pi0_ros.execution.executor import ChunkExecutor
from pi0_ros.execution.limits import JointLimits
from pi0_ros.execution.run import LEFT_FOR_NS
from pi0_ros.execution.settings import ExecutorSettings
from pi0_ros.execution.stopping import Stop, Stopping

MS = 1_000_000  # [ns]
PERIOD = 100 * MS  # of the robot's actions [ns]
TICK = 10 * MS  # of its commands [ns]

# Of the turning joint [rad] and the sliding one [m].
TRACKING_ERRORS = np.array([ExecutorSettings().tracking_error, ExecutorSettings().tracking_error_m])


def build_robot(acceleration: float = 10, kind: str = "position", base: bool = False) -> Embodiment:
    """A turning joint (±3 rad, 1 rad/s, 10 rad/s²) and a sliding one (0..1 m, 0.5 m/s, 5 m/s²).

    The turning one is of a ``kind``. A base (0.5 m/s, 1 m/s²; 1 rad/s, 2 rad/s²) has its columns
    between the two, and is told 10 times a second what to do.
    """
    turn = dict(name="turn", index=0, unit="rad", kind=kind, lower=-3, upper=3, velocity=1, home=0)
    slide = dict(name="slide", index=3, unit="m", lower=0, upper=1, velocity=0.5, home=0)
    turn["acceleration"], slide["acceleration"] = acceleration, acceleration / 2
    forward = dict(name="base_x", index=1, direction="x", velocity=0.5, acceleration=1)
    spin = dict(name="base_yaw", index=2, direction="yaw", velocity=1, acceleration=2)
    camera = dict(
        name="eye", slot="base_0_rgb", topic="eye", frame="eye", width=8, height=8, rate_hz=30,
        fovy_deg=45,
    )  # fmt: skip
    arm = dict(
        name="all", type="joint_trajectory", topic="all", rate_hz=100, joints=("turn", "slide")
    )
    wheels = dict(
        name="wheels", type="twist", topic="cmd_vel", rate_hz=10, joints=("base_x", "base_yaw")
    )
    facts = dict(
        name="two_joints",
        title="Two joints",
        urdf="none",
        policy=dict(rate_hz=10, horizon=11, execute=5),
        paddings=dict(paper=18),
        command=dict(rate_hz=100, lead_ms=40),
        arms={},
        joints=(turn, slide),
        base=dict(frame="base", timeout_ms=300, axes=(forward, spin)) if base else None,
        cameras=(camera,),
        controllers=(arm, wheels) if base else (arm,),
    )
    return Embodiment.model_validate(facts)


def build_chunk(
    actions: Sequence[Sequence[float]] | np.ndarray | None = None,
    *,
    start_ms: float = 0,
    names: Sequence[str] = ("turn", "slide"),
    kinds: Sequence[ActionKind] | None = None,
    period_ns: int = PERIOD,
    **rest: Any,
) -> ActionChunk:
    """A chunk; without actions, 11 of them that turn at 0.5 rad/s from 0 while the slide stands."""
    if actions is None:
        actions = [(0.05 * i, 0.0) for i in range(11)]
    return ActionChunk(
        names=tuple(names),
        kinds=tuple(kinds or [ActionKind.POSITION] * len(names)),
        actions=np.array(actions, dtype=float),
        start_ns=round(start_ms * MS),
        period_ns=period_ns,
        **rest,
    )


class Drive:
    """An executor whose time is advanced tick by tick, and the samples that it committed.

    ``runs`` hold one position per tick; the last of them is ``samples``, unless nothing is
    commanded. A sample that changes after it was committed fails at once. The robot follows its
    command at once unless ``follows`` is false; then it stays at ``pose``, of its joints.
    """

    def __init__(
        self, robot: Embodiment, start_ms: float = 1000, pose: Sequence[float] = (0, 0)
    ) -> None:
        self.robot = robot
        # A single chunk may be played to its end, unless a test is about just that.
        self.core = ChunkExecutor(robot, ExecutorSettings(open_loop_steps=100))
        self.now_ns = round(start_ms * MS)
        self.pose = np.array(pose, dtype=float)
        self.follows = True
        self.sees = True  # whether joint states arrive
        self.samples: dict[int, np.ndarray] | None = None
        self.runs: list[dict[int, np.ndarray]] = []
        # The velocity with which each run began; None: standing.
        self.began: list[np.ndarray | None] = []
        self.core.permission.is_enabled = True

    @property
    def now_ms(self) -> float:
        return self.now_ns / MS

    @property
    def code(self) -> str:
        return self.core.reason.code.value

    def at(self, ms: float) -> np.ndarray:
        """The sample committed for an instant [ms]."""
        return self.samples[round(ms * MS) // TICK]

    def velocity_at(self, ms: float) -> np.ndarray:
        """Its difference to the sample before, by time."""
        return (self.at(ms) - self.at(ms - 10)) / 0.01

    def ways(self) -> np.ndarray:
        """All samples of the last run, (N, A)."""
        return np.array([self.runs[-1][tick] for tick in sorted(self.runs[-1])])

    def measure(self) -> None:
        if self.sees:
            self.seen = self.pose
            self.core.measure(self.now_ns, self.pose)

    def tick(self) -> None:
        """One step at ``now_ns``; time stays."""
        self.measure()
        self.core.advance(self.now_ns)
        self.record()

    def record(self) -> None:
        """Read the window as a controller would."""
        window = self.core.window(self.now_ns)
        if window is None:
            self.samples = None
            return
        self.core.served(self.now_ns, window.end_ns)
        if self.samples is None:
            assert window.start_ns == self.now_ns // TICK * TICK, "a run begins in the past"
            assert self.begins_rightly(window.positions[0])
            self.began.append(window.velocities[0] if self.begins_moving() else None)
            self.samples = {}
            self.runs.append(self.samples)
        for i, position in enumerate(window.positions):
            committed = self.samples.setdefault(window.start_ns // TICK + i, position)
            assert (committed == position).all(), "a committed sample changed"
        if self.follows:
            self.pose = window.at(self.now_ns)[0][self.robot.joint_columns]

    def begins_rightly(self, start: np.ndarray) -> bool:
        """A run begins at the measured pose; after a short stall, where the last one was left.

        After a clock that went back, at one of its last commands. The way of a base begins at zero.
        """
        joints = self.robot.joint_columns
        if np.delete(start, joints).any():
            return False
        start = start[joints]
        if self.code == "clock_jump" and self.runs:
            last = sorted(self.runs[-1])[-6:]  # the lead, and one
            commands = [self.runs[-1][tick][joints] for tick in last]
            return any((start == pose).all() for pose in (self.seen, *commands))
        if self.code == "stalled" and self.runs:
            if self.now_ns - max(self.runs[-1]) * TICK > LEFT_FOR_NS:
                return bool((start == self.seen).all())
            return bool((start == self.seen).all()) or self.is_on_the_stop(start)
        return bool((start == self.seen).all())

    def is_on_the_stop(self, start: np.ndarray) -> bool:
        """Whether a run goes on with the stop of the last one's window, or close behind it."""
        joints = self.robot.joint_columns
        stop, elapsed_ns = self.left()
        if stop is None:
            last = self.runs[-1][max(self.runs[-1])]
            return bool((start == last[joints]).all())
        position, velocity, _ = stop.at(elapsed_ns)
        off = np.abs(start - position[joints])
        return bool((off <= (np.abs(velocity[joints]) + 0.1) * TICK / 1e9).all())

    def left(self) -> tuple[Stop | None, int]:
        """The stop that controllers play after the last run, and for how long they do [ns]."""
        ticks = sorted(self.runs[-1])
        before = np.array([self.runs[-1][tick] for tick in ticks[-3:]])
        lim = JointLimits.of(self.robot)
        stopping = Stopping(lim.lower, lim.upper, lim.velocity, lim.acceleration, lim.jerk)
        elapsed_ns = self.now_ns // TICK * TICK - ticks[-1] * TICK
        return stopping.after(before, TICK / 1e9), max(elapsed_ns, 0)

    def begins_moving(self) -> bool:
        """Whether a run takes over from a stop that is not over."""
        if self.code != "stalled" or not self.runs:
            return False
        stop, elapsed_ns = self.left()
        return stop is not None and elapsed_ns - TICK < stop.times_ns[-1]

    def run(self, ms: float) -> None:
        """Tick until so much time has passed."""
        for _ in range(round(ms * MS) // TICK):
            self.now_ns += TICK
            self.tick()

    def accept(self, chunk: ActionChunk) -> str:
        """Hand a chunk over; the code of the reason why not, or an empty word."""
        problem = self.core.accept(chunk, self.now_ns)
        self.record()
        assert problem is None or str(problem)
        return problem.code.value if problem else ""

    def worst(self) -> tuple[float, float, float]:
        """Largest velocity, acceleration and jerk of all runs, as shares of the limits.

        A base may brake harder than it may gather speed, so that it stands in time.
        """
        dt, limits = TICK / 1e9, JointLimits.of(self.robot)
        stopping = limits.stopping(self.robot)
        shares = [(0.0, 0.0, 0.0)]
        for run, began in zip(self.runs, self.began, strict=True):
            p = np.array([run[tick] for tick in sorted(run)])
            before = p[:1] if began is None else p[:1] - began * dt
            v = np.diff(p, axis=0, prepend=before) / dt
            standing = [0 * p[0]] if began is None else []  # how it began else is not seen
            a = np.diff(np.array([*standing, *v]), axis=0) / dt
            j = np.diff(np.array([*standing, *a]), axis=0) / dt
            v = v[len(v) - len(a) :]
            brakes = (v * a < 0) | (np.roll(v, 1, axis=0) * a < 0)
            most = np.where(brakes, stopping.acceleration, limits.acceleration)
            shares.append(
                (
                    float((np.abs(v) / limits.velocity).max(initial=0)),
                    float((np.abs(a) / most).max(initial=0)),
                    float((np.abs(j) / stopping.jerk).max(initial=0)),
                )
            )
        velocity, acceleration, jerk = np.max(shares, axis=0)
        return velocity, acceleration, jerk


@pytest.fixture(scope="session")
def robot() -> Embodiment:
    return build_robot()


@pytest.fixture(scope="session")
def mobile() -> Embodiment:
    """The same on a base: turn, base_x, base_yaw, slide."""
    return build_robot(base=True)


@pytest.fixture(scope="session")
def driven() -> Embodiment:
    """The same with a turning joint that is driven by velocity."""
    return build_robot(kind="velocity")


@pytest.fixture(scope="session")
def limits() -> JointLimits:
    return JointLimits.of(build_robot())


@pytest.fixture(scope="session")
def make_chunk() -> Callable[..., ActionChunk]:
    return build_chunk


@pytest.fixture(scope="session")
def make_drive() -> Callable[..., Drive]:
    """An enabled executor; given a chunk, it has taken its first step and accepted the chunk."""

    def make(
        chunk: ActionChunk | None = None,
        *,
        start_ms: float = 1000,
        pose: Sequence[float] = (0, 0),
        acceleration: float = 10,
        robot: Embodiment | None = None,
    ) -> Drive:
        drive = Drive(robot or build_robot(acceleration), start_ms, pose)
        if chunk is not None:
            drive.tick()
            assert drive.accept(chunk) == ""
        return drive

    return make
