"""Where replayed plans go: a bag that RViz's preview plays, or arrays."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from pi0_msgs.msg import ActionChunk as ActionChunkMessage
from rclpy.serialization import serialize_message

from pi0_ros.bridge.bags.writing import BagWriter
from pi0_ros.bridge.chunks import encode_chunk
from pi0_ros.execution.chunk import ActionChunk


class PlanSink(Protocol):
    """Takes plans."""

    def add(self, received_ns: int, chunk: ActionChunk) -> None:
        """Take one, as of an instant of the replayed bag [ns, the recorder's clock]."""


class BagSink:
    """Plans as messages of policy_node, so that `ros2 bag play` and preview_node show them.

    Args:
        folder: Of the new bag.
        topic: Its name there.
        robot: Name of the robot.
    """

    def __init__(self, folder: Path, topic: str, robot: str) -> None:
        """Make the bag."""
        self._writer = BagWriter(folder)
        self._writer.add_topic(topic, ActionChunkMessage)
        self._topic, self._robot = topic, robot

    def __enter__(self) -> BagSink:
        """Use it as a context."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the bag."""
        self._writer.__exit__(kind, error, trace)

    def add(self, received_ns: int, chunk: ActionChunk) -> None:
        """Write one."""
        data = serialize_message(encode_chunk(chunk, self._robot))
        self._writer.write(self._topic, received_ns, data)


class ArraySink:
    """Plans as arrays of an .npz file: actions (N, H, A), start_ns (N,), names (A,) ..."""

    def __init__(self, file: Path) -> None:
        """Remember where to."""
        self._file = file
        self._chunks: list[ActionChunk] = []

    def __enter__(self) -> ArraySink:
        """Use it as a context."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the file, if there is anything to write."""
        chunks = self._chunks
        if not chunks:
            return
        np.savez(
            self._file,
            actions=np.stack([chunk.actions for chunk in chunks]),
            start_ns=np.array([chunk.start_ns for chunk in chunks]),
            sequence=np.array([chunk.sequence for chunk in chunks]),
            prompt=np.array([chunk.prompt for chunk in chunks]),
            names=np.array(chunks[0].names),
            kinds=np.array([int(kind) for kind in chunks[0].kinds]),
            period_ns=np.array(chunks[0].period_ns),
        )

    def add(self, received_ns: int, chunk: ActionChunk) -> None:
        """Keep one."""
        self._chunks.append(chunk)


class NoSink:
    """Forgets them."""

    def add(self, received_ns: int, chunk: ActionChunk) -> None:
        """Do nothing."""


def open_sink(out: Path | None, topic: str, robot: str) -> AbstractContextManager[PlanSink]:
    """Return where plans go: arrays for a name that ends in .npz, else a bag's new folder.

    Raises:
        FileExistsError: The folder exists.
    """
    if out is None:
        return nullcontext(NoSink())
    if out.suffix == ".npz":
        return ArraySink(out)
    return BagSink(out, topic, robot)
