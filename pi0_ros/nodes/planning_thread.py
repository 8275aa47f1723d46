"""The worker thread that plans: the executor of callbacks never waits for a network."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable

TICK_S = 0.005  # how soon a due plan is noticed


class PlanningThread:
    """Calls one function again and again until stopped; its death is reported, never silent.

    Args:
        work: What is done at each tick.
        failed: Called with the traceback when ``work`` raises; the thread then ends.
    """

    def __init__(self, work: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Start the thread."""
        self._work = work
        self._failed = failed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="planning", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the plan that is being made."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.wait(TICK_S):
                self._work()
        except Exception:
            self._failed(traceback.format_exc())
