from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pi0_ros.cli.bench.seam.measures import Measures, Series, delay_ms, measure
from pi0_ros.cli.bench.seam.motion import ChunkStream, Timing, continuation_weights, wanted
from pi0_ros.cli.bench.seam.summary import meets_goal, summary
from pi0_ros.embodiment.axes import Joint
from pi0_ros.embodiment.loading import load_embodiment

MS = 1_000_000
TWENTY_HZ = Timing(period_ns=50 * MS, replan_ns=400 * MS, latency_ns=200 * MS)
PERIOD_NS = 2 * MS
STEADY = np.zeros((3, 50))  # no noise beside the biases


@pytest.fixture
def pan() -> Joint:
    """A joint of ±6.28 rad, 3.14 rad/s, 5 rad/s² and, in 50 ms to that, 100 rad/s³."""
    return load_embodiment("ur5e").joints[0]


def following(pan: Joint, late_ms: float = 0.0, seconds: float = 8.0) -> Series:
    """Commands of one joint every 2 ms that trail the wanted motion."""
    instants_ns = np.arange(0, round(seconds * 1e9), PERIOD_NS)
    moved = wanted((instants_ns - late_ms * MS) / 1e9)
    return Series(instants_ns, pan.home + moved[:, None])


def measured(commands: Series, pan: Joint) -> Measures:
    return measure(commands, commands, (pan,), 0, PERIOD_NS, start_ns=0)


# --- the motion and its chunks -------------------------------------------------------------------


def test_the_wanted_motion_is_at_most_as_fast_as_it_says() -> None:
    times = np.arange(0, 10, 1e-3)
    assert np.abs(np.diff(wanted(times)) / 1e-3).max() == pytest.approx(0.48, abs=1e-3)


