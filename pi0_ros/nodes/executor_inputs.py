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
from pi0_ros.nodes import qos
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.speed_sliders import SpeedSliders
from pi0_ros.nodes.state_streams import StateStreams


class ExecutorInputs:
    """Decodes what arrives and hands it to the core, under its lock.

    Args:
        node: Carries subscriptions and services.
        embodiment: The robot.
        age_limit_ns: Greatest difference between the stamps of two sources of states [ns].

    Attributes:
        core: Who is told; set before the node spins, and at each activation.
        lock: Guards the core: callbacks against the loop.
        is_estop_pressed: As heard last; it outlives a core.
    """

    core: ChunkExecutor

    def __init__(self, node: Node, embodiment: Embodiment, age_limit_ns: int) -> None:
        """Subscribe and serve."""
        self._node = node
        self.lock = threading.Lock()
        self.is_estop_pressed = False
        subscribe, serve = node.create_subscription, node.create_service
        self._streams: list[Any] = [
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
        dispose(self._node, self._streams)

    def _on_chunk(self, message: ActionChunk) -> None:
        now_ns = int(self._node.get_clock().now().nanoseconds)
        with self.lock:
            try:
                problem = self.core.accept(decode_chunk(message), now_ns)
            except ValueError as error:
                problem = self.core.reject(Reason(Code.CHUNK_MALFORMED, str(error)))
        if problem is not None:
            self._node.get_logger().warning(
                f"chunk {message.sequence} rejected, {problem}", throttle_duration_sec=1.0
            )

    def _on_measured(self, stamp_ns: int, positions: np.ndarray) -> None:
        with self.lock:
            self.core.measure(stamp_ns, positions)

    def _on_lacking(self, reason: str) -> None:
        with self.lock:
            self.core.report_missing(reason)

    def _on_speed_scaling(self, share: float) -> None:
        with self.lock:
            self.core.permission.speed_scaling = share

    def _on_estop(self, message: Bool) -> None:
        with self.lock:
            self.is_estop_pressed = message.data
            self.core.permission.estop(message.data)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        with self.lock:
            self.core.permission.is_enabled = request.data
        response.success, response.message = True, "enabled" if request.data else "disabled"
        return response

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self.lock:
            self.core.permission.stop(Reason(Code.STOP_REQUESTED, "call ~/reset to go on"))
        response.success, response.message = True, "stopping along the path"
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self.lock:
            problem = self.core.permission.reset()
        response.success = problem is None
        response.message = str(problem or "continuing from the measured pose")
        return response
