from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from pi0_ros.execution.chunk import ActionChunk, ActionKind, action_kinds
from pi0_ros.execution.executor import ChunkExecutor, State
from pi0_ros.execution.limits import JointLimits
from pi0_ros.execution.reasons import Code, Reason
from pi0_ros.execution.settings import ExecutorSettings

MS = 1_000_000
ROUNDING = 1e-6
SLANT = [(0.05 * i, 0.02 * i) for i in range(11)]  # 0.5 rad/s and 0.2 m/s for a second
# Of random chunks, per robot; `PI0_STREAMS=1000 pytest ...` takes minutes.
STREAMS = int(os.environ.get("PI0_STREAMS", "30"))
ESTOP = Reason(Code.ESTOP, "release it")


@pytest.fixture
def drive(make_drive, make_chunk):
    """Plays a slanted chunk from 1000 ms on; every sample of its path has slide = 0.4 turn."""
    return make_drive(make_chunk(SLANT, start_ms=1000))


@pytest.fixture
def moving(drive):
    """The same half a second later, at full speed."""
    drive.run(500)
    assert drive.core.clock_rate == 1.0
    return drive


def assert_on_the_path(drive):
    """Every sample lies on the slanted path, however slowly it is played."""
    for run in drive.runs:
        turn, slide = np.array(list(run.values())).T
        np.testing.assert_allclose(slide, 0.4 * turn, atol=1e-9)


def assert_smooth(drive):
    velocity, acceleration, jerk = drive.worst()
    assert velocity <= 1 + ROUNDING
    assert acceleration <= 1 + ROUNDING
    assert jerk <= 1 + ROUNDING


# --- time -------------------------------------------------------------------------------------


def test_a_late_chunk_starts_at_the_action_that_is_due(moving, make_chunk):
    moving.accept(make_chunk(start_ms=1450))
    # 50 ms or half an action after the start; the end of the horizon is 40 ms ahead.
    assert moving.core.step_in_chunk(moving.now_ns) == pytest.approx(0.5, abs=1e-3)
    moving.run(100)
    assert moving.core.step_in_chunk(moving.now_ns) == pytest.approx(1.5, abs=1e-3)


def test_a_robot_that_stood_still_starts_at_the_first_action_however_late(make_drive, make_chunk):
    drive = make_drive()
    drive.run(500)
    assert drive.accept(make_chunk([(0.05 * i, 0) for i in range(11)], start_ms=1000)) == ""
    assert drive.core.step_in_chunk(drive.now_ns) == 0.0
    drive.run(900)
    assert drive.core.step_in_chunk(drive.now_ns) == pytest.approx(6.6, abs=0.1)  # after the ramp


def test_at_half_the_speed_half_the_steps_are_consumed(moving, make_chunk):
    moving.core.permission.speed_scaling = 0.5
    moving.run(400)
    assert moving.core.clock_rate == pytest.approx(0.5)
    moving.accept(make_chunk(SLANT, start_ms=1800))
    assert moving.core.step_in_chunk(moving.now_ns) == pytest.approx(0.5, abs=0.01)


def test_every_action_is_reached_when_it_is_due(moving, make_chunk):
    actions = [(0.2 + 0.05 * i + 0.01 * np.sin(i), 0.08 + 0.02 * i) for i in range(11)]
    moving.accept(make_chunk(actions, start_ms=1450))
    moving.run(750)
    # Joined at 1540 ms, faded by 2000 ms, slowing for the end from 2250 ms on.
    assert moving.core.tally.take_touched(("turn", "slide")) == ()
    for i in (6, 7):
        np.testing.assert_allclose(moving.at(1450 + 100 * i), actions[i], atol=1e-5)


def test_a_chunk_that_starts_within_the_lead_plays_when_it_starts(moving, make_chunk):
    stands = make_chunk([(0.25, 0.1)] * 11, start_ms=1530)
    moving.accept(stands)
    moving.run(40)
    assert moving.core.step_in_chunk(moving.now_ns) == pytest.approx(0.1)


def test_the_same_plan_again_changes_nothing(moving, make_chunk):
    moving.accept(make_chunk(SLANT, start_ms=1000))
    before = moving.velocity_at(1540)
    moving.run(100)
    np.testing.assert_allclose(moving.velocity_at(1550), before, atol=0.01)
    assert_on_the_path(moving)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    offset=st.tuples(st.floats(-0.1, 0.1), st.floats(-0.05, 0.05)),
    slope=st.tuples(st.floats(-0.6, 0.6), st.floats(-0.3, 0.3)),
)
def test_a_contradicting_chunk_joins_without_a_jump(make_drive, make_chunk, offset, slope):
    chunk = make_chunk([(0.05 * i, 0.5) for i in range(11)], start_ms=1000)
    drive = make_drive(chunk, pose=(0, 0.5))
    drive.run(500)
    start = drive.at(1540)
    times = 0.1 * np.arange(11)[:, None] - 0.04
    drive.accept(make_chunk(start + offset + times * slope, start_ms=1500))
    drive.run(400)
    # Smooth by the join itself, not because a limit held a jump back.
    np.testing.assert_allclose(drive.velocity_at(1550), drive.velocity_at(1540), atol=0.03)
    assert_smooth(drive)


def test_a_far_off_first_chunk_is_ramped_to_within_the_limits(make_drive, make_chunk):
    drive = make_drive(make_chunk([(0.9, 0.4)] * 11, start_ms=1000))
    drive.run(1000)
    assert [note.code.value for note in drive.core.notes()] == ["chunk_jump", "joining"]
    drive.run(8000)
    assert drive.at(10_000).tolist() == [0.9, 0.4]
    assert_smooth(drive)
    turn = np.array([position[0] for position in drive.samples.values()])
    assert (np.diff(turn) >= -1e-12).all()


