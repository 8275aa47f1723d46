from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.execution.chunk import ActionChunk, ActionKind
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.continuation import (
    KEPT,
    UNHEARD_NS,
    Played,
    PublishedChunks,
    committed_actions,
    continue_chunk,
    continue_played,
    lateness,
    left_over,
)
from pi0_ros.policy.progress import SILENT_NS, Progress
from pi0_ros.policy.protocol import Continuation

MS = 1_000_000
PERIOD_NS = 50 * MS
HORIZON = 20


def chunk(sequence: int = 0, start_ms: int = 1000, prompt: str = "reach") -> ActionChunk:
    """Position 0, 1, 2 ... and velocity 0, 10, 20 ..., one action per 50 ms."""
    actions = np.arange(HORIZON)[:, None] * np.array([1.0, 10.0])
    kinds = ActionKind.POSITION, ActionKind.VELOCITY
    return ActionChunk(
        ("j", "x"), kinds, actions, start_ms * MS, PERIOD_NS, sequence=sequence, prompt=prompt
    )


def progress(sequence: int, start_ms: int, at_ms: int, **more: object) -> Progress:
    told = {"step": 3.0, "rate": 1.0, "is_executing": True, **more}
    return Progress(sequence, start_ms * MS, at_ns=at_ms * MS, **told)  # type: ignore[arg-type]


def found(continuation: Continuation | str) -> Continuation:
    assert isinstance(continuation, Continuation), continuation
    return continuation


# --- rows ----------------------------------------------------------------------------------------


def test_what_is_left_of_a_chunk_lies_on_the_lines_between_its_actions() -> None:
    rows = left_over(chunk(), 16.25)
    np.testing.assert_allclose(rows, [[16.25, 162.5], [17.25, 172.5], [18.25, 182.5]])


def test_from_an_action_on_its_own_rows_are_left_bit_for_bit() -> None:
    np.testing.assert_array_equal(left_over(chunk(), 17.0), chunk().actions[17:])


@pytest.mark.parametrize(("step", "count"), [(0.0, 20), (18.0, 2), (19.0, 1), (19.5, 0), (99, 0)])
def test_beyond_the_last_action_nothing_is_left(step: float, count: int) -> None:
    assert len(left_over(chunk(), step)) == count


@given(st.floats(0.0, HORIZON + 5.0))
def test_what_is_left_begins_at_the_place_and_ends_within_the_chunk(step: float) -> None:
    rows = left_over(chunk(), step)
    places = step + np.arange(len(rows))
    np.testing.assert_allclose(rows[:, 0], np.minimum(places, HORIZON - 1), atol=1e-6)
    assert len(rows) == HORIZON or step + len(rows) > HORIZON - 1


# --- commitment ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "count"), [(0.0, 1), (0.1, 2), (1.0, 2), (5.8, 7), (6.0, 7)])
def test_a_motion_is_made_of_the_actions_on_both_sides_of_its_end(steps: float, count: int) -> None:
    assert committed_actions(steps) == count


@given(st.floats(0.0, 15.0), st.floats(0.0, 3.0))
def test_the_committed_actions_suffice_for_the_motion_and_not_one_is_idle(
    step: float, ahead: float
) -> None:
    rows = left_over(chunk(), step)[: committed_actions(ahead)]
    at_the_end = np.interp(ahead, np.arange(len(rows)), rows[:, 0])
    assert at_the_end == pytest.approx(step + ahead, abs=1e-6)
    assert len(rows) - 2 < ahead or len(rows) == 1


# --- continuing ----------------------------------------------------------------------------------


def test_a_continuation_names_its_chunk_and_ends_before_what_will_be_executed_next() -> None:
    one = found(continue_chunk(chunk(5), 4.0, delay=3, execute=8, prompt="reach"))
    assert (one.sequence, one.step, one.delay, one.execute) == (5, 4.0, 3, 8)
    assert len(one.actions) == 16
    assert one.end(HORIZON) == 12  # H - s
    assert one.end(40) == 16  # no more is left


@pytest.mark.parametrize(
    ("step", "delay", "execute", "said"),
    [
        (18.5, 1, 8, "1 actions are left of chunk 0; two are needed"),
        (25.0, 1, 8, "0 actions are left of chunk 0; two are needed"),
        (4.0, 12, 8, "delay of 12 actions exceeds the overlap of 12"),
        (12.0, 12, 2, "delay of 12 actions exceeds the overlap of 8"),
        (4.0, 1, 20, "delay of 1 actions exceeds the overlap of 0"),
    ],
)
def test_a_delay_beyond_the_overlap_is_refused_in_a_sentence(
    step: float, delay: int, execute: int, said: str
) -> None:
    assert continue_chunk(chunk(), step, delay, execute, "reach") == said


def test_another_prompts_chunk_is_continued_as_far_as_it_is_committed() -> None:
    one = found(continue_chunk(chunk(), 4.0, delay=12, execute=8, prompt="wave"))
    assert len(one.actions) == one.delay == one.end(HORIZON) == 12
    assert continue_chunk(chunk(), 4.0, 13, 8, "wave") == (
        "delay of 13 actions exceeds the overlap of 12"
    )


@given(
    step=st.floats(0.0, 25.0),
    delay=st.integers(1, 30),
    execute=st.integers(1, HORIZON),
    prompt=st.sampled_from(["reach", "wave"]),
)
def test_a_continuation_always_has_room_for_its_delay(
    step: float, delay: int, execute: int, prompt: str
) -> None:
    one = continue_chunk(chunk(), step, delay, execute, prompt)
    if isinstance(one, Continuation):
        assert 1 <= one.delay <= one.end(HORIZON) <= len(one.actions) <= HORIZON
        assert (one.delay == one.end(HORIZON)) == (prompt == "wave")


