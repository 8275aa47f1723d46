"""The simulated blocks as markers, for RViz and for whoever measures distances."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from geometry_msgs.msg import Point, Pose, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from pi0_ros.bridge.stamps import to_time
from pi0_ros.simulation.scene import BLOCK_COLORS, BLOCK_HALF_M


def block_markers(blocks: Mapping[str, np.ndarray], frame: str, stamp_ns: int) -> MarkerArray:
    """Show blocks by color, centres (3,) [m] in a frame."""
    cubes = [_cube(color, at, frame, stamp_ns) for color, at in blocks.items()]
    return MarkerArray(markers=cubes)


def block_places(message: MarkerArray) -> dict[str, np.ndarray]:
    """Return the centre of each block by color, (3,) [m]."""
    return {
        marker.ns: np.array([getattr(marker.pose.position, axis) for axis in "xyz"])
        for marker in message.markers
    }


def _cube(color: str, at: np.ndarray, frame: str, stamp_ns: int) -> Marker:
    side = 2 * BLOCK_HALF_M
    r, g, b, a = (float(value) for value in BLOCK_COLORS[color])
    x, y, z = at.tolist()
    marker = Marker(
        ns=color,
        type=Marker.CUBE,
        pose=Pose(position=Point(x=x, y=y, z=z)),
        scale=Vector3(x=side, y=side, z=side),
        color=ColorRGBA(r=r, g=g, b=b, a=a),
    )
    marker.header.frame_id = frame
    marker.header.stamp = to_time(stamp_ns)
    return marker