def test_a_chunk_faster_than_the_joints_is_slowed_not_broken(make_drive, make_chunk):
    drive = make_drive(make_chunk([(0.2 * i, 0.08 * i) for i in range(11)], start_ms=1000))
    drive.run(1000)  # 2 rad/s where 1 rad/s is allowed
    assert drive.core.chunk_scale == pytest.approx(0.5)
    assert drive.core.notes()[0].code is Code.CHUNK_VELOCITY
    drive.run(3500)
    assert_smooth(drive)
    assert drive.at(5500).tolist() == pytest.approx([2.0, 0.8])
    assert drive.core.tally.largest_ratios[0] <= 1


# --- what is committed ------------------------------------------------------------------------


def test_windows_that_overlap_are_equal_for_ever(moving, make_chunk):
    for _ in range(20):  # `record` compares every window with all before
        moving.run(70)
        moving.accept(make_chunk([moving.pose + 0.01] * 11, start_ms=moving.now_ms - 50))
    assert moving.core.tally.chunks_accepted == 21


def test_the_window_reaches_the_lead_beyond_now(moving):
    window = moving.core.window(moving.now_ns)
    assert window.start_ns == 1480 * MS
    assert len(window.positions) == 2 + 1 + 4


# --- no chunk, the end of a chunk -------------------------------------------------------------


def test_without_a_chunk_it_holds_the_measured_pose_and_waits(make_drive):
    drive = make_drive(pose=(0.5, 0.25))
    drive.run(100)
    assert (drive.core.state, drive.code) == (State.HOLDING, "no_chunk")
    assert drive.at(1100).tolist() == [0.5, 0.25]


def test_a_starved_executor_slows_along_the_path_and_stands_at_the_last_action(drive):
    drive.run(2500)
    assert (drive.core.state, drive.code) == (State.HOLDING, "chunk_exhausted")
    assert drive.core.reason.detail == "its last action was due 1.50 s ago"
    assert drive.at(3500).tolist() == pytest.approx([0.5, 0.2], abs=1e-12)
    assert drive.core.clock_rate == 0.0
    assert_on_the_path(drive)
    assert_smooth(drive)


def test_a_starved_executor_resumes_with_the_next_chunk_without_a_jump(drive, make_chunk):
    drive.run(2500)
    drive.accept(make_chunk(np.array(SLANT) + SLANT[-1], start_ms=3500))
    drive.run(1500)
    assert drive.at(5000)[0] > 0.8
    assert_on_the_path(drive)
    assert_smooth(drive)


# --- bad chunks -------------------------------------------------------------------------------

NAN = [(0.5, 0.2), (np.nan, 0.2)]
POSITION = ActionKind.POSITION


@pytest.mark.parametrize(
    ("code", "facts"),
    [
        ("chunk_not_finite", dict(actions=NAN, start_ms=1450)),
        ("chunk_names", dict(names=("turn", "glide"), start_ms=1450)),
        ("chunk_names", dict(actions=[[0.1], [0.2]], names=("turn",), start_ms=1450)),
        ("chunk_names", dict(names=("slide", "turn"), start_ms=1450)),
        ("chunk_kinds", dict(kinds=(POSITION, ActionKind.VELOCITY), start_ms=1450)),
        ("chunk_period", dict(period_ns=50 * MS, start_ms=1450)),
        ("chunk_too_short", dict(actions=[(0.3, 0.1)], start_ms=1450)),
        ("chunk_expired", dict(actions=SLANT[:3], start_ms=1250)),
        ("chunk_from_future", dict(start_ms=1700)),
    ],
)
def test_a_bad_chunk_makes_it_slow_along_the_path_until_a_good_one(moving, make_chunk, code, facts):
    assert moving.accept(make_chunk(**facts)) == code
    moving.run(100)
    assert (moving.core.state, moving.code) == (State.HOLDING, code)
    assert 0.7 < moving.core.clock_rate < 1
    assert moving.core.reason.detail
    moving.run(400)
    assert moving.velocity_at(moving.now_ms).tolist() == [0, 0]
    assert_on_the_path(moving)
    assert moving.core.tally.last_rejection.code.value == code
    assert moving.accept(make_chunk(SLANT, start_ms=1600)) == ""
    moving.run(100)
    assert (moving.core.state, moving.code) == (State.EXECUTING, "ok")
    assert_smooth(moving)


@pytest.mark.parametrize("length", [11, 3])
def test_a_superseded_chunk_is_left_out_and_the_playing_one_goes_on(moving, make_chunk, length):
    # With 3 actions it has expired as well: a straggler all the same.
    assert moving.accept(make_chunk(SLANT[:length], start_ms=900)) == "chunk_superseded"
    moving.run(100)
    assert (moving.core.state, moving.code) == (State.EXECUTING, "ok")
    assert moving.core.clock_rate == 1.0
    assert moving.core.chunk.start_ns == 1000 * MS
    assert moving.core.tally.chunks_rejected == 1


def test_a_message_that_is_no_chunk_makes_it_hold_with_its_sentence(moving):
    moving.core.reject(Reason(Code.CHUNK_MALFORMED, "3 actions for 2 names"))
    moving.run(10)
    assert str(moving.core.reason) == "chunk_malformed: 3 actions for 2 names"


def test_a_bad_chunk_while_nothing_is_commanded_leaves_no_fault(robot, make_chunk):
    core = ChunkExecutor(robot)
    core.reject(Reason(Code.CHUNK_MALFORMED, "3 actions for 2 names"))
    core.permission.is_enabled = True
    core.measure(0, robot.home)
    core.advance(0)
    assert core.reason.code is Code.NO_CHUNK
    assert core.tally.chunks_rejected == 1


