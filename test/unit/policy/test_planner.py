from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk, ActionKind
from pi0_ros.observation.observation import NotReady, Observation
from pi0_ros.policy.planner import Latency, Planner
from pi0_ros.policy.progress import Progress
from pi0_ros.policy.protocol import CannotPlan, Continuation, OutOfMemory

MS = 1_000_000
EXECUTE = 16  # actions of 50 ms: a plan is due every 800 ms
LEAD_MS = 60  # of ur5e_bimanual, whose chunks have 50 actions


@dataclass
class FakePolicy:
    """Plans to move by 1 rad per action, remembers what it was asked, lets tests act meanwhile."""

    name: str = "fake"
    continues: bool = True
    asked: list[tuple[Observation, Continuation | None, int]] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None
    fails: Exception | None = None

    def warm_up(self) -> None:
        """Nothing to do."""

    def check_prompt(self, prompt: str) -> str | None:
        return "mumbling is not understood" if prompt == "mmm" else None

    def plan(
        self, observation: Observation, previous: Continuation | None = None, sequence: int = 0
    ) -> ActionChunk:
        self.asked.append((observation, previous, sequence))
        self.meanwhile()
        if self.fails:
            raise self.fails
        frozen = 0 if previous is None else previous.delay
        return ActionChunk(("j",), (ActionKind.POSITION,), np.arange(50.0)[:, None],
                           observation.stamp_ns, 50 * MS, prompt=observation.prompt,
                           frozen_steps=frozen)  # fmt: skip