@given(rate=st.floats(0.0, 1.0), ahead_ms=st.integers(0, 400), age_ms=st.integers(0, 200))
def test_slower_playing_commits_fewer_actions_and_what_is_late_exceeds_them(
    rate: float, ahead_ms: int, age_ms: int
) -> None:
    played = Played(chunk(), 5.0, 1300 * MS, rate)
    seen = Observation({}, np.zeros(2), "reach", (1300 - age_ms) * MS)
    final_ns = (1300 + ahead_ms) * MS
    one = found(continue_played(played, seen, final_ns, execute=4))
    assert one.step == pytest.approx(5.0 - rate * age_ms / 50)
    assert one.delay == committed_actions(rate * (ahead_ms + age_ms) / 50)
    assert lateness(played, one, final_ns) is None
    taken = committed_actions(rate * (ahead_ms + age_ms + 101) / 50)
    assert (lateness(played, one, final_ns + 101 * MS) is None) == (taken <= one.delay)


def test_lateness_is_told_in_actions_and_only_of_the_chunk_that_was_continued() -> None:
    played = Played(chunk(), 5.0, 1300 * MS, 1.0)
    one = found(continue_chunk(chunk(), 5.0, delay=3, execute=4, prompt="reach"))
    late_ns = 1600 * MS  # 6 actions after the place
    assert lateness(played, one, late_ns) == "rtc_late: the delay was 7 actions, committed were 3"
    assert lateness(None, one, late_ns) is None
    assert lateness(Played(chunk(1), 5.0, 1300 * MS, 1.0), one, late_ns) is None


# --- what is played ------------------------------------------------------------------------------


@pytest.fixture
def published() -> PublishedChunks:
    """Chunks 0, 1 and 2 of 1000, 1400 and 1800 ms, each published 100 ms later."""
    chunks = PublishedChunks()
    for number in range(3):
        start_ms = 1000 + 400 * number
        chunks.add(chunk(number, start_ms), (start_ms + 100) * MS)
    return chunks


def played(chunks: PublishedChunks, told: Progress | None, now_ms: int = 2100) -> Played:
    one = chunks.played(now_ms * MS, told)
    assert one is not None
    return one


def test_what_the_executor_tells_is_what_is_played(published: PublishedChunks) -> None:
    one = played(published, progress(2, 1800, 2050, rate=0.5))
    assert (one.chunk.sequence, one.step, one.rate) == (2, 3.0, 0.5)
    assert one.step_at(2150 * MS) == 4.0
    assert one.step_at(1000 * MS) == 0.0, "before its first action there is none"


def test_an_older_chunk_is_played_where_the_newest_was_not_taken(
    published: PublishedChunks,
) -> None:
    soon_ms = 1900 + UNHEARD_NS // MS
    assert played(published, progress(1, 1400, soon_ms)).chunk.sequence == 1
    too_soon = played(published, progress(1, 1400, soon_ms - 1, rate=0.25))
    assert (too_soon.chunk.sequence, too_soon.step, too_soon.rate) == (2, 0.0, 0.25)
    assert too_soon.at_ns == 1800 * MS


def test_who_stood_before_a_chunk_begins_it_with_its_first_action(
    published: PublishedChunks,
) -> None:
    one = played(published, progress(1, 1400, 1850, is_executing=False, rate=0.0))
    assert one.chunk.sequence == 2
    assert one.step_at(1900 * MS) == 0.0
    assert one.step_at(1950 * MS) == 1.0


@pytest.mark.parametrize("told", [None, progress(2, 1800, 2100 - SILENT_NS // MS - 1, rate=0.0)])
def test_without_a_report_of_now_the_newest_is_played_at_full_speed(
    published: PublishedChunks, told: Progress | None
) -> None:
    one = played(published, told)
    assert (one.chunk.sequence, one.rate) == (2, 1.0)
    assert one.step_at(2100 * MS) == 6.0


@pytest.mark.parametrize(
    "told",
    [
        progress(2, 1800, 2050, is_executing=False),
        progress(9, 1800, 2050),
        progress(2, 1801, 2050),  # of a policy that ran before
    ],
)
def test_nothing_of_ours_is_played(published: PublishedChunks, told: Progress) -> None:
    assert published.played(2100 * MS, told) is None


def test_only_the_last_chunks_are_kept_and_all_can_be_forgotten(published: PublishedChunks) -> None:
    for number in range(3, 3 + KEPT):
        published.add(chunk(number, 1800), 1900 * MS)
    assert published.played(2100 * MS, progress(2, 1800, 2050)) is None
    assert not published.is_empty
    published.clear()
    assert published.is_empty
    assert published.played(2100 * MS, None) is None


# --- progress ------------------------------------------------------------------------------------


@given(st.integers(-3000, 3000), st.floats(0.0, 1.0), st.floats(0.0, 20.0))
def test_a_report_is_carried_on_at_its_rate_for_as_long_as_it_is_current(
    away_ms: int, rate: float, step: float
) -> None:
    told = progress(0, 0, 5000, rate=rate, step=step)
    near_ms = min(max(away_ms, -1000), 1000)
    now_ns = (5000 + away_ms) * MS
    assert told.is_current(now_ns) == (abs(away_ms) <= 1000)
    assert told.step_at(now_ns, PERIOD_NS) == pytest.approx(max(step + rate * near_ms / 50, 0.0))
