from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk, ActionKind, action_kinds
from pi0_ros.execution.gate import Verdict, check_chunk
from pi0_ros.execution.gate_settings import RULES, Check, Consequence, GateSettings, choices
from pi0_ros.execution.reasons import Code, Reason

MS = 1_000_000  # [ns]
PLAY, SCALE, REJECT, HOLD = Consequence
UR5E = load_embodiment("ur5e")  # six joints and a gripper, 20 actions per second
TRACER = load_embodiment("arx_mobile")  # two arms on a base, 50 actions per second


def reason_of(*args: Any, **kwargs: Any) -> Reason | None:
    return check_chunk(*args, **kwargs).reason


# --- form, order and time ----------------------------------------------------------------------


def test_a_chunk_of_the_robot_in_time_passes(robot, make_chunk):
    assert check_chunk(make_chunk(start_ms=1000), robot, 1200 * MS) == Verdict(PLAY, None, 1.0, ())


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("turn", "glide"), "unknown glide; missing slide"),
        (("slide", "turn"), "another order"),
        (("turn", "turn"), "missing slide"),
    ],
)
def test_names_must_be_those_of_the_robot_in_order(robot, make_chunk, names, said):
    problem = reason_of(make_chunk(names=names), robot, 0)
    assert problem.code is Code.CHUNK_NAMES
    assert problem.detail == f"{said}; the names must be two_joints's, in order"


def test_a_missing_column_is_named(robot, make_chunk):
    problem = reason_of(make_chunk([[0], [1]], names=["turn"]), robot, 0)
    assert str(problem).startswith("chunk_names: missing slide")


def test_a_kind_that_the_robot_does_not_take_is_named_with_the_one_it_takes(robot, make_chunk):
    kinds = [ActionKind.POSITION, ActionKind.VELOCITY]
    problem = reason_of(make_chunk(kinds=kinds), robot, 0)
    assert str(problem) == "chunk_kinds: slide comes as velocity; two_joints takes its position"


def test_a_mobile_robot_takes_velocities_for_its_base_and_positions_for_the_rest(
    mobile, make_chunk
):
    names, (position, velocity) = mobile.axis_names, ActionKind
    kinds = [position, velocity, velocity, position]
    assert reason_of(make_chunk(np.zeros((11, 4)), names=names, kinds=kinds), mobile, 0) is None
    kinds[2] = position
    problem = reason_of(make_chunk(np.zeros((11, 4)), names=names, kinds=kinds), mobile, 0)
    assert str(problem) == "chunk_kinds: base_yaw comes as position; two_joints takes its velocity"


def test_the_period_must_be_that_of_the_robot(robot, make_chunk):
    problem = reason_of(make_chunk(period_ns=50 * MS), robot, 0)
    assert str(problem) == "chunk_period: 50000000 ns; two_joints plays 100000000 ns"


def test_one_action_is_no_path(robot, make_chunk):
    problem = reason_of(make_chunk([(0, 0)]), robot, 0)
    assert str(problem) == "chunk_too_short: 1 action; at least 2 are needed, or none to withdraw"


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e300, -2e6])
def test_a_number_that_is_no_action_is_named_with_its_place(robot, make_chunk, number):
    problem = reason_of(make_chunk([(0, 0), (0, number), (0, number)]), robot, 0)
    assert problem.code is Code.CHUNK_NOT_FINITE
    assert problem.detail == f"action 1 of slide is {number} (2 such values)"


def test_a_chunk_expires_when_its_last_action_is_due(robot, make_chunk):
    chunk = make_chunk(start_ms=1000)
    assert reason_of(chunk, robot, 2000 * MS - 1) is None
    problem = reason_of(chunk, robot, 2250 * MS)
    assert str(problem) == "chunk_expired: its last action was due 0.250 s ago"
    assert reason_of(chunk, robot, 2000 * MS).code is Code.CHUNK_EXPIRED


def test_clocks_may_differ_by_100_ms_but_not_by_more(robot, make_chunk):
    chunk = make_chunk(start_ms=1000)
    assert reason_of(chunk, robot, 900 * MS) is None
    problem = reason_of(chunk, robot, 500 * MS)
    assert str(problem) == "chunk_from_future: it starts 0.500 s from now; compare the clocks"


