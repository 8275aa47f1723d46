from __future__ import annotations

import numpy as np
from visualization_msgs.msg import Marker, MarkerArray

from pi0_ros.bridge.plan_markers import no_markers, plan_markers
from pi0_ros.execution.preview import Path

LONG = np.array([[0.0, 0, 0], [1, 0, 0], [1, 2, 3]])


def drawn(message: MarkerArray) -> dict[tuple[str, int], Marker]:
    return {(marker.ns, marker.id): marker for marker in message.markers}


def test_each_path_is_two_lines_of_two_colours() -> None:
    paths = {"left": Path(LONG[:2], LONG[1:]), "base": Path(LONG, LONG[:2])}
    found = drawn(plan_markers(paths, "world", 5, is_played=True))
    assert set(found) == {("left", 0), ("left", 1), ("base", 0), ("base", 1)}
    executed, left = found["left", 0], found["left", 1]
    assert [(p.x, p.y, p.z) for p in left.points] == [(1, 0, 0), (1, 2, 3)]
    assert [(p.x, p.y, p.z) for p in executed.points] == [(0, 0, 0), (1, 0, 0)]
    assert executed.color != left.color
    for marker in found.values():
        assert (marker.type, marker.action) == (Marker.LINE_STRIP, Marker.ADD)
        assert marker.color.a > 0.5
        assert marker.scale.x > 0
        assert marker.pose.orientation.w == 1


def test_lines_stand_in_the_frame_at_the_instant() -> None:
    message = plan_markers({"left": Path(LONG, LONG[:1])}, "world", 3_000_000_001, is_played=True)
    for marker in message.markers:
        assert marker.header.frame_id == "world"
        assert (marker.header.stamp.sec, marker.header.stamp.nanosec) == (3, 1)


def test_a_line_of_one_point_is_taken_away_because_rviz_complains_about_it() -> None:
    found = drawn(plan_markers({"left": Path(LONG[:1], LONG)}, "world", 0, is_played=True))
    assert found["left", 0].action == Marker.DELETE
    assert found["left", 1].action == Marker.ADD


def test_a_plan_that_is_not_played_has_a_colour_of_its_own() -> None:
    path = {"left": Path(LONG, LONG)}
    played, other = (
        drawn(plan_markers(path, "world", 0, is_played=is_played))["left", 1]
        for is_played in (True, False)
    )
    assert played.color != other.color


def test_no_markers_take_all_away() -> None:
    assert [marker.action for marker in no_markers().markers] == [Marker.DELETEALL]
