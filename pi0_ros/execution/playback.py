"""Playback: one chunk's reference, read as fast as the robot and its surroundings allow."""

from __future__ import annotations

import numpy as np

from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.execution.clock import TrajectoryClock
from pi0_ros.execution.follower import Motion
from pi0_ros.execution.limits import JointLimits
from pi0_ros.execution.reasons import Code, Reason
from pi0_ros.execution.reference import JoinLimits, Reference, join
from pi0_ros.execution.settings import ExecutorSettings
from pi0_ros.execution.smoothing import PathLimits

# An axis that trails the path by what it covers in half of this time at its velocity limit slows
# the clock, the more the farther it trails, down to a share of its rate. It does not wait: close
# behind a target that waits, an axis never gets up to its speed.
TRAIL_S = 0.01
SLOWEST_TRAILED = 0.3
# How far smoothing may move an action, likewise. What trembles more is trailed.
SMOOTHING_S = 0.03
ON_PATH = 1e-9  # [rad or m]; so close to the path an axis is on it
SLOW = 0.1  # of the clock: below, what an axis does tells little of what it would do at full speed


class Playback:
    """Says where A axes should be after each period. Arms and base obey one trajectory clock.

    Args:
        limits: Of the axes; the clock slows where the path is too fast for one of them.
        settings: Times of ramps and fades.

    Attributes:
        elapsed_ns: Trajectory time since the chunk's start.
        scale: Greatest clock rate at which the gate lets the chunk play.
        pace: What keeps the clock from full speed; None where nothing does.
        seam: Largest difference that was faded at the last join [rad or m].
    """

    def __init__(self, limits: JointLimits, settings: ExecutorSettings) -> None:
        """Start without a chunk, standing."""
        self._limits = limits
        self._trail = np.where(limits.paced, TRAIL_S * limits.velocity, np.inf)
        share = settings.fade_share
        self._join_limits = JoinLimits(
            settings.fade_ns,
            share * limits.velocity,
            share * limits.acceleration,
            share * limits.jerk,
            ~limits.paced,
            PathLimits(limits.acceleration, limits.jerk, SMOOTHING_S * limits.velocity),
        )
        self._clock = TrajectoryClock(settings.ramp_ns)
        self._reference: Reference | None = None
        self._path: Motion | None = None  # where the path is read, by trajectory time
        self.elapsed_ns = 0
        self._is_off: np.ndarray = np.zeros(len(limits.velocity), dtype=bool)
        self.scale = 1.0
        self.pace: Reason | None = None
        self.seam = 0.0

    @property
    def rate(self) -> float:
        """Trajectory time per time, in [0, 1]."""
        return self._clock.rate

    @property
    def chunk(self) -> ActionChunk | None:
        """The chunk being played."""
        return self._reference.chunk if self._reference else None

    @property
    def is_over(self) -> bool:
        """Whether the path's end is reached."""
        return self._reference is not None and self.elapsed_ns >= self._reference.duration_ns

    @property
    def joins_until_ns(self) -> int:
        """Trajectory time until the difference to what was played before is gone [ns]."""
        if self._reference is None:
            return 0
        end_ns = self._reference.joined_ns + self._reference.fade.duration_ns
        return max(end_ns - self.elapsed_ns, 0)

    def join(self, chunk: ActionChunk, now: Motion, elapsed_ns: int, scale: float = 1.0) -> None:
        """Go on with a chunk, without a jump.

        Args:
            chunk: The plan.
            now: Where the axes are at the join, and how they move.
            elapsed_ns: How much of the chunk is over at the join [ns].
            scale: Greatest clock rate at which it may be played.
        """
        self._reference = join(
            chunk, elapsed_ns, now.position, self._before(now), self._join_limits
        )
        self.elapsed_ns, self.scale = elapsed_ns, scale
        self._path = self._reference.at(elapsed_ns)
        self.seam = float(np.abs(self._reference.fade.difference.position).max())

    def _before(self, now: Motion) -> Motion | None:
        """Return speed and acceleration along the path by trajectory time; None where it stands.

        Of an axis that trails the path, its own: what it was to do is not what it does.
        """
        path, rate = self._path, self._clock.rate
        if path is None or rate == 0.0:
            return None
        if rate < SLOW:
            return path
        speed = now.velocity / rate
        turn = (now.acceleration - speed * self._clock.slope) / rate**2
        return Motion(
            path.position,
            np.where(self._is_off, speed, path.velocity),
            np.where(self._is_off, turn, path.acceleration),
        )

    def end(self) -> None:
        """Forget the chunk and stand at once, as where nothing is commanded."""
        self._reference = self._path = self.pace = None
        self._clock.stand()

    def step(self, now: Motion, share: float, period_ns: int) -> tuple[Motion, int]:
        """Read the path one period later.

        An axis that is driven by velocity makes up for nothing: its way goes on from wherever it
        is, because what a base has missed is not where the robot has gone meanwhile. Where the
        clock is to stand, it is to stand at once: its driver's timeout does not wait for the arm.

        Args:
            now: Where the axes are, and how they move.
            share: Wanted clock rate, in [0, 1].
            period_ns: Time that passes [ns].

        Returns:
            What is wanted after the period, and the trajectory time that passes [ns]. Without a
            chunk: to rest where the axes are, at none.
        """
        reference, path = self._reference, self._path
        if reference is None or path is None:
            return Motion.resting(now.position), 0
        trailing = self._trailing(now, path)
        rate = self._wanted_rate(share, path, trailing)
        gentlest = self._limits.gentlest_clock(path.velocity)
        remaining_ns = reference.duration_ns - self.elapsed_ns
        passed_ns = self._clock.step(period_ns, rate, remaining_ns, gentlest)
        if trailing < 1.0:
            passed_ns = round(passed_ns * trailing)
        self.elapsed_ns += passed_ns
        self._path = path = reference.at(self.elapsed_ns)
        return self._timed(
            reference, path, now, trailing, stops=share == 0.0, period_ns=period_ns
        ), passed_ns

    def ahead(self, count: int, period_ns: int) -> Motion | None:
        """Read so many periods of the path ahead, if nothing slows the clock meanwhile.

        Returns:
            (count, A) each; None where the clock is slow, or might become so, or an axis trails.
        """
        reference, path = self._reference, self._path
        if reference is None or path is None or self.scale < 1.0 or reference.by_velocity.any():
            return None
        elapsed_ns = self.elapsed_ns + period_ns * np.arange(1, count + 1)
        if elapsed_ns[-1] >= reference.curve.duration_ns:
            return None
        ahead = reference.along(elapsed_ns)
        fastest = np.maximum(np.abs(ahead.velocity).max(axis=0), np.abs(path.velocity))
        left_ns = reference.duration_ns - int(elapsed_ns[-1])
        gentlest = self._limits.gentlest_clock(fastest)
        is_free = self._limits.fastest_rate(fastest) == 1.0
        return ahead if is_free and self._clock.runs_on(period_ns, left_ns, gentlest) else None

    def follow(self, path: Motion, position: np.ndarray, period_ns: int) -> None:
        """Take note that a path that was read ahead was followed to a position, (A,)."""
        self.elapsed_ns += len(path.position) * period_ns
        self._path = Motion(path.position[-1], path.velocity[-1], path.acceleration[-1])
        self._is_off = np.abs(self._path.position - position) > ON_PATH
        self.pace = None

    def why_stale(self, now_ns: int, open_loop_ns: int) -> Reason | None:
        """Say that too much is played from one observation, or that it is too long ago.

        Args:
            now_ns: Instant on the clock of the chunk's stamp [ns].
            open_loop_ns: How much of a chunk may be played [ns]; it may be twice as old.
        """
        chunk = self.chunk
        if chunk is None:
            return None
        age_ns = now_ns - chunk.start_ns
        if self.elapsed_ns <= open_loop_ns and age_ns <= 2 * open_loop_ns:
            return None
        steps, limit = self.elapsed_ns // chunk.period_ns, open_loop_ns // chunk.period_ns
        return Reason(
            Code.CHUNK_STALE,
            f"{steps} actions were played from an observation {age_ns / 1e9:.2f} s old, limit "
            f"{limit} or {2 * open_loop_ns / 1e9:.2f} s; no newer plan came",
        )

    def _trailing(self, now: Motion, path: Motion) -> float:
        """Say at which share of its rate the clock goes on so that no axis trails too far."""
        assert self._reference is not None
        trail = np.where(self._reference.by_velocity, 0.0, np.abs(path.position - now.position))
        self._is_off = trail > ON_PATH
        return min(max(2.0 - 2.0 * float((trail / self._trail).max()), SLOWEST_TRAILED), 1.0)

    def _wanted_rate(self, share: float, path: Motion, trailing: float) -> float:
        """Return the clock rate to go for, in [0, 1], and remember what keeps it from 1."""
        fastest = self._limits.fastest_rate(path.velocity)
        rates = {
            Code.SPEED_SCALING: share,
            Code.CHUNK_SCALED: self.scale,
            Code.VELOCITY_LIMIT: fastest,
            Code.PATH_TRAILED: trailing,
        }
        code = min(rates, key=lambda code: rates[code])
        self.pace = Reason(code, f"{rates[code]:.2f} of full speed") if rates[code] < 1.0 else None
        return min(share, self.scale, fastest)

    def _timed(
        self, reference: Reference, path: Motion, now: Motion, trailing: float, *,
        stops: bool, period_ns: int,
    ) -> Motion:  # fmt: skip
        """Turn the path by trajectory time into a motion by time."""
        rate, dt = self._clock.rate * trailing, period_ns / 1e9
        velocity = path.velocity * rate
        acceleration = path.acceleration * (rate * rate) + path.velocity * self._clock.slope
        if trailing < 1.0:  # of a path that is too fast, the accelerations mean nothing
            acceleration = np.zeros_like(acceleration)
        if not reference.by_velocity.any():
            return Motion(path.position, velocity, acceleration)
        if stops:
            velocity = np.where(reference.by_velocity, 0.0, velocity)
            acceleration = np.where(reference.by_velocity, 0.0, acceleration)
        driven = now.position + velocity * dt
        return Motion(
            np.where(reference.by_velocity, driven, path.position), velocity, acceleration
        )
