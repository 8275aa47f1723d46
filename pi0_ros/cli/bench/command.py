"""`pi0 bench`: what is measured, with the machine named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pi0_ros.cli.bench.machine import machine

app = typer.Typer(
    help="Measure this installation on this machine.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Robot = Annotated[str, typer.Option(help="whose rates and cameras are used")]
Json = Annotated[Path | None, typer.Option("--json", help="file that also gets the numbers")]


@app.command(epilog="Example: pi0 bench executor --seconds 60")
def executor(
    embodiment: Robot = "ur5e_bimanual",
    seconds: Annotated[float, typer.Option(help="how long [s]", min=1.0)] = 30.0,
    policy: Annotated[
        str, typer.Option(help="pi0: plans all the time, with random weights; or scripted")
    ] = "pi0",
    param: Annotated[
        list[str] | None, typer.Option(help="further parameter, node.name=value; may be repeated")
    ] = None,
    json_file: Json = None,
) -> None:
    """Time the executor's loop in its own process, beside a policy that plans."""
    from pi0_ros.cli.bench.executor import bench_executor

    _show("executor", bench_executor(embodiment, seconds, policy, param or []), json_file)


@app.command(epilog="Example: pi0 bench cameras --no-profile")
def cameras(
    embodiment: Robot = "ur5e_bimanual",
    seconds: Annotated[float, typer.Option(help="how long [s]", min=1.0)] = 20.0,
    profile: Annotated[bool, typer.Option(help="use this package's Fast DDS profile")] = True,
    json_file: Json = None,
) -> None:
    """Count the raw images of all cameras that are lost between two processes."""
    from pi0_ros.cli.bench.cameras import bench_cameras

    _show("cameras", bench_cameras(embodiment, seconds, profile=profile), json_file)


def _show(title: str, numbers: dict[str, Any], json_file: Path | None) -> None:
    table = Table(title=f"pi0 bench {title}", caption=machine(), show_header=False)
    for key, value in numbers.items():
        items = value.items() if isinstance(value, dict) else [("", value)]
        table.add_row(key, ", ".join(f"{name} {number}".strip() for name, number in items))
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps({"machine": machine(), **numbers}, indent=2) + "\n")
