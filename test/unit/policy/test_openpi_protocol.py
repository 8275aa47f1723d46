from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.numpy import load_file

from pi0_ros.policy.openpi_protocol import MalformedFrame, ServerFailed, decode, encode

DATA = Path(__file__).parents[3] / "config" / "golden" / "openpi" / "pipeline"


def array(**changes: Any) -> bytes:
    """A frame with one array, two numbers of one byte, as the test spoils it."""
    whole = {b"__ndarray__": True, b"data": b"\x01\x02", b"dtype": "|u1", b"shape": [2]}
    spoiled = {**whole, **{key.encode(): value for key, value in changes.items()}}
    return bytes(msgpack.packb({"x": {k: v for k, v in spoiled.items() if v is not None}}))


def scalar(data: Any, dtype: str) -> bytes:
    return bytes(msgpack.packb({"x": {b"__npgeneric__": True, b"data": data, b"dtype": dtype}}))


def refusal(frame: bytes) -> str:
    with pytest.raises(MalformedFrame) as caught:
        decode(frame)
    return str(caught.value)


@pytest.fixture(scope="module")
def messages() -> dict[str, dict[str, Any]]:
    """What openpi's own codec was given for its three frames."""
    wire = load_file(DATA / "pipeline.safetensors")
    return {
        "metadata": {"reset_pose": [0, -1.5, 1.5, 0, 0, 0]},
        "observation": {
            "observation/state": wire["wire.observation/state"],
            "observation/image": wire["wire.observation/image"],
            "prompt": "do something",
            "flag": np.bool_(True),
            "n": np.float32(1.5),
            "f32": wire["wire.f32"],
        },
        "response": {
            "actions": wire["wire.actions"],
            "policy_timing": {"infer_ms": 12.5},
            "server_timing": {"infer_ms": 13.25, "prev_total_ms": 20.0},
        },
    }


@pytest.mark.parametrize("name", ["metadata", "observation", "response"])
def test_openpis_frames_are_written_byte_for_byte_and_read(
    messages: dict[str, dict[str, Any]], name: str
) -> None:
    frame = (DATA / f"wire_{name}.msgpack").read_bytes()
    assert encode(messages[name]) == frame
    read = decode(frame)
    assert list(read) == list(messages[name])
    for key, value in messages[name].items():
        np.testing.assert_array_equal(read[key], value)
        assert type(read[key]) is type(value)
        if isinstance(value, np.ndarray):
            assert read[key].dtype == value.dtype


@given(
    arrays(
        st.sampled_from(["|b1", "|u1", ">i4", "<i8", "<f2", ">f4", "<f8", "<U3", "|S2"]),
        array_shapes(min_dims=0, min_side=0),
    )
)
def test_an_array_comes_back_as_it_was_and_read_only(values: np.ndarray) -> None:
    read = decode(encode({"x": values}))["x"]
    assert (read.dtype, read.shape) == (values.dtype, values.shape)
    assert read.tobytes() == values.tobytes()
    assert not read.flags.writeable


def test_an_array_that_is_not_contiguous_is_written_in_its_order() -> None:
    values = np.arange(6).reshape(2, 3).T
    np.testing.assert_array_equal(decode(encode({"x": values}))["x"], values)


@pytest.mark.parametrize(
    "value", [np.bool_(True), np.int8(-3), np.uint64(2**64 - 1), np.float16(-np.inf)]
)
def test_a_scalar_keeps_its_type(value: np.generic) -> None:
    read = decode(encode({"x": value}))["x"]
    assert type(read) is type(value)
    assert read == value


def test_maps_in_maps_and_lists_come_back() -> None:
    message = {"images": {"cam_high": [1, 2.5, None, True, "π"]}, "raw": b"\x00"}
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "value", [np.zeros(1, complex), np.array([None]), np.zeros(1, [("a", "f8")]), np.complex64(1)]
)
def test_objects_structures_and_complex_numbers_are_not_written(value: object) -> None:
    with pytest.raises(ValueError, match=r"numpy dtype '.*' has no place in openpi's protocol"):
        encode({"x": value})


def test_what_the_protocol_does_not_know_is_not_written() -> None:
    with pytest.raises(TypeError, match="a set has no place in openpi's protocol"):
        encode({"x": {1}})


def test_a_text_frame_is_the_servers_traceback() -> None:
    with pytest.raises(ServerFailed, match=r"the policy server failed:\nTraceback .*KeyError"):
        decode("Traceback (most recent call last): KeyError: 'state'")


@pytest.mark.parametrize("dtype", ["|O", "|V8", "<c8", "O", "f8,f8", "<f3", "<M8[s]", "|S0", "", 8])
def test_a_dtype_that_is_not_allowed_is_refused(dtype: object) -> None:
    assert f"numpy dtype {dtype!r} is not allowed; booleans" in refusal(array(dtype=dtype))


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (array(data="\x01\x02"), "an array's data are a str; they must be bytes"),
        (array(data=b"\x01"), "shape [2] and dtype '|u1' comes with 1 bytes, which do not fit"),
        (array(shape=[3]), "shape [3] and dtype '|u1' comes with 2 bytes"),
        (array(shape=2), "an array's shape is 2; it must be a list of sizes"),
        (array(shape=[-1, -2]), "an array's shape is [-1, -2]"),
        (array(shape=[True, 2]), "an array's shape is [True, 2]"),
        (array(shape=[2.0]), "an array's shape is [2.0]"),
        (array(shape=[1] * 99 + [2]), "cannot be"),
        (array(shape=[0, 2**63], data=b""), "cannot be"),
        (array(shape=None), "an array or scalar has the keys b'__ndarray__', b'data', b'dtype'"),
        (array(more=1), "an array or scalar has the keys"),
        (scalar("5", "<i4"), "a scalar of dtype '<i4' is '5'"),
        (scalar(True, "<i4"), "a scalar of dtype '<i4' is True"),
        (scalar(1, "|b1"), "a scalar of dtype '|b1' is 1"),
        (scalar(-1, "|u1"), "a scalar of dtype '|u1' is -1, which it cannot hold"),
        (scalar(1e300, "<f4"), "a scalar of dtype '<f4' is 1e+300, which it cannot hold"),
        (scalar("a", "<U1"), "a scalar of dtype '<U1' is 'a'"),
        (msgpack.packb([1]), "a frame holds a list; openpi's frames hold a map with names"),
        (msgpack.packb({b"x": 1}), "a frame holds a dict; openpi's frames hold a map with names"),
        (msgpack.packb({1: 1}), "is no msgpack"),
        (msgpack.packb({"x": msgpack.ExtType(5, b"")}), "a msgpack extension of type 5"),
        (msgpack.packb({"x": 1})[:-1], "is no msgpack"),
        (msgpack.packb({"x": 1}) + b"\x00", "is no msgpack"),
        (b"", "a frame of 0 bytes is no msgpack"),
        (b"\x81" * 5000, "is no msgpack"),
        (b"\x81\xa1\xff\x01", "is no msgpack"),
    ],
)  # fmt: skip
def test_a_malformed_frame_is_refused_with_what_is_wrong(frame: bytes, says: str) -> None:
    assert says in refusal(frame)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_map_or_a_malformed_frame(frame: bytes) -> None:
    with suppress(MalformedFrame):
        assert isinstance(decode(frame), dict)


@given(st.data())
def test_any_damage_to_a_frame_is_a_map_or_a_malformed_frame(data: st.DataObject) -> None:
    frame = bytearray((DATA / "wire_observation.msgpack").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MalformedFrame):
        assert isinstance(decode(bytes(frame)), dict)
