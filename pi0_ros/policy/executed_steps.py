"""How many actions the executor has executed of the plans that were made for one task."""

from __future__ import annotations

from pi0_ros.policy.progress import Progress


class ExecutedSteps:
    """Counts from the executor's reports, ten a second; between two of them it goes on at the rate.

    Args:
        period_ns: Time between two actions [ns].
        sequence: Of the first chunk of the task.
        start_ns: Its stamp; an executor may still report a chunk of a policy_node that ran before,
            whose sequences say nothing [ns, node clock].
    """

    def __init__(self, period_ns: int, sequence: int, start_ns: int) -> None:
        """Start with none."""
        self._period_ns = period_ns
        self._sequence = sequence
        self._start_ns = start_ns
        self._newest: Progress | None = None
        self._joined = 0.0  # place at which the chunk of the newest report began to be played
        self._before = 0.0  # executed of the chunks before that one
        self._greatest = 0.0

    def includes(self, progress: Progress) -> bool:
        """Whether a report is of a chunk of the task."""
        return progress.sequence >= self._sequence and progress.start_ns >= self._start_ns

    def take(self, progress: Progress) -> None:
        """Take the newest report; the same again changes nothing."""
        newest, self._newest = self._newest, progress
        if newest is not None and _chunk_of(newest) == _chunk_of(progress):
            return
        if newest is not None:
            self._before += self._since_joined(newest, progress.at_ns)
        # What stood begins a chunk with its first action; what moved goes on within it.
        moved = newest is not None and newest.is_executing
        self._joined = progress.step if moved else 0.0

    def at(self, now_ns: int) -> float:
        """Return the actions executed at an instant [ns, node clock]; never less than before."""
        if self._newest is not None:
            executed = self._before + self._since_joined(self._newest, now_ns)
            self._greatest = max(self._greatest, executed)
        return self._greatest

    def _since_joined(self, progress: Progress, now_ns: int) -> float:
        if not self.includes(progress):
            return 0.0
        place = (
            progress.step_at(now_ns, self._period_ns) if progress.is_executing else progress.step
        )
        return max(place - self._joined, 0.0)


def _chunk_of(progress: Progress) -> tuple[int, int]:
    return progress.sequence, progress.start_ns