def test_an_older_observation_than_the_one_playing_is_superseded(robot, make_chunk):
    problem = reason_of(make_chunk(start_ms=1000), robot, 1500 * MS, 1250 * MS)
    assert problem.code is Code.CHUNK_SUPERSEDED
    assert problem.detail == "a chunk of an observation 0.250 s newer is playing"


def test_another_plan_for_the_same_observation_passes(robot, make_chunk):
    assert reason_of(make_chunk(start_ms=1000), robot, 1500 * MS, 1000 * MS) is None


def test_a_chunk_so_late_that_it_expired_is_still_only_superseded(robot, make_chunk):
    problem = reason_of(make_chunk(start_ms=1000), robot, 2500 * MS, 2250 * MS)
    assert problem.code is Code.CHUNK_SUPERSEDED


def test_a_late_chunk_of_numbers_that_are_none_is_bad_all_the_same(robot, make_chunk):
    chunk = make_chunk([(0, 0), (0, np.nan)], start_ms=1000)
    assert reason_of(chunk, robot, 1050 * MS, 1025 * MS).code is Code.CHUNK_NOT_FINITE


def test_what_plays_from_beyond_a_jump_of_the_clock_supersedes_nothing(robot, make_chunk):
    assert reason_of(make_chunk(start_ms=100), robot, 200 * MS, 9000 * MS) is None


def test_an_observation_may_be_as_old_as_the_settings_say_and_no_older(robot, make_chunk):
    settings, chunk = GateSettings(chunk_age_ns=400 * MS), make_chunk(start_ms=1000)
    assert reason_of(chunk, robot, 1400 * MS, settings=settings) is None
    verdict = check_chunk(chunk, robot, 1500 * MS, settings=settings)
    assert verdict.consequence is HOLD
    assert str(verdict.reason) == "chunk_stale: its observation is 0.500 s old, limit 0.400"


def test_a_withdrawal_passes_however_late_it_comes(robot, make_chunk):
    withdrawal = make_chunk(np.zeros((0, 2)), start_ms=1000)
    assert check_chunk(withdrawal, robot, 60_000 * MS) == Verdict()


def test_a_withdrawal_of_what_no_longer_plays_is_rejected(robot, make_chunk):
    withdrawal = make_chunk(np.zeros((0, 2)), start_ms=1000)
    verdict = check_chunk(withdrawal, robot, 1500 * MS, 1250 * MS)
    assert (verdict.consequence, verdict.reason.code) == (REJECT, Code.CHUNK_SUPERSEDED)


# --- limits ------------------------------------------------------------------------------------


def at(turn: float, slide: float = 0.0) -> list[tuple[float, float]]:
    """Two actions that stand still at one place."""
    return [(turn, slide)] * 2


def test_an_action_may_be_beyond_a_limit_by_as_much_as_networks_miss(robot, make_chunk):
    assert check_chunk(make_chunk(at(3.009, -0.0009)), robot, 0) == Verdict()


def test_an_action_farther_beyond_its_limit_is_told_and_left_to_the_limiter(robot, make_chunk):
    verdict = check_chunk(make_chunk(at(3.012)), robot, 0)
    assert (verdict.consequence, verdict.reason) == (PLAY, None)
    assert said(verdict) == [
        "chunk_limits: action 0 of turn asks for 3.012 rad, limit 3; played up to the limit"
    ]
    verdict = check_chunk(make_chunk([(0, 0), (0, 0), (0, -0.0012)]), robot, 0)
    assert said(verdict) == [
        "chunk_limits: action 2 of slide asks for -0.0012 m, limit 0; played up to the limit"
    ]


def test_an_action_far_beyond_its_limit_makes_the_robot_hold(robot, make_chunk):
    assert check_chunk(make_chunk(at(3.099)), robot, 0).consequence is PLAY
    verdict = check_chunk(make_chunk(at(3.101)), robot, 0)
    assert verdict.consequence is HOLD
    assert str(verdict.reason) == "chunk_limits: action 0 of turn asks for 3.101 rad, limit 3"


def test_a_user_may_refuse_any_action_beyond_its_limit(robot, make_chunk):
    for consequence in (REJECT, HOLD):
        strict = GateSettings(limits=consequence)
        assert check_chunk(make_chunk(at(3.02)), robot, 0, settings=strict).reason is not None
    verdict = check_chunk(make_chunk(at(4)), robot, 0, settings=GateSettings(limits=REJECT))
    assert verdict.consequence is HOLD


