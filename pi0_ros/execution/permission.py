"""What is allowed: to command at all, after a stop, and how fast."""

from __future__ import annotations

import math

from pi0_ros.execution.reasons import Code, Reason


class Permission:
    """Enabling, stops and the speed slider.

    Attributes:
        is_enabled: Whether commanding was asked for.
        latch: A stop that only a reset ends.
        unheard: Names of what nobody takes, as sentences have them; empty: somebody takes all. Who
            began to listen on the way would jump to where it has come to.
    """

    def __init__(self) -> None:
        """Start disabled, at full speed."""
        self.is_enabled = False
        self.latch: Reason | None = None
        self.unheard = ""
        self._is_resetting = False  # the latch ends as soon as the robot stands
        self._is_estop_pressed = False
        self._speed_scaling = 1.0

    def why_idle(self) -> Reason | None:
        """Say why nothing may be commanded but a stop along the path."""
        if self.latch is not None:
            return self.latch
        if not self.is_enabled:
            return Reason(Code.NOT_ENABLED, "call ~/enable")
        if self.unheard:
            return Reason(Code.CONTROLLER_MISSING, f"nobody takes {self.unheard}; is it running?")
        return None

    def stop(self, reason: Reason) -> None:
        """Latch a stop, until :meth:`reset`."""
        if not self._is_estop_pressed:
            self.latch = reason
        self._is_resetting = False

    def estop(self, pressed: bool) -> None:
        """Stop when pressed; a release alone starts nothing, and only then can a reset."""
        if pressed:
            self.stop(Reason(Code.ESTOP, "release it, then call ~/reset"))
        self._is_estop_pressed = pressed

    @property
    def is_estopped(self) -> bool:
        """Whether what stops is an e-stop, pressed or not yet reset."""
        return self.latch is not None and self.latch.code is Code.ESTOP

    def reset(self) -> Reason | None:
        """End any stop as soon as the robot stands, or return why not: a pressed e-stop."""
        if self._is_estop_pressed:
            return self.latch
        self.latch = self.latch or Reason(Code.STOP_REQUESTED, "standing still for the reset")
        self._is_resetting = True
        return None

    def stands(self) -> None:
        """Hear that the robot stands: a reset is complete."""
        if self._is_resetting:
            self.latch, self._is_resetting = None, False

    @property
    def speed_scaling(self) -> float:
        """Share of the speed that is wanted, in [0, 1]; what is not a number pauses."""
        return self._speed_scaling

    @speed_scaling.setter
    def speed_scaling(self, share: float) -> None:
        self._speed_scaling = min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0
