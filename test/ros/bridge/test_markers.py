from __future__ import annotations

import numpy as np
import pytest
from visualization_msgs.msg import Marker

from pi0_ros.bridge.markers import block_markers, block_places
from pi0_ros.bridge.stamps import to_ns

BLOCKS = {"red": np.array([0.4, -0.1, 0.025]), "blue": np.array([0.35, 0.1, 0.03])}


def test_what_is_shown_is_read_again() -> None:
    places = block_places(block_markers(BLOCKS, "world", 0))
    assert set(places) == {"red", "blue"}
    for color, place in BLOCKS.items():
        np.testing.assert_array_equal(places[color], place)


def test_a_block_is_a_cube_of_5_cm_in_the_frame_of_the_scene() -> None:
    for marker in block_markers(BLOCKS, "odom", 1_500_000_000).markers:
        assert marker.type == Marker.CUBE
        assert marker.action == Marker.ADD
        assert marker.header.frame_id == "odom"
        assert to_ns(marker.header.stamp) == 1_500_000_000
        assert (marker.scale.x, marker.scale.y, marker.scale.z) == (0.05, 0.05, 0.05)
        assert marker.pose.orientation.w == 1.0


def test_a_block_has_its_color_and_can_be_seen() -> None:
    red, blue = block_markers(BLOCKS, "world", 0).markers
    assert red.color.r > 0.8 > red.color.b
    assert blue.color.b > 0.8 > blue.color.r
    assert red.color.a == blue.color.a == pytest.approx(1.0)


def test_the_markers_are_told_apart_so_that_one_does_not_replace_the_other() -> None:
    assert (
        len({(marker.ns, marker.id) for marker in block_markers(BLOCKS, "world", 0).markers}) == 2
    )