def test_a_joint_that_stands_beyond_its_limit_may_be_led_back(robot, make_chunk):
    chunk = make_chunk([(3.2, -0.1), (3.15, -0.075), (3.1, -0.05)])
    assert reason_of(chunk, robot, 0).code is Code.CHUNK_LIMITS
    assert check_chunk(chunk, robot, 0, measured=np.array([3.2, -0.1])) == Verdict()


# --- velocity and acceleration -----------------------------------------------------------------
# The robot of these tests acts every 0.1 s; turn does 1 rad/s, so 0.1 rad from action to action.


def said(verdict: Verdict) -> list[str]:
    return [str(finding) for finding in verdict.findings]


def ramp(slope: float) -> list[tuple[float, float]]:
    """Turn by so much from action to action [rad]; the slide stands."""
    return [(slope * i, 0.0) for i in range(3)]


def test_a_chunk_at_the_velocity_limit_plays_as_it_is(robot, make_chunk):
    chunk = make_chunk([(0.1 * i, 0) for i in range(11)])
    assert np.diff(chunk.actions, axis=0).max() > 0.1  # by rounding
    assert check_chunk(chunk, robot, 0) == Verdict()
    assert check_chunk(make_chunk(ramp(0.101)), robot, 0).scale == pytest.approx(1 / 1.01)


def test_a_chunk_that_is_too_fast_is_played_so_slowly_that_it_fits(robot, make_chunk):
    verdict = check_chunk(make_chunk(ramp(0.125)), robot, 0)
    assert (verdict.consequence, verdict.reason) == (SCALE, None)
    assert verdict.scale == pytest.approx(0.8)
    assert said(verdict) == [
        "chunk_velocity: action 1 of turn asks for 1.25 rad/s, limit 1; played at 0.8 of the speed"
    ]


def test_a_chunk_five_times_too_fast_is_played_and_one_six_times_too_fast_is_not(robot, make_chunk):
    assert check_chunk(make_chunk(ramp(0.5)), robot, 0).scale == pytest.approx(0.2)
    verdict = check_chunk(make_chunk(ramp(0.6)), robot, 0)
    assert (verdict.consequence, verdict.scale) == (HOLD, 1.0)
    assert verdict.reason.detail == (
        "action 1 of turn asks for 6 rad/s, limit 1; that fits at 0.17 of the speed, less than 0.2"
    )


def test_a_user_may_play_a_chunk_that_is_too_fast_or_refuse_it(robot, make_chunk):
    chunk = make_chunk(ramp(0.125))
    for consequence in (PLAY, REJECT, HOLD):
        verdict = check_chunk(chunk, robot, 0, settings=GateSettings(velocity=consequence))
        assert (verdict.consequence, verdict.scale) == (consequence, 1.0)
        assert (verdict.reason is None) == (consequence is PLAY)
        assert said(verdict) == ["chunk_velocity: action 1 of turn asks for 1.25 rad/s, limit 1"]


def test_a_user_who_holds_for_velocity_holds_also_where_the_table_would(robot, make_chunk):
    chunk = make_chunk(ramp(0.6))
    for consequence in (PLAY, REJECT, HOLD):
        verdict = check_chunk(chunk, robot, 0, settings=GateSettings(velocity=consequence))
        assert verdict.consequence is HOLD


def with_acceleration(robot: Embodiment, acceleration: float) -> Embodiment:
    facts = robot.model_dump()
    facts["joints"][0]["acceleration"] = acceleration
    return Embodiment.model_validate(facts)


def test_a_turn_that_is_too_sharp_is_played_so_slowly_that_it_fits(robot, make_chunk):
    # 0.05 rad forth and back: 0.1 rad, of which 0.01 is jitter, and 0.0225 fits in (0.1 s)².
    # At half the speed four times as much does.
    slow = with_acceleration(robot, 2.25)
    verdict = check_chunk(make_chunk([(0, 0), (0.05, 0), (0, 0)]), slow, 0)
    assert verdict.scale == pytest.approx(0.5)
    assert said(verdict) == [
        "chunk_acceleration: action 2 of turn asks for 10 rad/s², limit 2.25 and 1 for jitter; "
        "played at 0.5 of the speed"
    ]


