"""Ways to feed a controller with a policy's chunks: what is sent, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from pi0_msgs.msg import ActionChunk as ActionChunkMessage
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from pi0_ros.bridge.chunks import encode_chunk
from pi0_ros.bridge.stamps import to_duration, to_time
from pi0_ros.cli.bench.seam.motion import ChunkStream
from pi0_ros.embodiment.controllers import Controller
from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import NO_PREVIOUS, ActionChunk, action_kinds

BLEND_NS = 200_000_000  # from the old chunk to the new one


class Feed(Protocol):
    """Sends something again and again.

    Attributes:
        first_ns: When it sends first: at the first chunk's arrival [ns, node clock].
        interval_ns: Time between two messages [ns].
    """

    first_ns: int
    interval_ns: int

    def message(self, now_ns: int) -> Any:
        """Return what is sent at an instant [ns, node clock]."""


@dataclass(frozen=True, eq=False)
class Target:
    """The robot's arm, of which one joint moves.

    Attributes:
        embodiment: The robot.
        controller: The arm's joint_trajectory controller.
        joint: Its joint that moves.
    """

    embodiment: Embodiment
    controller: Controller
    joint: str

    @staticmethod
    def of(embodiment: Embodiment) -> Target:
        """Take the first joint of the first joint_trajectory controller.

        Raises:
            ValueError: The robot has no such controller.
        """
        for controller in embodiment.controllers:
            if controller.type == "joint_trajectory":
                return Target(embodiment, controller, controller.joints[0])
        types = ", ".join(sorted({controller.type for controller in embodiment.controllers}))
        raise ValueError(
            f"{embodiment.name} has no controller of type joint_trajectory, only {types}; the "
            "benchmark is about such a controller, as ur5e has one"
        )

    def poses(self, moved: np.ndarray) -> np.ndarray:
        """Return rows of all axes at home, but for the moving joint's offsets (N,) -> (N, A)."""
        axes = self.embodiment.axes
        rows = np.tile([getattr(axis, "home", 0.0) for axis in axes], (len(moved), 1))
        rows[:, self.embodiment.index(self.joint)] += moved
        return rows

    def trajectory(
        self, moved: np.ndarray, times_ns: np.ndarray, stamp_ns: int = 0
    ) -> JointTrajectory:
        """Return positions of the controller's joints at times after a stamp [ns]."""
        columns = [self.embodiment.index(name) for name in self.controller.joints]
        message = JointTrajectory(joint_names=list(self.controller.driver_names))
        message.header.stamp = to_time(stamp_ns)
        message.points = [
            JointTrajectoryPoint(positions=row, time_from_start=to_duration(int(time_ns)))
            for row, time_ns in zip(self.poses(moved)[:, columns].tolist(), times_ns, strict=True)
        ]
        return message


class OnePoint:
    """The action that is due, alone, at the policy's rate.

    Args:
        target: Who is fed.
        stream: The chunks.
        ahead: Actions ahead of now that the point is due; 0: at once.
    """

    def __init__(self, target: Target, stream: ChunkStream, ahead: int) -> None:
        """Send once per action."""
        self._target, self._stream, self._ahead = target, stream, ahead
        self.first_ns = stream.arrives_ns(0)
        self.interval_ns = stream.timing.period_ns

    def message(self, now_ns: int) -> JointTrajectory:
        """Return one point of the newest chunk that is there."""
        number, period_ns = self._stream.newest(now_ns), self._stream.timing.period_ns
        step = (now_ns - self._stream.observed_ns(number)) // period_ns + self._ahead
        action = self._stream.actions(number)[[step]]
        return self._target.trajectory(action, np.array([self._ahead * period_ns]))