@dataclass
class Bench:
    """A planner on a clock that only the test moves; images are 30 ms old."""

    embodiment: Embodiment
    policy: FakePolicy = field(default_factory=FakePolicy)
    replan: str = "executed"
    now_ms: int = 1000
    missing: str = ""
    heard: Progress | None = None
    image_every_ms: int = 1

    def __post_init__(self) -> None:
        self.planner = Planner(
            self.embodiment,
            self.policy,
            self._snapshot,
            EXECUTE,
            lambda: self.now_ms * MS,
            self.replan,
            lambda: self.heard,
        )

    def _snapshot(self, now_ns: int, prompt: str) -> Observation | NotReady:
        if self.missing or not prompt:
            return NotReady.because(self.missing or "no prompt")
        stamp_ms = (now_ns // MS - 30) // self.image_every_ms * self.image_every_ms
        return Observation({}, np.zeros(1), prompt, stamp_ms * MS, (stamp_ms * MS, 7))

    def tick(self, at_ms: int) -> ActionChunk | NotReady | None:
        self.now_ms = at_ms
        return self.planner.tick()

    def chunk(self, at_ms: int) -> ActionChunk:
        result = self.tick(at_ms)
        assert isinstance(result, ActionChunk), result
        return result

    def think(self, ms: int) -> None:
        """Take so long for each plan from now on."""

        def pass_time() -> None:
            self.now_ms += ms

        self.policy.meanwhile = pass_time

    def hear(self, chunk: ActionChunk, step: float, rate: float = 1.0, **more: object) -> None:
        """Hear from an executor that is at a step of a chunk now."""
        self.heard = Progress(
            chunk.sequence, chunk.start_ns, step, self.now_ms * MS, rate,
            **{"is_executing": True, **more},  # type: ignore[arg-type]
        )  # fmt: skip

    @property
    def continued(self) -> Continuation:
        """What the last plan continues."""
        previous = self.policy.asked[-1][1]
        assert previous is not None
        return previous


@pytest.fixture
def bench(embodiment: Embodiment) -> Bench:
    """A planner that follows ``reach``."""
    made = Bench(embodiment)
    assert made.planner.set_prompt("reach") is None
    return made


def test_without_a_prompt_the_reason_passes_through(embodiment: Embodiment) -> None:
    bench = Bench(embodiment)
    assert bench.planner.prompt == ""
    assert bench.tick(1000) == NotReady.because("no prompt")


def test_the_first_tick_plans_from_an_observation_of_now(bench: Bench) -> None:
    chunk = bench.chunk(1000)
    assert chunk.start_ns == 970 * MS
    assert chunk.prompt == "reach"
    assert bench.policy.asked[0][1] is None


def test_the_next_plan_is_due_when_the_actions_to_execute_are_over(bench: Bench) -> None:
    bench.chunk(1000)  # starts at 970 ms, so that 16 actions of 50 ms last until 1770 ms
    assert bench.tick(1001) is None
    assert bench.tick(1769) is None
    assert bench.chunk(1770).start_ns == 1740 * MS
    assert bench.tick(2539) is None
    assert bench.chunk(2540).sequence == 2


def test_a_chunk_names_the_images_it_was_planned_from(bench: Bench) -> None:
    assert bench.chunk(1000).image_stamps_ns == (970 * MS, 7)


def test_the_policy_is_told_the_number_of_the_plan_and_a_failed_number_is_used_again(
    bench: Bench,
) -> None:
    bench.chunk(1000)
    bench.policy.fails = CannotPlan("blind")
    bench.tick(1770)
    bench.policy.fails = None
    assert bench.chunk(1771).sequence == 1
    assert [asked[2] for asked in bench.policy.asked] == [0, 1, 1]


def test_a_new_prompt_is_planned_for_at_once(bench: Bench) -> None:
    bench.chunk(1000)
    assert bench.planner.set_prompt("  wave\n") is None
    assert bench.planner.prompt == "wave"
    assert bench.chunk(1001).prompt == "wave"


def test_a_prompt_with_a_problem_changes_nothing(bench: Bench) -> None:
    bench.chunk(1000)
    assert bench.planner.set_prompt("mmm") == "mumbling is not understood"
    assert bench.planner.prompt == "reach"
    assert bench.tick(1001) is None


def test_checking_a_prompt_does_not_follow_it(bench: Bench) -> None:
    assert bench.planner.check_prompt("wave") is None
    assert bench.planner.check_prompt("mmm") == "mumbling is not understood"
    assert bench.planner.check_prompt(" ") == "the prompt is empty; say what the robot shall do"
    assert bench.planner.prompt == "reach"


def test_an_empty_prompt_stops_planning(bench: Bench) -> None:
    bench.chunk(1000)
    assert bench.planner.set_prompt(" ") is None
    assert bench.tick(1001) == NotReady.because("no prompt")
    assert len(bench.policy.asked) == 1


def test_a_plan_is_dropped_when_its_prompt_changed_meanwhile(bench: Bench) -> None:
    bench.policy.meanwhile = lambda: bench.planner.set_prompt("wave")
    assert bench.tick(1000) is None
    bench.policy.meanwhile = lambda: None
    chunk = bench.chunk(1001)
    assert chunk.prompt == "wave"
    assert chunk.sequence == 1, "a number is never used twice, not even of a dropped plan"


def test_sequence_numbers_count_from_zero(bench: Bench) -> None:
    assert [bench.chunk(1000 + 800 * i).sequence for i in range(4)] == [0, 1, 2, 3]
    assert bench.planner.chunks == 4


def test_a_reason_passes_through_and_the_next_tick_tries_again(bench: Bench) -> None:
    bench.missing = "base_camera: no image yet"
    assert bench.tick(1000) == NotReady.because("base_camera: no image yet")
    assert bench.policy.asked == []
    bench.missing = ""
    assert bench.chunk(1001).sequence == 0


def test_a_policy_that_cannot_plan_is_a_reason(bench: Bench) -> None:
    bench.policy.fails = CannotPlan("no red block is visible")
    assert bench.tick(1000) == NotReady.because("no red block is visible")
    assert bench.planner.chunks == 0
    bench.policy.fails = None
    assert bench.chunk(1001).sequence == 0


def test_latency_is_the_time_of_planning_and_the_observations_age_at_its_end(bench: Bench) -> None:
    bench.think(200)
    chunk = bench.chunk(1000)
    assert chunk.inference_ns == 200 * MS
    assert bench.planner.latency == Latency(200 * MS, 230 * MS)


def test_a_clock_that_jumps_back_makes_a_plan_due(bench: Bench) -> None:
    bench.chunk(1000)
    assert bench.chunk(500).start_ns == 470 * MS


def test_forgetting_makes_a_plan_due(bench: Bench) -> None:
    bench.chunk(1000)
    bench.planner.forget()
    assert bench.chunk(1001).sequence == 1


def test_planning_once_for_a_service_leaves_the_running_chunk_alone(bench: Bench) -> None:
    bench.chunk(1000)
    bench.now_ms = 1500
    once = bench.planner.plan("wave")
    assert isinstance(once, ActionChunk)
    assert (once.prompt, once.sequence) == ("wave", 1)
    assert bench.planner.prompt == "reach"
    assert bench.tick(1769) is None
    assert bench.chunk(1770).prompt == "reach"


# --- when ----------------------------------------------------------------------------------------


def test_a_plan_begins_so_early_that_it_arrives_after_the_actions_to_execute(bench: Bench) -> None:
    bench.think(200)
    bench.chunk(1000)  # the first plan's latency holds until there is another
    assert bench.planner.forecast_ns == 200 * MS
    assert bench.tick(1569) is None
    second = bench.chunk(1570)  # arrives at 1770 = 970 + 16 * 50
    assert bench.now_ms == 1770
    assert second.start_ns == 1540 * MS


def test_a_spike_makes_plans_early_for_eight_plans_only(bench: Bench) -> None:
    bench.think(100)
    last = [bench.chunk(1000), bench.chunk(3000)][-1]
    bench.think(600)
    last = bench.chunk(5000)
    bench.think(100)
    for number in range(8):
        assert bench.planner.forecast_ns == 600 * MS, number
        last = bench.chunk(last.start_ns // MS + 1000)
    assert bench.planner.forecast_ns == 100 * MS


def test_steps_count_that_were_really_executed(bench: Bench) -> None:
    first = bench.chunk(1000)
    bench.now_ms = 1800  # 830 ms after its start: 16.6 actions at full speed
    bench.hear(first, step=8.0, rate=0.5)
    assert bench.tick(1800) is None
    # Half speed: 8 more actions take 16 periods, or 800 ms; and the report lasts so long.
    assert bench.tick(2599) is None
    assert bench.chunk(2600).sequence == 1


def test_an_executor_that_fell_silent_is_assumed_to_run_at_full_speed(bench: Bench) -> None:
    first = bench.chunk(1000)
    bench.hear(first, step=0.0, rate=0.0)
    assert bench.tick(2000) is None
    bench.chunk(2001)


def test_where_the_robot_stands_time_counts_so_that_the_plan_stays_young(bench: Bench) -> None:
    first = bench.chunk(1000)
    bench.now_ms = 1769
    bench.hear(first, step=0.0, rate=0.0, is_executing=False, reason="not_enabled")
    assert bench.tick(1769) is None
    assert bench.chunk(1770).sequence == 1


def test_a_plan_that_the_executor_did_not_take_is_followed_by_the_next_in_its_own_time(
    bench: Bench,
) -> None:
    first = bench.chunk(1000)
    bench.chunk(1770)
    bench.now_ms = 2000
    bench.hear(first, step=20.0)
    assert bench.tick(2539) is None
    assert bench.chunk(2540).sequence == 2


def test_a_restart_forgets_how_long_plans_took(bench: Bench) -> None:
    bench.think(200)
    bench.chunk(1000)
    bench.planner.restart()
    assert bench.planner.forecast_ns == 0
    assert bench.chunk(1201).sequence == 1


def test_a_chunk_that_is_played_very_slowly_is_renewed_when_it_would_be_over(bench: Bench) -> None:
    first = bench.chunk(1000)  # 49 periods after 970 ms it would be over: at 3420 ms
    bench.now_ms = 3000
    bench.hear(first, step=1.0, rate=0.02)
    assert bench.tick(3419) is None
    bench.chunk(3420)


def test_continuous_planning_uses_each_observation_once(embodiment: Embodiment) -> None:
    bench = Bench(embodiment, replan="continuous", image_every_ms=100)
    bench.planner.set_prompt("reach")
    assert bench.chunk(1030).start_ns == 1000 * MS
    assert bench.tick(1129) is None
    assert bench.chunk(1130).start_ns == 1100 * MS
    assert len(bench.policy.asked) == 2


def test_on_demand_there_is_one_plan_per_prompt_and_one_per_request(
    embodiment: Embodiment,
) -> None:
    bench = Bench(embodiment, replan="on_demand")
    bench.planner.set_prompt("reach")
    bench.chunk(1000)
    assert bench.tick(60_000) is None
    bench.planner.request()
    assert bench.chunk(60_001).sequence == 1
    assert bench.tick(60_002) is None
    bench.planner.set_prompt("wave")
    assert bench.chunk(60_003).prompt == "wave"


def test_a_request_while_a_plan_is_made_is_for_the_next_one(embodiment: Embodiment) -> None:
    bench = Bench(embodiment, replan="on_demand")
    bench.planner.set_prompt("reach")
    bench.policy.meanwhile = bench.planner.request
    assert bench.chunk(1000).sequence == 0
    bench.policy.meanwhile = lambda: None
    assert bench.chunk(1001).sequence == 1
    assert bench.tick(1002) is None


def test_a_policy_that_cannot_plan_is_not_asked_again_about_the_same_images(
    embodiment: Embodiment,
) -> None:
    bench = Bench(embodiment, image_every_ms=100)
    bench.planner.set_prompt("reach")
    bench.policy.fails = CannotPlan("no red block is visible")
    assert isinstance(bench.tick(1030), NotReady)
    assert bench.tick(1129) is None
    assert isinstance(bench.tick(1130), NotReady)
    assert len(bench.policy.asked) == 2


def test_no_memory_means_pauses_that_grow_and_the_same_images_do_afterwards(
    embodiment: Embodiment,
) -> None:
    bench = Bench(embodiment, image_every_ms=10_000)
    bench.planner.set_prompt("reach")
    bench.policy.fails = OutOfMemory("cpu is out of memory")
    due_ms = []
    for now_ms in range(20_030, 30_030, 10):
        if isinstance(bench.tick(now_ms), NotReady):
            due_ms.append(now_ms - 20_030)
    assert due_ms == [0, 100, 300, 700, 1500, 3100, 5100, 7100, 9100]
    bench.policy.fails = None
    assert bench.tick(30_029) is None
    assert bench.chunk(31_130).sequence == 0
    bench.policy.fails = OutOfMemory("cpu is out of memory")
    assert isinstance(bench.tick(40_030), NotReady)
    assert isinstance(bench.tick(40_130), NotReady), "a success makes the pauses short again"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"execute": 51}, "execute is 51; ur5e_bimanual's chunks have 50 actions"),
        ({"execute": 0}, "execute is 0"),
        ({"replan": "executd"}, "replan 'executd' is unknown; .* Did you mean 'executed'?"),
    ],
)
def test_impossible_plans_are_refused(
    embodiment: Embodiment, how: dict[str, object], said: str
) -> None:
    chosen = {"execute": EXECUTE, "replan": "executed", **how}
    with pytest.raises(ValueError, match=said):
        Planner(
            embodiment, FakePolicy(), lambda now_ns, prompt: NotReady.because("none"),
            chosen["execute"], lambda: 0, chosen["replan"],  # type: ignore[arg-type]
        )  # fmt: skip


