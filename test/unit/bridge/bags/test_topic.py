"""Whether a recorded topic can be read with this installation's messages."""

from __future__ import annotations

from typing import Any

from pi0_ros.bridge.bags.topic import RecordedTopic, merged

DEFINITION = "float64 force\nstring name\n"


def message_type(*fields: str) -> type[Any]:
    """Make a class as ROS generates them."""

    class Grip:
        @classmethod
        def get_fields_and_field_types(cls) -> dict[str, str]:
            return dict.fromkeys(fields, "any")

    Grip.__module__ = "hand_msgs.msg._grip"
    return Grip


def topic(definition: str = DEFINITION, count: int = 1) -> RecordedTopic:
    return RecordedTopic("/grip", "hand_msgs/msg/Grip", count, definition)


def test_the_same_fields_fit() -> None:
    assert topic().misfit(message_type("force", "name")) is None


def test_another_version_is_refused_with_the_fields_that_differ() -> None:
    said = topic().misfit(message_type("force", "name", "width"))
    assert said is not None
    assert "another version of hand_msgs/msg/Grip (differing in width)" in said
    assert "their order" in str(topic().misfit(message_type("name", "force")))


def test_another_type_is_refused() -> None:
    other = RecordedTopic("/grip", "std_msgs/msg/String", 1, "string data")
    assert other.misfit(message_type("data")) == (
        "/grip holds std_msgs/msg/String, not hand_msgs/msg/Grip"
    )


def test_a_recorder_that_wrote_no_definition_is_believed() -> None:
    assert topic(definition="").misfit(message_type("force")) is None


def test_files_of_a_bag_add_up() -> None:
    both = merged([{"/grip": topic(count=2)}, {"/grip": topic(count=3)}])
    assert both["/grip"].count == 5
