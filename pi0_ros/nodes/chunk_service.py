"""The service ~/get_action_chunk: one plan for whoever asks, made beside the node's own."""

from __future__ import annotations

from pi0_msgs.srv import GetActionChunk
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.task import Future

from pi0_ros.bridge.chunks import encode_chunk
from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.nodes.disposal import dispose
from pi0_ros.observation.observation import NotReady
from pi0_ros.policy.planner import Planner


class ChunkService:
    """Takes requests in the thread of callbacks and has them served in the thread that plans.

    So images and positions go on arriving while the network runs, and a policy is called from one
    thread at a time.

    Args:
        node: Carries the service.
        planner: Makes the plans.
        embodiment: Name of the robot.
    """

    def __init__(self, node: Node, planner: Planner, embodiment: str) -> None:
        """Start serving."""
        self._node = node
        self._planner = planner
        self._embodiment = embodiment
        self._wanted: str | None = None  # the prompt of the request that waits
        self._answer: Future | None = None
        self._result: ActionChunk | NotReady | None = None
        # A group of its own: requests wait for each other, and nothing else waits for them.
        group = MutuallyExclusiveCallbackGroup()
        self._wake = node.create_guard_condition(self._on_result)
        self._service = node.create_service(
            GetActionChunk, "~/get_action_chunk", self._on_request, callback_group=group
        )

    def destroy(self) -> None:
        """Stop serving."""
        dispose(self._node, [self._service, self._wake])

    def serve(self) -> None:
        """Make the plan that is waited for, if any; for the thread that plans."""
        prompt, self._wanted = self._wanted, None
        if prompt is not None:
            self._result = self._planner.plan(prompt)
            self._wake.trigger()

    async def _on_request(
        self, request: GetActionChunk.Request, response: GetActionChunk.Response
    ) -> GetActionChunk.Response:
        self._answer = Future()
        self._wanted = request.prompt or self._planner.prompt
        result = await self._answer
        if isinstance(result, NotReady):
            response.success, response.reasons = False, list(result.sentences)
        else:
            response.success = True
            response.chunk = encode_chunk(result, self._embodiment)
        return response

    def _on_result(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._result)