class StampedChunk:
    """Each chunk as it is, stamped with its observation.

    Args:
        target: Who is fed.
        stream: The chunks.
    """

    def __init__(self, target: Target, stream: ChunkStream) -> None:
        """Send once per chunk."""
        self._target, self._stream = target, stream
        self._times_ns = np.arange(stream.timing.horizon) * stream.timing.period_ns
        self.first_ns, self.interval_ns = stream.arrives_ns(0), stream.timing.replan_ns

    def message(self, now_ns: int) -> JointTrajectory:
        """Return the newest chunk that is there."""
        number = self._stream.newest(now_ns)
        actions = self.blended(number, now_ns)
        return self._target.trajectory(actions, self._times_ns, self._stream.observed_ns(number))

    def blended(self, number: int, now_ns: int) -> np.ndarray:
        """Return what is sent of a chunk at an instant [ns], (H,) [rad]."""
        return self._stream.actions(number)


class BlendedChunk(StampedChunk):
    """Each chunk stamped, and blended linearly with what was sent before over 0.2 s from now."""

    _sent: tuple[int, np.ndarray] | None = None  # number, actions

    def blended(self, number: int, now_ns: int) -> np.ndarray:
        """Return a chunk that leaves what was sent before, action by action."""
        actions = self._stream.actions(number)
        if self._sent is not None:
            before, sent = self._sent
            due_ns = self._stream.observed_ns(number) + self._times_ns
            old = np.interp(due_ns, self._stream.observed_ns(before) + self._times_ns, sent)
            share = np.clip((due_ns - now_ns) / BLEND_NS, 0.0, 1.0)
            actions = (1 - share) * old + share * actions
        self._sent = number, actions
        return actions


class Chunks:
    """Each chunk to the chunk executor, as the policy node sends it.

    Args:
        target: Who is fed.
        stream: The chunks.
        first_sequence: Number of the first one; numbers of a policy are never used again.
    """

    def __init__(self, target: Target, stream: ChunkStream, first_sequence: int) -> None:
        """Send once per chunk."""
        self._target, self._stream, self._first = target, stream, first_sequence
        self.first_ns, self.interval_ns = stream.arrives_ns(0), stream.timing.replan_ns

    def message(self, now_ns: int) -> ActionChunkMessage:
        """Return the newest chunk that is there."""
        stream, number = self._stream, self._stream.newest(now_ns)
        continues = stream.continued and number > 0
        robot = self._target.embodiment
        chunk = ActionChunk(
            names=robot.axis_names,
            kinds=action_kinds(robot),
            actions=self._target.poses(stream.actions(number)),
            start_ns=stream.observed_ns(number),
            period_ns=stream.timing.period_ns,
            sequence=self._first + number,
            frozen_steps=stream.timing.delay if continues else 0,
            inference_ns=stream.timing.latency_ns,
            previous_sequence=self._first + number - 1 if continues else 0,
            previous_step=float(stream.timing.execute) if continues else NO_PREVIOUS,
        )
        return encode_chunk(chunk, robot.name)


@dataclass(frozen=True)
class Style:
    """One way to feed a controller.

    Attributes:
        label: For people.
        make: Makes the feed from target, chunks and the sequence of the first chunk.
        through_executor: Whether chunks go to the chunk executor instead of the controller.
        continued: Whether chunks continue each other, as real-time chunking makes them.
    """

    label: str
    make: Callable[[Target, ChunkStream, int], Feed]
    through_executor: bool = False
    continued: bool = False


STYLES = {
    "one_point": Style("one point, due at once", lambda t, s, _: OnePoint(t, s, 0)),
    "one_point_ahead": Style(
        "one point, due at the next action", lambda t, s, _: OnePoint(t, s, 1)
    ),
    "stamped_chunk": Style("chunk, stamped", lambda t, s, _: StampedChunk(t, s)),
    "linear_blend": Style("chunk, stamped, blended 0.2 s", lambda t, s, _: BlendedChunk(t, s)),
    "fade": Style("chunk executor, fade", Chunks, through_executor=True),
    "rtc": Style("chunk executor, RTC", Chunks, through_executor=True, continued=True),
}


def chosen(names: list[str]) -> dict[str, Style]:
    """Return some of the styles in their order, all where none is named.

    Raises:
        ValueError: A name is unknown.
    """
    for name in names:
        if name not in STYLES:
            raise ValueError(unknown_name("style", name, tuple(STYLES)))
    return {name: style for name, style in STYLES.items() if not names or name in names}
