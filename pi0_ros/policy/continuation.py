"""Real-time chunking's bookkeeping: what is left of a chunk, and how much of it is committed.

Source: arXiv 2506.07339, algorithm 1, by the steps that were really consumed instead of the time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.progress import Progress
from pi0_ros.policy.protocol import Continuation

KEPT = 8  # published chunks; the executor plays one of the last two or three
UNHEARD_NS = 100_000_000  # a report that is written so soon may not know of a new chunk yet
SMALL = 1e-9  # [actions]; what floats lose


@dataclass(frozen=True, eq=False)
class Played:
    """A chunk that the executor plays.

    Attributes:
        chunk: The chunk.
        step: Place within it at ``at_ns`` [actions].
        at_ns: When it was there [ns, node clock].
        rate: Trajectory time per time, 0 to 1.
    """

    chunk: ActionChunk
    step: float
    at_ns: int
    rate: float

    def step_at(self, instant_ns: int) -> float:
        """Place within the chunk at an instant [ns, node clock], if the rate stays [actions]."""
        return max(self.step + self.steps_in(instant_ns - self.at_ns), 0.0)

    def steps_in(self, duration_ns: int) -> float:
        """Actions that are consumed in a time [ns]."""
        return self.rate * duration_ns / self.chunk.period_ns


class PublishedChunks:
    """Finds the chunk that the executor plays among those published last.

    One thread may forget while another one asks.
    """

    def __init__(self) -> None:
        """Start without any."""
        self._published: tuple[tuple[int, ActionChunk], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was published."""
        return not self._published

    def add(self, chunk: ActionChunk, now_ns: int) -> None:
        """Take a chunk that is published at an instant [ns, node clock]."""
        self._published = (*self._published, (now_ns, chunk))[-KEPT:]

    def clear(self) -> None:
        """Forget all, as after a withdrawal."""
        self._published = ()

    def played(self, now_ns: int, progress: Progress | None) -> Played | None:
        """Return the chunk that is played at an instant [ns, node clock], None: none of ours.

        Without a report of now, the newest one is assumed to be played from its stamp on at full
        speed; a report that is too old to know of the newest one tells the rate.
        """
        published = self._published
        if not published:
            return None
        published_ns, newest = published[-1]
        if progress is None or not progress.is_current(now_ns):
            return Played(newest, 0.0, newest.start_ns, 1.0)
        wanted = progress.sequence, progress.start_ns
        told = next((c for _, c in published if (c.sequence, c.start_ns) == wanted), None)
        if told is not newest and progress.at_ns - published_ns < UNHEARD_NS:
            if progress.is_executing:
                return Played(newest, 0.0, newest.start_ns, progress.rate)
            return Played(newest, 0.0, published_ns, 1.0)  # who stood begins with action 0
        if told is None or not progress.is_executing:
            return None
        return Played(told, progress.step, progress.at_ns, progress.rate)


def committed_actions(steps: float) -> int:
    """Count the actions that the motion over so many steps [actions] is made of.

    It ends between two actions, or on one, and both have a part in it.
    """
    return math.ceil(steps - SMALL) + 1


def left_over(chunk: ActionChunk, step: float) -> np.ndarray:
    """Return a chunk from a place on, one row per action, linear in between, (T, A).

    Args:
        chunk: The chunk, of H actions.
        step: The place [actions]; beyond the last action nothing is left.
    """
    count = max(math.floor(chunk.horizon - 1 - step + SMALL) + 1, 0)
    places = np.minimum(step + np.arange(count), chunk.horizon - 1)
    before = places.astype(int)
    after = np.minimum(before + 1, chunk.horizon - 1)
    share = (places - before)[:, None]
    return np.asarray((1 - share) * chunk.actions[before] + share * chunk.actions[after])


def continue_chunk(
    chunk: ActionChunk, step: float, delay: int, execute: int, prompt: str
) -> Continuation | str:
    """Say what of a chunk the next one continues, or in a sentence why it cannot.

    A chunk that follows another sentence is continued only where it cannot change any more.

    Args:
        chunk: The chunk that is played.
        step: Place within it at the new observation's stamp [actions].
        delay: Actions from there on that cannot change any more.
        execute: Actions that are executed before the plan after the next one takes over.
        prompt: What the next chunk follows.
    """
    rows = left_over(chunk, step)
    if len(rows) < 2:
        return f"{len(rows)} actions are left of chunk {chunk.sequence}; two are needed"
    whole = Continuation(chunk.sequence, step, rows, delay, execute)
    is_same, end = chunk.prompt == prompt, whole.end(chunk.horizon)
    if delay > end or (is_same and delay == end):
        return f"delay of {delay} actions exceeds the overlap of {end}"
    return whole if is_same else Continuation(whole.sequence, step, rows[:delay], delay, execute)


def continue_played(
    played: Played, observation: Observation, final_ns: int, execute: int
) -> Continuation | str:
    """Say what of a chunk the plan from an observation continues, or why it cannot.

    Args:
        played: The chunk that is played.
        observation: What the plan is made from.
        final_ns: Up to when the motion cannot change any more once the plan is there [ns].
        execute: Actions that are executed before the plan after that one takes over.
    """
    step = played.step_at(observation.stamp_ns)
    delay = committed_actions(played.step_at(final_ns) - step)
    return continue_chunk(played.chunk, step, delay, execute, observation.prompt)


def lateness(played: Played | None, previous: Continuation, final_ns: int) -> str | None:
    """Return a note where more of a chunk became final than was committed.

    Args:
        played: The chunk that is played.
        previous: What the new one continues.
        final_ns: Up to when the motion cannot change any more [ns].
    """
    if played is None or played.chunk.sequence != previous.sequence:
        return None
    taken = committed_actions(played.step_at(final_ns) - previous.step)
    if taken <= previous.delay:
        return None
    return f"rtc_late: the delay was {taken} actions, committed were {previous.delay}"