# --- late plans ----------------------------------------------------------------------------------


def test_a_plan_that_takes_longer_than_the_actions_to_execute_is_used_all_the_same(
    bench: Bench,
) -> None:
    bench.think(1500)  # 30 actions; the chunk has 50
    assert bench.chunk(1000).start_ns == 970 * MS
    assert bench.planner.chunks == 1


def test_a_plan_of_which_nothing_is_left_is_not_published_and_says_why(bench: Bench) -> None:
    bench.think(2420)
    late = bench.tick(1000)  # arrives at 3420 ms, when its last action is due
    assert isinstance(late, NotReady)
    assert late.sentences[0].startswith(
        "inference takes 2.42 s, and its observation was 2.45 s old at its end; a chunk lasts "
        "2.45 s, so nothing is left of it"
    )
    assert (bench.planner.chunks, bench.planner.is_wanted) == (0, False)
    bench.think(2419)
    assert bench.chunk(4000).sequence == 1


# --- what is wanted ------------------------------------------------------------------------------


def test_a_plan_is_wanted_until_the_prompt_changes_or_it_is_withdrawn(bench: Bench) -> None:
    assert not bench.planner.is_wanted
    bench.chunk(1000)
    assert bench.planner.is_wanted
    bench.planner.set_prompt("wave")
    assert not bench.planner.is_wanted
    bench.chunk(1001)
    bench.planner.withdraw()
    assert not bench.planner.is_wanted


