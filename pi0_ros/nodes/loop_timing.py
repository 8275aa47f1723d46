"""When a loop's ticks began and what each of them took, for `pi0 bench executor`."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable

import numpy as np


class LoopTiming:
    """Keeps three numbers per tick: its beginning [ns, monotonic], CPU time and duration [ns].

    Args:
        file: Gets them as .npy, (N, 3) int64; empty: nothing is kept.
    """

    def __init__(self, file: str) -> None:
        """Start without a tick."""
        self._file = file
        self._numbers = array("q")  # grows without work for the garbage collector

    def around(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return the work of one tick, timed where there is a file."""
        if not self._file:
            return work

        def timed() -> None:
            began, cpu = time.monotonic_ns(), time.thread_time_ns()
            work()
            taken = time.thread_time_ns() - cpu
            self._numbers.extend((began, taken, time.monotonic_ns() - began))

        return timed

    def save(self) -> None:
        """Write the file."""
        if self._file:
            np.save(self._file, np.array(self._numbers, dtype=np.int64).reshape(-1, 3))
