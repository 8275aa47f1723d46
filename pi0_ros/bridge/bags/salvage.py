"""What is left of an MCAP file whose recorder was killed: everything up to the damage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from mcap.exceptions import EndOfFile, InvalidMagic
from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader

from pi0_ros.bridge.bags.topic import RecordedTopic


class SalvagedFile:
    """Reads a file without its index from the front, as far as it goes.

    Args:
        file: An .mcap file.

    Attributes:
        fault: What is damaged.
        topics: By name.
        span_ns: When the first and the last whole message were received [ns, recorder's clock].

    Raises:
        ValueError: It is no MCAP file.
    """

    def __init__(self, file: Path) -> None:
        """Read it once, to know what is there."""
        self._file = file
        self.fault = ""
        counts: Counter[str] = Counter()
        types: dict[str, Schema] = {}
        first_ns, last_ns = 2**63 - 1, 0
        for schema, channel, message in self._records():
            counts[channel.topic] += 1
            types[channel.topic] = schema
            first_ns, last_ns = min(first_ns, message.log_time), max(last_ns, message.log_time)
        self.span_ns = first_ns, last_ns
        self.topics = {
            name: RecordedTopic(name, schema.name, counts[name], schema.data.decode())
            for name, schema in types.items()
        }

    def messages(
        self, topics: Collection[str], start_ns: int, stop_ns: int
    ) -> Iterator[tuple[str, int, bytes]]:
        """Read in the order of the file."""
        for _, channel, message in self._records():
            if channel.topic in topics and start_ns <= message.log_time < stop_ns:
                yield channel.topic, message.log_time, message.data

    def close(self) -> None:
        """Nothing is open between two readings."""

    def _records(self) -> Iterator[tuple[Schema, Channel, Message]]:
        schemas: dict[int, Schema] = {}
        channels: dict[int, Channel] = {}
        whole = 0
        with self._file.open("rb") as file:
            try:
                for record in StreamReader(file, validate_crcs=True).records:
                    if isinstance(record, Schema):
                        schemas[record.id] = record
                    elif isinstance(record, Channel):
                        channels[record.id] = record
                    elif isinstance(record, Message):
                        channel = channels[record.channel_id]
                        whole += 1
                        yield schemas[channel.schema_id], channel, record
            except InvalidMagic as error:
                if not whole:
                    raise ValueError(f"{self._file} is no MCAP file: {error}") from error
                self.fault = self._damage(error, whole)
            except Exception as error:  # damaged bytes make a decompressor raise anything
                self.fault = self._damage(error, whole)

    def _damage(self, error: Any, whole: int) -> str:
        why = "it ends too early" if isinstance(error, EndOfFile) else str(error)
        return f"{self._file.name} is damaged ({why}); its first {whole} messages are read"
