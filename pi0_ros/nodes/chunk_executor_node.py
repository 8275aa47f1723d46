"""chunk_executor_node: action chunks in; smooth, limited commands at the controllers' rates out."""

from __future__ import annotations

import sys
from typing import Any

from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.execution.executor import ChunkExecutor
from pi0_ros.nodes.command_outputs import CommandOutputs
from pi0_ros.nodes.disposal import dispose
from pi0_ros.nodes.executor_inputs import ExecutorInputs
from pi0_ros.nodes.executor_loop import ExecutorLoop
from pi0_ros.nodes.managed import ManagedNode, run
from pi0_ros.nodes.parameters import ExecutorParameters, declare
from pi0_ros.nodes.transport import shun_shared_memory


class ChunkExecutorNode(ManagedNode):
    """Steps the executor on a thread of absolute deadlines; callbacks only hand values over."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; everything else waits for configure."""
        super().__init__("chunk_executor_node", **options)
        self._settings = declare(self, ExecutorParameters)
        self._loop: ExecutorLoop | None = None
        self._streams: list[Any] = []  # everything that cleanup destroys

    def configure(self) -> None:
        """Load the robot and make all streams."""
        p = self._settings
        self._realtime = p.realtime  # a wrong wish is refused before anything is made
        self._embodiment = load_embodiment(
            p.embodiment, tf_prefix=p.tf_prefix, simulation=p.simulation
        )
        self._outputs = CommandOutputs(self, self._embodiment, p.command_echo_hz, dry_run=p.dry_run)
        self._streams.append(self._outputs)
        core = ChunkExecutor(self._embodiment, p.executor)
        self._inputs = ExecutorInputs(self, self._embodiment, core, p.executor)
        self._streams.append(self._inputs)

    def activate(self) -> None:
        """Start the loop."""
        p, command = self._settings, self._embodiment.command
        core = ChunkExecutor(self._embodiment, p.executor)
        self._inputs.tell(core, enabled=p.enable_on_activate)
        self._loop = ExecutorLoop(
            self, core, self._inputs.lock, self._outputs, command.period_ns / 1e9,
            self._realtime, p.timing_log, self._fail,
        )  # fmt: skip

    def deactivate(self) -> None:
        """Stop commanding."""
        if self._loop is not None:
            self._loop.stop()
            self._loop = None
            self._inputs.hush()

    def cleanup(self) -> None:
        """Drop the streams."""
        dispose(self, self._streams)
        self._streams.clear()

    def _fail(self, error: str) -> None:
        """End the process: a controller with a watchdog then stops, others hold their last."""
        self.get_logger().fatal(f"the loop ended: {error}")
        self.failure = error


def main() -> None:
    """Run the node."""
    shun_shared_memory()
    sys.exit(run(ChunkExecutorNode))


if __name__ == "__main__":
    main()
