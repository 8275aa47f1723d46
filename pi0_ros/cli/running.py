"""Run a bring-up plan without ros2 launch: prefixed logs, one Ctrl-C, who died."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import Any

from honcho.manager import Manager
from honcho.printer import Printer

from pi0_ros.bringup import BringUp
from pi0_ros.cli.respawning import respawning

FIRST_NODE_CODE = 10  # exit code of the first node in the plan; the next ones count up
STOPPED = re.compile(r"(?P<name>\S+) stopped \(rc=(?P<code>-?\d+)\)")


class WatchingPrinter(Printer):
    """Prints lines and remembers which process stopped first."""

    first_stopped: tuple[str, int] | None = None

    def write(self, message: Any) -> None:
        """Print one line of a process or of honcho itself."""
        found = STOPPED.match(str(message.data)) if message.name == "system" else None
        if found and self.first_stopped is None:
            self.first_stopped = (found["name"], int(found["code"]))
        super().write(message)


def run_plan(bring_up: BringUp) -> int:
    """Run all nodes until Ctrl-C, or until one of them ends that is not started again.

    Returns:
        0 after Ctrl-C or SIGTERM with every node ending cleanly; otherwise 10 for the plan's first
        node, 11 for its second and so on: the one that ended first.
    """
    printer = WatchingPrinter(sys.stdout)
    manager = Manager(printer)
    environment = {**os.environ, **bring_up.environment, "PYTHONUNBUFFERED": "1"}
    for node in bring_up.nodes:
        command = respawning(node.command()) if node.respawn else node.command()
        manager.add_process(node.name, f"exec {shlex.join(command)}", env=environment)
    manager.loop()
    name, code = printer.first_stopped or ("", 0)
    asked_to_stop = manager.returncode in (130, 143)
    if asked_to_stop and code == 0:
        return 0
    names = [node.name for node in bring_up.nodes]
    exit_code = FIRST_NODE_CODE + names.index(name)
    print(f"pi0 up: {name} ended with {code}, so all were stopped (exit code {exit_code})")
    return exit_code
