"""Threads beside the executor of callbacks: for loops at a rate and for slow work."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable

Loop = Callable[[threading.Event], None]
GIVE_UP_S = 0.25  # after a longer stall the deadlines start anew instead of being caught up


class WorkerThread:
    """Runs a loop until stopped; its death is reported, never silent.

    Args:
        name: Of the thread, for debuggers.
        loop: Returns when the event that it gets is set.
        failed: Called with the traceback when the loop raises; the thread then ends.
    """

    def __init__(self, name: str, loop: Loop, failed: Callable[[str], None]) -> None:
        """Start the thread."""
        self._loop = loop
        self._failed = failed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after what it is doing, and wait for it."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop(self._stopping)
        except Exception:
            self._failed(traceback.format_exc())


def on_deadlines(period_s: float, work: Callable[[], None]) -> Loop:
    """Return a loop that works once per period [s, monotonic], on absolute deadlines.

    Late ticks are caught up, so the mean rate is exact; rclpy's timers lose ticks when late.
    """

    def loop(stopping: threading.Event) -> None:
        deadline = time.monotonic()
        while not stopping.is_set():
            work()
            deadline += period_s
            now = time.monotonic()
            if deadline > now:
                time.sleep(deadline - now)
            elif now - deadline > GIVE_UP_S:
                deadline = now

    return loop


def with_pauses(pause_s: float, work: Callable[[], None]) -> Loop:
    """Return a loop that works, pauses [s], and works again."""

    def loop(stopping: threading.Event) -> None:
        while not stopping.wait(pause_s):
            work()

    return loop
