"""A robot's nodes as the processes of a cell in which things fail."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pi0_msgs.msg import ExecutorStatus
from pi0_msgs.srv import SetPrompt
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState

from pi0_ros.bridge.stamps import to_ns
from pi0_ros.bringup import Options, Value, plan
from pi0_ros.cli.bench.fault_record import Command, FaultRecord, Heard
from pi0_ros.cli.bench.fault_relay import behind
from pi0_ros.cli.bench.robot_copy import copy_robot
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.nodes import qos
from pi0_ros.nodes.collected import CollectedSubscription
from pi0_ros.nodes.transport import without_shared_memory

ROBOT = "ur5e"
POLICY, EXECUTOR, SIMULATION = "policy_node", "chunk_executor_node", "sim_robot_node"
RELAY = "relay"
PROMPTS = ("reach the red block", "reach the blue block")
FAST = 0.25  # [rad/s]: what a fault shall meet
ASKING_S = 1.0  # until a prompt shows; a policy that just died never answers
PERIOD_S = 0.01  # how often the cell is looked at
STOP_TIMEOUT_S = 10.0
# One image is one datagram: shared memory of a process that is killed would hold up others, too.
SMALL = {"width": 160, "height": 120}
PARAMETERS: dict[str, dict[str, Value]] = {
    # Of the first sixty seeds the one whose blocks are farthest apart: 0.31 m.
    SIMULATION: {"camera_rate_hz": 10.0, "joint_state_rate_hz": 100.0, "seed": 49},
    POLICY: {"prompt": PROMPTS[0]},
    # Where the kernel allows it: simulation, policy and this bench share the machine.
    EXECUTOR: {"realtime_priority": 20},
}


class FaultError(RuntimeError):
    """The cell did not do in time what it should; the message says what, and what was heard."""


class FaultCell:
    """Runs a simulated robot with its policy, each node a process, and records what they do.

    Use it as a context. An operator inside sends the arm to the other block whenever it stands
    while a chunk is played, so that a fault always meets a robot in motion.

    Args:
        folder: Where the logs of the nodes go.
        simulated_time: All nodes follow a /clock that can be shifted.

    Attributes:
        robot: Which one it is.
        record: Of what was heard since :meth:`make_ready`.
    """

    def __init__(self, folder: Path, *, simulated_time: bool = False) -> None:
        """Plan the processes."""
        yaml = str(copy_robot(ROBOT, folder, {"cameras": SMALL}))
        self.robot = load_embodiment(yaml, simulation=True)
        self.record = FaultRecord()
        self._moving = {joint for arm in self.robot.arms.values() for joint in arm.joints}
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._prompt = 0
        self._asked_s = -math.inf  # when the last prompt was given [s, monotonic]
        clock = {SIMULATION: {"publish_clock": False, "use_sim_time": True}}
        parameters = {
            name: {**values, **(clock.get(name, {}) if simulated_time else {})}
            for name, values in PARAMETERS.items()
        }
        bring_up = plan(yaml, Options(use_sim_time=simulated_time), parameters)
        self._environment = without_shared_memory({**os.environ, **bring_up.environment})
        topics = ("joint_states", *self.cameras)
        robots = {topic: behind(topic) for topic in topics}
        self._commands = {
            node.name: replace(node, remappings=robots if node.name == SIMULATION else
                               node.remappings).command()
            for node in bring_up.nodes
        }  # fmt: skip
        relay = [sys.executable, "-m", "pi0_ros.cli.bench.fault_relay", yaml]
        self._commands[RELAY] = [*relay, *(["clock"] if simulated_time else [])]

    def __enter__(self) -> FaultCell:
        """Listen, then start all processes."""
        self._listen()
        for name in self._commands:
            self.start(name)
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes and wait for them."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for process in self._processes.values():
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._stopping.set()
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()

    @property
    def cameras(self) -> tuple[str, ...]:
        """Topics of all cameras."""
        return tuple(camera.topic for camera in self.robot.cameras)

    # --- what can be done to it --------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start a node's process, with the prompt of now."""
        command = self._commands[name]
        if name == POLICY:
            command = [*command, "-p", f"prompt:='{PROMPTS[self._prompt]}'"]
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a node's process; wait where it ends one."""
        self._processes[name].send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self._processes[name].wait(STOP_TIMEOUT_S)

    def tell_relay(self, order: str) -> None:
        """Let the relay pause or resume a stream, or shift the clock."""
        sink = self._processes[RELAY].stdin
        assert sink is not None
        sink.write(f"{order}\n".encode())
        sink.flush()

    def call(self, kind: Any, name: str, **fields: Any) -> Any:
        """Call a service and return the response."""
        client = self._node.create_client(kind, name)
        try:
            self.until(client.service_is_ready, 10.0, f"service {name}")
            future = client.call_async(kind.Request(**fields))
            self.until(future.done, 10.0, f"an answer of {name}")
            return future.result()
        finally:
            self._node.destroy_client(client)

    # --- what is waited for ------------------------------------------------------------------

    def until(self, condition: Callable[[], object], within_s: float, what: str) -> None:
        """Wait until a condition holds, and keep the arm busy.

        Raises:
            FaultError: It does not hold in time.
            KeyboardInterrupt: Somebody ended this process.
        """
        deadline = time.monotonic() + within_s
        while not condition():
            if not self._node.context.ok():
                raise KeyboardInterrupt  # rclpy has taken the signal
            if time.monotonic() > deadline:
                heard = self.record.statuses[-1:] or "no status"
                raise FaultError(f"no {what} within {within_s:.1f} s; heard {heard}; logs are in "
                                 f"{self._folder}")  # fmt: skip
            self._keep_busy()
            time.sleep(PERIOD_S)

    def make_ready(self, within_s: float = 30.0) -> None:
        """Wait until the arm is on its way to a block, and begin a new record."""
        self.record = FaultRecord()
        self.until(lambda: self.record.is_calm(time.monotonic()), within_s, "undisturbed second")
        self._give_prompt()  # now it has a long way to go
        chunks = self.record.accepted
        self.until(lambda: self.record.accepted > chunks, within_s, "plan for the other block")
        self.until(lambda: self.record.speed > FAST, within_s, f"motion beyond {FAST} rad/s")

    def _keep_busy(self) -> None:
        """Send the arm to the other block where it has arrived."""
        now = time.monotonic()
        is_playing = self.record.is_executing(now - 0.5)
        if is_playing and now > self._asked_s + ASKING_S and self.record.has_stood(now, now - 1.0):
            self._give_prompt()

    def _give_prompt(self) -> None:
        if self._prompts.service_is_ready():
            self._prompt = 1 - self._prompt
            self._asked_s = time.monotonic()
            self._prompts.call_async(SetPrompt.Request(prompt=PROMPTS[self._prompt]))

    # --- what is heard -----------------------------------------------------------------------

    def _listen(self) -> None:
        self._node = Node("pi0_faults")
        subscribe = self._node.create_subscription
        subscribe(JointState, behind("joint_states"), self._on_states, qos.JOINT_STATES)
        subscribe(ExecutorStatus, f"{EXECUTOR}/status", self._on_status, qos.STATUS)
        commands = f"{SIMULATION}/controller_state"
        self._commands_heard = CollectedSubscription(
            self._node, JointState, commands, self._on_command, qos.EVERY_CYCLE
        )
        self._prompts = self._node.create_client(SetPrompt, f"{POLICY}/set_prompt")
        self._stopping = threading.Event()
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            while self._node.context.ok() and not self._stopping.is_set():
                self._executor.spin_once(timeout_sec=PERIOD_S)
                self._commands_heard.collect()

    def _on_states(self, message: JointState) -> None:
        pairs = zip(message.name, message.velocity, strict=True)
        speed = max(abs(value) for name, value in pairs if name in self._moving)
        self.record.motion.append((time.monotonic(), speed))

    def _on_status(self, message: ExecutorStatus) -> None:
        self.record.statuses.append(
            Heard(
                time.monotonic(),
                message.state == ExecutorStatus.EXECUTING,
                message.reason,
                message.chunks_accepted,
            )
        )

    def _on_command(self, message: JointState) -> None:
        pairs = zip(message.name, message.position, strict=True)
        positions = np.array([value for name, value in pairs if name in self._moving])
        instant_ns = to_ns(message.header.stamp)
        self.record.commands.append(Command(time.monotonic(), instant_ns, positions))
