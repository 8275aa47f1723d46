"""What the controllers of trajectories say about themselves: their parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.task import Future

from pi0_ros.bridge.controller_parameters import (
    controller_node,
    described,
    given,
    known,
    misfits,
    splices,
)
from pi0_ros.embodiment.controllers import JointTrajectoryController
from pi0_ros.nodes.disposal import dispose

LOOK_S = 1.0  # how soon a controller is noticed that appears, or was started anew


@dataclass(eq=False)
class _Asked:
    """One controller, and what it answered last."""

    controller: JointTrajectoryController
    lister: Any
    getter: Any
    future: Future | None = None
    parameters: dict[str, Any] = field(default_factory=dict)


class ControllerFacts:
    """Asks each controller once it is there, and again where it was away; never waits.

    Args:
        node: Carries clients and a timer; its log gets what does not fit, once.
        controllers: Of trajectories.
        on_splices: Gets a controller's name, and whether it joins trajectories by stamp.
    """

    def __init__(
        self,
        node: Node,
        controllers: Sequence[JointTrajectoryController],
        on_splices: Callable[[str, bool], None],
    ) -> None:
        """Make the clients, and look for the controllers from now on."""
        self._node, self._on_splices = node, on_splices
        self._asked = [
            _Asked(
                each,
                node.create_client(ListParameters, f"{controller_node(each)}/list_parameters"),
                node.create_client(GetParameters, f"{controller_node(each)}/get_parameters"),
            )
            for each in controllers
        ]
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(LOOK_S, self._look, clock=steady)

    @property
    def problems(self) -> tuple[str, ...]:
        """What does not fit our windows, at present."""
        return tuple(
            f"{one.controller.name}: {fault.said}"
            for one in self._asked
            for fault in misfits(one.controller, one.parameters)
        )

    @property
    def values(self) -> dict[str, str]:
        """What the controllers said, for /diagnostics."""
        return {
            f"{one.controller.name} parameters": described(one.parameters)
            for one in self._asked
            if one.parameters
        }

    def destroy(self) -> None:
        """Ask no more."""
        dispose(self._node, [self._timer])
        for one in self._asked:
            self._node.destroy_client(one.lister)
            self._node.destroy_client(one.getter)

    def _look(self) -> None:
        for one in self._asked:
            is_there = one.lister.service_is_ready() and one.getter.service_is_ready()
            if is_there and one.future is None:
                one.future = one.lister.call_async(ListParameters.Request())
                one.future.add_done_callback(partial(self._on_list, one))
            elif not is_there and one.future is not None:
                one.lister.remove_pending_request(one.future)
                one.getter.remove_pending_request(one.future)
                one.future, one.parameters = None, {}

    def _on_list(self, one: _Asked, answer: Future) -> None:
        # A node that is asked for one that it lacks may answer none at all.
        names = known(answer.result().result.names)
        one.future = one.getter.call_async(GetParameters.Request(names=names))
        one.future.add_done_callback(partial(self._on_values, one, names))

    def _on_values(self, one: _Asked, names: list[str], answer: Future) -> None:
        one.parameters = given(names, answer.result().values)
        self._on_splices(one.controller.name, splices(one.parameters))
        log, name = self._node.get_logger(), one.controller.name
        log.info(f"{name}: {described(one.parameters)}")
        for fault in misfits(one.controller, one.parameters):
            log.warning(f"{name}: {fault.said}; {fault.remedy}")
