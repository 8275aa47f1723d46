"""A recorded rosbag2: which topics it has, and their messages as bytes in the order received."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from rosbags.rosbag2 import Reader

from pi0_ros.bridge.bags.salvage import SalvagedFile
from pi0_ros.bridge.bags.topic import RecordedTopic, merged

METADATA = "metadata.yaml"
STORAGES = (".mcap", ".db3")

Received = tuple[str, int, bytes]
"""A topic, when the message was received [ns, the recorder's clock], and its CDR bytes."""


class Part(Protocol):
    """One file of a bag, or all of an undamaged one."""

    fault: str
    topics: dict[str, RecordedTopic]
    span_ns: tuple[int, int]

    def messages(self, topics: Collection[str], start_ns: int, stop_ns: int) -> Iterator[Received]:
        """Read messages of some topics, received from one instant to before another [ns]."""

    def close(self) -> None:
        """Close the file."""


class Bag:
    """A recorded bag; use it as a context. Nothing is read before it is asked for.

    Args:
        path: The bag's folder, or one of its files. MCAP and sqlite3, compressed or not; what is
            left of a damaged MCAP file is read, too.

    Attributes:
        path: As given.

    Raises:
        FileNotFoundError: There is nothing at the path.
        ValueError: It is no bag, or an empty one.
    """

    def __init__(self, path: Path) -> None:
        """Open all files."""
        if not path.exists():
            raise FileNotFoundError(f"no bag at {path}; give its folder, or its .mcap or .db3 file")
        self.path = path
        self._parts = _open_parts(path)
        if not any(topic.count for part in self._parts for topic in part.topics.values()):
            faults = f" ({self.fault})" if self.fault else ""
            self.close()
            raise ValueError(f"{path} holds no messages{faults}")

    def __enter__(self) -> Bag:
        """Use it as a context."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all files."""
        self.close()

    def close(self) -> None:
        """Close all files."""
        for part in self._parts:
            part.close()

    @property
    def fault(self) -> str:
        """What of it is damaged, as far as it was read; empty: nothing."""
        return "; ".join(part.fault for part in self._parts if part.fault)

    @property
    def topics(self) -> dict[str, RecordedTopic]:
        """All topics by name."""
        return merged(part.topics for part in self._parts)

    @property
    def span_ns(self) -> tuple[int, int]:
        """When its first and its last message were received [ns, the recorder's clock]."""
        spans = [part.span_ns for part in self._parts if any(t.count for t in part.topics.values())]
        return min(first for first, _ in spans), max(last for _, last in spans)

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[Received]:
        """Read the messages of some topics in the order in which they were received.

        Args:
            topics: Their names; others are skipped.
            start_ns: Begin with what was received then [ns, the recorder's clock]; None: all.
            stop_ns: End before it [ns, likewise]; None: all.
        """
        first_ns, last_ns = self.span_ns
        start_ns = first_ns if start_ns is None else start_ns
        stop_ns = last_ns + 1 if stop_ns is None else stop_ns
        for part in self._parts:
            wanted = [topic for topic in topics if topic in part.topics]
            if wanted:
                yield from part.messages(wanted, start_ns, stop_ns)


class ReadPart:
    """What rosbags reads: a whole bag, or one undamaged file."""

    def __init__(self, path: Path) -> None:
        """Open it."""
        self._path = path
        self._reader = Reader(path)
        self._reader.open()
        self.fault = ""
        self.topics = {
            name: RecordedTopic(
                name, info.msgtype or "several types", info.msgcount, info.msgdef.data
            )
            for name, info in self._reader.topics.items()
        }
        self.span_ns = self._reader.start_time, self._reader.end_time - 1

    def messages(self, topics: Collection[str], start_ns: int, stop_ns: int) -> Iterator[Received]:
        """Read until the end or until something is damaged."""
        wanted = [one for one in self._reader.connections if one.topic in topics]
        try:
            for one, received_ns, data in self._reader.messages(wanted, start_ns, stop_ns):
                yield one.topic, received_ns, data
        except Exception as error:  # damaged bytes make a decompressor raise anything
            self.fault = f"{self._path.name} is damaged, and read up to there: {error}"

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


def _open_parts(path: Path) -> list[Part]:
    """Open a bag as a whole, or else file by file, so that only what is damaged is lost."""
    is_folder = path.is_dir()
    if not is_folder and path.suffix not in STORAGES:
        raise ValueError(f"{path} is no bag; give its folder, or its .mcap or .db3 file")
    error: Any = "it has no metadata.yaml and no .mcap or .db3 file"
    if not is_folder or (path / METADATA).exists():
        try:
            return [ReadPart(path)]
        except Exception as damage:  # a damaged file makes the reader raise anything
            error = damage
    files = _storage_files(path) if is_folder else [path]
    with ExitStack() as opened:
        parts = [_open_file(file) for file in files]
        for part in parts:
            opened.callback(part.close)
        if not parts:
            raise ValueError(f"{path} is no bag that can be read: {error}")
        opened.pop_all()
    return parts


def _open_file(file: Path) -> Part:
    try:
        return ReadPart(file)
    except Exception as error:  # a damaged file makes the reader raise anything
        if file.suffix != ".mcap":
            raise ValueError(f"{file} cannot be read: {error}") from error
    return SalvagedFile(file)


def _storage_files(folder: Path) -> list[Path]:
    """Return the files of a split bag in the order of their numbers: bag_2 before bag_10."""

    def numbers(file: Path) -> list[tuple[int, str]]:
        return [(int(text or 0), text) for text in re.findall(r"\d+", file.stem)]

    return sorted((f for f in folder.iterdir() if f.suffix in STORAGES), key=numbers)
