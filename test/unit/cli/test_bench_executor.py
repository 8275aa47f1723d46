from __future__ import annotations

from pathlib import Path

import numpy as np

from pi0_ros.cli.bench.bare_loop import run as run_bare_loop
from pi0_ros.cli.bench.loop_times import loop_times, ratios, work_times
from pi0_ros.cli.bench.machine_load import ProcessorTimes
from pi0_ros.cli.bench.robot_copy import copy_robot
from pi0_ros.embodiment.loading import load_embodiment

MS = 1_000_000


def test_a_tick_that_comes_late_is_late_once_and_early_once() -> None:
    instants = np.arange(1001) * 2 * MS
    instants[500] += 6 * MS  # the next ones are in time again
    times = loop_times(instants, 2 * MS)
    assert times["rate_hz"] == 500.0
    assert times["seconds"] == 2.0
    assert (times["p50_ms"], times["max_ms"]) == (0.0, 6.0)
    assert times["later_than_5_ms"] == 2


def test_a_loop_is_compared_with_one_that_does_nothing() -> None:
    bare = {"p50_ms": 0.0, "p99_ms": 0.5, "p99.9_ms": 2.0, "max_ms": 4.0}
    loop = {"p50_ms": 0.1, "p99_ms": 1.0, "p99.9_ms": 3.0, "max_ms": 4.0}
    assert ratios(loop, bare) == {"p99": 2.0, "p99.9": 1.5, "max": 1.0}


def test_work_is_told_by_processor_and_by_wall() -> None:
    percent = np.arange(101) * 1000
    ticks = np.stack([0 * percent, percent, 3 * percent], axis=1)
    assert work_times(ticks) == {"cpu_p50": 50, "cpu_p99": 99, "wall_p50": 150, "wall_p99": 297}


def test_the_bare_loop_keeps_its_rate_and_writes_its_ticks(tmp_path: Path) -> None:
    run_bare_loop(0.001, 0.2, str(tmp_path / "bare.npy"))
    ticks = np.load(tmp_path / "bare.npy")
    assert ticks.shape == (200, 3)
    assert (np.diff(ticks[:, 0]) > 0).all()
    assert ticks[-1, 0] - ticks[0, 0] >= 0.19e9  # never ahead of its deadlines


def test_shares_of_the_processor_are_those_of_the_time_between() -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice
    before = ProcessorTimes.of("cpu  100 0 0 800 100 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    after = ProcessorTimes.of("cpu  120 0 10 840 110 0 0 20 99 0\n")
    shares = after.since(before)
    assert (shares["idle_percent"], shares["stolen_percent"]) == (50.0, 20.0)


def test_a_copied_robot_has_the_new_rate_and_everything_else_as_it_was(tmp_path: Path) -> None:
    copy = copy_robot("ur5e_bimanual", tmp_path, {"command": {"rate_hz": 1000.0}})
    own, copied = load_embodiment("ur5e_bimanual"), load_embodiment(str(copy))
    assert copied.command.rate_hz == 1000.0
    unchanged = {"command": own.command, "urdf": copied.urdf}
    assert copied.model_copy(update=unchanged) == own.model_copy(update=unchanged)
    assert Path(copied.urdf).is_file()