def test_an_action_that_is_off_by_what_its_axis_covers_in_10_ms_is_no_acceleration(
    robot, make_chunk
):
    # A single action 5 mrad off is a turn of 10 mrad, at any acceleration limit.
    feeble = with_acceleration(robot, 1e-3)
    assert check_chunk(make_chunk([(0, 0), (0.005, 0), (0, 0)]), feeble, 0) == Verdict()
    verdict = check_chunk(make_chunk([(0, 0), (0.006, 0), (0, 0)]), feeble, 0)
    assert verdict.reason.code is Code.CHUNK_ACCELERATION


def test_a_chunk_may_begin_at_full_speed(robot, make_chunk):
    feeble = with_acceleration(robot, 1e-3)
    assert check_chunk(make_chunk(ramp(0.1)), feeble, 0) == Verdict()


def test_a_base_is_judged_by_its_velocities_and_their_differences(mobile, make_chunk):
    kinds = action_kinds(mobile)

    def verdict(forward: list[float]) -> Verdict:
        actions = np.zeros((len(forward), 4))
        actions[:, 1] = forward
        return check_chunk(make_chunk(actions, names=mobile.axis_names, kinds=kinds), mobile, 0)

    assert verdict([0.5, 0.5]) == Verdict()
    assert verdict([-1.0, -1.0]).scale == pytest.approx(0.5)
    assert said(verdict([-1.0, -1.0])) == [
        "chunk_velocity: action 0 of base_x asks for 1 m/s, limit 0.5; played at 0.5 of the speed"
    ]
    assert verdict([0.0, 0.15, 0.3]) == Verdict()
    assert said(verdict([0.0, 0.45])) == [
        "chunk_acceleration: action 1 of base_x asks for 4.5 m/s², limit 1 and 0.5 for jitter; "
        "played at 0.5 of the speed"
    ]


def still(machine: Embodiment, horizon: int = 20) -> np.ndarray:
    """Actions of a robot at home, whose base stands."""
    actions = np.zeros((horizon, len(machine.axes)))
    actions[:, machine.joint_columns] = machine.home
    return actions


def chunk_of(machine: Embodiment, actions: np.ndarray) -> ActionChunk:
    kinds = action_kinds(machine)
    return ActionChunk(machine.axis_names, kinds, actions, 0, machine.policy.period_ns)


def test_a_gripper_opens_and_closes_from_one_action_to_the_next():
    column = [axis.gripper is not None for axis in UR5E.axes].index(True)
    axis = UR5E.axes[column]
    actions = still(UR5E)
    actions[::2, column], actions[1::2, column] = axis.gripper.open, axis.gripper.closed
    away = UR5E.home + (np.arange(len(UR5E.home)) == column) * 0.5
    assert check_chunk(chunk_of(UR5E, actions), UR5E, 0, measured=away) == Verdict()


def test_a_gripper_may_be_told_to_squeeze_but_not_in_another_convention():
    column = [axis.gripper is not None for axis in UR5E.axes].index(True)
    axis, actions = UR5E.axes[column], still(UR5E)
    actions[:, column] = axis.upper + 0.9 * (axis.upper - axis.lower)
    assert check_chunk(chunk_of(UR5E, actions), UR5E, 0) == Verdict()
    actions[:, column] = 255
    assert reason_of(chunk_of(UR5E, actions), UR5E, 0).code is Code.CHUNK_LIMITS


@pytest.mark.parametrize("machine", [UR5E, TRACER], ids=["20 Hz", "50 Hz"])
def test_the_jitter_of_a_network_passes_and_ten_times_as_much_is_slowed(
    machine: Embodiment,
) -> None:
    random = np.random.default_rng(0)
    arms = np.array([axis.unit == "rad" and axis.kind == "position" for axis in machine.axes])
    for _ in range(50):
        noise = random.normal(0.0, 0.002, (50, len(machine.axes))) * arms
        quiet = chunk_of(machine, still(machine, 50) + noise)
        assert check_chunk(quiet, machine, 0) == Verdict()
        loud = chunk_of(machine, still(machine, 50) + 10 * noise)
        assert check_chunk(loud, machine, 0).scale < 0.5


# --- the jump to the first action --------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "consequence", "words"),
    [
        (0.25, PLAY, []),
        (
            0.5,
            PLAY,
            [
                "chunk_jump: action 0 of turn is 0.5 rad from where it was measured, limit 0.25; "
                "approached by a ramp"
            ],
        ),
        (
            1.5,
            REJECT,
            ["chunk_jump: action 0 of turn is 1.5 rad from where it was measured, limit 1"],
        ),
    ],
)
def test_a_first_action_is_judged_by_the_time_to_it(robot, make_chunk, first, consequence, words):
    verdict = check_chunk(make_chunk(at(first)), robot, 0, measured=np.zeros(2))
    assert (verdict.consequence, said(verdict)) == (consequence, words)


