from __future__ import annotations

import numpy as np
import pytest

from pi0_ros.cli.demo.timeline import CommandTimeline
from pi0_ros.embodiment.spec import Embodiment

PAN, ELBOW = "left_shoulder_pan_joint", "left_elbow_joint"
TICK = 2_000_000  # 500 Hz


@pytest.fixture
def timeline(embodiment: Embodiment) -> CommandTimeline:
    """Of two joints at 500 Hz, both allowed pi rad/s (6.28 mrad a tick) and 5 rad/s²."""
    return CommandTimeline(embodiment, [PAN, ELBOW])


def rows(*values: float) -> np.ndarray:
    """One row per value, the same for both joints."""
    return np.array([[value, value] for value in values])


def test_an_empty_timeline_has_no_samples_and_no_violations(timeline: CommandTimeline) -> None:
    assert timeline.runs() == []
    assert timeline.largest_step() == 0.0
    assert timeline.violations() == {"position": 0, "velocity": 0, "acceleration": 0}
    seconds, positions = timeline.seconds_and_positions()
    assert (seconds.shape, positions.shape) == ((0,), (0, 2))


def test_overlapping_windows_that_agree_are_one_run(timeline: CommandTimeline) -> None:
    timeline.add(10 * TICK, rows(0.0, 0.001, 0.002))
    timeline.add(11 * TICK, rows(0.001, 0.002, 0.003))
    ((ticks, positions),) = timeline.runs()
    np.testing.assert_array_equal(ticks, [10, 11, 12, 13])
    np.testing.assert_array_equal(positions, rows(0.0, 0.001, 0.002, 0.003))
    assert timeline.messages == 2
    assert timeline.largest_replacement == 0.0
    assert timeline.largest_step() == pytest.approx(0.001)


def test_a_newer_window_replaces_and_its_contradiction_is_measured(
    timeline: CommandTimeline,
) -> None:
    timeline.add(10 * TICK, rows(0.0, 0.1))
    timeline.add(11 * TICK, np.array([[0.1, 0.4]]))
    np.testing.assert_array_equal(timeline.seconds_and_positions()[1], [[0.0, 0.0], [0.1, 0.4]])
    assert timeline.largest_replacement == pytest.approx(0.3)


def test_a_gap_separates_runs_and_is_no_step(timeline: CommandTimeline) -> None:
    timeline.add(10 * TICK, rows(0.0, 0.001))
    timeline.add(50 * TICK, rows(1.0, 1.002))
    assert [ticks.tolist() for ticks, _ in timeline.runs()] == [[10, 11], [50, 51]]
    assert timeline.largest_step() == pytest.approx(0.002)
    assert sum(timeline.violations().values()) == 0


def test_times_count_from_the_first_sample(timeline: CommandTimeline) -> None:
    timeline.add(1000 * TICK, rows(0.0, 0.0))
    timeline.add(1500 * TICK, rows(0.0))
    np.testing.assert_allclose(timeline.seconds_and_positions()[0], [0.0, 0.002, 1.0])


def test_each_position_beyond_a_limit_is_counted(timeline: CommandTimeline) -> None:
    timeline.add(0, np.array([[7.0, 4.0]]))  # 2 pi for the pan joint, pi for the elbow
    assert timeline.violations() == {"position": 2, "velocity": 0, "acceleration": 0}
    timeline.add(0, np.array([[6.2, 3.2]]))
    assert timeline.violations()["position"] == 1


def test_a_step_beyond_the_speed_is_counted_for_each_joint(timeline: CommandTimeline) -> None:
    timeline.add(0, np.array([[0.0, 0.0], [0.0062, 0.0064]]))
    assert timeline.violations()["velocity"] == 1


def test_a_change_of_speed_beyond_the_acceleration_is_counted(timeline: CommandTimeline) -> None:
    # 5 rad/s² over 2 ms is 0.01 rad/s, 20 microradians a tick.
    timeline.add(0, rows(0.0, 0.0, 19e-6))
    assert timeline.violations()["acceleration"] == 0
    timeline.add(100 * TICK, np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 21e-6]]))
    assert timeline.violations()["acceleration"] == 1
