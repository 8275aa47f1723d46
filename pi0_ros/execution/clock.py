"""The trajectory clock: time along the path runs at a rate between standing and full speed."""

from __future__ import annotations

from pi0_ros.execution.limits import brakable


class TrajectoryClock:
    """Rate of trajectory time per time, in [0, 1], changed smoothly.

    Speed slider, stop, starvation and saturation all act here: the arm slows along its path
    instead of leaving it.

    Args:
        ramp_ns: Shortest time from standing to full speed and back [ns].
    """

    def __init__(self, ramp_ns: int) -> None:
        """Start standing."""
        self._ramp_ns = ramp_ns
        self.rate = 0.0

    def step(self, period_ns: int, target: float, remaining_ns: int, least_ramp_ns: int = 0) -> int:
        """Advance by one period.

        Args:
            period_ns: Time that passes [ns].
            target: Wanted rate, in [0, 1].
            remaining_ns: Trajectory time until the path's end [ns]; the rate falls early enough
                to stand there.
            least_ramp_ns: Least time from full speed to standing that the path allows here [ns].

        Returns:
            Trajectory time that passes [ns], at most ``remaining_ns``.
        """
        ramp_ns = max(self._ramp_ns, least_ramp_ns)
        braking = brakable(max(remaining_ns, 0), 1 / ramp_ns, period_ns)
        wanted = min(max(target, 0.0), 1.0, float(braking))
        change = period_ns / ramp_ns
        self.rate += min(max(wanted - self.rate, -change), change)
        return min(round(self.rate * period_ns), max(remaining_ns, 0))

    def stand(self) -> None:
        """Stand at once, as where nothing is commanded."""
        self.rate = 0.0
