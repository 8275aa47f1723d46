"""What a message holds, as an observation's values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pi0_ros.bridge.images import ImageError, decode_compressed, decode_image
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.bridge.states import StateDecoder
from pi0_ros.cli.check.observed import Picture, Stream
from pi0_ros.cli.check.wanted import COMPRESSED, IMAGE, STATUS

DECODERS: dict[str, Callable[[Any], Any]] = {IMAGE: decode_image, COMPRESSED: decode_compressed}


def stamp_ns(message: Any) -> int | None:
    """Return a message's stamp [ns], None where it has no header or its driver writes none."""
    header = getattr(message, "header", None)
    return (to_ns(header.stamp) or None) if header is not None else None


def read(stream: Stream, type_: str, message: Any, decoder: StateDecoder | None) -> Stream:
    """Add what the newest message says.

    Args:
        stream: What is known without it.
        type_: Of the message, as ROS writes it.
        message: The newest one.
        decoder: For a topic of positions, what reads them in our nodes.
    """
    if type_ in DECODERS:
        return replace(stream, picture=_picture(type_, message))
    if type_ in STATUS.values():
        return replace(stream, said=_said(message))
    return stream if decoder is None else replace(stream, numbers=decoder.told(message))


def _picture(type_: str, message: Any) -> Picture:
    frame = message.header.frame_id
    try:
        height, width, _ = DECODERS[type_](message).shape
    except ImageError as error:
        return Picture(0, 0, frame, str(error))
    return Picture(width, height, frame)


def _said(message: Any) -> str:
    """Put the status of one of our nodes into words."""
    if hasattr(message, "detail"):
        return f"{message.reason} {message.detail}".strip()
    return ", ".join(message.reasons)
