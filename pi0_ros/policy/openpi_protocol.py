"""The frames of openpi's policy server: msgpack maps in which numpy arrays are maps of bytes.

Binary frames carry a map in either direction: the server's metadata once after connecting, then
an observation and its answer, which has ``actions``, ``policy_timing`` and ``server_timing``. A
text frame is the server's traceback, after which it closes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np

ARRAY, SCALAR = b"__ndarray__", b"__npgeneric__"
DATA, DTYPE, SHAPE = b"data", b"dtype", b"shape"
# No objects, no structures, no complex numbers; what numpy writes as the dtype of everything else.
DTYPES = re.compile(r"[<>|](b1|[iu][1248]|f[248]|[SU][1-9]\d{0,7})")
# Of a scalar, by the kind of its dtype; numpy's strings are msgpack's own.
SCALARS: dict[str, type[Any]] = {"b": bool, "i": int, "u": int, "f": float}


class MalformedFrame(ValueError):
    """A frame is not what openpi's protocol says; the message says what is wrong with it."""


class ServerFailed(RuntimeError):
    """The policy server reported an error; the message is its traceback."""


def encode(message: Mapping[str, Any]) -> bytes:
    """Write a binary frame.

    Args:
        message: Strings, numbers, booleans, numpy arrays and scalars, in maps and lists.

    Raises:
        TypeError: It holds something else.
        ValueError: It holds an array of objects, structures or complex numbers, or is nested too
            deeply.
        OverflowError: It holds an integer of more than 64 bits.
    """
    return bytes(msgpack.packb(dict(message), default=_pack))


def decode(frame: bytes | str) -> dict[str, Any]:
    """Read a frame; its arrays are read-only.

    Args:
        frame: Bytes of a binary frame, or the string of a text frame.

    Raises:
        ServerFailed: It is a text frame: the server's traceback.
        MalformedFrame: The bytes are not openpi's.
    """
    if isinstance(frame, str):
        raise ServerFailed(f"the policy server failed:\n{frame}")
    try:
        message = msgpack.unpackb(frame, object_hook=_unpack, ext_hook=_refuse_extension)
    except MalformedFrame:
        raise
    except (ValueError, OverflowError, TypeError, msgpack.UnpackException) as error:
        raise MalformedFrame(f"a frame of {len(frame)} bytes is no msgpack: {error}") from error
    if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
        raise MalformedFrame(
            f"a frame holds a {type(message).__name__}; openpi's frames hold a map with names"
        )
    return message


def _pack(value: object) -> dict[bytes, Any]:
    """Write what msgpack does not know; it calls this."""
    if not isinstance(value, np.ndarray | np.generic):
        raise TypeError(
            f"a {type(value).__name__} has no place in openpi's protocol: {value!r:.80}"
        )
    kind = value.dtype.str
    if not DTYPES.fullmatch(kind):
        raise ValueError(f"numpy dtype '{kind}' has no place in openpi's protocol")
    if isinstance(value, np.ndarray):
        return {ARRAY: True, DATA: value.tobytes(), DTYPE: kind, SHAPE: value.shape}
    return {SCALAR: True, DATA: value.item(), DTYPE: kind}


def _unpack(found: dict[Any, Any]) -> Any:
    """Read a map that may stand for an array or a scalar; msgpack calls this."""
    if ARRAY in found:
        return _array(found)
    return _scalar(found) if SCALAR in found else found


def _array(found: dict[Any, Any]) -> np.ndarray:
    dtype = _dtype(found, {ARRAY, DATA, DTYPE, SHAPE})
    data, shape = found[DATA], found[SHAPE]
    if not isinstance(data, bytes):
        raise MalformedFrame(f"an array's data are a {type(data).__name__}; they must be bytes")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise MalformedFrame(f"an array's shape is {shape!r:.80}; it must be a list of sizes")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise MalformedFrame(
            f"an array of shape {shape!r:.80} and dtype '{dtype.str}' comes with {len(data)} "
            "bytes, which do not fit"
        )
    try:
        return np.ndarray(shape, dtype, buffer=data)
    except (ValueError, OverflowError) as error:  # more axes, or larger ones, than numpy has
        raise MalformedFrame(f"an array's shape {shape!r:.80} cannot be: {error}") from error


def _scalar(found: dict[Any, Any]) -> np.generic:
    dtype = _dtype(found, {SCALAR, DATA, DTYPE})
    value = found[DATA]
    if type(value) is not SCALARS.get(dtype.kind):
        raise MalformedFrame(f"a scalar of dtype '{dtype.str}' is {value!r:.80}")
    if not _holds(dtype, value):
        raise MalformedFrame(f"a scalar of dtype '{dtype.str}' is {value}, which it cannot hold")
    scalar: np.generic = dtype.type(value)
    return scalar


def _holds(dtype: np.dtype, value: float) -> bool:
    """Tell whether a number is within a dtype's range; infinities are, in a float's."""
    if dtype.kind == "b" or not math.isfinite(value):
        return True
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return bool(limits.min <= value <= limits.max)


def _dtype(found: dict[Any, Any], keys: set[bytes]) -> np.dtype:
    """Return the dtype that a map names, after a look at its keys."""
    if set(found) != keys:
        names = ", ".join(sorted(map(repr, found)))
        raise MalformedFrame(f"an array or scalar has the keys {names:.200}")
    name = found[DTYPE]
    if not isinstance(name, str) or not DTYPES.fullmatch(name):
        raise MalformedFrame(
            f"numpy dtype {name!r:.80} is not allowed; booleans, integers, floats and strings are"
        )
    return np.dtype(name)


def _refuse_extension(code: int, data: bytes) -> None:
    raise MalformedFrame(f"a frame holds a msgpack extension of type {code}; openpi uses none")