def test_actions_until_a_chunk_takes_over_count_latency_and_lead() -> None:
    assert TWENTY_HZ.execute == 8
    assert TWENTY_HZ.delay == 6  # 200 ms and 60 ms, in steps of 50
    assert replace(TWENTY_HZ, period_ns=20 * MS).delay == 13


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"replan_ns": 425 * MS}, "--replan-ms 425 is no whole number of actions; one takes 50 ms"),
        ({"replan_ns": 0}, "--replan-ms 0 is no whole number"),
        ({"latency_ns": 2040 * MS}, "leave nothing of the chunk's 50; lower --replan-ms"),
    ],
)
def test_times_that_make_no_sense_are_refused(changes: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(TWENTY_HZ, **changes)


def test_an_action_is_the_wanted_motion_at_its_instant_plus_the_chunks_bias() -> None:
    chunks = ChunkStream(7, TWENTY_HZ, np.array([0.0, 0.5]), STEADY)
    assert chunks.observed_ns(1) == 7 + 400 * MS
    assert chunks.actions(1)[2] == pytest.approx(float(wanted(0.4 + 2 * 0.05)) + 0.5)


def test_noise_is_of_each_action_beside_its_chunks_bias() -> None:
    noisy = ChunkStream.drawn(20.0, TWENTY_HZ, 0.02, 0.003, seed=0)
    steady = ChunkStream.drawn(20.0, TWENTY_HZ, 0.02, 0.0, seed=0)
    off = np.array([noisy.actions(k) - steady.actions(k) for k in range(51)])
    assert off.std() == pytest.approx(0.003, rel=0.05)  # of 2550 actions
    assert abs(off.mean(axis=1)).max() < 0.002  # 0.003 / sqrt(50), four times


def test_seeds_come_in_pairs_of_opposite_errors() -> None:
    even, odd, other = (ChunkStream.drawn(20.0, TWENTY_HZ, 0.02, 0.001, seed) for seed in (2, 3, 4))
    assert np.array_equal(even.biases, -odd.biases)
    assert np.array_equal(even.noise, -odd.noise)
    assert not np.array_equal(np.abs(even.biases), np.abs(other.biases))
    assert len(even.biases) == 51


def test_a_chunk_counts_from_its_arrival_on_and_the_last_one_stays() -> None:
    chunks = ChunkStream(0, TWENTY_HZ, np.zeros(3), STEADY)
    instants_ms = (0, 599, 600, 999, 1000, 9000)
    assert [chunks.newest(ms * MS) for ms in instants_ms] == [0, 0, 1, 1, 2, 2]


def test_a_continuing_chunk_repeats_what_is_executed_meanwhile_and_then_follows_its_own() -> None:
    chunks = ChunkStream(0, TWENTY_HZ, np.array([0.0, 1.0]), STEADY, continued=True)
    before, after = chunks.actions(0), chunks.actions(1)
    assert np.array_equal(after[:6], before[8:14])
    bias = after - wanted(0.4 + 0.05 * np.arange(50))
    assert (np.diff(bias) >= -1e-12).all()
    assert bias[-8:] == pytest.approx(1.0)  # beyond the previous chunk's end
    assert np.diff(bias).max() < 0.07  # the disagreement of 1 enters smoothly


def test_continuation_keeps_delay_actions_whole_and_none_after_the_overlap() -> None:
    weights = continuation_weights(TWENTY_HZ)
    assert (weights[:6] == 1.0).all()
    assert 0.8 < weights[6] < 1.0
    assert (weights[42:] == 0.0).all()


# --- what is measured ----------------------------------------------------------------------------


def test_a_perfect_follower_shows_the_motions_own_numbers(pan: Joint) -> None:
    m = measured(following(pan), pan)
    assert m.step_mrad == pytest.approx(0.96, abs=1e-3)  # 0.48 rad/s for 2 ms
    assert m.velocity == pytest.approx(0.48, abs=1e-3)
    assert m.acceleration == pytest.approx(0.768, abs=1e-2)  # 0.48 rad/s * 1.6 per s
    assert m.jerk == pytest.approx(1.229, abs=2e-2)  # once more
    assert m.error_mrad == pytest.approx(0.0, abs=1e-9)
    assert (m.violations, m.cycles_skipped, m.longest_gap_ms) == (0, 0, 2.0)


@pytest.mark.parametrize("late_ms", [-7.0, 0.0, 5.0, 25.0])
def test_delay_is_found_whatever_the_offset(pan: Joint, late_ms: float) -> None:
    moved = following(pan, late_ms)
    assert delay_ms(Series(moved.instants_ns, moved.positions[:, 0])) == pytest.approx(late_ms)


def test_delay_of_what_does_not_follow_is_no_number(pan: Joint) -> None:
    moved = following(pan)
    assert np.isnan(delay_ms(Series(moved.instants_ns, 0 * moved.instants_ns)))


def test_a_jump_is_a_step_and_breaks_limits_of_every_order(pan: Joint) -> None:
    commands = following(pan)
    commands.positions[1000:] += 0.05
    m = measured(commands, pan)
    assert m.step_mrad == pytest.approx(50.0, abs=1.0)
    assert m.velocity == pytest.approx(25.0, abs=0.5)  # 50 mrad in 2 ms
    counts = (m.velocity_violations, m.acceleration_violations, m.jerk_violations)
    assert counts == (1, 2, 3)
    assert m.violations == 6


def test_a_joint_that_does_not_move_is_held_to_its_limits_too(pan: Joint) -> None:
    commands = following(pan)
    beside = np.full(len(commands.instants_ns), pan.home)
    beside[2000] = pan.upper + 0.1
    both = Series(commands.instants_ns, np.stack([commands.positions[:, 0], beside], axis=1))
    m = measure(both, both, (pan, pan), 0, PERIOD_NS, start_ns=0)
    assert (m.position_violations, m.velocity_violations) == (1, 2)
    assert m.velocity == pytest.approx(0.48, abs=1e-3)  # peaks are of the joint that moves


def test_skipped_cycles_are_counted_and_no_difference_crosses_them(pan: Joint) -> None:
    commands = following(pan)
    kept = np.delete(np.arange(len(commands.instants_ns)), slice(1000, 1009))
    m = measured(Series(commands.instants_ns[kept], commands.positions[kept]), pan)
    assert (m.cycles_skipped, m.longest_gap_ms) == (9, 20.0)
    assert m.step_mrad == pytest.approx(0.96, abs=1e-3)  # the mean of ten, not their sum
    assert m.jerk == pytest.approx(1.229, abs=2e-2)


def test_a_cycle_that_comes_early_is_not_taken_for_a_whole_one(pan: Joint) -> None:
    commands = following(pan)
    instants_ns = commands.instants_ns.copy()
    instants_ns[1000:] -= 1_500_000  # one cycle 0.5 ms after the one before
    moved = pan.home + wanted(instants_ns / 1e9)[:, None]
    m = measured(Series(instants_ns, moved), pan)
    assert m.acceleration == pytest.approx(0.768, abs=1e-2)


def test_silence_is_an_error(pan: Joint) -> None:
    silence = Series(np.zeros(0, np.int64), np.zeros((0, 1)))
    with pytest.raises(ValueError, match="no commands were heard of sim_robot_node"):
        measured(silence, pan)


# --- the goal ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("late_ms", "jump", "met"), [(4.0, 0.0, True), (6.0, 0.0, False), (0.0, 0.0015, False)]
)
def test_the_goal_is_met_within_steps_delay_and_limits(
    pan: Joint, late_ms: float, jump: float, met: bool
) -> None:
    commands = following(pan, late_ms)
    commands.positions[1000:] += jump
    runs = [measured(commands, pan)]
    numbers = {**summary(runs), "violations": sum(run.violations for run in runs)}
    assert meets_goal(numbers) is met


def test_a_summary_has_the_mean_and_what_is_farthest_from_zero(pan: Joint) -> None:
    numbers = summary([measured(following(pan, late), pan) for late in (-6.0, 2.0)])
    assert numbers["command_delay_ms"]["mean"] == pytest.approx(-2.0, abs=1e-3)
    assert numbers["command_delay_ms"]["worst"] == pytest.approx(-6.0, abs=1e-3)