# --- enabling ---------------------------------------------------------------------------------


def test_it_starts_disabled_and_says_how_to_enable(robot):
    core = ChunkExecutor(robot)
    core.measure(0, robot.home)
    core.advance(0)
    assert core.window(0) is None
    assert (core.state, str(core.reason)) == (State.DISABLED, "not_enabled: call ~/enable")


def test_a_chunk_that_arrives_while_disabled_is_not_counted_as_played(robot, make_chunk):
    core = ChunkExecutor(robot)
    core.measure(0, robot.home)
    assert core.accept(make_chunk(), 0).code is Code.NOT_ENABLED
    assert (core.tally.chunks_accepted, core.tally.chunks_rejected) == (0, 1)
    assert core.chunk is None


def test_a_chunk_that_arrives_right_after_enabling_is_played(robot, make_chunk):
    core = ChunkExecutor(robot)
    core.permission.is_enabled = True
    core.measure(0, robot.home)
    assert core.accept(make_chunk(), 0) is None
    for ms in range(0, 300, 10):
        core.measure(ms * MS, robot.home)
        core.advance(ms * MS)
        core.served(ms * MS, core.window(ms * MS).end_ns)
    assert (core.state, core.reason.code) == (State.EXECUTING, Code.OK)


def test_disabling_slows_along_the_path_before_it_goes_silent(moving, make_chunk):
    moving.core.permission.is_enabled = False
    assert moving.accept(make_chunk(SLANT, start_ms=1450)) == "not_enabled"
    moving.run(200)
    assert moving.core.clock_rate == pytest.approx(0.5, abs=0.05)
    assert moving.core.window(moving.now_ns) is not None
    moving.run(400)
    assert moving.core.window(moving.now_ns) is None
    assert (moving.core.state, moving.code) == (State.DISABLED, "not_enabled")
    assert_on_the_path(moving)
    assert_smooth(moving)


def test_enabling_again_continues_from_the_measured_pose(moving):
    moving.core.permission.is_enabled = False
    moving.run(600)
    moving.follows, moving.pose = False, np.array([0.9, 0.9])
    moving.run(10)
    moving.core.permission.is_enabled = True
    moving.run(10)
    assert moving.at(moving.now_ms).tolist() == [0.9, 0.9]
    assert moving.code == "no_chunk"


def test_enabling_before_it_stands_goes_on_without_a_jump(moving):
    moving.core.permission.is_enabled = False
    moving.run(200)
    moving.core.permission.is_enabled = True
    moving.run(200)
    assert (moving.core.state, len(moving.runs)) == (State.EXECUTING, 1)
    assert_on_the_path(moving)
    assert_smooth(moving)


# --- stopping ---------------------------------------------------------------------------------


def test_a_stop_slows_along_the_path_and_latches_until_the_reset(moving, make_chunk):
    moving.core.permission.stop(ESTOP)
    assert moving.accept(make_chunk(SLANT, start_ms=1450)) == "estop"
    moving.run(600)
    assert moving.core.window(moving.now_ns) is None
    assert (moving.core.state, str(moving.core.reason)) == (State.STOPPED, "estop: release it")
    assert moving.accept(make_chunk(SLANT, start_ms=2050)) == "estop"
    assert moving.core.tally.chunks_accepted == 1
    moving.run(2000)
    assert moving.core.state is State.STOPPED
    assert_on_the_path(moving)
    assert_smooth(moving)


def test_a_stop_takes_as_long_as_the_joints_need_to_stay_on_the_path(make_drive, make_chunk):
    # The chunk starts at the end of the lead: nothing has to fade.
    chunk = make_chunk([(0.05 * i, 0.02 * i) for i in range(31)], start_ms=1040)
    drive = make_drive(chunk, acceleration=0.5)
    drive.run(1500)
    assert drive.core.clock_rate == 1.0
    drive.core.permission.stop(ESTOP)
    drive.run(1000)  # 0.5 rad/s at 80 % of 0.5 rad/s²: 1.25 s, not the ramp's 0.4 s
    assert 0.1 < drive.core.clock_rate < 0.3
    drive.run(500)
    assert drive.core.window(drive.now_ns) is None
    assert_on_the_path(drive)
    assert_smooth(drive)


def test_a_stop_is_told_with_its_reason_and_never_without(moving):
    moving.core.permission.stop(ESTOP)
    assert (moving.core.state, moving.code) == (State.EXECUTING, "ok")  # not obeyed yet
    moving.run(10)
    assert (moving.core.state, moving.code) == (State.STOPPED, "estop")


def test_after_the_reset_it_continues_from_the_measured_pose(moving, make_chunk):
    moving.core.permission.stop(ESTOP)
    moving.run(600)
    moving.follows, moving.pose = False, np.array([-0.5, 0.7])
    moving.run(10)
    assert moving.core.permission.reset() is None
    moving.run(20)
    assert (moving.core.state, moving.code) == (State.HOLDING, "no_chunk")
    assert moving.at(moving.now_ms).tolist() == [-0.5, 0.7]
    moving.follows = True
    assert moving.accept(make_chunk([(-0.5, 0.7)] * 11, start_ms=moving.now_ms)) == ""
    moving.run(10)
    assert moving.core.state is State.EXECUTING


def test_a_reset_in_motion_first_stands_then_continues_from_the_measured_pose(moving):
    moving.core.permission.stop(ESTOP)
    moving.run(100)
    moving.core.permission.reset()
    moving.run(100)
    assert (moving.core.state, len(moving.runs)) == (State.STOPPED, 1)
    moving.run(500)
    assert (moving.core.state, moving.code) == (State.HOLDING, "no_chunk")
    assert len(moving.runs) == 2
    assert_on_the_path(moving)
    assert_smooth(moving)


