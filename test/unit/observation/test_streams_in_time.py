"""Whatever the drivers, the network and the clocks do: an observation is right, or it is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi0_ros.embodiment.controllers import StateSource
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.observation.assembler import ObservationAssembler
from pi0_ros.observation.freshness import Freshness
from pi0_ros.observation.observation import NotReady, Observation

MS = 1_000_000
START_MS, END_MS = 10_000, 11_000
LIMITS = Freshness()
IMAGE = np.zeros((2, 2, 3), np.uint8)


class Arrival(NamedTuple):
    """One message: when it arrives, its stamp [ms], its stream and the joints' positions."""

    at_ms: int
    stamp_ms: int
    stream: str | int
    positions: float = 0.0


@pytest.fixture(scope="module")
def robot(embodiment: Embodiment, changed: Callable[..., Embodiment]) -> Embodiment:
    """Arms and grippers are told by drivers of their own."""
    grippers = tuple(joint.name for joint in embodiment.joints if joint.gripper)
    arms = tuple(name for name in embodiment.joint_names if name not in grippers)
    return changed(
        states=(
            StateSource(topic="arms", joints=arms),
            StateSource(topic="grippers", joints=grippers),
        )
    )


def by_arrival(made: list[Arrival]) -> list[Arrival]:
    return sorted(made, key=lambda one: one.at_ms)


@st.composite
def arrivals(draw: st.DrawFn, names: tuple[str | int, ...]) -> list[Arrival]:
    """A second of streams: each with its rate, delay, jitter and wrong clock; some get lost."""
    made = []
    for name in names:
        period = draw(st.sampled_from([2, 10, 33, 66, 150]), label=f"period of {name}")
        delay = draw(st.integers(0, 250), label=f"delay of {name}")
        jitter = draw(st.integers(0, 60), label=f"jitter of {name}")
        off = draw(st.sampled_from([0, 0, 0, 90, -5000, 5000]), label=f"clock of {name}")
        seed = draw(st.integers(0, 2**16), label=f"chance of {name}")
        chance = np.random.default_rng(seed)
        for stamp in range(START_MS, END_MS, period):
            if chance.random() < 0.1:
                continue
            late = delay + int(chance.integers(0, jitter + 1))
            jumped = off if stamp > (START_MS + END_MS) // 2 else 0
            made.append(Arrival(stamp + late, stamp + jumped, name, float(chance.normal())))
    return by_arrival(made)


def put(assembler: ObservationAssembler, robot: Embodiment, one: Arrival) -> None:
    if isinstance(one.stream, str):
        assembler.add_image(one.stream, one.stamp_ms * MS, IMAGE)
    else:
        width = len(robot.state_sources[one.stream].joints)
        assembler.add_positions(one.stream, one.stamp_ms * MS, np.full(width, one.positions))


def check(seen: Observation, now_ms: int, told: list[Arrival], robot: Embodiment) -> None:
    """Hold an observation against all that arrived, by a search through everything."""
    stamps = seen.image_stamps_ns
    assert seen.stamp_ns == stamps[0]
    assert max(abs(stamp - seen.stamp_ns) for stamp in stamps) <= LIMITS.camera_skew_ns
    assert -LIMITS.future_ns <= now_ms * MS - seen.stamp_ns <= LIMITS.image_age_ns
    for camera, stamp in zip(robot.cameras, stamps, strict=True):
        assert any(one.stream == camera.name and one.stamp_ms * MS == stamp for one in told)
    at_ms = seen.stamp_ns // MS
    for place, source in enumerate(robot.state_sources):
        known = {one.stamp_ms: one.positions for one in told if one.stream == place}
        before = max(stamp for stamp in known if stamp <= at_ms)
        after = min(stamp for stamp in known if stamp >= at_ms)
        assert after - before <= LIMITS.state_gap_ns // MS
        expected = np.interp(at_ms, [before, after], [known[before], known[after]])
        columns = [robot.joint_names.index(name) for name in source.joints]
        np.testing.assert_allclose(seen.state[columns], expected, atol=1e-12)


@settings(deadline=None)
@given(st.data())
def test_an_observation_is_right_or_there_are_reasons_and_good_streams_bring_it_back(
    robot: Embodiment, data: st.DataObject
) -> None:
    names = (*(camera.name for camera in robot.cameras), 0, 1)
    assembler, told = ObservationAssembler(robot, LIMITS), []
    for i, one in enumerate(data.draw(arrivals(names))):
        put(assembler, robot, one)
        told.append(one)
        if i % 7 == 0:
            result = assembler.snapshot(one.at_ms * MS, "go")
            if isinstance(result, NotReady):
                assert result.reasons
                assert all(result.sentences)
            else:
                check(result, one.at_ms, told, robot)
    for stamp in range(END_MS + 1000, END_MS + 1100, 10):
        for name in names:
            told.append(Arrival(stamp, stamp, name, stamp / 1000))
            put(assembler, robot, told[-1])
    result = assembler.snapshot((END_MS + 1090) * MS, "go")
    assert isinstance(result, Observation), result
    check(result, END_MS + 1090, told, robot)


@settings(deadline=None)
@given(
    delay_ms=st.integers(0, 150),
    jitter_ms=st.integers(0, 30),
    period_ms=st.sampled_from([1, 2, 10, 33]),
    seed=st.integers(0, 2**16),
)
def test_the_state_is_of_the_images_instant_however_late_it_comes(
    robot: Embodiment, delay_ms: int, jitter_ms: int, period_ms: int, seed: int
) -> None:
    """Joints that move by 1 rad/s tell the instant they are of; images come at 30 Hz at once."""
    chance, made = np.random.default_rng(seed), []
    for stamp in range(START_MS, END_MS, 33):
        made += [Arrival(stamp, stamp, camera.name) for camera in robot.cameras]
    for place in (0, 1):
        for stamp in range(START_MS, END_MS, period_ms):
            late = delay_ms + int(chance.integers(0, jitter_ms + 1))
            made.append(Arrival(stamp + late, stamp, place, stamp / 1000))
    assembler, seen = ObservationAssembler(robot, LIMITS), 0
    for i, one in enumerate(by_arrival(made)):
        put(assembler, robot, one)
        if i % 7 == 0 and START_MS + 300 < one.at_ms < END_MS:
            result = assembler.snapshot(one.at_ms * MS, "go")
            assert isinstance(result, Observation), result
            np.testing.assert_allclose(result.state, result.stamp_ns / 1e9, atol=1e-9)
            seen += 1
    assert seen > 5
