"""The streams of the simulated cameras, rendered in a thread of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from pi0_ros.bridge.images import encode_compressed, encode_image, pinhole_info
from pi0_ros.bridge.stamps import to_time
from pi0_ros.embodiment.spec import Camera, Embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.parameters import SimParameters
from pi0_ros.nodes.worker_thread import WorkerThread
from pi0_ros.simulation.cameras import SimCameras
from pi0_ros.simulation.scene import OVERVIEW_CAMERA, OVERVIEW_FOVY_DEG, scene_frame

POLL_S = 0.002  # how soon a due frame is noticed


@dataclass(eq=False)
class Shot:
    """One camera's publishers and when its next frame is due [ns, clock of the stamps]."""

    camera: Camera
    raw: Any
    compressed: Any
    info: Any
    due_ns: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height [px]."""
        return self.camera.width, self.camera.height

    @property
    def is_watched(self) -> bool:
        """Whether anybody subscribes to its images."""
        return bool(self.raw.get_subscription_count() or self.compressed.get_subscription_count())


class CameraStreams:
    """Renders each camera at its rate while somebody watches it.

    Args:
        node: Publishes the images.
        embodiment: The robot with its cameras.
        model: The scene.
        parameters: Rates.
        configuration: Returns instant [ns] and configuration (nq,) of the scene.
        failed: Called with the traceback when rendering fails; the thread then ends.
    """

    def __init__(
        self,
        node: Node,
        embodiment: Embodiment,
        model: mujoco.MjModel,
        parameters: SimParameters,
        configuration: Callable[[], tuple[int, np.ndarray]],
        failed: Callable[[str], None],
    ) -> None:
        """Make the publishers and start the thread."""
        self._node = node
        self._model = model
        self._configuration = configuration
        rate_hz = parameters.camera_rate_hz
        cameras = [
            c.model_copy(update={"rate_hz": rate_hz or c.rate_hz}) for c in embodiment.cameras
        ]
        if parameters.overview_rate_hz:
            cameras.append(_overview(embodiment, parameters.overview_rate_hz))
        self._shots = [_shot(node, camera) for camera in cameras]
        self._thread = WorkerThread("cameras", self._run, failed)

    def stop(self) -> None:
        """End the thread after the frame that is being rendered, and drop the publishers."""
        self._thread.stop()
        for shot in self._shots:
            dispose(self._node, [shot.raw, shot.compressed, shot.info])

    def _run(self, stopping: threading.Event) -> None:
        """Render until stopped; a GL context belongs to the thread that makes it."""
        sizes = {shot.size for shot in self._shots}
        renderers = {size: SimCameras(self._model, *size) for size in sizes}
        while not stopping.is_set():
            if not self._render_due(renderers):
                time.sleep(POLL_S)
        for renderer in renderers.values():
            renderer.close()

    def _render_due(self, renderers: Mapping[tuple[int, int], SimCameras]) -> bool:
        """Render what is due, all cameras from one configuration; False where nothing was."""
        now_ns, qpos = self._configuration()
        due = [
            shot for shot in self._shots if now_ns >= shot.due_ns or now_ns < shot.due_ns - 10**9
        ]
        watched = [shot for shot in due if shot.is_watched]
        for shot in due:
            period_ns = round(1e9 / shot.camera.rate_hz)
            shot.due_ns = (now_ns // period_ns + 1) * period_ns
        if not watched:
            return False
        for size in {shot.size for shot in watched}:
            renderers[size].place(qpos)
        for shot in watched:
            _publish(shot, renderers[shot.size].image(shot.camera.name), now_ns)
        return True


def _shot(node: Node, camera: Camera) -> Shot:
    base = camera.topic.rsplit("/", 1)[0]
    return Shot(
        camera,
        node.create_publisher(Image, camera.topic, qos.IMAGES),
        node.create_publisher(CompressedImage, f"{camera.topic}/compressed", qos.IMAGES),
        node.create_publisher(CameraInfo, f"{base}/camera_info", qos.IMAGES),
    )


def _publish(shot: Shot, rgb: np.ndarray, stamp_ns: int) -> None:
    header = Header(stamp=to_time(stamp_ns), frame_id=shot.camera.frame)
    height, width, _ = rgb.shape
    shot.info.publish(pinhole_info(width, height, shot.camera.fovy_deg, header))
    if shot.raw.get_subscription_count():
        shot.raw.publish(encode_image(rgb, header))
    if shot.compressed.get_subscription_count():
        shot.compressed.publish(encode_compressed(rgb, header))


def _overview(embodiment: Embodiment, rate_hz: float) -> Camera:
    """Describe the camera for people, which no policy sees; as large as the first one."""
    like = {
        "name": OVERVIEW_CAMERA, "topic": f"{OVERVIEW_CAMERA}/image_raw",
        "frame": scene_frame(embodiment), "rate_hz": rate_hz, "fovy_deg": OVERVIEW_FOVY_DEG,
    }  # fmt: skip
    return embodiment.cameras[0].model_copy(update=like)
