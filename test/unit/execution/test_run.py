from __future__ import annotations

import numpy as np
import pytest

from pi0_ros.execution.follower import Motion
from pi0_ros.execution.limits import JointLimits
from pi0_ros.execution.measured import MeasuredPose
from pi0_ros.execution.run import Run

MS = 1_000_000
TICK = 10 * MS


@pytest.fixture
def measured(robot):
    """At 0.5 rad and 0.25 m, at 1000 ms."""
    pose = MeasuredPose(robot.joint_names, 200 * MS, np.array([0.2, 0.05]))
    pose.take(1000 * MS, np.array([0.5, 0.25]))
    return pose


@pytest.fixture
def run(robot, measured):
    """Begun at 1000 ms, with all its lead of 40 ms committed while it stands."""
    run = Run(robot)
    run.begin(1000 * MS, measured)
    commit(run, robot, run.horizon.due(1000 * MS))
    serve(run, 1000 * MS)
    return run


def serve(run, now_ns):
    run.served(now_ns, run.window(now_ns).end_ns)


def commit(run, robot, count, speed=0.0):
    for _ in range(count):
        velocity = np.array([speed, 0.0])
        target = Motion(run.motion.position + velocity * 0.01, velocity, np.zeros(2))
        run.step(target, JointLimits.of(robot), TICK)


def test_it_begins_standing_where_the_robot_is_measured(run):
    assert run.is_on
    assert run.motion.position.tolist() == [0.5, 0.25]
    assert run.commanded_at(1000 * MS).tolist() == [0.5, 0.25]
    assert run.stands(1200 * MS)


def test_it_does_not_stand_until_every_controller_heard_so(run, robot):
    commit(run, robot, 5, speed=0.1)
    assert not run.stands(1040 * MS)


def test_time_that_goes_on_breaks_nothing(run):
    assert run.why_broken(1010 * MS) is None
    assert run.why_broken(1050 * MS) is None  # the lead and one tick: just in time


def test_after_a_stall_the_next_run_goes_on_with_the_stop_that_controllers_play(
    run, robot, measured
):
    commit(run, robot, 20, speed=0.1)  # up to 1240 ms
    serve(run, 1200 * MS)
    end = run.motion
    assert run.why_broken(1280 * MS).code.value == "stalled"
    run.break_off()
    measured.take(1270 * MS, np.array([0.49, 0.25]))  # still on its way there
    run.begin(1280 * MS, measured)
    # 30 ms after the end: 0.1 rad/s less what 200 rad/s³ take off in the meantime.
    assert 0.02 < run.motion.velocity[0] < 0.1
    assert end.position[0] < run.motion.position[0] < end.position[0] + 0.005
    assert run.motion.position[1] == pytest.approx(0.25)


def test_a_stop_that_is_over_is_where_the_next_run_begins_at_rest(run, robot, measured):
    commit(run, robot, 20, speed=0.1)
    serve(run, 1200 * MS)
    end = run.motion.position[0]
    run.why_broken(1600 * MS)
    run.break_off()
    measured.take(1590 * MS, np.array([0.49, 0.25]))
    run.begin(1600 * MS, measured)
    assert run.motion.velocity.tolist() == [0, 0]
    assert end < run.motion.position[0] < end + 0.01


def test_a_robot_that_somebody_moved_in_a_stall_is_taken_where_it_is(run, robot, measured):
    commit(run, robot, 20, speed=0.1)
    run.why_broken(1600 * MS)
    run.break_off()
    measured.take(1590 * MS, np.array([1.0, 0.25]))
    run.begin(1600 * MS, measured)
    assert run.motion.position.tolist() == [1.0, 0.25]


def test_after_a_long_stall_it_begins_where_the_robot_is(run, measured):
    assert run.why_broken(2500 * MS).code.value == "stalled"
    run.break_off()
    measured.take(2490 * MS, np.array([0.4, 0.2]))
    run.begin(2500 * MS, measured)
    assert run.motion.position.tolist() == [0.4, 0.2]


def test_a_clock_that_goes_back_breaks_it(run, measured):
    assert str(run.why_broken(500 * MS)).startswith("clock_jump: back by 0.5")
    run.break_off()
    run.begin(500 * MS, measured)
    assert run.motion.position.tolist() == [0.5, 0.25]


def test_after_a_clock_that_went_back_it_begins_at_the_last_command(run, robot, measured):
    commit(run, robot, 10, speed=0.1)
    serve(run, 1090 * MS)  # served for the last time
    last = run.commanded_at(1090 * MS)
    assert run.why_broken(500 * MS).code.value == "clock_jump"
    run.break_off()
    measured.take(490 * MS, last - [0.01, 0.0])  # a servo trails its command
    run.begin(500 * MS, measured)
    assert run.motion.position.tolist() == last.tolist()
    assert run.motion.velocity.tolist() == [0, 0]


def test_what_controllers_played_until_a_clock_went_back_counts(run, robot, measured):
    commit(run, robot, 10, speed=0.1)
    serve(run, 1090 * MS)
    run.notice(1110 * MS)  # a tick at which nobody was due
    last = run.commanded_at(1110 * MS)
    run.why_broken(500 * MS)
    run.break_off()
    measured.take(490 * MS, last - [0.01, 0.0])
    run.begin(500 * MS, measured)
    assert run.motion.position.tolist() == last.tolist()


def test_a_run_that_broke_before_it_sent_anything_leaves_controllers_where_they_were(
    run, robot, measured
):
    commit(run, robot, 20, speed=0.1)  # up to 1240 ms
    serve(run, 1200 * MS)
    stopped = run.motion.position[0] + 0.0025  # the stop of 0.1 rad/s at 200 rad/s³
    for now_ms in (1600, 1700):  # the run of the first one is never sent
        assert run.why_broken(now_ms * MS).code.value == "stalled"
        run.break_off()
        measured.take((now_ms - 10) * MS, np.array([0.51, 0.25]))
        run.begin(now_ms * MS, measured)
        assert run.motion.position[0] == pytest.approx(stopped, abs=0.0003)
        commit(run, robot, 5, speed=0.5)


def test_without_a_run_nothing_can_break(robot):
    assert Run(robot).why_broken(10**15) is None
    assert Run(robot).stands(0)


def test_what_was_committed_and_never_sent_is_not_where_controllers_are(run, robot, measured):
    commit(run, robot, 18, speed=0.1)  # up to 1220 ms
    serve(run, 1180 * MS)
    sent = run.motion.position[0]
    commit(run, robot, 2, speed=0.1)
    run.why_broken(1600 * MS)
    run.break_off()
    measured.take(1590 * MS, np.array([0.51, 0.25]))
    run.begin(1600 * MS, measured)
    # The stop of 0.1 rad/s at 200 rad/s³ takes 2.5 mrad.
    assert run.motion.position[0] == pytest.approx(sent + 0.0025, abs=0.0003)
