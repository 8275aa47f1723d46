"""policy_node: cameras, joint states and a sentence in; action chunks out."""

from __future__ import annotations

import os
import sys
from dataclasses import fields
from typing import Any

from pi0_msgs.msg import PolicyStatus
from pi0_msgs.srv import SetPrompt
from std_srvs.srv import Trigger

from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.executor_progress import ExecutorProgress
from pi0_ros.nodes.managed import ManagedNode, run
from pi0_ros.nodes.observation_streams import ObservationStreams
from pi0_ros.nodes.parameters import PolicyParameters, declare
from pi0_ros.nodes.planning import Planning
from pi0_ros.nodes.policy_reports import PolicyReports
from pi0_ros.nodes.run_task import Followed, RunTaskServer
from pi0_ros.policy.making import make_policy
from pi0_ros.policy.planner import Planner
from pi0_ros.policy.settings import PolicySettings


class PolicyNode(ManagedNode):
    """Assembles observations, plans in a worker thread, publishes what it planned."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; everything else waits for configure."""
        super().__init__("policy_node", **options)
        self._settings = declare(self, PolicyParameters)
        self._planning: Planning | None = None
        self._streams: list[Any] = []  # everything that cleanup destroys

    def configure(self) -> None:
        """Load the robot and the policy, warm it up, subscribe."""
        p = self._settings
        os.setpriority(os.PRIO_PROCESS, 0, p.niceness)  # threads started from now on inherit it
        robot = load_embodiment(p.embodiment, tf_prefix=p.tf_prefix, simulation=p.simulation)
        chosen = {field.name: getattr(p, field.name) for field in fields(PolicySettings)}
        policy = make_policy(PolicySettings(**chosen), robot)
        streams = ObservationStreams(self, robot, p.freshness, p.image_transport)
        progress = ExecutorProgress(self)
        self._streams += [streams, progress]
        execute = p.execute or robot.policy.execute
        self._planner = planner = Planner(
            robot, policy, streams.snapshot, execute, self._now_ns, p.replan, progress.get
        )
        problem = planner.set_prompt(p.prompt)
        if problem:
            raise ValueError(f"prompt: {problem}")
        self.get_logger().info(f"warming up the policy '{policy.name}'")
        policy.warm_up()
        about = PolicyStatus(embodiment=robot.name, policy=policy.name, checkpoint=p.checkpoint)
        reports = PolicyReports(self, planner, about, streams.received)
        followed = Followed(
            planner, self._follow, progress.get, lambda: reports.reasons, lambda: reports.failure
        )
        self._tasks = tasks = RunTaskServer(self, robot, execute, followed)
        self._planning = Planning(self, robot.name, planner, reports, tasks.take_chunk, self._end)
        self._streams += [
            self._planning,
            tasks,
            reports,
            self.create_service(SetPrompt, "~/set_prompt", self._on_set_prompt),
            self.create_service(Trigger, "~/replan", self._on_replan),
        ]
        reports.become(PolicyStatus.INACTIVE)

    def activate(self) -> None:
        """Start planning."""
        assert self._planning is not None
        self._planning.activate()
        self._tasks.open()

    def deactivate(self) -> None:
        """Stop planning; the executor then slows along what it plays and holds."""
        if self._planning is not None and self._planning.is_active:
            self._tasks.close()
            self._planning.deactivate()

    def cleanup(self) -> None:
        """Drop the streams and the policy."""
        self._planning = None
        dispose(self, self._streams)
        self._streams.clear()

    def _end(self, why: str) -> None:
        """End the process, because planning ended: a supervisor may start it anew."""
        self.failure = why

    def _follow(self, prompt: str) -> str | None:
        """Follow a sentence, or none; return what is wrong with it."""
        problem = self._planner.set_prompt(prompt)
        if not self._planner.prompt and self._planning is not None:
            self._planning.withdraw()
        return problem

    def _on_set_prompt(
        self, request: SetPrompt.Request, response: SetPrompt.Response
    ) -> SetPrompt.Response:
        problem = self._follow(request.prompt)
        response.success, response.message = problem is None, problem or ""
        self.get_logger().info(f"prompt: {problem or repr(request.prompt)}")
        return response

    def _on_replan(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        is_active = self._planning is not None and self._planning.is_active
        missing = "" if self._planner.prompt else "no prompt; call ~/set_prompt"
        response.message = missing if is_active else "policy_node is not active"
        response.success = not response.message
        if response.success:
            self._planner.request()
        return response

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> None:
    """Run the node."""
    sys.exit(run(PolicyNode))


if __name__ == "__main__":
    main()