def test_a_stop_after_a_reset_in_motion_is_not_undone_by_it(moving):
    moving.core.permission.reset()
    moving.core.permission.stop(ESTOP)
    moving.run(1000)
    assert (moving.core.state, moving.code) == (State.STOPPED, "estop")


def test_a_robot_that_an_estop_has_stopped_is_commanded_no_farther(moving):
    moving.follows = False  # its own circuit has stopped it
    moving.core.permission.estop(True)
    moving.run(90)
    assert moving.core.window(moving.now_ns) is not None, "it might coast, as far as is known"
    moving.run(20)
    assert moving.core.window(moving.now_ns) is None
    assert (moving.core.state, moving.code) == (State.STOPPED, "estop")
    moving.core.permission.estop(False)
    moving.core.permission.reset()
    moving.run(20)
    assert moving.at(moving.now_ms).tolist() == moving.pose.tolist()


def test_no_reset_as_long_as_the_estop_is_pressed(moving):
    moving.core.permission.estop(True)
    moving.core.permission.stop(Reason(Code.STOP_REQUESTED))  # changes nothing
    moving.run(600)
    assert str(moving.core.permission.reset()) == "estop: release it, then call ~/reset"
    moving.run(100)
    assert (moving.core.state, moving.code) == (State.STOPPED, "estop")
    moving.core.permission.estop(False)
    moving.run(100)
    assert moving.core.state is State.STOPPED
    assert moving.core.permission.reset() is None
    moving.run(100)
    assert moving.core.state is State.HOLDING


# --- joint states -----------------------------------------------------------------------------


def test_nothing_is_commanded_before_the_first_joint_states(make_drive, make_chunk):
    drive = make_drive()
    drive.sees = False
    drive.run(100)
    assert drive.core.window(drive.now_ns) is None
    assert drive.code == "joint_states_missing"
    assert drive.accept(make_chunk(start_ms=1100)) == "joint_states_missing"
    drive.sees = True
    drive.run(10)
    assert drive.code == "no_chunk"


def test_no_run_begins_at_a_pose_that_is_out_of_date(robot):
    core = ChunkExecutor(robot)
    core.measure(0, np.array([0.5, 0.5]))
    core.permission.is_enabled = True
    core.advance(5000 * MS)
    assert core.window(5000 * MS) is None
    assert str(core.reason) == "joint_states_stale: 5.00 s old, limit 0.20"


def test_stale_joint_states_slow_it_along_the_path_and_fresh_ones_resume(moving):
    moving.sees = False
    moving.run(210)
    assert str(moving.core.reason) == "joint_states_stale: 0.21 s old, limit 0.20"
    moving.run(400)
    assert moving.core.clock_rate == 0.0
    moving.sees = True
    moving.run(100)
    assert (moving.core.state, len(moving.runs)) == (State.EXECUTING, 1)
    assert_on_the_path(moving)
    assert_smooth(moving)


@pytest.mark.parametrize("how", ["lacking", "nan"])
def test_joint_states_without_a_joint_make_it_hold_until_it_is_back(moving, how):
    moving.sees = False
    if how == "lacking":
        moving.core.report_missing("joint_states lacks slide")
    else:
        moving.core.measure(moving.now_ns, np.array([0.2, np.nan]))
    moving.run(100)
    assert (moving.core.state, moving.code) == (State.HOLDING, "joint_states_missing")
    assert "slide" in moving.core.reason.detail
    moving.sees = True
    moving.run(10)
    assert moving.core.state is State.EXECUTING


def test_a_robot_that_does_not_follow_makes_it_hold_and_a_reset_starts_where_it_is(moving):
    moving.follows = False
    moving.run(600)  # 0.05 m away after 0.25 s
    assert moving.code == "tracking_error"
    assert moving.core.reason.detail.startswith("slide is 0.")
    assert "limit 0.05" in moving.core.reason.detail
    stuck = moving.pose
    moving.core.permission.reset()
    moving.run(600)
    assert (moving.core.state, moving.code) == (State.HOLDING, "no_chunk")
    assert moving.at(moving.now_ms).tolist() == stuck.tolist()
    assert_smooth(moving)


def test_a_late_pose_is_compared_with_what_was_commanded_at_its_stamp(moving):
    moving.sees = False
    # 0.17 rad off its command; off the newest command it is another 0.075 rad.
    moving.core.measure(1350 * MS, moving.at(1350) - [0.17, 0])
    moving.run(10)
    assert moving.core.state is State.EXECUTING


def test_a_robot_pushed_while_it_holds_is_held_where_it_was_until_it_is_back(drive):
    drive.run(2500)
    drive.follows, drive.pose = False, np.array([0.0, 0.0])
    drive.run(100)
    assert drive.code == "tracking_error"
    assert drive.at(drive.now_ms).tolist() == pytest.approx([0.5, 0.2])
    drive.pose = np.array([0.5, 0.2])
    drive.run(10)
    assert drive.code == "chunk_exhausted"


def test_a_run_can_begin_beyond_a_position_limit_and_comes_back_slowly(make_drive, make_chunk):
    drive = make_drive(pose=(0, -0.02))  # of 0..1 m
    drive.run(100)
    assert drive.at(1100).tolist() == [0.0, -0.02]
    drive.accept(make_chunk([(0.0, 0.0)] * 11, start_ms=1100))
    drive.run(1500)
    assert drive.at(2600).tolist() == [0.0, 0.0]
    assert_smooth(drive)


# --- broken time ------------------------------------------------------------------------------


