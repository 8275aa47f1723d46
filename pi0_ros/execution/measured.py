"""The measured pose: whether it can be trusted now, and how far it is from its command."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.reasons import Code, Reason
from pi0_ros.execution.settings import ExecutorSettings
from pi0_ros.execution.standstill import Standstill

STOPPED_NS = 100_000_000  # of one place, until a robot that stopped by itself counts as standing
REMEMBERED = 1024  # poses: a second and more, as old as a plan's observation can be


class MeasuredPose:
    """The newest pose of J joints with its stamp, or the reason why there is none.

    Args:
        joint_names: For sentences, (J,).
        age_limit_ns: A pose farther from now than this, on either side, is not used [ns].
        tracking_error: Greatest |commanded - measured| of each joint, (J,) [rad or m].
    """

    def __init__(
        self, joint_names: Sequence[str], age_limit_ns: int, tracking_error: np.ndarray
    ) -> None:
        """Start without a pose."""
        self._joint_names = tuple(joint_names)
        self._age_limit_ns = age_limit_ns
        self._tracking_error = tracking_error
        self.stamp_ns = 0
        self.position: np.ndarray | None = None
        self._missing = "no joint_states yet"
        self._judged: np.ndarray | None = None  # the newest pose that was compared
        self._astray: Reason | None = None  # what came of it
        self._past: deque[tuple[int, np.ndarray]] = deque(maxlen=REMEMBERED)
        self._still = Standstill(STOPPED_NS)

    @staticmethod
    def of(embodiment: Embodiment, settings: ExecutorSettings) -> MeasuredPose:
        """Judge a robot by the executor's settings."""
        by_unit = {"rad": settings.tracking_error, "m": settings.tracking_error_m}
        # A gripper is astray on purpose: between its fingers is what it holds.
        errors = [math.inf if j.gripper else by_unit[j.unit] for j in embodiment.joints]
        return MeasuredPose(embodiment.joint_names, settings.joint_state_age_ns, np.array(errors))

    def take(self, stamp_ns: int, position: np.ndarray) -> None:
        """Remember the pose (J,) [rad or m] of an instant [ns]; only finite numbers count."""
        strange = np.flatnonzero(~np.isfinite(position))
        if strange.size:
            i = int(strange[0])
            self.lack(f"{self._joint_names[i]} is {position[i]}")
            return
        self.stamp_ns, self.position = stamp_ns, np.array(position, dtype=np.float64)
        self._past.append((stamp_ns, self.position))
        self._still.take(stamp_ns, self.position)

    def lack(self, detail: str) -> None:
        """Forget the pose and remember why there is none."""
        self.position, self._missing = None, detail

    @property
    def stands(self) -> bool:
        """Whether all joints have been at one place for a while, whoever keeps them there."""
        return self._still.stands

    def at(self, instant_ns: int) -> np.ndarray | None:
        """Return the pose closest to an instant [ns] within the age limit, (J,), None without."""
        newest = reversed(self._past)
        closest = min(newest, key=lambda known: abs(known[0] - instant_ns), default=None)
        if closest is None or abs(closest[0] - instant_ns) > self._age_limit_ns:
            return None
        return np.asarray(closest[1])

    def why_unseen(self, now_ns: int) -> Reason | None:
        """Say why the pose does not tell where the robot is at ``now_ns`` [ns]."""
        if self.position is None:
            return Reason(Code.JOINT_STATES_MISSING, self._missing)
        age_ns = now_ns - self.stamp_ns
        if abs(age_ns) <= self._age_limit_ns:
            return None
        said = (
            f"{age_ns / 1e9:.2f} s old"
            if age_ns > 0
            else f"stamped {-age_ns / 1e9:.2f} s ahead of now; compare the clocks"
        )
        limit = self._age_limit_ns / 1e9
        return Reason(Code.JOINT_STATES_STALE, f"{said}, limit {limit:.2f}")

    def why_off(self, commanded_at: Callable[[int], np.ndarray | None]) -> Reason | None:
        """Say which joint is too far from its command, judging each pose once.

        Args:
            commanded_at: Returns what was commanded for an instant [ns], (J,), None where nothing.
        """
        if self.position is not None and self.position is not self._judged:
            commanded = commanded_at(self.stamp_ns)
            if commanded is None:  # not of this run
                return None
            self._judged, self._astray = self.position, self.why_astray(commanded)
        return None if self.position is None else self._astray

    def why_astray(self, commanded: np.ndarray | None) -> Reason | None:
        """Say which joint is too far from what was commanded (J,) for the pose's instant."""
        if self.position is None or commanded is None:
            return None
        error = np.abs(commanded - self.position)
        worst = int((error - self._tracking_error).argmax())
        if error[worst] <= self._tracking_error[worst]:
            return None
        return Reason(
            Code.TRACKING_ERROR,
            f"{self._joint_names[worst]} is {error[worst]:.3f} from its command, "
            f"limit {self._tracking_error[worst]:g}; call ~/reset to continue from where it is",
        )
