"""Messages to a bag that `ros2 bag play`, RViz and other tools read."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from pi0_ros.bridge.bags.topic import type_name


class BagWriter:
    """A new MCAP bag; use it as a context, so that it is ended in order.

    Args:
        folder: To be made.

    Raises:
        FileExistsError: The folder exists; nothing is overwritten.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder."""
        if folder.exists():
            raise FileExistsError(f"{folder} exists; name another, or remove it")
        self._types = get_typestore(Stores.ROS2_JAZZY)
        self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self._connections: dict[str, Any] = {}

    def __enter__(self) -> BagWriter:
        """Use it as a context."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the bag in order, whatever happened: what was written is kept."""
        self._writer.close()

    def add_topic(self, topic: str, message_type: type[Any]) -> None:
        """Announce a topic by its absolute name; one without messages is recorded, too."""
        if topic in self._connections:
            return
        name = type_name(message_type)
        if name not in self._types.fielddefs:
            self._types.register(get_types_from_msg(_definition(name), name))
        self._connections[topic] = self._writer.add_connection(topic, name, typestore=self._types)

    def write(self, topic: str, received_ns: int, data: bytes) -> None:
        """Write a message's CDR bytes, received at an instant [ns, the recorder's clock]."""
        self._writer.write(self._connections[topic], received_ns, data)


def _definition(name: str) -> str:
    """Return the text of a message's .msg file, which its package installs."""
    package, kind, short = name.split("/")
    file = Path(get_package_share_directory(package)) / kind / f"{short}.msg"
    return file.read_text(encoding="utf-8")
