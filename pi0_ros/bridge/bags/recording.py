"""One robot in a bag: its cameras, states, commands and plans as values, in the order received."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any

from pi0_msgs.msg import ActionChunk, PolicyStatus
from sensor_msgs.msg import CompressedImage, Image

from pi0_ros.bridge.bags.bag import Bag
from pi0_ros.bridge.bags.names import TopicNames, find_namespaces
from pi0_ros.bridge.chunks import decode_chunk
from pi0_ros.bridge.images import decode_compressed, decode_image
from pi0_ros.bridge.stamps import to_ns
from pi0_ros.bridge.states import make_decoder
from pi0_ros.embodiment.spec import Camera, Embodiment

CHUNKS, STATUS = "policy_node/action_chunk", "policy_node/status"
TRIED = 200  # messages of a topic of states until one must be of this robot

Deserialize = Callable[[bytes, type[Any]], Any]
"""CDR bytes and a message class to a message: rclpy's, so that decoders get what nodes get."""


class Kind(Enum):
    """What a stream holds."""

    IMAGE = "image"
    STATES = "states"
    COMMAND = "command"
    CHUNK = "chunk"
    STATUS = "status"


@dataclass(frozen=True, eq=False)
class Stream:
    """A topic of the robot as it stands in a bag.

    Attributes:
        kind: What it holds.
        name: The camera's name, or the topic in the robot's YAML.
        place: Among the robot's cameras, sources of states or controllers.
        topic: In the bag.
        message_type: Of its messages.
        decode: A message to the value: an image (H, W, 3), stamp and positions, a chunk ...
    """

    kind: Kind
    name: str
    place: int
    topic: str
    message_type: type[Any]
    decode: Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Sample:
    """One message.

    Attributes:
        stream: Its stream.
        received_ns: When the recorder received it [ns, the recorder's clock].
        message: As a node would have received it.
    """

    stream: Stream
    received_ns: int
    message: Any

    @property
    def stamp_ns(self) -> int:
        """Its header's stamp [ns]; where such messages have none, when it was received."""
        header = getattr(self.message, "header", None)
        return self.received_ns if header is None else to_ns(header.stamp)

    def value(self) -> Any:
        """Decode it.

        Raises:
            ValueError: It cannot be decoded; the message says why.
        """
        return self.stream.decode(self.message)


