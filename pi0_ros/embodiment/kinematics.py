"""Forward kinematics, Jacobian and inverse kinematics of one chain of a URDF, in numpy."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import yourdfpy
from scipy.spatial.transform import Rotation

DAMPING = 0.03  # of the least squares near singular poses [m or rad per rad]
LARGEST_TURN_RAD = 0.2  # per iteration, so that a far target does not leave the linear range


@dataclass(frozen=True, eq=False)
class _Link:
    """One joint of the chain: its fixed pose in the parent, its axis, its place in q (or None)."""

    parent_to_joint: np.ndarray  # (4, 4)
    axis: np.ndarray  # (3,) unit vector in the joint's frame
    index: int | None
    slides: bool


class Chain:
    """The joints from the URDF's root to one link, for a fixed order of joints.

    Args:
        urdf: URDF text.
        tip: Name of the last link.
        joints: Names that give the order of ``q``; joints of the chain that are not among them
            stand at zero.

    Attributes:
        root: Name of the link in whose frame everything is.

    Raises:
        ValueError: The link is not in the URDF.
    """

    def __init__(self, urdf: str, tip: str, joints: Sequence[str]) -> None:
        """Walk from the tip up to the root."""
        model = yourdfpy.URDF.load(io.StringIO(urdf), build_scene_graph=False, load_meshes=False)
        if tip not in model.link_map:
            raise ValueError(f"link '{tip}' is not in the URDF; it has {', '.join(model.link_map)}")
        by_child = {joint.child: joint for joint in model.robot.joints}
        order = list(joints)
        links: list[_Link] = []
        while tip in by_child:
            joint = by_child[tip]
            moves = joint.type != "fixed" and joint.name in order
            links.append(
                _Link(
                    np.eye(4) if joint.origin is None else np.asarray(joint.origin, dtype=float),
                    np.zeros(3) if joint.axis is None else np.asarray(joint.axis, dtype=float),
                    order.index(joint.name) if moves else None,
                    joint.type == "prismatic",
                )
            )
            tip = joint.parent
        self.root = tip
        self._links = links[::-1]
        self._width = len(order)

    def pose(self, q: np.ndarray) -> np.ndarray:
        """Pose of the tip in the root's frame.

        Args:
            q: Joint positions, (D,) [rad or m].

        Returns:
            Homogeneous transform, (4, 4) [m].
        """
        return self._frames(q)[-1]

    def position(self, q: np.ndarray) -> np.ndarray:
        """Position of the tip in the root's frame, (3,) [m]; ``q`` is (D,) [rad or m]."""
        return self._frames(q)[-1][:3, 3]

    def positions(self, q: np.ndarray) -> np.ndarray:
        """Positions of the tip for many poses at once, (N, 3) [m]; ``q`` is (N, D) [rad or m].

        The tip is carried from joint to joint towards the root: no matrix per pose is made.
        """
        points = np.zeros((len(q), 3))
        for link in reversed(self._links):
            if link.index is not None:
                amount = q[:, link.index, None]
                slid = points + amount * link.axis
                points = slid if link.slides else _turned(points, link.axis, amount)
            points = points @ link.parent_to_joint[:3, :3].T + link.parent_to_joint[:3, 3]
        return points

    def jacobian(self, q: np.ndarray) -> np.ndarray:
        """Geometric Jacobian of the tip in the root's frame.

        Args:
            q: Joint positions, (D,) [rad or m].

        Returns:
            (6, D): linear rows [m per rad or m], then angular rows [rad per rad]; zero columns
            for joints outside the chain.
        """
        frames = self._frames(q)
        tip = frames[-1][:3, 3]
        columns = np.zeros((6, self._width))
        for link, frame in zip(self._links, frames[1:], strict=True):
            if link.index is None:
                continue
            axis = frame[:3, :3] @ link.axis
            if link.slides:
                columns[:3, link.index] = axis
            else:
                columns[:3, link.index] = np.cross(axis, tip - frame[:3, 3])
                columns[3:, link.index] = axis
        return columns

    def reach(
        self,
        position: np.ndarray,
        rotation: np.ndarray,
        q: np.ndarray,
        iterations: int = 60,
        moving: Sequence[int] | None = None,
    ) -> tuple[np.ndarray, float]:
        """Solve inverse kinematics by damped least squares from a starting pose.

        Args:
            position: Wanted position of the tip in the root's frame, (3,) [m].
            rotation: Wanted rotation of the tip, (3, 3).
            q: Start, (D,) [rad or m]; joints outside the chain keep it.
            iterations: Most steps taken.
            moving: Which of the joints may move, such as an arm's without the lift under it; all
                of the chain unless given.

        Returns:
            Joint positions (D,) and the remaining error [m + rad], the norm over both.

        Source:
            Nakamura and Hanafusa 1986, singularity-robust inverse.
        """
        q = np.array(q, dtype=np.float64)
        free = np.isin(np.arange(self._width), np.arange(self._width) if moving is None else moving)
        error = self._error(position, rotation, q)
        for _ in range(iterations):
            if np.linalg.norm(error) < 1e-5:
                break
            jacobian = self.jacobian(q) * free
            damped = jacobian @ jacobian.T + DAMPING**2 * np.eye(6)
            step = jacobian.T @ np.linalg.solve(damped, error)
            q += step * min(1.0, LARGEST_TURN_RAD / max(float(np.abs(step).max()), 1e-12))
            error = self._error(position, rotation, q)
        return q, float(np.linalg.norm(error))

    def _error(self, position: np.ndarray, rotation: np.ndarray, q: np.ndarray) -> np.ndarray:
        pose = self.pose(q)
        turn = Rotation.from_matrix(rotation @ pose[:3, :3].T).as_rotvec()
        return np.concatenate([position - pose[:3, 3], turn])

    def _frames(self, q: np.ndarray) -> list[np.ndarray]:
        """Pose of the root, then of each joint's child frame, (4, 4) each."""
        frame = np.eye(4)
        frames = [frame]
        for link in self._links:
            frame = frame @ link.parent_to_joint
            if link.index is not None:
                motion = np.eye(4)
                if link.slides:
                    motion[:3, 3] = link.axis * q[link.index]
                else:
                    motion[:3, :3] = Rotation.from_rotvec(link.axis * q[link.index]).as_matrix()
                frame = frame @ motion
            frames.append(frame)
        return frames


def _turned(points: np.ndarray, axis: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Turn points (N, 3) about a unit axis (3,) by angles (N, 1) [rad]; Rodrigues' formula."""
    along = (points @ axis)[:, None] * axis
    across = np.cross(axis, points)
    return np.asarray(along + np.cos(angles) * (points - along) + np.sin(angles) * across)


def turned(rotation: np.ndarray, wanted: np.ndarray, share: float, most: float) -> np.ndarray:
    """Turn a rotation towards another.

    Args:
        rotation: From here, (3, 3).
        wanted: Towards this, (3, 3).
        share: Of the angle between the two, up to 1.
        most: Greatest angle [rad].
    """
    left = Rotation.from_matrix(wanted @ rotation.T).as_rotvec()
    angle = float(np.linalg.norm(left))
    step = left * min(share, most / max(angle, most))
    return np.asarray(Rotation.from_rotvec(step).as_matrix() @ rotation)
