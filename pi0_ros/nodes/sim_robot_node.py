"""sim_robot_node: a MuJoCo robot that speaks what a ros2_control cell speaks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64MultiArray
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

from pi0_ros.bridge.joint_states import joint_state
from pi0_ros.bridge.markers import block_markers
from pi0_ros.bridge.stamps import to_time
from pi0_ros.bridge.trajectories import decode_trajectory
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.camera_streams import CameraStreams
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.managed import ManagedNode, run
from pi0_ros.nodes.parameters import SimParameters, declare
from pi0_ros.nodes.worker_thread import WorkerThread, on_deadlines
from pi0_ros.simulation.cell import Cell
from pi0_ros.simulation.controllers import Rejected

MARKER_RATE_HZ = 10.0


class SimRobotNode(ManagedNode):
    """Steps the simulated cell on a thread of absolute deadlines and publishes what it senses."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; everything else waits for configure."""
        super().__init__("sim_robot_node", **options)
        self._settings = declare(self, SimParameters)
        self._lock = threading.Lock()  # guards the cell: callbacks and cameras against the loop
        self._thread: WorkerThread | None = None
        self._cameras: CameraStreams | None = None
        self._streams: list[Any] = []

    def configure(self) -> None:
        """Build the scene and make all streams."""
        p = self._settings
        self._embodiment = load_embodiment(p.embodiment)
        self._cell = Cell(self._embodiment, p.seed)
        self._states = self.create_publisher(JointState, "joint_states", qos.STATUS)
        self._estop = self.create_publisher(Bool, "estop", qos.LATCHED)
        self._markers = self.create_publisher(MarkerArray, "~/blocks", qos.LATCHED)
        self._clock_out = self.create_publisher(Clock, "/clock", 10) if p.publish_clock else None
        self._streams = [
            *filter(None, (self._states, self._estop, self._markers, self._clock_out)),
            *self._subscribe_controllers(),
            self.create_service(Trigger, "~/reset", self._on_reset),
            self.create_service(SetBool, "~/estop", self._on_estop),
        ]
        self._estop.publish(Bool(data=False))

    def activate(self) -> None:
        """Start the physics and the cameras."""
        p = self._settings
        self._tick = 0
        rate_hz = self._embodiment.command.rate_hz
        self._every_state = max(1, round(rate_hz / p.joint_state_rate_hz))
        self._every_marker = max(1, round(rate_hz / MARKER_RATE_HZ))
        period_s = 1 / rate_hz / (p.clock_speed if p.publish_clock else 1.0)
        self._cameras = CameraStreams(self, self._embodiment, self._cell.robot.model, p,
                                     self._configuration, self._fail)  # fmt: skip
        loop = on_deadlines(period_s, self._step)
        self._thread = WorkerThread("physics", loop, self._fail)

    def deactivate(self) -> None:
        """Stop the physics and the cameras."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None
        if self._cameras is not None:
            self._cameras.stop()
            self._cameras = None

    def cleanup(self) -> None:
        """Drop the streams."""
        dispose(self, self._streams)
        self._streams.clear()

    # --- the loop ----------------------------------------------------------------------------

    def _step(self) -> None:
        """Do one control cycle and publish what is due."""
        with self._lock:
            now_ns = self._now_ns()
            self._cell.step(now_ns)
            robot = self._cell.robot
            sensed = (robot.positions, robot.velocities, robot.efforts)
        if self._clock_out is not None:
            self._clock_out.publish(Clock(clock=to_time(now_ns)))
        if self._tick % self._every_state == 0:
            self._states.publish(joint_state(self._embodiment.joint_names, now_ns, *sensed))
        if self._tick % self._every_marker == 0:
            with self._lock:
                blocks = self._cell.blocks()
            self._markers.publish(block_markers(blocks, now_ns))
        self._tick += 1

    def _configuration(self) -> tuple[int, np.ndarray]:
        """Return instant [ns] and configuration of the scene, for the cameras."""
        with self._lock:
            return self._cell.now_ns, np.array(self._cell.robot.data.qpos)

    def _now_ns(self) -> int:
        """Now on the clock of all stamps: this node's own, or the simulated one that it drives."""
        if self._clock_out is not None:
            return self._cell.now_ns + self._embodiment.command.period_ns
        return int(self.get_clock().now().nanoseconds)

    def _fail(self, error: str) -> None:
        self.get_logger().fatal(f"the simulation ended: {error}")
        self.failure = error

    # --- callbacks ---------------------------------------------------------------------------

    def _subscribe_controllers(self) -> list[Any]:
        kinds: dict[str, tuple[Any, Callable[[Any], Any]]] = {
            "joint_trajectory": (JointTrajectory, decode_trajectory),
            "forward_position": (Float64MultiArray, lambda message: np.array(message.data)),
        }
        subscriptions = []
        for controller in self._embodiment.controllers:
            kind, decode = kinds[controller.type]
            subscriptions.append(
                self.create_subscription(
                    kind,
                    controller.topic,
                    lambda message, name=controller.name, decode=decode: self._on_command(
                        name, decode, message
                    ),
                    qos.COMMANDS,
                )
            )
        return subscriptions

    def _on_command(self, controller: str, decode: Callable[[Any], Any], message: Any) -> None:
        try:
            with self._lock:
                self._cell.command(controller, decode(message))
        except Rejected as error:
            self.get_logger().error(f"{controller}: {error}", throttle_duration_sec=1.0)

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._lock:
            self._cell.reset()
            blocks = self._cell.blocks()
        self._markers.publish(block_markers(blocks, self._cell.now_ns))
        places = ", ".join(f"{color} at {np.round(p, 3).tolist()}" for color, p in blocks.items())
        response.success, response.message = True, f"at home; {places} m"
        return response

    def _on_estop(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        with self._lock:
            self._cell.protective_stop = request.data
        self._estop.publish(Bool(data=request.data))
        response.success = True
        response.message = "servos hold, commands are ignored" if request.data else "released"
        return response


def main() -> None:
    """Run the node."""
    sys.exit(run(SimRobotNode))


if __name__ == "__main__":
    main()
