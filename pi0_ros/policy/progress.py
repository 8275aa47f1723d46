"""How far the executor is in the chunk that it plays, as it told last."""

from __future__ import annotations

from dataclasses import dataclass

SILENT_NS = 1_000_000_000  # the executor reports ten times as often: nobody runs, or it hangs


@dataclass(frozen=True)
class Progress:
    """One report of the executor.

    Attributes:
        sequence: Of the chunk being played.
        start_ns: Stamp of that chunk; sequences begin anew with a policy [ns, node clock].
        step: Place within it at ``at_ns`` [actions].
        at_ns: When this was so [ns, node clock].
        rate: Trajectory time per time, 0 (standing) to 1 (full speed).
        is_executing: Whether a chunk is being played; otherwise the reason says why not.
        reason: Code: ok, no_chunk, chunk_exhausted ...
        detail: The reason in a sentence; may be empty.
    """

    sequence: int
    start_ns: int
    step: float
    at_ns: int
    rate: float
    is_executing: bool
    reason: str = "ok"
    detail: str = ""

    def is_current(self, now_ns: int) -> bool:
        """Whether the executor still reports at an instant [ns, node clock]."""
        return abs(now_ns - self.at_ns) <= SILENT_NS

    def step_at(self, now_ns: int, period_ns: int) -> float:
        """Place within the chunk at an instant near the report, if the rate stayed [actions].

        A report tells nothing of what is further away than ``SILENT_NS``, before or after it.

        Args:
            now_ns: The instant [ns, node clock].
            period_ns: Time between two actions [ns].
        """
        away_ns = min(max(now_ns - self.at_ns, -SILENT_NS), SILENT_NS)
        return max(self.step + self.rate * away_ns / period_ns, 0.0)
