"""sim_robot_node: a MuJoCo robot that speaks what a ros2_control cell speaks."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
from std_msgs.msg import Bool
from std_srvs.srv import SetBool, Trigger

from pi0_ros.bridge.received_commands import CommandDecoder
from pi0_ros.embodiment.controllers import Controller
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.camera_streams import CameraStreams
from pi0_ros.nodes.collected import CollectedSubscription
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.managed import ManagedNode, run
from pi0_ros.nodes.parameters import SimParameters, declare
from pi0_ros.nodes.sensed_streams import SensedStreams
from pi0_ros.nodes.sim_slider import SimSlider
from pi0_ros.nodes.worker_thread import WorkerThread, on_deadlines
from pi0_ros.simulation.cell import Cell
from pi0_ros.simulation.controllers import Rejected

LATE_NS = 3_000_000  # a cycle may be; windows of the executor begin 10 ms before now


class SimRobotNode(ManagedNode):
    """Steps the simulated cell on a thread of absolute deadlines and publishes what it senses."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; everything else waits for configure."""
        super().__init__("sim_robot_node", **options)
        self._settings = declare(self, SimParameters)
        self._lock = threading.Lock()  # guards the cell: callbacks and cameras against the loop
        self._thread: WorkerThread | None = None
        self._cameras: CameraStreams | None = None
        self._sensed: SensedStreams | None = None
        self._streams: list[Any] = []

    def configure(self) -> None:
        """Build the scene and make all streams."""
        p = self._settings
        self._embodiment = load_embodiment(p.embodiment, tf_prefix=p.tf_prefix, simulation=True)
        self._cell = Cell(self._embodiment, p.seed)
        self._sensed = SensedStreams(self, self._cell, p)
        self._estop = self.create_publisher(Bool, "estop", qos.LATCHED)
        self._commands = [self._subscribe(each) for each in self._embodiment.controllers]
        self._streams = [
            self._estop,
            *self._commands,
            self.create_service(Trigger, "~/reset", self._on_reset),
            self.create_service(SetBool, "~/estop", self._on_estop),
            SimSlider(self, self._embodiment, self._on_slider),
        ]
        self._estop.publish(Bool(data=False))

    def activate(self) -> None:
        """Start the physics and the cameras."""
        p = self._settings
        speed = p.clock_speed if p.publish_clock else 1.0
        period_s = 1 / self._embodiment.command.rate_hz / speed
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
        if self._sensed is not None:
            self._sensed.close()
            self._sensed = None

    # --- the loop ----------------------------------------------------------------------------

    def _step(self) -> None:
        """Take what has arrived, do one control cycle and publish what is due."""
        assert self._sensed is not None
        for commands in self._commands:
            commands.collect()
        with self._lock:
            self._cell.step(self._now_ns())
            sensed = self._cell.sense()
        self._sensed.publish(sensed)

    def _configuration(self) -> tuple[int, np.ndarray]:
        """Return instant [ns] and configuration of the scene, for the cameras."""
        with self._lock:
            return self._cell.now_ns, np.array(self._cell.robot.data.qpos)

    def _now_ns(self) -> int:
        """Instant of this cycle on the clock of all stamps: the node's, or the one that it drives.

        Cycles are exactly one period apart, as on a controller's own computer, unless this process
        is late: then the controllers skip what they missed, as controller_manager's do.
        """
        next_ns = self._cell.now_ns + self._embodiment.command.period_ns
        if self._settings.publish_clock:
            return next_ns
        now_ns = int(self.get_clock().now().nanoseconds)
        return next_ns if 0 <= now_ns - next_ns < LATE_NS else now_ns

    def _fail(self, error: str) -> None:
        self.get_logger().fatal(f"the simulation ended: {error}")
        self.failure = error

    # --- callbacks ---------------------------------------------------------------------------

    def _subscribe(self, controller: Controller) -> CollectedSubscription:
        decoder = CommandDecoder(controller, self._embodiment)
        return CollectedSubscription(
            self,
            decoder.message_type,
            controller.topic,
            lambda message: self._on_command(controller.name, decoder, message),
            qos.COMMANDS,
        )

    def _on_command(self, controller: str, decoder: CommandDecoder, message: Any) -> None:
        try:
            with self._lock:
                self._cell.command(controller, decoder.decode(message))
        except Rejected as error:
            self.get_logger().error(f"{controller}: {error}", throttle_duration_sec=1.0)

    def _on_slider(self, share: float) -> None:
        with self._lock:
            self._cell.speed = share

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        assert self._sensed is not None
        with self._lock:
            self._cell.reset()
            sensed = self._cell.sense()
        self._sensed.publish_blocks(sensed)
        blocks = sensed.blocks.items()
        places = ", ".join(f"{color} at {np.round(place, 3).tolist()}" for color, place in blocks)
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
