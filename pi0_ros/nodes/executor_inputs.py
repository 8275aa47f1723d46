"""What chunk_executor_node hears and is told: chunks, states, speed, stops."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from pi0_msgs.msg import ActionChunk
from rclpy.node import Node
from std_msgs.msg import Bool
from std_srvs.srv import SetBool, Trigger

from pi0_ros.bridge.chunks import decode_chunk
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.execution.executor import ChunkExecutor
from pi0_ros.execution.reasons import Code, Reason
from pi0_ros.execution.settings import ExecutorSettings
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.hand_over import HandOver
from pi0_ros.nodes.shadow_reports import ShadowReports
from pi0_ros.nodes.speed_sliders import SpeedSliders
from pi0_ros.nodes.state_streams import StateStreams


class ExecutorInputs:
    """Decodes what arrives and hands it to the core, under its lock.

    Args:
        node: Carries subscriptions and services.
        embodiment: The robot.
        core: Who is told, until another one is.
        settings: Of the core.

    Attributes:
        lock: Guards the core: callbacks against the loop.
    """

    def __init__(
        self, node: Node, embodiment: Embodiment, core: ChunkExecutor, settings: ExecutorSettings
    ) -> None:
        """Subscribe and serve."""
        self._node, self._core = node, core
        self.lock = threading.Lock()
        self._is_estop_pressed = False  # as heard last; it outlives a core
        self._embodiment, self._is_shadow = embodiment, settings.shadow
        self._shadow: ShadowReports | None = None
        self._hand_over = HandOver(node, embodiment, self._is_commanding, self._disable)
        age_limit_ns = settings.joint_state_age_ns
        subscribe, serve = node.create_subscription, node.create_service
        self._streams: list[Any] = [
            self._hand_over,
            StateStreams(node, embodiment, age_limit_ns, self._on_measured, self._on_lacking),
            subscribe(ActionChunk, "action_chunk", self._on_chunk, qos.CHUNKS),
            SpeedSliders(node, embodiment, self._on_speed_scaling),
            # Twice: the one gets what was latched before, the other matches any publisher.
            subscribe(Bool, "estop", self._on_estop, qos.LATCHED),
            subscribe(Bool, "estop", self._on_estop, qos.STATUS),
            serve(SetBool, "~/enable", self._on_enable),
            serve(Trigger, "~/stop", self._on_stop),
            serve(Trigger, "~/reset", self._on_reset),
        ]

    def destroy(self) -> None:
        """Unsubscribe and stop serving."""
        self.hush()
        dispose(self._node, self._streams)

    def tell(self, core: ChunkExecutor, *, enabled: bool) -> None:
        """Tell another core from now on, an e-stop that is pressed first of all."""
        with self.lock:
            self._core = core
            core.permission.estop(self._is_estop_pressed)
            core.permission.is_enabled = enabled
        if self._is_shadow:
            self._shadow = ShadowReports(self._node, self._embodiment)

    def hush(self) -> None:
        """End the comparison of shadow mode."""
        if self._shadow is not None:
            self._shadow.destroy()
            self._shadow = None

    def _is_commanding(self) -> bool:
        with self.lock:
            return self._core.is_commanding

    def _disable(self) -> None:
        with self.lock:
            self._core.permission.is_enabled = False

    def _on_chunk(self, message: ActionChunk) -> None:
        now_ns = int(self._node.get_clock().now().nanoseconds)
        with self.lock:
            try:
                chunk = decode_chunk(message)
                problem = self._core.accept(chunk, now_ns)
            except ValueError as error:
                problem = self._core.reject(Reason(Code.CHUNK_MALFORMED, str(error)))
        if problem is None and self._shadow is not None:
            self._shadow.take_chunk(chunk)
        if problem is not None:
            self._node.get_logger().warning(
                f"chunk {message.sequence} rejected, {problem}", throttle_duration_sec=1.0
            )

    def _on_measured(self, stamp_ns: int, positions: np.ndarray) -> None:
        with self.lock:
            self._core.measure(stamp_ns, positions)
        self._hand_over.take_pose(stamp_ns, positions)
        if self._shadow is not None:
            self._shadow.take_pose(stamp_ns, positions)

    def _on_lacking(self, reason: str) -> None:
        with self.lock:
            self._core.report_missing(reason)

    def _on_speed_scaling(self, share: float) -> None:
        with self.lock:
            self._core.permission.speed_scaling = share

    def _on_estop(self, message: Bool) -> None:
        with self.lock:
            self._is_estop_pressed = message.data
            self._core.permission.estop(message.data)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        commands = request.data and not self._is_shadow
        busy = self._hand_over.busy() if commands else None
        if busy is None:
            with self.lock:
                self._core.permission.is_enabled = request.data
        response.success = busy is None
        response.message = busy or ("enabled" if request.data else "disabled")
        return response

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self.lock:
            self._core.permission.stop(Reason(Code.STOP_REQUESTED, "call ~/reset to go on"))
        response.success, response.message = True, "stopping along the path"
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self.lock:
            problem = self._core.permission.reset()
        response.success = problem is None
        response.message = str(problem or "continuing from the measured pose")
        return response