class Recording:
    """Finds a robot's topics in a bag and reads them.

    Args:
        bag: The bag.
        embodiment: The robot.
        names: What its topics are called there.
        deserialize: Makes messages of bytes.
        transport: Which images: ``raw``, ``compressed``, or ``auto`` for raw where there are any.

    Attributes:
        cameras: One stream per camera, in the robot's order.
        states: One stream per source of states, in the robot's order.
        chunks: What policy_node planned; None where it was not recorded.

    Raises:
        ValueError: A topic is missing, has another type, or tells of another robot.
        ImportError: A driver's message package is not there.
    """

    def __init__(
        self,
        bag: Bag,
        embodiment: Embodiment,
        names: TopicNames,
        deserialize: Deserialize,
        transport: str = "auto",
    ) -> None:
        """Look for the topics."""
        self.bag, self.embodiment = bag, embodiment
        self._names, self._deserialize = names, deserialize
        self._there = bag.topics
        self.states = tuple(
            Stream(Kind.STATES, source.topic, place, names.resolve(source.topic),
                   decoder.message_type, decoder.decode)
            for place, source in enumerate(embodiment.state_sources)
            for decoder in (make_decoder(source, embodiment),)
        )  # fmt: skip
        self.cameras = tuple(
            self._camera(place, camera, transport)
            for place, camera in enumerate(embodiment.cameras)
        )
        self.chunks = self.find(Kind.CHUNK, CHUNKS, 0, ActionChunk, decode_chunk)
        self._insist_on((*self.cameras, *self.states))
        for stream in self.states:
            self._insist_on_this_robot(stream)

    def find(
        self, kind: Kind, topic: str, place: int, message_type: type[Any], decode: Any
    ) -> Stream | None:
        """Return a further stream by its topic in the YAML; None where it was not recorded.

        Raises:
            ValueError: It has another type.
        """
        stream = Stream(kind, topic, place, self._names.resolve(topic), message_type, decode)
        if stream.topic not in self._there or not self._there[stream.topic].count:
            return None
        misfit = self._there[stream.topic].misfit(message_type)
        if misfit:
            raise ValueError(misfit)
        return stream

    def samples(
        self,
        streams: Collection[Stream],
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[Sample]:
        """Read some streams in the order in which their messages were received [ns, likewise].

        Raises:
            ValueError: Bytes are no message of the type that the bag claims.
        """
        by_topic: dict[str, list[Stream]] = {}
        for stream in streams:  # a remapping may give two of them one topic
            by_topic.setdefault(stream.topic, []).append(stream)
        for topic, received_ns, data in self.bag.messages(by_topic, start_ns, stop_ns):
            for stream in by_topic[topic]:
                yield Sample(stream, received_ns, self._message(stream, data))

    def topic(self, name: str) -> str:
        """Return what a topic of the YAML is called in the bag."""
        return self._names.resolve(name)

    def _message(self, stream: Stream, data: bytes) -> Any:
        try:
            return self._deserialize(data, stream.message_type)
        except Exception as error:  # rclpy's own, of no common class
            raise ValueError(
                f"{stream.topic}: {len(data)} bytes are no {stream.message_type.__name__} "
                f"({error}); the bag was recorded with another version of the type"
            ) from error

    def _camera(self, place: int, camera: Camera, transport: str) -> Stream:
        kinds = {
            "raw": (camera.topic, Image, decode_image),
            "compressed": (f"{camera.topic}/compressed", CompressedImage, decode_compressed),
        }
        if transport == "auto":
            compressed = self._names.resolve(kinds["compressed"][0])
            raw = self._names.resolve(camera.topic)
            is_raw = raw in self._there or compressed not in self._there
            transport = "raw" if is_raw else "compressed"
        topic, message_type, decode = kinds[transport]
        name = self._names.resolve(topic)
        return Stream(Kind.IMAGE, camera.name, place, name, message_type, decode)

    def _insist_on(self, streams: Collection[Stream]) -> None:
        missing = [stream.topic for stream in streams if stream.topic not in self._there]
        if missing:
            raise ValueError(self._missing(missing))
        faults = [self._there[s.topic].misfit(s.message_type) for s in streams]
        silent = [f"{s.topic} holds no message" for s in streams if not self._there[s.topic].count]
        told = [fault for fault in (*faults, *silent) if fault]
        if told:
            raise ValueError("; ".join(told))

    def _missing(self, missing: Collection[str]) -> str:
        wanted = [source.topic for source in self.embodiment.state_sources]
        spaces = find_namespaces(wanted, self._there)
        found = ", ".join(f"{t.name} ({t.message_type})" for t in self._there.values() if t.count)
        spaces = tuple(space for space in spaces if space.strip("/"))
        remedy = f"give --namespace {spaces[0].strip('/')}" if spaces else (
            "give its name as --topic NAME:=NAME_IN_THE_BAG, another --embodiment, or --simulation "
            "if it was recorded from the simulated robot"
        )  # fmt: skip
        return (
            f"{self.bag.path} lacks {', '.join(missing)} of {self.embodiment.name}; "
            f"it has {found}; {remedy}"
        )

    def _insist_on_this_robot(self, stream: Stream) -> None:
        fault = None
        for sample in islice(self.samples([stream]), TRIED):
            try:
                sample.value()
            except ValueError as error:
                fault = fault or str(error)
            else:
                return
        raise ValueError(
            f"{stream.topic} is not of {self.embodiment.name}: {fault}; choose another "
            "--embodiment or --tf-prefix"
        )


def recorded_status(bag: Bag, names: TopicNames, deserialize: Deserialize) -> PolicyStatus | None:
    """Return the last that policy_node said of itself; None where it was not recorded."""
    told = _messages(bag, names.resolve(STATUS), PolicyStatus, deserialize)
    return next(iter(deque(told, maxlen=1)), None)


def recorded_robot(bag: Bag, names: TopicNames, deserialize: Deserialize) -> str:
    """Return the name of the robot that plans were made for; empty where none were recorded."""
    first = next(_messages(bag, names.resolve(CHUNKS), ActionChunk, deserialize), None)
    return "" if first is None else str(first.header.frame_id)


def _messages(
    bag: Bag, topic: str, message_type: type[Any], deserialize: Deserialize
) -> Iterator[Any]:
    there = bag.topics.get(topic)
    if there is not None and not there.misfit(message_type):
        for _, _, data in bag.messages([topic]):
            yield deserialize(data, message_type)
