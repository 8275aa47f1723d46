"""The cell that is measured, simulated robot and chunk executor, as the benchmark talks to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import rclpy
from pi0_msgs.msg import ActionChunk, ExecutorStatus
from rclpy.event_handler import QoSMessageLostInfo, SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from pi0_ros.bringup import CHUNKS
from pi0_ros.cli.bench.seam.feeds import Feed, Target
from pi0_ros.cli.bench.seam.record import Record
from pi0_ros.execution.reasons import Code
from pi0_ros.nodes import qos

TIMEOUT_S = 60.0  # to start, to reset, to come to rest
LEAD_IN_NS = 500_000_000  # from the start of a run to its first observation


@dataclass(frozen=True, eq=False)
class _Channels:
    """Publishers and clients of the bench."""

    trajectories: Any
    chunks: Any
    enable: Any
    reset: Any


class Cell:
    """Feeds the measured cell and records what it does.

    Args:
        target: The robot.
        ended: Says which process ended by itself.
    """

    def __init__(self, target: Target, ended: Callable[[], str | None]) -> None:
        """Join the graph; nothing is recorded yet."""
        self._ended = ended
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self._node = node = Node("pi0_bench_seam")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._record: Record | None = None
        self._status: ExecutorStatus | None = None
        self._channels = _Channels(
            node.create_publisher(JointTrajectory, target.controller.topic, qos.COMMANDS),
            node.create_publisher(ActionChunk, CHUNKS["action_chunk"], qos.CHUNKS),
            node.create_client(SetBool, "chunk_executor_node/enable"),
            node.create_client(Trigger, "sim_robot_node/reset"),
        )
        listen = node.create_subscription
        # Decoded after the run: what is measured shares the processor with who measures.
        listen(JointState, "sim_robot_node/controller_state",
               lambda m: self._record and self._record.commands.append(m),
               qos.EVERY_CYCLE, raw=True,
               event_callbacks=SubscriptionEventCallbacks(message_lost=self._on_lost))  # fmt: skip
        listen(JointState, "joint_states",
               lambda m: self._record and self._record.measured.append(m),
               qos.JOINT_STATES, raw=True)  # fmt: skip
        listen(ExecutorStatus, "chunk_executor_node/status", self._on_status, qos.STATUS)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown()

    def wait_until_up(self) -> None:
        """Wait until both processes speak and listen."""
        channels = self._channels
        self._until(
            "start of sim_robot_node and chunk_executor_node",
            lambda: (
                self._status is not None
                and channels.enable.service_is_ready()
                and channels.reset.service_is_ready()
                and channels.trajectories.get_subscription_count() > 0
                and channels.chunks.get_subscription_count() > 0
            ),
        )

    def run(self, make: Callable[[int], Feed], seconds: float, *, through_executor: bool) -> Record:
        """Feed the cell from its home on for a while; the executor is disabled before and after.

        Args:
            make: Makes the feed from the instant of the first observation [ns]; it sends for the
                first time when the feed says.
            seconds: How long after the first observation [s].
            through_executor: Whether it takes part.
        """
        self._call(self._channels.reset, Trigger.Request())
        if through_executor:
            self._call(self._channels.enable, SetBool.Request(data=True))
            self._until("executor that waits for a chunk", self._waits_for_a_chunk)
        start_ns = self._now_ns() + LEAD_IN_NS
        record = self._record = Record(start_ns)
        publisher = self._channels.chunks if through_executor else self._channels.trajectories
        self._feed(make(start_ns), publisher, start_ns + round(seconds * 1e9), record)
        self._record = None
        self._disable()
        return record

    def _feed(self, feed: Feed, publisher: Any, end_ns: int, record: Record) -> None:
        due_ns = feed.first_ns
        while (now_ns := self._now_ns()) < end_ns:
            if now_ns >= due_ns:
                publisher.publish(feed.message(now_ns))
                record.late_ms.append((now_ns - due_ns) / 1e6)
                due_ns += feed.interval_ns
            self._spin_until(min(due_ns, end_ns))

    def _spin_until(self, instant_ns: int) -> None:
        """Record until an instant [ns]; the message that is due then comes first."""
        while (left_ns := instant_ns - self._now_ns()) > 0:
            self._executor.spin_once(timeout_sec=left_ns / 1e9)

    def _disable(self) -> None:
        """Let the executor come to rest and command nothing."""
        self._call(self._channels.enable, SetBool.Request(data=False))
        self._until("end of the executor's commands", self._is_disabled)

    def _waits_for_a_chunk(self) -> bool:
        return self._status is not None and self._status.reason == Code.NO_CHUNK.value

    def _is_disabled(self) -> bool:
        return self._status is not None and self._status.state == ExecutorStatus.DISABLED

    def _call(self, client: Any, request: Any) -> None:
        future = client.call_async(request)
        self._until(f"answer of {client.srv_name}", future.done)
        answer = future.result()
        if not answer.success:
            raise RuntimeError(f"{client.srv_name}: {answer.message}")

    def _until(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            if (said := self._ended()) is not None:
                raise RuntimeError(said)
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not come within {TIMEOUT_S:.0f} s")
            self._executor.spin_once(timeout_sec=0.05)

    def _on_lost(self, info: QoSMessageLostInfo) -> None:
        if self._record is not None:
            self._record.lost += info.total_count_change

    def _on_status(self, status: ExecutorStatus) -> None:
        self._status = status
        if self._record is not None and self._now_ns() > self._record.start_ns:
            said = [status.reason, *(note.partition(":")[0] for note in status.notes)]
            self._record.reasons.update(said)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
