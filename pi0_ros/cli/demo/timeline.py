"""The commands as a controller sees them: rolling windows merged to one sample per tick."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pi0_ros.embodiment.spec import Embodiment


class CommandTimeline:
    """Merges the trajectory windows of one controller, a newer window replacing an older one.

    Args:
        embodiment: The robot, for limits and the period of samples.
        joints: The controller's joints, (J,).
    """

    def __init__(self, embodiment: Embodiment, joints: Sequence[str]) -> None:
        """Start empty."""
        self._period_ns = embodiment.command.period_ns
        self._joints = [embodiment.axes[embodiment.index(name)] for name in joints]
        self._samples: dict[int, np.ndarray] = {}
        self.messages = 0
        self.largest_replacement = 0.0  # [rad or m], where a window contradicts an older one

    def add(self, start_ns: int, positions: np.ndarray) -> None:
        """Take one window: its first instant [ns] and (N, J) positions [rad or m]."""
        self.messages += 1
        first = start_ns // self._period_ns
        for i, row in enumerate(positions):
            old = self._samples.get(first + i)
            if old is not None:
                self.largest_replacement = max(
                    self.largest_replacement, float(np.abs(row - old).max())
                )
            self._samples[first + i] = row

    def runs(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return each gapless run: ticks (N,) and positions (N, J)."""
        ticks = np.array(sorted(self._samples))
        cuts = np.flatnonzero(np.diff(ticks) > 1) + 1
        return [
            (part, np.array([self._samples[tick] for tick in part]))
            for part in np.split(ticks, cuts)
            if len(part)
        ]

    def seconds_and_positions(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all samples: times from the first (N,) [s] and positions (N, J)."""
        ticks = np.array(sorted(self._samples))
        if not len(ticks):
            return np.zeros(0), np.zeros((0, len(self._joints)))
        positions = np.array([self._samples[tick] for tick in ticks])
        return (ticks - ticks[0]) * (self._period_ns / 1e9), positions

    def largest_step(self) -> float:
        """Return the largest difference between consecutive samples [rad or m]."""
        steps = [np.abs(np.diff(p, axis=0)).max() for _, p in self.runs() if len(p) > 1]
        return float(max(steps, default=0.0))

    def violations(self) -> dict[str, int]:
        """Count samples beyond the joints' position, velocity and acceleration limits."""
        dt = self._period_ns / 1e9
        lower, upper, velocity, acceleration = (
            np.array([getattr(joint, name) for joint in self._joints])
            for name in ("lower", "upper", "velocity", "acceleration")
        )
        counts = {"position": 0, "velocity": 0, "acceleration": 0}
        for _, p in self.runs():
            v = np.diff(p, axis=0) / dt
            a = np.diff(v, axis=0) / dt
            counts["position"] += int(((p < lower - 1e-9) | (p > upper + 1e-9)).sum())
            counts["velocity"] += int((np.abs(v) > velocity * (1 + 1e-6)).sum())
            counts["acceleration"] += int((np.abs(a) > acceleration * (1 + 1e-3)).sum())
        return counts
