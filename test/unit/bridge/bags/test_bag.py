"""Bags of every form are read as one stream of bytes; of damaged ones, what is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from pi0_ros.bridge.bags.bag import Bag

TYPES = get_typestore(Stores.ROS2_JAZZY)
NUMBER = "std_msgs/msg/UInt64"
START_NS = 1_000


def write_bag(
    folder: Path,
    numbers: range,
    storage: StoragePlugin = StoragePlugin.MCAP,
    compression: CompressionMode = CompressionMode.NONE,
    padding: int = 0,
) -> Path:
    """Write number n at 1000 + n ns, even ones on /even, odd ones on /odd."""
    writer = Writer(folder, version=9, storage_plugin=storage)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer as bag:
        topics = [bag.add_connection(f"/{n}", NUMBER, typestore=TYPES) for n in ("even", "odd")]
        for n in numbers:
            bag.write(topics[n % 2], START_NS + n, encoded(n) + b"\0" * padding)
    return folder


def encoded(number: int) -> bytes:
    return bytes([0, 1, 0, 0]) + number.to_bytes(8, "little")


def read(bag: Bag, *args: Any) -> list[tuple[str, int, int]]:
    return [
        (topic, at_ns, int.from_bytes(data[4:12], "little"))
        for topic, at_ns, data in bag.messages(*args)
    ]


@pytest.mark.parametrize("storage", StoragePlugin)
@pytest.mark.parametrize(
    "compression", [CompressionMode.NONE, CompressionMode.FILE, CompressionMode.MESSAGE]
)
def test_all_storages_and_compressions_are_read_alike(
    tmp_path: Path, storage: StoragePlugin, compression: CompressionMode
) -> None:
    write_bag(tmp_path / "bag", range(4), storage, compression)
    with Bag(tmp_path / "bag") as bag:
        assert {t.name: (t.message_type, t.count) for t in bag.topics.values()} == {
            "/even": (NUMBER, 2), "/odd": (NUMBER, 2)
        }  # fmt: skip
        assert bag.span_ns == (1000, 1003)
        assert read(bag, ["/even", "/odd"]) == [
            ("/even", 1000, 0), ("/odd", 1001, 1), ("/even", 1002, 2), ("/odd", 1003, 3)
        ]  # fmt: skip
        assert bag.fault == ""


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    with Bag(write_bag(tmp_path / "bag", range(10))) as bag:
        assert read(bag, ["/odd"], 1003, 1007) == [("/odd", 1003, 3), ("/odd", 1005, 5)]
        assert read(bag, ["/none"]) == []
        assert read(bag, []) == []


@pytest.mark.parametrize("suffix", [".mcap", ".db3"])
def test_a_single_file_is_a_bag_too(tmp_path: Path, suffix: str) -> None:
    storage = StoragePlugin.MCAP if suffix == ".mcap" else StoragePlugin.SQLITE3
    write_bag(tmp_path / "bag", range(3), storage)
    with Bag(tmp_path / "bag" / f"bag{suffix}") as bag:
        assert [number for _, _, number in read(bag, ["/even", "/odd"])] == [0, 1, 2]


def split_bag(folder: Path, parts: int) -> Path:
    """Lay files of ten numbers each side by side, as a recorder does that is then killed."""
    folder.mkdir()
    for part in range(parts):
        write_bag(folder / "part", range(10 * part, 10 * part + 10))
        (folder / "part" / "part.mcap").rename(folder / f"bag_{part}.mcap")
        (folder / "part" / "metadata.yaml").unlink()
        (folder / "part").rmdir()
    return folder


def test_a_split_bag_without_metadata_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    with Bag(split_bag(tmp_path / "bag", 11)) as bag:
        assert [number for _, _, number in read(bag, ["/even", "/odd"])] == list(range(110))
        assert bag.topics["/even"].count == 55
        assert bag.span_ns == (1000, 1109)


def big_bag(tmp_path: Path) -> Path:
    """Write 3000 messages of 1 kB: three chunks of 1 MB."""
    return write_bag(tmp_path / "bag", range(3000), padding=1000) / "bag.mcap"


def test_a_file_that_ends_too_early_is_read_up_to_the_last_whole_chunk(tmp_path: Path) -> None:
    file = big_bag(tmp_path)
    file.write_bytes(file.read_bytes()[:-1_000_000])
    with Bag(file) as bag:
        numbers = [number for _, _, number in read(bag, ["/even", "/odd"])]
        assert numbers == list(range(len(numbers)))
        assert 1000 < len(numbers) < 3000
        assert bag.fault == (
            f"bag.mcap is damaged (it ends too early); its first {len(numbers)} messages are read"
        )
        assert bag.span_ns == (1000, 1000 + len(numbers) - 1)
        assert bag.topics["/even"].message_type == NUMBER
        assert [n for _, _, n in read(bag, ["/odd"], 1010, 1013)] == [11]


def test_a_file_that_ends_in_zeros_is_read_up_to_them(tmp_path: Path) -> None:
    """What a power failure leaves of blocks that were never written."""
    file = big_bag(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] + bytes(5000))
    with Bag(file) as bag:
        assert 500 < len(read(bag, ["/even", "/odd"])) < 3000
        assert "damaged" in bag.fault


def test_of_a_split_bag_only_the_damaged_end_is_lost(tmp_path: Path) -> None:
    folder = split_bag(tmp_path / "bag", 3)
    last = folder / "bag_2.mcap"
    last.write_bytes(last.read_bytes()[:60])
    with Bag(folder) as bag:
        assert [number for _, _, number in read(bag, ["/even", "/odd"])] == list(range(20))
        assert "bag_2.mcap is damaged" in bag.fault


def test_a_broken_chunk_in_a_whole_file_ends_the_reading_with_a_word(tmp_path: Path) -> None:
    file = write_bag(
        tmp_path / "bag", range(3000), compression=CompressionMode.STORAGE, padding=1000
    ) / "bag.mcap"  # fmt: skip
    zstd = b"\x28\xb5\x2f\xfd"  # what each of its frames begins with
    before, *frames = file.read_bytes().split(zstd)
    file.write_bytes(zstd.join([before, frames[0]]) + b"none" + zstd.join(frames[1:]))
    with Bag(file) as bag:
        numbers = [number for _, _, number in read(bag, ["/even", "/odd"])]
        assert numbers == list(range(len(numbers)))
        assert 500 < len(numbers) < 3000
        assert "bag.mcap is damaged, and read up to there" in bag.fault


def test_nothing_there_no_bag_and_an_empty_bag_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no bag at .*; give its folder, or its \.mcap"):
        Bag(tmp_path / "nothing")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=r"no metadata\.yaml and no \.mcap or \.db3 file"):
        Bag(tmp_path / "folder")
    (tmp_path / "video.mp4").write_bytes(b"mp4")
    with pytest.raises(ValueError, match=r"video\.mp4 is no bag"):
        Bag(tmp_path / "video.mp4")
    (tmp_path / "text.mcap").write_text("this is no bag at all, but a text of some length")
    with pytest.raises(ValueError, match=r"text\.mcap is no MCAP file"):
        Bag(tmp_path / "text.mcap")
    (tmp_path / "text.db3").write_text("this is no bag at all, but a text of some length")
    with pytest.raises(ValueError, match=r"text\.db3 cannot be read"):
        Bag(tmp_path / "text.db3")
    with pytest.raises(ValueError, match="holds no messages"):
        Bag(write_bag(tmp_path / "empty", range(0)))
