from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import ActionChunk, ActionKind
from pi0_ros.observation.observation import NotReady, Observation
from pi0_ros.policy.planner import Latency, Planner
from pi0_ros.policy.protocol import CannotPlan

MS = 1_000_000
EXECUTE = 16  # actions of 50 ms: a plan is due every 800 ms


@dataclass
class FakePolicy:
    """Plans to stand, remembers what it was asked, and lets tests act while it plans."""

    name: str = "fake"
    asked: list[tuple[Observation, ActionChunk | None]] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    fails: str = ""

    def warm_up(self) -> None:
        """Nothing to do."""

    def check_prompt(self, prompt: str) -> str | None:
        return "mumbling is not understood" if prompt == "mmm" else None

    def plan(self, observation: Observation, previous: ActionChunk | None) -> ActionChunk:
        self.asked.append((observation, previous))
        self.meanwhile()
        if self.fails:
            raise CannotPlan(self.fails)
        kinds, still = (ActionKind.POSITION,), np.zeros((50, 1))
        return ActionChunk(("j",), kinds, still, observation.stamp_ns, 50 * MS,
                           prompt=observation.prompt)  # fmt: skip


@dataclass
class Bench:
    """A planner on a clock that only the test moves; images are 30 ms old."""

    embodiment: Embodiment
    policy: FakePolicy = field(default_factory=FakePolicy)
    now_ms: int = 1000
    missing: str = ""

    def __post_init__(self) -> None:
        clock = lambda: self.now_ms * MS  # noqa: E731
        self.planner = Planner(self.embodiment, self.policy, self._snapshot, EXECUTE, clock)

    def _snapshot(self, now_ns: int, prompt: str) -> Observation | NotReady:
        if self.missing or not prompt:
            return NotReady((self.missing or "no prompt",))
        return Observation({}, np.zeros(1), prompt, now_ns - 30 * MS)

    def tick(self, at_ms: int) -> ActionChunk | NotReady | None:
        self.now_ms = at_ms
        return self.planner.tick()

    def chunk(self, at_ms: int) -> ActionChunk:
        result = self.tick(at_ms)
        assert isinstance(result, ActionChunk)
        return result


@pytest.fixture
def bench(embodiment: Embodiment) -> Bench:
    """A planner that follows ``reach``."""
    made = Bench(embodiment)
    assert made.planner.set_prompt("reach") is None
    return made


def test_without_a_prompt_the_reason_passes_through(embodiment: Embodiment) -> None:
    bench = Bench(embodiment)
    assert bench.planner.prompt == ""
    assert bench.tick(1000) == NotReady(("no prompt",))


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


def test_a_policy_gets_the_chunk_that_is_running(bench: Bench) -> None:
    first = bench.chunk(1000)
    bench.chunk(1770)
    previous = bench.policy.asked[1][1]
    assert previous is not None
    assert (previous.sequence, previous.start_ns) == (first.sequence, first.start_ns)


def test_a_new_prompt_is_planned_for_at_once(bench: Bench) -> None:
    bench.chunk(1000)
    assert bench.planner.set_prompt("  wave\n") is None
    assert bench.planner.prompt == "wave"
    assert bench.chunk(1001).prompt == "wave"
    assert bench.policy.asked[1][1] is None, "the old prompt's chunk is not the new one's previous"


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
    assert bench.tick(1001) == NotReady(("no prompt",))
    assert len(bench.policy.asked) == 1


def test_a_plan_is_dropped_when_its_prompt_changed_meanwhile(bench: Bench) -> None:
    bench.policy.meanwhile = lambda: bench.planner.set_prompt("wave") and None
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
    assert bench.tick(1000) == NotReady(("base_camera: no image yet",))
    assert bench.policy.asked == []
    bench.missing = ""
    assert bench.chunk(1001).sequence == 0


def test_a_policy_that_cannot_plan_is_a_reason(bench: Bench) -> None:
    bench.policy.fails = "no red block is visible"
    assert bench.tick(1000) == NotReady(("no red block is visible",))
    assert bench.planner.chunks == 0
    bench.policy.fails = ""
    assert bench.chunk(1001).sequence == 0


def test_latency_is_the_time_of_planning_and_the_observations_age_at_its_end(bench: Bench) -> None:
    def think() -> None:
        bench.now_ms += 200

    bench.policy.meanwhile = think
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