def test_a_withdrawal_has_no_actions_and_a_number_of_its_own(bench: Bench) -> None:
    assert bench.planner.withdraw() is None, "nothing was published"
    bench.chunk(1000)
    bench.now_ms = 1200
    end = bench.planner.withdraw()
    assert end is not None
    assert end.is_withdrawal
    assert (end.start_ns, end.sequence) == (1200 * MS, 1)
    assert end.names == bench.embodiment.axis_names
    assert bench.planner.withdraw() is None, "it is withdrawn already"
    bench.chunk(1201)
    assert bench.policy.asked[-1][1:] == (None, 2), "what was withdrawn is not continued"


def test_a_withdrawal_while_a_plan_is_made_drops_that_plan(bench: Bench) -> None:
    bench.chunk(1000)
    bench.policy.meanwhile = bench.planner.withdraw
    assert bench.tick(1770) is None
    bench.policy.meanwhile = lambda: None
    assert [bench.chunk(1771).sequence, bench.planner.chunks] == [3, 2]


# --- what is continued ---------------------------------------------------------------------------


def test_the_first_plan_continues_nothing_and_has_nothing_to_note(bench: Bench) -> None:
    assert bench.chunk(1000).notes == ()
    assert bench.policy.asked[0][1] is None


def test_a_plan_continues_the_running_chunk_at_the_steps_that_were_executed(bench: Bench) -> None:
    bench.think(200)
    first = bench.chunk(1000)
    bench.now_ms = 1500
    bench.hear(first, step=10.0)
    bench.chunk(1600)
    previous = bench.continued
    # Its image is of 1570 ms, 70 ms after the report: 1.4 actions further.
    assert previous.sequence == first.sequence
    assert previous.step == pytest.approx(11.4)
    assert previous.actions[:, 0] == pytest.approx(11.4 + np.arange(38))
    # Final will be what lies before 1600 + 200 + 60 ms: 290 ms, or 5.8 actions, after the image.
    assert previous.delay == 7
    assert previous.execute == EXECUTE