@pytest.mark.parametrize(("pause", "runs"), [(50, 1), (70, 1), (80, 2), (500, 2)])
def test_a_pause_beyond_the_lead_begins_a_new_run_where_the_last_was_left(moving, pause, runs):
    # Samples reach 40 ms ahead: 50 ms later the next one follows, and 20 ms more are tolerated.
    moving.now_ns += pause * MS
    moving.core.advance(moving.now_ns)
    moving.record()
    moving.run(20)
    assert len(moving.runs) == runs  # `record` checks that it begins now, and where
    assert moving.code == ("ok" if runs == 1 else "stalled")
    if runs == 2:
        assert moving.core.reason.detail.endswith(
            "s since controllers were served; waiting for a new chunk"
        )


def test_a_loop_that_ticks_but_serves_no_controller_has_stalled(moving):
    # They have samples for 40 ms, one more tick, and 20 ms that are tolerated.
    for _ in range(7):
        moving.now_ns += 10 * MS
        moving.core.measure(moving.now_ns, moving.pose)
        moving.core.advance(moving.now_ns)
        assert moving.code == "ok"
    moving.now_ns += 10 * MS
    assert moving.core.is_too_late(moving.now_ns), "what was made before is not to be sent"
    moving.run(20)
    assert moving.code == "stalled"
    assert len(moving.runs) == 2  # `record` checks where it begins
    assert_smooth(moving)


def test_a_robot_that_went_astray_in_a_pause_goes_on_from_where_it_is(moving):
    moving.now_ns += 80 * MS
    moving.core.advance(moving.now_ns)
    moving.record()
    moving.pose = np.array([1.0, 0.9])  # more than the tracking error from where it was left
    moving.tick()
    assert moving.code == "stalled"
    assert moving.at(moving.now_ms).tolist() == [1.0, 0.9]


def test_after_a_long_pause_it_goes_on_from_where_the_robot_is(moving):
    moving.now_ns += 5000 * MS
    moving.core.advance(moving.now_ns)
    moving.record()
    moving.pose = np.array([0.2, 0.1])  # near where it was left, yet somebody moved it
    moving.tick()
    assert moving.at(moving.now_ms).tolist() == [0.2, 0.1]


def test_after_a_pause_a_pose_measured_before_it_is_not_used(moving):
    moving.now_ns += 80 * MS
    moving.core.advance(moving.now_ns)
    assert moving.core.window(moving.now_ns) is None
    assert moving.code == "joint_states_missing"


def test_a_clock_that_jumps_back_begins_a_new_run_when_the_joint_states_follow(moving):
    moving.now_ns = 100 * MS
    moving.core.advance(moving.now_ns)
    assert moving.core.window(moving.now_ns) is None
    moving.core.measure(1500 * MS, moving.pose)  # from before the jump
    moving.core.advance(moving.now_ns)
    assert moving.code == "joint_states_stale"
    moving.record()
    moving.tick()
    assert str(moving.core.reason) == "clock_jump: back by 1.400 s; waiting for a new chunk"
    assert moving.core.chunk is None


def test_after_a_jump_back_a_new_chunk_plays(moving, make_chunk):
    moving.now_ns = 100 * MS
    moving.tick()
    moving.run(20)
    assert moving.accept(make_chunk([moving.pose] * 11, start_ms=100)) == ""
    moving.run(10)
    assert moving.core.state is State.EXECUTING


def test_a_clock_that_stands_or_steps_back_a_little_waits(moving):
    end = max(moving.samples)
    moving.now_ns -= 30 * MS
    moving.tick()
    moving.tick()
    assert max(moving.samples) == end
    moving.run(40)
    assert max(moving.samples) == end + 1
    assert len(moving.runs) == 1


def test_a_late_step_commits_what_was_due_and_counts_it(moving):
    before = moving.core.tally.ticks
    moving.now_ns += 50 * MS
    moving.tick()
    assert moving.core.tally.ticks == before + 5
    assert moving.core.tally.late_ticks == 2  # committed less than half of the lead of 40 ms ahead


# --- many samples at once ---------------------------------------------------------------------


def played(drive, chunks, every, chosen=None):
    """All samples where a loop commits every so many ticks, by tick; and what was counted."""
    if chosen is not None:
        stride = drive.core._run.stride
        drive.core._run.stride = lambda *a: chosen.append(taken := stride(*a)) or taken
    drive.tick()
    for tick in range(1, 260):
        drive.now_ns += 10 * MS
        drive.measure()
        if tick in chunks:
            drive.accept(chunks[tick])
        elif tick % every == 0:
            drive.core.advance(drive.now_ns)
            drive.record()
    return drive.samples, drive.core.tally


@given(
    goals=st.lists(st.tuples(st.floats(-1, 1), st.floats(-0.05, 1.05)), min_size=1, max_size=4),
    waves=st.floats(0, 0.1),
    scale=st.sampled_from([1.0, 0.5]),
)
@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_samples_committed_many_at_once_are_those_of_single_steps(
    make_drive, make_chunk, goals, waves, scale
):
    chunks, here = {}, np.zeros(2)
    for i, goal in enumerate(goals):
        way = np.linspace(0, 1, 11)[:, None] * (np.array(goal) - here) * scale
        wave = waves * np.sin(np.arange(11))[:, None] * [1.0, 0.3]
        start_ms = 1000 + 10 * (3 + 48 * i)
        actions = np.clip(here + way + wave, [-3, 0], [3, 1])
        chunks[3 + 48 * i] = make_chunk(actions, start_ms=start_ms, sequence=i)
        here = here + way[5]
    single, tally = played(make_drive(), chunks, 1)
    many, counted = played(make_drive(), chunks, 3)
    both = sorted(single.keys() & many.keys())
    assert len(both) > 250
    assert max(np.abs(single[tick] - many[tick]).max() for tick in both) < 1e-9
    assert counted.largest_ratios == pytest.approx(tally.largest_ratios, rel=0.2, abs=1e-3)


