"""`pi0 task`: let a running robot follow a sentence until a stop condition is met."""

from __future__ import annotations

from typing import Annotated

import typer


def task(
    prompt: Annotated[str, typer.Argument(help="what the robot shall do")],
    timeout: Annotated[
        float, typer.Option(help="end after so long [s]; 0: never", min=0, max=1e9)
    ] = 0.0,
    steps: Annotated[
        int, typer.Option(help="end after so many executed actions; 0: never", min=0, max=2**32 - 1)
    ] = 0,
    settled: Annotated[
        float,
        typer.Option(
            help="end when plans ask for no motion for so long [s]; 0: never", min=0, max=1e9
        ),
    ] = 0.0,
    namespace: Annotated[str, typer.Option(help="ROS namespace of the robot")] = "",
    wait: Annotated[
        float, typer.Option(help="look for the robot for so long [s]", min=0.1, max=600.0)
    ] = 5.0,
) -> None:
    """Let a running robot follow a sentence; it holds when the task ends. Ctrl-C cancels.

    Sends the action run_task to policy_node and shows how far it is. Exit code 0 if a stop
    condition was met, 1 if the task failed, 2 if it could not be started, 130 if it was cancelled.
    """
    from pi0_ros.cli.task.client import Wish, run_task  # loads ROS

    raise typer.Exit(run_task(Wish(prompt, timeout, steps, settled), namespace, wait))
