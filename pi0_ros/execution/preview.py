"""What a chunk is about to do: the paths of the tools and of the base, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pi0_ros.embodiment.kinematics import Chain
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk

KEPT = 8  # chunks; the executor plays one of the last two or three
SILENT_NS = 1_000_000_000  # the executor reports ten times as often


@dataclass(frozen=True, eq=False)
class Path:
    """One path of N or M points, cut where the executor is [m, in the frame of the root]."""

    executed: np.ndarray
    left: np.ndarray


@dataclass(frozen=True, eq=False)
class ShownPlan:
    """A chunk as it stands at an instant [ns, node clock].

    Attributes:
        chunk: The plan.
        step: Place within it [actions].
        at_ns: When it was there.
        is_played: Whether the executor plays it; otherwise it is what the policy would do.
    """

    chunk: ActionChunk
    step: float
    at_ns: int
    is_played: bool


class RecentPlans:
    """Finds the chunk that the executor plays, from its reports."""

    def __init__(self) -> None:
        """Start without any."""
        self._chunks: dict[int, ActionChunk] = {}  # by start: sequences begin anew with a policy
        self._report: tuple[int, int, float] | None = None

    def add(self, chunk: ActionChunk) -> None:
        """Take a chunk from the policy."""
        self._chunks[chunk.start_ns] = chunk
        while len(self._chunks) > KEPT:
            del self._chunks[next(iter(self._chunks))]

    def report(self, at_ns: int, age_ns: int, step: float) -> None:
        """Take the executor's report: at ``at_ns`` its chunk was so old and played so far."""
        self._report = at_ns, age_ns, step

    def shown(self, now_ns: int) -> ShownPlan | None:
        """Return the chunk being played, else the newest one while it is due, else None."""
        if self._report is not None and abs(now_ns - self._report[0]) < SILENT_NS:
            at_ns, age_ns, step = self._report
            chunk = self._chunks.get(at_ns - age_ns)
            if chunk is not None:
                is_over = step >= chunk.horizon - 1
                return None if is_over else ShownPlan(chunk, step, at_ns, True)
        newest = next(reversed(self._chunks.values()), None)
        if newest is None or not newest.start_ns <= now_ns < newest.end_ns:
            return None
        return ShownPlan(newest, 0.0, now_ns, False)


class PlanPaths:
    """Turns chunks into paths of a robot's tools and base.

    Args:
        embodiment: The robot.
        urdf: Its URDF text.
    """

    def __init__(self, embodiment: Embodiment, urdf: str) -> None:
        """Read the chains of the arms."""
        self._embodiment = embodiment
        self._chains = {
            name: Chain(urdf, arm.tool_link, embodiment.joint_names)
            for name, arm in embodiment.arms.items()
        }
        roots = [chain.root for chain in self._chains.values()]
        self.frame = embodiment.base.frame if embodiment.base else next(iter(roots), "")

    def checked(self, chunk: ActionChunk) -> ActionChunk:
        """Return a chunk of this robot.

        Raises:
            ValueError: It is of another robot, or has numbers that are not finite.
        """
        expected = self._embodiment.axis_names
        if chunk.names != expected:
            raise ValueError(
                f"the chunk has {', '.join(chunk.names)}; {self._embodiment.name} has "
                f"{', '.join(expected)}"
            )
        if not np.isfinite(chunk.actions).all():
            raise ValueError(f"chunk {chunk.sequence} has actions that are not finite")
        return chunk

    def of(self, chunk: ActionChunk, step: float, positions: np.ndarray) -> dict[str, Path]:
        """Return the path of each arm's tool by the arm's name, and of the ``base``.

        All are seen from the robot as it stands: a base is at the origin at ``step``, and what it
        has driven and will drive carries the tools along.

        Args:
            chunk: The plan, as :meth:`checked` returns it.
            step: Where the executor is [actions].
            positions: Where the joints are now, (J,) [rad or m]; a joint that is driven by velocity
                goes on from there.
        """
        joints = self._joints(chunk, step, positions)
        places, headings = self._driven(chunk, step)
        points = {name: chain.positions(joints) for name, chain in self._chains.items()}
        for tool in points.values():
            flat = places + (tool[:, 0] + 1j * tool[:, 1]) * np.exp(1j * headings)
            tool[:, :2] = np.stack([flat.real, flat.imag], axis=1)
        if self._embodiment.base is not None:
            points["base"] = np.stack([places.real, places.imag, np.zeros(chunk.horizon)], axis=1)
        return {name: _cut(path, step) for name, path in points.items()}

    def _joints(self, chunk: ActionChunk, step: float, positions: np.ndarray) -> np.ndarray:
        """Positions of the joints at each action, (H, J) [rad or m]."""
        joints = chunk.actions[:, self._embodiment.joint_columns]
        for column, joint in enumerate(self._embodiment.joints):
            if joint.kind == "velocity":
                turned = _integral(joints[:, column], chunk.period_ns / 1e9)
                joints[:, column] = positions[column] + turned - _at(turned, step)
        return joints

    def _driven(self, chunk: ActionChunk, step: float) -> tuple[np.ndarray, np.ndarray]:
        """Place of the base at each action, (H,) x + iy [m], and heading, (H,) [rad].

        Between two actions it drives the arc of their mean velocity.
        """
        speeds = {axis: np.zeros(chunk.horizon) for axis in ("x", "y", "yaw")}
        for axis in self._embodiment.base.axes if self._embodiment.base else ():
            speeds[axis.direction] = chunk.actions[:, self._embodiment.index(axis.name)]
        period_s = chunk.period_ns / 1e9
        headings = _integral(speeds["yaw"], period_s)
        turns = np.diff(headings)
        arcs = _means(speeds["x"] + 1j * speeds["y"]) * period_s
        chords = arcs * np.sinc(turns / (2 * np.pi)) * np.exp(1j * (headings[:-1] + turns / 2))
        places = np.concatenate([[0], np.cumsum(chords)])
        heading = _at(headings, step)
        return (places - _at(places, step)) * np.exp(-1j * heading), headings - heading


def _means(values: np.ndarray) -> np.ndarray:
    return np.asarray((values[1:] + values[:-1]) / 2)


def _integral(speeds: np.ndarray, period_s: float) -> np.ndarray:
    """Integrate (H,) from zero by trapezoids: what lies between two actions is a line."""
    return np.concatenate([[0.0], np.cumsum(_means(speeds)) * period_s])


def _at(values: np.ndarray, step: float) -> np.ndarray:
    """Interpolate (H,) at a place between two actions, ()."""
    return np.asarray(np.interp(step, np.arange(len(values)), values))


def _cut(points: np.ndarray, step: float) -> Path:
    """Cut a path (H, 3) in two that meet at ``step``."""
    here = np.array([[_at(column, step) for column in points.T]])
    steps = np.arange(len(points))
    return Path(
        np.concatenate([points[steps < step], here]), np.concatenate([here, points[steps > step]])
    )