def test_a_plan_that_the_robot_can_play_is_committed_many_samples_at_once(make_drive, make_chunk):
    chosen = []
    played(make_drive(), {3: make_chunk(start_ms=1030)}, 3, chosen)
    assert sum(samples is not None for samples in chosen) > 15


# --- speed scaling ----------------------------------------------------------------------------


def test_half_the_speed_scaling_halves_the_speed_along_the_same_path(moving):
    moving.core.permission.speed_scaling = 0.5
    moving.run(300)
    np.testing.assert_allclose(moving.velocity_at(1800), [0.25, 0.1], atol=1e-6)
    assert moving.core.state is State.EXECUTING
    assert_on_the_path(moving)


def test_no_speed_scaling_pauses_and_full_scaling_resumes_without_a_jump(moving):
    moving.core.permission.speed_scaling = 0.0
    moving.run(1000)
    assert moving.velocity_at(moving.now_ms).tolist() == [0, 0]
    moving.core.permission.speed_scaling = 1.0
    moving.run(400)
    np.testing.assert_allclose(moving.velocity_at(moving.now_ms), [0.5, 0.2], atol=0.2)
    moving.run(2000)
    assert moving.at(moving.now_ms).tolist() == pytest.approx([0.5, 0.2], abs=1e-9)
    assert_on_the_path(moving)
    assert_smooth(moving)


@pytest.mark.parametrize(
    ("said", "meant"), [(1.5, 1.0), (-1, 0.0), (float("nan"), 0.0), (float("inf"), 0.0)]
)
def test_a_speed_scaling_that_is_no_share_is_held_to_one(moving, said, meant):
    moving.core.permission.speed_scaling = said
    assert moving.core.permission.speed_scaling == meant
    moving.run(500)
    assert moving.core.clock_rate == meant or meant == 1.0


# --- a base, and a joint that is driven by velocity -------------------------------------------

TURN, DRIVE, SPIN, SLIDE = range(4)  # columns of the mobile robot
CRUISE = [(0.05 * i, 0.3, -0.5, 0.02 * i) for i in range(11)]


@pytest.fixture(scope="session")
def plan(mobile, make_chunk):
    """A chunk of the mobile robot from actions (H, 4)."""

    def make(actions, **rest):
        return make_chunk(actions, names=mobile.axis_names, kinds=action_kinds(mobile), **rest)

    return make


@pytest.fixture
def rolling(make_drive, mobile, plan):
    """The mobile robot half a second into its chunk, at full speed."""
    drive = make_drive(plan(CRUISE, start_ms=1000), robot=mobile)
    drive.run(500)
    assert drive.core.clock_rate == 1.0
    return drive


def test_a_base_drives_as_its_chunk_says_while_the_arm_moves(rolling):
    assert rolling.velocity_at(1500)[[DRIVE, SPIN]].tolist() == pytest.approx([0.3, -0.5], abs=1e-3)
    assert rolling.velocity_at(1500)[[TURN, SLIDE]].tolist() == pytest.approx([0.5, 0.2], abs=0.03)
    sample = rolling.core.window(rolling.now_ns).at(rolling.now_ns)
    assert sample[1][DRIVE] == pytest.approx(0.3, abs=1e-3)
    assert_smooth(rolling)


def test_a_base_without_a_chunk_stands(make_drive, mobile):
    drive = make_drive(robot=mobile, pose=(0.5, 0.25))
    drive.run(100)
    assert drive.at(1100).tolist() == [0.5, 0, 0, 0.25]
    assert drive.code == "no_chunk"


def test_a_starved_base_comes_to_rest_together_with_the_arm(rolling):
    rolling.run(2000)
    assert rolling.code == "chunk_exhausted"
    # The robot stood when the chunk came: all of it was played.
    assert rolling.at(3500)[DRIVE] == pytest.approx(0.3, abs=2e-3)
    assert rolling.at(3500)[SPIN] == pytest.approx(-0.5, abs=3e-3)
    assert rolling.at(3500)[TURN] == pytest.approx(0.5)
    assert rolling.velocity_at(3500).tolist() == [0, 0, 0, 0]
    assert_smooth(rolling)


def test_the_rest_of_a_plan_adds_no_velocity_to_the_plan_after_it(rolling, plan):
    rolling.run(2000)
    rolling.accept(plan([(0.5, 0.0, 0.0, 0.2)] * 11, start_ms=3500))
    rolling.run(500)
    assert (rolling.ways()[-50:] == rolling.at(3500)).all()


def test_speed_scaling_slows_a_base_like_the_arm(rolling):
    rolling.core.permission.speed_scaling = 0.5
    rolling.run(400)
    assert rolling.velocity_at(1900).tolist() == pytest.approx([0.25, 0.15, -0.25, 0.1], abs=1e-3)
    rolling.core.permission.speed_scaling = 0.0
    rolling.run(500)
    assert rolling.velocity_at(2400).tolist() == pytest.approx([0, 0, 0, 0], abs=1e-9)
    assert_smooth(rolling)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    drive=st.floats(-0.6, 0.6),
    spin=st.floats(-1.2, 1.2),
    after_ms=st.integers(2, 150),
    how=st.sampled_from(["estop", "disable", "nan", "pause"]),
)
def test_a_base_that_is_stopped_rests_within_its_drivers_timeout(
    make_drive, mobile, plan, drive, spin, after_ms, how
):
    driven = make_drive(plan([(0, drive, spin, 0)] * 31, start_ms=1000), robot=mobile)
    driven.run(after_ms * 10)
    stopped_ms, permission = driven.now_ms, driven.core.permission
    {
        "estop": lambda: permission.estop(True),
        "disable": lambda: setattr(permission, "is_enabled", False),
        "nan": lambda: driven.accept(plan([(0, 0, 0, 0)] * 10 + [(np.nan, 0, 0, 0)])),
        "pause": lambda: setattr(permission, "speed_scaling", 0.0),
    }[how]()
    moved = np.abs(np.diff(driven.ways(), axis=0)).max(initial=0.0)
    driven.run(800)
    run = driven.runs[-1]
    rest = [run[tick] for tick in sorted(run) if tick * 10 >= stopped_ms + 300]  # its timeout
    # It may have gone silent by then: it does so only once it stands.
    assert np.ptp([*rest, driven.ways()[-1]], axis=0).max() < 1e-6
    assert (moved > 1e-9) == (max(abs(drive), abs(spin)) > 1e-3) or moved < 1e-4
    assert_smooth(driven)


