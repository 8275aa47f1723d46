from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np

from pi0_ros.nodes.loop_timing import LoopTiming


def test_each_tick_leaves_its_beginning_its_processor_time_and_its_duration(tmp_path: Path) -> None:
    timing = LoopTiming(str(tmp_path / "ticks.npy"))
    tick = timing.around(lambda: threading.Event().wait(0.01))
    before = time.monotonic_ns()
    tick()
    tick()
    timing.save()
    began, cpu, wall = np.load(tmp_path / "ticks.npy").T
    assert before <= began[0] < began[0] + wall[0] <= began[1]
    assert (wall >= 10_000_000).all()
    assert (cpu < wall / 2).all()  # asleep, it uses no processor


def test_without_a_file_the_work_is_the_work_itself() -> None:
    def work() -> None: ...

    timing = LoopTiming("")
    assert timing.around(work) is work
    timing.save()
