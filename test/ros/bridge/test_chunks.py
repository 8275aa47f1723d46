from __future__ import annotations

import array

import numpy as np
import pytest

pytest.importorskip("pi0_msgs", reason="the workspace is not built; make setup builds it")

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pi0_msgs.msg import ActionChunk as ActionChunkMessage

from pi0_ros.bridge.chunks import decode_chunk, encode_chunk
from pi0_ros.execution.chunk import ActionChunk, ActionKind

seconds = st.integers(0, 2**31 * 10**9 - 1)


@st.composite
def chunks(draw: st.DrawFn) -> ActionChunk:
    horizon, width = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    kinds = st.lists(st.sampled_from(ActionKind), min_size=width, max_size=width)
    names = st.lists(st.text(), min_size=width, max_size=width)
    return ActionChunk(
        names=tuple(draw(names)),
        kinds=tuple(draw(kinds)),
        actions=draw(arrays(np.float64, (horizon, width))),
        start_ns=draw(seconds),
        period_ns=draw(seconds),
        sequence=draw(st.integers(0, 2**64 - 1)),
        frozen_steps=draw(st.integers(0, 2**32 - 1)),
        prompt=draw(st.text()),
        inference_ns=draw(seconds),
    )


def two_by_three() -> ActionChunk:
    kinds = (ActionKind.POSITION, ActionKind.POSITION, ActionKind.VELOCITY)
    actions = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    return ActionChunk(("a", "b", "c"), kinds, actions, 1_500_000_000, 50_000_000, 7, prompt="go")


def message() -> ActionChunkMessage:
    return encode_chunk(two_by_three(), "ur5e_bimanual")


def test_the_message_is_what_its_definition_says() -> None:
    made = message()
    assert (made.header.stamp.sec, made.header.stamp.nanosec) == (1, 500_000_000)
    assert made.header.frame_id == "ur5e_bimanual"
    assert made.sequence == 7
    assert made.names == ["a", "b", "c"]
    assert list(made.kinds) == [0, 0, 1]
    assert list(made.actions) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert (made.period.sec, made.period.nanosec) == (0, 50_000_000)
    assert made.prompt == "go"


@given(chunks())
def test_nothing_is_lost_on_the_way_there_and_back(chunk: ActionChunk) -> None:
    back = decode_chunk(encode_chunk(chunk, "robot"))
    np.testing.assert_array_equal(back.actions, chunk.actions)
    assert {**vars(back), "actions": None} == {**vars(chunk), "actions": None}
    assert all(isinstance(kind, ActionKind) for kind in back.kinds)


def test_the_chunk_is_a_copy_that_outlives_its_message() -> None:
    arrived = message()
    chunk = decode_chunk(arrived)
    arrived.actions[0] = 99.0
    assert chunk.actions[0, 0] == 1.0


@pytest.mark.parametrize("count", [1, 5, 7])
def test_actions_that_do_not_fill_rows_are_refused(count: int) -> None:
    wrong = message()
    wrong.actions = [0.0] * count
    with pytest.raises(ValueError, match=f"{count} actions for 3 names; expected a multiple"):
        decode_chunk(wrong)


def test_no_actions_are_a_withdrawal() -> None:
    withdrawal = message()
    withdrawal.actions = []
    chunk = decode_chunk(withdrawal)
    assert chunk.is_withdrawal
    assert chunk.actions.shape == (0, 3)
    assert decode_chunk(encode_chunk(chunk, "robot")).is_withdrawal


def test_actions_without_names_are_refused() -> None:
    wrong = message()
    wrong.names = []
    with pytest.raises(ValueError, match="6 actions for 0 names"):
        decode_chunk(wrong)


@pytest.mark.parametrize("kinds", [[], [0, 0], [0, 0, 0, 0]])
def test_another_number_of_kinds_is_refused(kinds: list[int]) -> None:
    wrong = message()
    wrong.kinds = array.array("B", kinds)
    with pytest.raises(ValueError, match=f"{len(kinds)} kinds for 3 names"):
        decode_chunk(wrong)


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    wrong = message()
    wrong.kinds = array.array("B", [0, 7, 1])
    with pytest.raises(ValueError, match=r"kind 7 is unknown; known: 0 \(position\), 1 \(velocity"):
        decode_chunk(wrong)


def test_an_empty_message_is_refused() -> None:
    with pytest.raises(ValueError, match="0 actions for 0 names"):
        decode_chunk(ActionChunkMessage())