def test_a_base_is_told_to_stand_before_the_executor_goes_silent(rolling):
    rolling.core.permission.is_enabled = False
    while rolling.core.window(rolling.now_ns) is not None:
        rolling.run(10)
        if rolling.samples is not None:
            told = rolling.samples
    # It is served every 100 ms, and may have been served just before the silence.
    last = rolling.now_ns // 10 // MS - 1
    assert all((told[tick] == told[last]).all() for tick in range(last - 20, last))
    assert (told[last - 40] != told[last]).any()


def test_the_way_of_a_base_begins_anew_after_a_stall_and_the_arm_comes_to_rest(rolling):
    left = rolling.ways()[-1]
    assert left[DRIVE] > 0.05
    rolling.now_ns += 80 * MS
    rolling.core.advance(rolling.now_ns)
    rolling.record()
    rolling.tick()
    assert rolling.code == "stalled"
    assert rolling.at(rolling.now_ms)[[DRIVE, SPIN]].tolist() == [0, 0]
    assert 0 < rolling.at(rolling.now_ms)[TURN] - left[TURN] < 0.02
    rolling.run(500)
    assert rolling.velocity_at(rolling.now_ms).tolist() == pytest.approx([0] * 4, abs=1e-9)
    # 0.5 rad/s at 10 rad/s², which comes and goes within 50 ms: 25 mrad from the last window's end.
    assert rolling.at(rolling.now_ms)[TURN] - left[TURN] == pytest.approx(0.025, abs=0.006)
    assert_smooth(rolling)


def test_after_the_clock_jumped_back_a_base_starts_from_standing(rolling, plan):
    rolling.now_ns = 100 * MS
    rolling.tick()
    rolling.tick()
    assert rolling.accept(plan(CRUISE, start_ms=100)) == ""
    rolling.run(10)
    speed = rolling.core.window(rolling.now_ns).velocities[-1][DRIVE]
    assert 0 < speed < 0.3 / 40  # less than one tick of 10 ms of the ramp's 400 ms
    assert_smooth(rolling)


def test_only_joints_are_measured_and_only_they_can_go_astray(rolling):
    rolling.follows = False
    rolling.pose = rolling.pose + np.array([0.0, 0.3])
    rolling.tick()
    rolling.run(10)
    assert str(rolling.core.reason).startswith("tracking_error: slide is 0.29")


def test_limits_that_held_a_base_back_are_told_by_its_name(rolling, plan):
    rolling.core.tally.take_touched(rolling.core.axis_names)
    # From 0 to 0.5 m/s within a tenth of a second, at 1 m/s².
    actions = [(0.27, 0.3, -0.5, 0.108)] * 3 + [(0.27, -0.5, -0.5, 0.108)] * 8
    rolling.accept(plan(actions, start_ms=1500))
    rolling.run(500)
    assert rolling.core.tally.take_touched(rolling.core.axis_names) == ("base_x",)
    assert_smooth(rolling)


@pytest.fixture
def spun(make_drive, make_chunk, driven):
    """A turning joint driven at 0.8 rad/s for a second, from 0.3 rad on."""
    kinds = action_kinds(driven)
    return make_drive(
        make_chunk([(0.8, 0)] * 11, kinds=kinds, start_ms=1000), robot=driven, pose=(0.3, 0)
    )


def test_a_joint_driven_by_velocity_goes_on_from_its_measured_pose(spun):
    spun.run(2500)
    assert spun.at(1000).tolist() == [0.3, 0]
    assert spun.at(3500).tolist() == pytest.approx([0.3 + 0.8, 0], abs=1e-3)
    assert_smooth(spun)


def test_a_joint_driven_by_velocity_brakes_before_its_position_limit(
    make_drive, make_chunk, driven
):
    chunk = make_chunk([(0.8, 0)] * 31, kinds=action_kinds(driven), start_ms=1000)
    drive = make_drive(chunk, robot=driven, pose=(2, 0))
    drive.run(2500)
    assert drive.core.state is State.EXECUTING
    assert drive.at(3500)[0] == pytest.approx(3)
    assert drive.ways()[:, 0].max() <= 3
    assert drive.core.tally.take_touched(("turn", "slide")) == ("turn",)
    assert_smooth(drive)


def test_a_joint_driven_by_velocity_that_does_not_follow_makes_it_hold(spun):
    spun.follows = False
    spun.run(100)
    while spun.code == "ok":
        spun.run(10)
    assert spun.core.reason.detail.startswith("turn is 0.20")


# --- whatever happens -------------------------------------------------------------------------