def test_what_is_driven_by_velocity_has_neither_a_place_nor_a_jump_to_it(driven, make_chunk):
    chunk = make_chunk([(-0.9, 0), (-0.9, 0)], kinds=[ActionKind.VELOCITY, ActionKind.POSITION])
    assert check_chunk(chunk, driven, 0, measured=np.array([2.9, 0.0])) == Verdict()
    facts = driven.model_dump()
    facts["joints"][0]["velocity"] = 20.0
    fast = Embodiment.model_validate(facts)  # 15 rad/s are no position of 15 rad
    chunk = make_chunk([(15, 0), (15, 0)], kinds=chunk.kinds)
    assert check_chunk(chunk, fast, 0) == Verdict()


def test_without_a_measured_pose_there_is_no_jump(robot, make_chunk):
    assert check_chunk(make_chunk(at(2.0)), robot, 0) == Verdict()
    assert check_chunk(make_chunk(at(2.0)), robot, 0, measured=np.full(2, np.nan)) == Verdict()


def test_a_user_may_hold_where_a_chunk_begins_far_off_also_beyond_the_farthest(robot, make_chunk):
    strict = GateSettings(jump=HOLD)
    for first in (0.5, 1.5):
        chunk = make_chunk(at(first))
        verdict = check_chunk(chunk, robot, 0, measured=np.zeros(2), settings=strict)
        assert verdict.consequence is HOLD


def test_the_slowest_axis_decides_how_far_a_jump_is(robot, make_chunk):
    # 0.3 m at 0.5 m/s are 0.6 s, 0.5 rad at 1 rad/s are 0.5 s.
    verdict = check_chunk(make_chunk(at(0.5, 0.3)), robot, 0, measured=np.zeros(2))
    assert said(verdict)[0].startswith("chunk_jump: action 0 of slide is 0.3 m from")


# --- verdicts ----------------------------------------------------------------------------------


def test_every_check_leads_to_what_the_table_declares(robot, make_chunk):
    chunks = {
        Check.FORM: make_chunk(period_ns=MS),
        Check.FINITE: make_chunk(at(np.nan)),
        Check.ORDER: make_chunk(start_ms=-900),
        Check.TIME: make_chunk(start_ms=5000),
        Check.LIMITS: make_chunk(at(3.05)),
        Check.VELOCITY: make_chunk(ramp(0.2)),
        Check.ACCELERATION: make_chunk([(0, 0), (0.1, 0), (0, 0)]),
        Check.JUMP: make_chunk(at(0.5)),
        Check.FAR_OUT: make_chunk(at(4.0)),
        Check.PACE: make_chunk(ramp(0.55)),
        Check.REACH: make_chunk(at(2.0)),
    }
    assert list(chunks) == list(Check)
    for check, chunk in chunks.items():
        playing_ns = -800 * MS if check is Check.ORDER else None
        pose = np.zeros(2) if check in (Check.JUMP, Check.REACH) else None
        verdict = check_chunk(chunk, robot, 0, playing_ns, pose)
        assert (len(verdict.findings), verdict.consequence) == (1, RULES[check].default), check


def test_the_strictest_finding_decides_and_all_are_told(robot, make_chunk):
    chunk = make_chunk([(0.5, 0), (0.7, 0), (4.0, 0)])
    verdict = check_chunk(chunk, robot, 0, measured=np.zeros(2))
    codes = [finding.code.value for finding in verdict.findings]
    assert codes == ["chunk_limits", "chunk_velocity", "chunk_acceleration", "chunk_jump"]
    assert (verdict.consequence, verdict.reason) == (HOLD, verdict.findings[0])


