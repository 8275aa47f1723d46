"""The subscriptions that tell where all joints are now."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rclpy.node import Node

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.nodes.source_streams import SourceStreams
from pi0_ros.observation.positions import Lacking, MeasuredPositions, Pose


class StateStreams:
    """Puts together what the drivers of one robot tell; calls back from their callbacks.

    Args:
        node: Carries the subscriptions.
        embodiment: The robot with its sources of states; the first one sets the rate.
        age_limit_ns: Greatest difference between the stamps of two sources [ns], where the robot's
            YAML gives a source none of its own.
        measured: Called with stamp [ns] and positions of all joints (J,) [rad or m].
        lacking: Called with the reason why there are none.

    Attributes:
        received: Messages by topic.

    Raises:
        ImportError: A source needs a message package that is not there.
    """

    def __init__(
        self,
        node: Node,
        embodiment: Embodiment,
        age_limit_ns: int,
        measured: Callable[[int, np.ndarray], None],
        lacking: Callable[[str], None],
    ) -> None:
        """Subscribe."""
        self._merged = MeasuredPositions(embodiment, age_limit_ns)
        self._measured, self._lacking = measured, lacking
        self._sources = SourceStreams(node, embodiment, self._on_measured, self._on_failed)
        self.received = self._sources.received

    def destroy(self) -> None:
        """Unsubscribe."""
        self._sources.destroy()

    def _on_measured(self, source: int, stamp_ns: int, positions: np.ndarray) -> None:
        self._tell(self._merged.take(source, stamp_ns, positions))

    def _on_failed(self, source: int, fault: str) -> None:
        self._tell(self._merged.miss(source, fault))

    def _tell(self, pose: Pose | Lacking | None) -> None:
        if isinstance(pose, Pose):
            self._measured(pose.stamp_ns, pose.positions)
        elif pose is not None:
            self._lacking(pose.reason)
