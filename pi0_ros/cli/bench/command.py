"""`pi0 bench`: what is measured, with the machine named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

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


@app.command(epilog="Example: pi0 bench model --size middle --against lerobot")
def model(
    size: Annotated[
        Literal["small", "middle", "full"], typer.Option(help="full: of the released checkpoints")
    ] = "small",
    dtype: Annotated[
        Literal["float32", "bfloat16"], typer.Option(help="of the weights")
    ] = "float32",
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="where it runs")] = "cpu",
    cameras: Annotated[int | None, typer.Option(help="camera images; by size 2 or 3")] = None,
    steps: Annotated[int | None, typer.Option(help="Euler steps; by size 4 or 10", min=1)] = None,
    repeats: Annotated[int | None, typer.Option(help="timed samplings; by size", min=1)] = None,
    threads: Annotated[int, typer.Option(help="CPU threads", min=1)] = 1,
    against: Annotated[
        Literal["lerobot"] | None, typer.Option(help="time its π0 in turn, same weights and inputs")
    ] = None,
    peer_venv: Annotated[
        Path | None, typer.Option(help="folder of its environment; default: ~/.cache/pi0_ros/peers")
    ] = None,
    json_file: Json = None,
) -> None:
    """Time one sampling of π0 with random weights, and say how much memory it takes.

    With --against, LeRobot is installed once, in an environment of its own that shares this torch.
    Actions are compared first: exit code 1 if they differ by more than rounding.
    """
    from pi0_ros.cli.bench.model_sizes import model_size

    which: dict[str, Any] = {"name": size, "cameras": cameras, "steps": steps, "repeats": repeats}
    chosen = model_size(**which)  # a wrong number is refused before anything is installed
    if against is None:
        from pi0_ros.cli.bench.model import bench_model

        _show("model", bench_model(chosen, dtype, device, threads), json_file)
        return
    from pi0_ros.cli.bench.lerobot_peer import compare_with_lerobot

    numbers = compare_with_lerobot(which, dtype, device, threads, peer_venv)
    _show(f"model --against {against}", numbers, json_file)
    raise typer.Exit(0 if numbers["agree"] else 1)


def _show(title: str, numbers: dict[str, Any], json_file: Path | None) -> None:
    table = Table(title=f"pi0 bench {title}", caption=machine(), show_header=False)
    for key, value in numbers.items():
        items = value.items() if isinstance(value, dict) else [("", value)]
        table.add_row(key, ", ".join(f"{name} {number}".strip() for name, number in items))
    Console().print(table)
    if json_file is not None:
        json_file.write_text(json.dumps({"machine": machine(), **numbers}, indent=2) + "\n")