def test_at_half_speed_half_the_steps_are_committed(bench: Bench) -> None:
    bench.think(190)
    first = bench.chunk(1000)
    for rate, delay in ((1.0, 7), (0.5, 4), (0.0, 1)):  # 280 ms are 5.6, 2.8 and no actions
        bench.planner.request()
        bench.now_ms = 1590
        bench.hear(first, step=12.0, rate=rate)
        bench.chunk(1600)
        assert bench.continued.delay == delay


def test_without_an_executor_full_speed_from_the_stamp_is_assumed(bench: Bench) -> None:
    bench.chunk(1000)
    bench.chunk(1770)
    assert bench.continued.step == pytest.approx((1740 - 970) / 50)


def test_a_report_from_before_a_chunk_arrived_tells_its_rate(bench: Bench) -> None:
    bench.think(200)
    first = bench.chunk(1000)
    bench.now_ms = 1600
    bench.hear(first, step=6.0, rate=0.5)
    bench.planner.request()
    second = bench.chunk(1970)
    bench.now_ms = 2180
    bench.hear(first, step=11.8, rate=0.5)  # 10 ms after the second chunk was published
    bench.planner.request()
    bench.chunk(2240)
    assert bench.continued.sequence == second.sequence
    assert bench.continued.step == pytest.approx(0.5 * (2210 - 1940) / 50)


