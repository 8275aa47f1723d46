"""One topic of a recorded bag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rosbags.typesys import TypesysError, get_types_from_msg


@dataclass(frozen=True)
class RecordedTopic:
    """What a bag says about one topic.

    Attributes:
        name: Absolute, as it was recorded.
        message_type: As ROS writes it.
        count: Messages.
        definition: The type's definition; empty where the recorder wrote none.
    """

    name: str
    message_type: str
    count: int
    definition: str

    def misfit(self, message_type: type[Any]) -> str | None:
        """Say why its messages cannot be read as a type of this installation; None: they can.

        Bytes of another definition would be read as nonsense, not refused.
        """
        expected = type_name(message_type)
        if self.message_type != expected:
            return f"{self.name} holds {self.message_type}, not {expected}"
        if not self.definition or self.definition.startswith("=" * 80 + "\nIDL"):
            return None
        try:
            _, fields = get_types_from_msg(self.definition, self.message_type)[self.message_type]
        except TypesysError:  # a definition in a form of its own says nothing against its bytes
            return None
        recorded, ours = [name for name, _ in fields], list(fields_of(message_type))
        if recorded == ours:
            return None
        other = ", ".join(sorted(set(recorded) ^ set(ours))) or "their order"
        return (
            f"{self.name} was recorded with another version of {self.message_type} (differing in "
            f"{other}); replay it with that version of {self.message_type.split('/')[0]}"
        )


def type_name(message_type: type[Any]) -> str:
    """Return how ROS writes a message type: ``sensor_msgs/msg/Image``."""
    package, kind = message_type.__module__.split(".")[:2]
    return f"{package}/{kind}/{message_type.__name__}"


def fields_of(message_type: type[Any]) -> tuple[str, ...]:
    """Return the names of a message type's fields, in their order."""
    return tuple(message_type.get_fields_and_field_types())


def merged(parts: Iterable[Mapping[str, RecordedTopic]]) -> dict[str, RecordedTopic]:
    """Put together the topics of a bag's files."""
    topics: dict[str, RecordedTopic] = {}
    for part in parts:
        for name, topic in part.items():
            known = topics.get(name)
            count = topic.count + (known.count if known else 0)
            topics[name] = replace(known or topic, count=count)
    return topics
