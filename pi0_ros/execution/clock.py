"""The trajectory clock: time along the path runs at a rate between standing and full speed."""

from __future__ import annotations

import math

from pi0_ros.execution.limits import brakable

# A ramp is an S: a third of its time the slope grows, a third it stays, a third it shrinks.
STEEPEST = 1.5
SHARPEST = 4.5
END_SHARE = 0.8  # of slope and curvature, counted on to stand at the path's end
ARRIVED_NS = 100  # so close to its end a path is over: a ten-millionth of a second
HALVINGS = 7  # of a slope that cannot be taken


class TrajectoryClock:
    """Rate of trajectory time per time, in [0, 1]; the rate and its slope are continuous.

    Speed slider, stop, starvation and saturation all act here: the arm slows along its path
    instead of leaving it.

    Args:
        ramp_ns: Shortest time from standing to full speed and back [ns].
    """

    def __init__(self, ramp_ns: int) -> None:
        """Start standing."""
        ramp_s = ramp_ns / 1e9
        self._slope, self._curvature = STEEPEST / ramp_s, SHARPEST / ramp_s**2
        self.rate = 0.0
        self.slope = 0.0  # of the rate [1/s]

    def step(
        self,
        period_ns: int,
        target: float,
        remaining_ns: int,
        gentlest: tuple[float, float] = (math.inf, math.inf),
    ) -> int:
        """Advance by one period.

        Args:
            period_ns: Time that passes [ns].
            target: Wanted rate, in [0, 1].
            remaining_ns: Trajectory time until the path's end [ns]; the rate falls early enough
                to stand there.
            gentlest: Greatest slope [1/s] and curvature [1/s²] of the rate that the path allows.

        Returns:
            Trajectory time that passes [ns], at most ``remaining_ns``.
        """
        dt, room_s = period_ns / 1e9, max(remaining_ns, 0) / 1e9
        steepest = min(self._slope, gentlest[0])
        sharpest = min(self._curvature, gentlest[1])
        missing = min(max(target, 0.0), 1.0) - self.rate
        wanted = math.copysign(min(float(brakable(abs(missing), sharpest, dt)), steepest), missing)
        change = sharpest * dt
        wanted = self.slope + min(max(wanted - self.slope, -change), change)
        self.slope = self._brakable(wanted, self.slope - change, room_s, (steepest, sharpest), dt)
        self.rate += self.slope * dt
        if not 0.0 < self.rate < 1.0:
            self.rate, self.slope = min(max(self.rate, 0.0), 1.0), 0.0
        passed_ns = round(self.rate * period_ns)
        if passed_ns < remaining_ns - ARRIVED_NS:
            return passed_ns
        self.stand()
        return max(remaining_ns, 0)

    def runs_on(self, period_ns: int, remaining_ns: int, gentlest: tuple[float, float]) -> bool:
        """Say whether it runs at full speed, and goes on to with so much left of the path [ns]."""
        limits = (min(self._slope, gentlest[0]), min(self._curvature, gentlest[1]))
        is_full = self.rate == 1.0 and self.slope == 0.0
        return is_full and not self._overruns(0.0, remaining_ns / 1e9, limits, period_ns / 1e9)

    def _brakable(
        self, wanted: float, least: float, room_s: float, limits: tuple[float, float], dt: float
    ) -> float:
        """Return the slope next to a wanted one with which the rate can still fall to zero in time.

        Args:
            wanted: Slope of the coming period [1/s].
            least: The least that is possible [1/s].
            room_s: Trajectory time until the path's end [s].
            limits: Greatest slope [1/s] and curvature [1/s²].
            dt: Period [s].
        """
        # On the last bit of the way slopes are too coarse: a quarter of what is left per period.
        crawl = room_s / (4 * dt)
        if crawl < 4 * limits[1] * dt * dt:
            least = max(least, min((crawl - self.rate) / dt, wanted))
        good = least
        for _ in range(HALVINGS):
            if not self._overruns(wanted, room_s, limits, dt):
                return wanted
            middle = (good + wanted) / 2
            if self._overruns(middle, room_s, limits, dt):
                wanted = middle
            else:
                good = middle
        return good

    def _overruns(
        self, slope: float, room_s: float, limits: tuple[float, float], dt: float
    ) -> bool:
        """Say whether the path would end before the rate could fall to zero."""
        steepest, sharpest = END_SHARE * limits[0], END_SHARE * limits[1]
        rate = self.rate + slope * dt
        tau = slope / sharpest  # until the slope is zero; if it is negative, since it was
        peak = rate + slope * tau / 2
        if peak <= 0.0:
            return False
        turn = rate * dt + tau * (rate + slope * tau / 3)
        long, short = peak / steepest + steepest / sharpest, 2 * math.sqrt(peak / sharpest)
        stop = peak / 2 * (long if peak * sharpest > steepest**2 else short)
        return turn + stop > room_s

    def stand(self) -> None:
        """Stand at once, as where nothing is commanded."""
        self.rate = self.slope = 0.0
