"""The action chunk: a plan of H actions that knows when each of them is due."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from pi0_ros.embodiment.spec import Embodiment

NO_PREVIOUS = -1.0


class ActionKind(IntEnum):
    """What a column of a chunk means; the numbers of pi0_msgs/ActionChunk."""

    POSITION = 0
    VELOCITY = 1


@dataclass(frozen=True, eq=False)
class ActionChunk:
    """Future actions in ROS units; action i is due at ``start_ns + i * period_ns``.

    Without any, it withdraws what was planned before.

    Attributes:
        names: Axis of each column, (D,).
        kinds: Position or velocity of each column, (D,).
        actions: Targets, (H, D) [rad, m, rad/s or m/s, by ``kinds``].
        start_ns: Stamp of the observation that the plan was made from [ns, node clock].
        period_ns: Time between two actions [ns].
        sequence: Counts the chunks of one policy.
        frozen_steps: First actions that repeat the previous chunk; 0 without real-time chunking.
        prompt: The sentence that the plan follows.
        inference_ns: From snapshot to finished plan [ns].
        image_stamps_ns: Of the images that it was planned from, (C,) [ns, node clock].
        previous_sequence: Of the chunk that it continues (real-time chunking).
        previous_step: Place within that chunk at ``start_ns`` [actions]; -1: it continues none.
        notes: What was decided on the way, each as ``code: detail``.
    """

    names: tuple[str, ...]
    kinds: tuple[ActionKind, ...]
    actions: np.ndarray
    start_ns: int
    period_ns: int
    sequence: int = 0
    frozen_steps: int = 0
    prompt: str = ""
    inference_ns: int = 0
    image_stamps_ns: tuple[int, ...] = ()
    previous_sequence: int = 0
    previous_step: float = NO_PREVIOUS
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the shapes belong together; values are the gate's business."""
        if self.actions.ndim != 2 or self.actions.shape[1] != len(self.names):
            raise ValueError(
                f"actions have shape {self.actions.shape}; expected (H, {len(self.names)}), "
                "one column per name"
            )
        if len(self.kinds) != len(self.names):
            raise ValueError(f"{len(self.kinds)} kinds for {len(self.names)} names")

    @property
    def by_velocity(self) -> np.ndarray:
        """Which columns are velocities, (D,) bool."""
        return np.array([kind is ActionKind.VELOCITY for kind in self.kinds])

    @property
    def is_withdrawal(self) -> bool:
        """Whether it has no actions: what plays shall end."""
        return self.horizon == 0

    @property
    def horizon(self) -> int:
        """Number of actions H."""
        return int(self.actions.shape[0])

    @property
    def end_ns(self) -> int:
        """Instant at which the last action is due [ns, node clock]."""
        return self.start_ns + (self.horizon - 1) * self.period_ns


def action_kinds(embodiment: Embodiment) -> tuple[ActionKind, ...]:
    """Return what a robot's actions mean, column by column, (A,)."""
    return tuple(ActionKind[axis.kind.upper()] for axis in embodiment.axes)


def withdrawal(embodiment: Embodiment, now_ns: int, sequence: int) -> ActionChunk:
    """Return the chunk without actions that withdraws at an instant [ns] what was planned."""
    return ActionChunk(
        names=embodiment.axis_names,
        kinds=action_kinds(embodiment),
        actions=np.zeros((0, len(embodiment.axes))),
        start_ns=now_ns,
        period_ns=embodiment.policy.period_ns,
        sequence=sequence,
    )