def test_of_two_findings_that_scale_the_slower_counts(robot, make_chunk):
    # 0.2 rad is 2 times too fast; a turn of 0.4 rad is sqrt(0.39 / 0.1) = 1.97 times too sharp.
    verdict = check_chunk(make_chunk([(0, 0), (0.2, 0), (0, 0)]), robot, 0)
    assert [finding.code for finding in verdict.findings] == [
        Code.CHUNK_VELOCITY,
        Code.CHUNK_ACCELERATION,
    ]
    assert verdict.scale == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"limits": SCALE}, "limits is scale; it must be one of play, reject, hold"),
        ({"jump": SCALE}, "jump is scale; it must be one of play, reject, hold"),
        ({"slowest": 0.0}, "slowest is 0.0; it must be above 0 and at most 1"),
        ({"slowest": 1.5}, "slowest is 1.5; it must be above 0 and at most 1"),
        ({"jump_ns": 2 * 10**9}, "jump_ns is 2000000000; it must be above 0 and at most farthest"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        GateSettings(**wrong)


def test_what_may_be_chosen_is_named_and_what_may_not_is_not():
    assert choices(Check.VELOCITY) == ("play", "scale", "reject", "hold")
    assert choices(Check.FINITE) == ()


# --- whatever arrives --------------------------------------------------------------------------

MACHINES = (UR5E, TRACER)
LIKELY = st.sampled_from([0.0, 0.01, -0.02, 0.3, 1.0, -5.0, 400.0])
ANY = st.one_of(st.floats(), LIKELY, st.sampled_from([np.nan, np.inf, -np.inf, 1e6, 1e300]))


@st.composite
def moving(draw: st.DrawFn, elements: Any, least: int = 2) -> tuple[Embodiment, np.ndarray]:
    """A robot and actions around its home, (H, A)."""
    machine = draw(st.sampled_from(MACHINES))
    shape = (draw(st.integers(least, 8)), len(machine.axes))
    noise = draw(arrays.arrays(np.float64, shape, elements=elements, fill=st.just(0.0)))
    return machine, still(machine, shape[0]) + noise


@settings(deadline=None)
@given(
    moving(ANY, least=0),
    st.integers(-(10**10), 10**10),
    st.none() | st.integers(-(10**10), 10**10),
    st.none() | st.sampled_from([0.0, 0.5, np.nan, np.inf]),
)
def test_any_numbers_get_a_whole_verdict(
    some: tuple[Embodiment, np.ndarray],
    now_ns: int,
    playing_ns: int | None,
    away: float | None,
) -> None:
    machine, actions = some
    measured = None if away is None else machine.home + away
    verdict = check_chunk(chunk_of(machine, actions), machine, now_ns, playing_ns, measured)
    assert 0 < verdict.scale <= 1
    assert (verdict.reason is None) == (verdict.consequence <= SCALE)
    assert verdict.reason is None or verdict.reason in verdict.findings
    assert verdict.scale == 1 or verdict.consequence is SCALE
    assert all(finding.detail for finding in verdict.findings)
    if np.isnan(actions).any():
        assert verdict.reason is not None
        assert verdict.reason.code in (Code.CHUNK_NOT_FINITE, Code.CHUNK_TOO_SHORT)


@settings(deadline=None)
@given(moving(st.floats(-0.5, 0.5)))
def test_a_chunk_that_is_played_at_its_scale_keeps_velocity_and_acceleration(
    some: tuple[Embodiment, np.ndarray],
) -> None:
    machine, actions = some
    verdict = check_chunk(chunk_of(machine, actions), machine, 0)
    if verdict.reason is not None:
        return
    period = machine.policy.period_ns / 1e9
    stretched = period / verdict.scale
    for axis, column in zip(machine.axes, actions.T, strict=True):
        if getattr(axis, "gripper", None) is not None:
            continue
        steps = column * period if axis.kind == "velocity" else np.diff(column)
        assert (np.abs(steps) / stretched <= axis.velocity * (1 + 1e-5)).all()
        turns = np.abs(np.diff(steps)) - 0.01 * axis.velocity
        assert (turns / stretched**2 <= axis.acceleration * (1 + 1e-5)).all()


@settings(deadline=None)
@given(moving(st.floats(-3, 3)), st.floats(0, 1), st.floats(-1, 1))
def test_a_slower_copy_of_a_chunk_never_gets_a_stricter_verdict(
    some: tuple[Embodiment, np.ndarray], share: float, away: float
) -> None:
    machine, actions = some
    slower = actions[0] + share * (actions - actions[0])
    slower[:, machine.by_velocity] = share * actions[:, machine.by_velocity]
    pose = machine.home + away
    fast, slow = (
        check_chunk(chunk_of(machine, each), machine, 0, measured=pose)
        for each in (actions, slower)
    )
    assert slow.consequence <= fast.consequence
    if slow.consequence is fast.consequence is SCALE:
        assert slow.scale >= fast.scale * (1 - 1e-9)