def random_chunk(make_chunk, random, drive):
    """A plan that may be late, early, short, contradictory, violent or broken."""
    horizon = random.choice([1, 2, 3, 11, 30], p=[0.05, 0.1, 0.1, 0.65, 0.1])
    kind = random.choice(["near", "walk", "wild", "huge"], p=[0.3, 0.4, 0.2, 0.1])
    robot, width = drive.robot, len(drive.robot.axes)
    here = np.zeros(width)
    here[robot.joint_columns] = drive.pose
    here[robot.by_velocity] = random.normal(scale=0.3)
    walk = np.cumsum(random.normal(scale=0.03, size=(horizon, width)), axis=0)
    actions = {
        "near": here + 0.01 * walk,
        "walk": here + random.normal(scale=0.1, size=width) + walk,
        "wild": random.uniform(-4, 4, (horizon, width)),
        "huge": random.normal(scale=10.0 ** random.integers(1, 300), size=(horizon, width)),
    }[kind]
    if random.random() < 0.1:
        actions[random.integers(horizon), random.integers(width)] = random.choice([np.nan, np.inf])
    chunk = make_chunk(
        actions,
        start_ms=drive.now_ms + random.choice([-900, -150, -40, 0, 80, 300]),
        names=robot.axis_names,
        kinds=action_kinds(robot),
    )
    if random.random() < 0.05:
        chunk = replace(chunk, names=robot.axis_names[::-1])
    return chunk


def event(make_chunk, random, drive):
    """One thing that may happen between two steps."""
    what = random.choice(
        ["chunk", "scale", "stop", "reset", "enable", "estop", "pause", "back", "push", "see"],
        p=[0.6, 0.1, 0.03, 0.09, 0.08, 0.02, 0.02, 0.01, 0.02, 0.03],
    )
    core = drive.core
    if what == "chunk":
        drive.accept(random_chunk(make_chunk, random, drive))
    elif what == "scale":
        core.permission.speed_scaling = random.choice([0, 0.3, 0.5, 1, 1, 1, np.nan])
    elif what == "stop":
        core.permission.stop(Reason(Code.STOP_REQUESTED))
    elif what == "reset":
        core.permission.estop(False)
        core.permission.reset()
    elif what == "enable":
        core.permission.is_enabled = random.random() < 0.8
    elif what == "estop":
        core.permission.estop(True)
    elif what == "pause":
        drive.now_ns += int(random.integers(1, 300)) * MS
    elif what == "back":
        drive.now_ns = max(drive.now_ns - int(random.integers(1, 3000)) * MS, 0)
    elif what == "push":
        drive.follows = not drive.follows
        drive.pose = drive.pose + random.normal(scale=0.1, size=2)
    elif what == "see":
        drive.sees = not drive.sees


@pytest.mark.parametrize("which", ["robot", "mobile", "driven"])
@settings(deadline=None, derandomize=True, max_examples=STREAMS)
@example(seed=1117)  # a base that was told to stop in mid-acceleration
@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_happens_no_limit_is_exceeded_and_there_is_a_reason(
    request, make_drive, make_chunk, which, seed
):
    random = np.random.default_rng(seed)
    drive = make_drive(robot=request.getfixturevalue(which))
    limits = JointLimits.of(drive.robot)
    for _ in range(100):
        event(make_chunk, random, drive)
        drive.run(10 * int(random.integers(0, 16)))
        assert str(drive.core.reason)
        if drive.core.state in (State.EXECUTING, State.HOLDING):
            assert (drive.core.state is State.EXECUTING) == (drive.code == "ok")
    assert_smooth(drive)
    for run in drive.runs:
        positions = np.array([run[tick] for tick in sorted(run)])
        assert np.isfinite(positions).all()
        assert (positions >= np.minimum(limits.lower, positions[0])).all()
        assert (positions <= np.maximum(limits.upper, positions[0])).all()


def test_a_gripper_that_something_keeps_open_is_not_astray(embodiment):
    core, knuckle = ChunkExecutor(embodiment, ExecutorSettings(open_loop_steps=50)), 6
    closing = np.tile(embodiment.home, (50, 1))
    closing[:, knuckle] = np.linspace(0.0, 0.79, 50)
    chunk = ActionChunk(
        embodiment.axis_names, action_kinds(embodiment), closing, 0, embodiment.policy.period_ns
    )
    core.permission.is_enabled = True
    for now_ns in range(0, 2400 * MS, 10 * MS):
        core.measure(now_ns, embodiment.home)  # open: it holds something 85 mm wide
        core.advance(now_ns)
        if now_ns == 0:
            assert core.accept(chunk, now_ns) is None
        core.served(now_ns, core.window(now_ns).end_ns)
    assert core.window(now_ns).positions[-1, knuckle] > 0.7
    assert core.state is State.EXECUTING


# --- a policy that trembles -------------------------------------------------------------------


@pytest.mark.parametrize("replan_ms", [100, 300])
@settings(deadline=None, derandomize=True, max_examples=10)
@given(seed=st.integers(0, 10_000), tremble=st.sampled_from([0.002, 0.005, 0.01]))
def test_a_policy_that_trembles_does_not_lead_the_arm_away(
    make_drive, make_chunk, replan_ms, seed, tremble
):
    random, drive = np.random.default_rng(seed), make_drive(pose=(0, 0.5))
    drive.tick()
    off = []
    for k in range(3000 // replan_ms):
        way = [(0.3 * np.sin(0.1 * replan_ms / 100 * k + 0.1 * i), 0.5) for i in range(11)]
        drive.accept(
            make_chunk(way + random.normal(0, tremble, (11, 2)) * [1, 0.3], start_ms=drive.now_ms)
        )
        drive.run(replan_ms)
        if k * replan_ms > 1500:
            off.append(drive.pose[0] - 0.3 * np.sin(0.001 * (drive.now_ms - 1000)))
    assert np.abs(off).max() < 0.02 + 8 * tremble
    assert_smooth(drive)
