"""A loop at a rate that does nothing: how late this machine alone makes one.

Run as a process of its own: ``python -m pi0_ros.cli.bench.bare_loop PERIOD_S SECONDS FILE``.
"""

from __future__ import annotations

import sys
import threading

from pi0_ros.nodes.loop_timing import LoopTiming
from pi0_ros.nodes.worker_thread import on_deadlines


def run(period_s: float, seconds: float, file: str) -> None:
    """Tick for a while, and write the instants as the executor's log has them."""
    timing, stopping = LoopTiming(file), threading.Event()
    left = round(seconds / period_s)

    def count() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            stopping.set()

    on_deadlines(period_s, timing.around(count))(stopping)
    timing.save()


if __name__ == "__main__":
    run(float(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
