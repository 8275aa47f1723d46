"""Real-time chunking through the π0 policy, with a small network of random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.chunk import NO_PREVIOUS, ActionChunk
from pi0_ros.model.realtime import Guidance
from pi0_ros.model.sampler import Sampler
from pi0_ros.observation.observation import Observation
from pi0_ros.policy.checkpoints.checkpoint import describe
from pi0_ros.policy.checkpoints.random_checkpoint import write_random_checkpoint
from pi0_ros.policy.continuation import continue_chunk
from pi0_ros.policy.pi0 import Pi0Policy
from pi0_ros.policy.protocol import Continuation, OutOfMemory
from pi0_ros.policy.settings import PolicySettings

PROMPT = "left arm reach the red block"
STEP, DELAY, EXECUTE = 10.5, 6, 16
OVERLAP = 50 - EXECUTE  # up to here a new chunk of 50 actions is guided; 39 are left


def make(folder: Path, embodiment: Embodiment, rtc: str = "guided", **settings: Any) -> Pi0Policy:
    chosen = {"device": "cpu", "rtc": rtc, **settings}
    return Pi0Policy(PolicySettings("pi0", str(folder), **chosen), embodiment)


def seen(embodiment: Embodiment, seed: int, prompt: str = PROMPT) -> Observation:
    """A picture of noise for each camera, and a pose near home."""
    random = np.random.default_rng(seed)
    images = {c.name: random.integers(0, 256, (8, 8, 3), np.uint8) for c in embodiment.cameras}
    observed = [joint.home for joint in embodiment.state_joints]
    state = np.array(observed) + random.normal(0, 0.002, len(observed))
    return Observation(images, state, prompt, stamp_ns=7)


def to_continue(chunk: ActionChunk, prompt: str = PROMPT) -> Continuation:
    found = continue_chunk(replace(chunk, sequence=4), STEP, DELAY, EXECUTE, prompt)
    assert isinstance(found, Continuation)
    return found


def disagreement(chunk: ActionChunk, previous: Continuation) -> np.ndarray:
    """Largest difference of each action that both have, (T,) [rad, m, or per s]."""
    rows = len(previous.actions)
    return np.asarray(np.abs(chunk.actions[:rows] - previous.actions).max(axis=1))


@pytest.fixture(scope="module")
def trained(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network, of which `config.json` says that it was trained with delays up to 6."""
    folder = tmp_path_factory.mktemp("trained")
    for file in checkpoint.iterdir():
        (folder / file.name).symlink_to(file)
    config = (checkpoint / "config.json").read_text()
    assert config.count('"trained_delay": 0') == 1
    (folder / "config.json").unlink()
    changed = config.replace('"trained_delay": 0', '"trained_delay": 6')
    (folder / "config.json").write_text(changed)
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What else than an observation the sampler was asked with, call by call."""
    calls: list[dict[str, Any]] = []
    sample = Sampler.sample

    def listen(self: Sampler, *inputs: Any, **steering: Any) -> torch.Tensor:
        calls.append(steering)
        return sample(self, *inputs, **steering)

    monkeypatch.setattr(Sampler, "sample", listen)
    return calls


# --- the same again ------------------------------------------------------------------------------


@pytest.mark.parametrize("rtc", ["none", "guided", "identity"])
def test_the_same_observation_continuation_and_number_make_the_same_chunk_bit_for_bit(
    checkpoint: Path, embodiment: Embodiment, rtc: str
) -> None:
    first, second = make(checkpoint, embodiment, rtc), make(checkpoint, embodiment, rtc)
    second.warm_up()
    start = first.plan(seen(embodiment, 0), None, 0)
    previous = to_continue(start) if first.continues else None
    in_order = [first.plan(seen(embodiment, n), previous, n).actions for n in (1, 2, 3)]
    backwards = [second.plan(seen(embodiment, n), previous, n).actions for n in (3, 2, 1)]
    for one, again in zip(in_order, reversed(backwards), strict=True):
        np.testing.assert_array_equal(again, one)


def test_another_number_is_another_noise(checkpoint: Path, embodiment: Embodiment) -> None:
    policy = make(checkpoint, embodiment)
    one, other = (policy.plan(seen(embodiment, 0), None, number).actions for number in (0, 1))
    assert np.abs(one - other).max() > 1e-4


# --- continuing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rtc", "steps", "share"),
    [("guided", 10, 0.05), ("guided", 5, 0.15), ("identity", 10, 0.02), ("identity", 2, 0.02)],
)
def test_a_guided_chunk_repeats_what_is_committed_and_its_seam_is_smaller(
    checkpoint: Path, embodiment: Embodiment, rtc: str, steps: int, share: float
) -> None:
    """The share is of what the chunks disagree by without guidance; the network is random."""
    policy = make(checkpoint, embodiment, rtc, steps=steps)
    free, bound = [], []
    for number in range(0, 8, 2):
        previous = to_continue(policy.plan(seen(embodiment, number), None, number))
        new = seen(embodiment, number + 1), number + 1
        free.append(disagreement(policy.plan(new[0], None, new[1]), previous))
        bound.append(disagreement(policy.plan(new[0], previous, new[1]), previous))
    free_mean, bound_mean = np.mean(free, axis=0), np.mean(bound, axis=0)
    assert bound_mean[:DELAY].max() < share * free_mean.mean()
    assert bound_mean[:DELAY].max() < 1e-2  # [rad]
    assert bound_mean[DELAY : DELAY + 3].max() < 0.2 * free_mean.mean(), "the seam"
    assert bound_mean[OVERLAP:].mean() > 0.8 * free_mean.mean(), "behind the overlap it is free"


def test_a_chunk_tells_what_it_continues(checkpoint: Path, embodiment: Embodiment) -> None:
    policy = make(checkpoint, embodiment)
    first = policy.plan(seen(embodiment, 0), None, 0)
    assert (first.frozen_steps, first.previous_step) == (0, NO_PREVIOUS)
    second = policy.plan(seen(embodiment, 1), to_continue(first), 5)
    assert (second.frozen_steps, second.previous_sequence, second.previous_step) == (6, 4, 10.5)
    assert second.notes == ()


def test_without_real_time_chunking_nothing_is_continued(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    assert not make(checkpoint, embodiment, "none").continues
    assert make(checkpoint, embodiment, "guided").continues


def test_what_is_left_is_seen_from_the_new_state_where_actions_are_relative(
    openpi: Callable[..., Path], embodiment: Embodiment, asked: list[dict[str, Any]]
) -> None:
    # Mean 0 and std 1: the network's numbers are radians from the new state; grippers are absolute.
    policy = make(openpi(), embodiment)
    first = policy.plan(seen(embodiment, 0), None, 0)
    previous = to_continue(first)
    moved = replace(seen(embodiment, 1), state=np.arange(14) / 100)
    policy.plan(moved, previous, 1)
    guidance = asked[-1]["guidance"]
    assert isinstance(guidance, Guidance)
    assert (guidance.delay, guidance.end, guidance.form) == (DELAY, OVERLAP, "jacobian")
    arms = [i for i in range(14) if i % 7 != 6]
    expected = (previous.actions - np.arange(14) / 100)[:, arms]
    np.testing.assert_allclose(guidance.previous[0][:, arms], expected, atol=1e-4)
    grippers = previous.actions[:, [6, 13]] / 0.7929
    np.testing.assert_allclose(guidance.previous[0][:, [6, 13]], grippers, atol=1e-4)


def test_another_prompts_chunk_guides_its_committed_actions_only(
    checkpoint: Path, embodiment: Embodiment, asked: list[dict[str, Any]]
) -> None:
    policy = make(checkpoint, embodiment, "identity")
    previous = to_continue(policy.plan(seen(embodiment, 0), None, 0), prompt="right arm")
    chunk = policy.plan(seen(embodiment, 1, "right arm"), previous, 1)
    guidance = asked[-1]["guidance"]
    assert (guidance.delay, guidance.end) == (DELAY, DELAY)
    assert chunk.frozen_steps == DELAY


def test_a_bases_velocities_are_continued_like_positions(tmp_path: Path) -> None:
    robot = load_embodiment("trossen_mobile")
    write_random_checkpoint(tmp_path, robot, seed=1)
    policy = make(tmp_path, robot, "identity")
    first = policy.plan(seen(robot, 0), None, 0)
    previous = continue_chunk(first, STEP, DELAY, 25, PROMPT)
    assert isinstance(previous, Continuation)
    columns = robot.by_velocity
    free, bound = (
        np.abs(policy.plan(seen(robot, 1), p, 1).actions[:DELAY] - previous.actions[:DELAY])
        for p in (None, previous)
    )
    assert columns.any()
    assert bound[:, columns].max() < 0.05 * free[:, columns].max()


def test_warming_up_runs_what_continues_chunks_too(
    checkpoint: Path, embodiment: Embodiment, asked: list[dict[str, Any]]
) -> None:
    make(checkpoint, embodiment, "guided", steps=2).warm_up()
    assert [list(call) for call in asked] == [[], [], ["guidance"], ["guidance"]]
    asked.clear()
    make(checkpoint, embodiment, "none", steps=2).warm_up()
    assert asked == [{}, {}]


# --- trained delay -------------------------------------------------------------------------------


def test_a_network_trained_with_delay_repeats_the_committed_actions_exactly(
    trained: Path, embodiment: Embodiment, asked: list[dict[str, Any]]
) -> None:
    policy = make(trained, embodiment, "trained")
    policy.warm_up()
    first = policy.plan(seen(embodiment, 0), None, 0)
    previous = to_continue(first)
    second = policy.plan(seen(embodiment, 1), previous, 1)
    np.testing.assert_array_equal(second.actions[:DELAY], previous.actions[:DELAY])
    assert list(asked[-1]) == ["committed"]
    assert asked[-1]["committed"].shape == (1, DELAY, 18)
    assert second.frozen_steps == DELAY
    free = policy.plan(seen(embodiment, 1), None, 1)
    assert np.abs(second.actions[DELAY:] - free.actions[DELAY:]).max() > 1e-4, "and heeds them"


def test_a_longer_delay_than_trained_means_a_fade_with_a_note(
    trained: Path, embodiment: Embodiment, asked: list[dict[str, Any]]
) -> None:
    policy = make(trained, embodiment, "trained")
    previous = replace(to_continue(policy.plan(seen(embodiment, 0), None, 0)), delay=7)
    chunk = policy.plan(seen(embodiment, 1), previous, 1)
    assert chunk.notes == (
        "rtc_fade: delay of 7 actions exceeds the 6 that the checkpoint was trained with",
    )
    assert (chunk.frozen_steps, chunk.previous_step) == (0, NO_PREVIOUS)
    assert asked[-1] == {}


def test_trained_needs_a_checkpoint_that_says_so(
    checkpoint: Path, lerobot: Path, embodiment: Embodiment, robot: Callable[..., Embodiment]
) -> None:
    said = r"rtc 'trained' needs a checkpoint .* \(trained_delay in its config.json\); use rtc gui"
    with pytest.raises(ValueError, match=said):
        make(checkpoint, embodiment, "trained")
    with pytest.raises(ValueError, match=r"\(rtc_training_max_delay in its config.json\)"):
        make(lerobot, robot(), "trained")


def test_lerobots_and_our_checkpoints_say_what_they_were_trained_with(
    trained: Path, lerobot: Path, change: Callable[..., None]
) -> None:
    assert describe(trained).trained_delay == 6
    assert describe(lerobot).trained_delay == 0
    change(lerobot / "config.json", {"rtc_training_max_delay": 9})
    assert describe(lerobot).trained_delay == 9
    change(lerobot / "config.json", {"rtc_training_max_delay": -1})
    with pytest.raises(ValueError, match="rtc_training_max_delay"):
        describe(lerobot)


def test_an_unknown_way_of_continuing_is_refused(checkpoint: Path, embodiment: Embodiment) -> None:
    with pytest.raises(ValueError, match=r"rtc 'guidet' is unknown; .* Did you mean 'guided'\?"):
        make(checkpoint, embodiment, "guidet")


# --- memory --------------------------------------------------------------------------------------


def test_a_plan_that_runs_out_of_memory_is_a_reason_and_the_next_one_is_as_ever(
    checkpoint: Path, embodiment: Embodiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = make(checkpoint, embodiment, steps=2)
    expected = policy.plan(seen(embodiment, 0), None, 3).actions
    with monkeypatch.context() as patch:
        patch.setattr(Sampler, "_integrate", lambda *_: torch.empty(10**15))
        with pytest.raises(OutOfMemory, match="cpu is out of memory"):
            policy.plan(seen(embodiment, 0), None, 3)
    np.testing.assert_array_equal(policy.plan(seen(embodiment, 0), None, 3).actions, expected)