def test_a_chunk_that_the_executor_did_not_take_is_not_continued(bench: Bench) -> None:
    first = bench.chunk(1000)
    bench.chunk(1770)
    bench.now_ms = 2000
    bench.hear(first, step=20.0)
    bench.chunk(2540)
    assert bench.continued.sequence == first.sequence


@pytest.mark.parametrize("change", [{"is_executing": False, "rate": 0.0}, {"sequence": 77}])
def test_a_robot_that_stands_or_plays_somebody_elses_chunk_is_planned_for_anew(
    bench: Bench, change: dict[str, object]
) -> None:
    bench.chunk(1000)
    told = {"sequence": 0, "start_ns": 970 * MS, "step": 3.0, "at_ns": 1700 * MS, "rate": 1.0}
    bench.heard = Progress(**{**told, "is_executing": True, **change})  # type: ignore[arg-type]
    bench.planner.request()
    assert bench.chunk(1770).notes == ()
    assert bench.policy.asked[1][1] is None


def test_after_the_clock_jumped_back_nothing_is_continued(bench: Bench) -> None:
    bench.chunk(1000)
    assert bench.chunk(500).notes == ()
    assert bench.policy.asked[1][1] is None


def test_a_policy_that_does_not_continue_chunks_is_given_none_and_nothing_is_noted(
    embodiment: Embodiment,
) -> None:
    bench = Bench(embodiment, FakePolicy(continues=False))
    bench.planner.set_prompt("reach")
    bench.think(1800)
    assert [bench.chunk(1000 + 2000 * i).notes for i in range(3)] == [(), (), ()]
    assert [asked[1] for asked in bench.policy.asked] == [None] * 3


def test_a_new_prompt_continues_only_what_cannot_change_any_more(bench: Bench) -> None:
    bench.think(200)
    bench.chunk(1000)
    bench.planner.set_prompt("wave")
    chunk = bench.chunk(1300)
    # Image of 1270 ms, final until 1560 ms: 5.8 actions, which 7 are the ends of.
    assert chunk.prompt == "wave"
    assert len(bench.continued.actions) == bench.continued.delay == 7


def test_a_delay_beyond_the_overlap_means_a_fade_with_a_note(embodiment: Embodiment) -> None:
    bench = Bench(embodiment)
    bench.planner.set_prompt("reach")
    bench.think(1700)
    bench.chunk(1000)
    chunk = bench.chunk(2700)
    # Image of 2670 ms, at action 34: 16 are left. Final until 4460 ms: 35.8 actions.
    assert chunk.notes == ("rtc_fade: delay of 37 actions exceeds the overlap of 16",)
    assert bench.planner.notes == chunk.notes
    assert bench.policy.asked[1][1] is None


def test_a_plan_that_came_later_than_forecast_says_so(bench: Bench) -> None:
    bench.think(100)
    bench.chunk(1000)
    bench.think(290)
    chunk = bench.chunk(1670)
    # Image of 1640 ms. Forecast: final until 1830 ms, 3.8 actions. It became 2020 ms, 7.6 actions.
    assert bench.continued.delay == 5
    assert chunk.notes == ("rtc_late: the delay was 9 actions, committed were 5",)
    bench.think(100)
    assert bench.chunk(2150).notes == (), "the forecast has learnt"
