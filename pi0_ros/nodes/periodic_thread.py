"""A thread on absolute deadlines: late ticks are caught up, so the mean rate is exact.

rclpy's timers lose ticks when they are late; a thread that sleeps to the next deadline does not.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable

GIVE_UP_S = 0.25  # after a longer stall the deadlines start anew instead of being caught up


class PeriodicThread:
    """Calls one function per period until stopped.

    Args:
        period_s: Time between two calls [s, monotonic].
        work: What is done at each tick.
        failed: Called with the traceback when ``work`` raises; the thread then ends.
    """

    def __init__(
        self, period_s: float, work: Callable[[], None], failed: Callable[[str], None]
    ) -> None:
        """Start the thread."""
        self._period_s = period_s
        self._work = work
        self._failed = failed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="periodic", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the tick that is running."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        deadline = time.monotonic()
        try:
            while not self._stopping.is_set():
                self._work()
                deadline += self._period_s
                now = time.monotonic()
                if deadline > now:
                    time.sleep(deadline - now)
                elif now - deadline > GIVE_UP_S:
                    deadline = now
        except Exception:
            self._failed(traceback.format_exc())
