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
Param = Annotated[
    list[str] | None, typer.Option(help="further parameter, node.name=value; may be repeated")
]
Json = Annotated[Path | None, typer.Option("--json", help="file that also gets the numbers")]


@app.command(epilog="Example: pi0 bench executor --seconds 600 --rate 1000")
def executor(
    embodiment: Robot = "ur5e_bimanual",
    seconds: Annotated[float, typer.Option(help="how long [s]", min=1.0)] = 30.0,
    policy: Annotated[
        Literal["pi0", "scripted", "none"],
        typer.Option(help="pi0: plans all the time, random weights; none: chunks without a policy"),
    ] = "pi0",
    rate: Annotated[float, typer.Option(help="of the loop [Hz]; 0: the robot's", min=0.0)] = 0.0,
    camera_rate: Annotated[
        float, typer.Option(help="of the simulated cameras, where a policy sees them [Hz]", min=0.1)
    ] = 15.0,
    param: Param = None,
    json_file: Json = None,
) -> None:
    """Time the executor's loop in its own process, beside a policy that plans.

    A loop that does nothing is timed beside it: what both suffer is the machine's.
    """
    from pi0_ros.cli.bench.executor import Conditions, bench_executor
    from pi0_ros.cli.main import parse_overrides

    asked = Conditions(embodiment, seconds, policy, rate, camera_rate)
    _show("executor", bench_executor(asked, parse_overrides(param or [])), json_file)


@app.command(epilog="Example: pi0 bench seam --policy-rate 50 --json seam.json")
def seam(
    embodiment: Annotated[str, typer.Option(help="a robot with a joint_trajectory arm")] = "ur5e",
    policy_rate: Annotated[float, typer.Option(help="actions per second [Hz]", min=1.0)] = 20.0,
    latency_ms: Annotated[float, typer.Option(help="from observation to chunk", min=0.0)] = 200.0,
    sd: Annotated[float, typer.Option(help="of the chunks' biases [rad]", min=0.0)] = 0.02,
    noise: Annotated[float, typer.Option(help="sd of each action beside it [rad]", min=0.0)] = 0.0,
    replan_ms: Annotated[float, typer.Option(help="between two observations", min=1.0)] = 400.0,
    seconds: Annotated[float, typer.Option(help="of each run that count [s]", min=1.0)] = 20.0,
    seeds: Annotated[int, typer.Option(help="runs of each style; an even number", min=1)] = 6,
    style: Annotated[
        list[str] | None,
        typer.Option(
            help="one_point, one_point_ahead, stamped_chunk, linear_blend, fade or rtc; may be "
            "repeated; default: all"
        ),
    ] = None,
    param: Param = None,
    json_file: Json = None,
) -> None:
    """Feed a simulated arm with chunks that disagree, in several styles, and measure its commands.

    A joint shall follow a sine of at most 0.48 rad/s; each chunk is off by a constant of its own.
    Measured is what the simulated joint_trajectory_controller commands in each 2 ms. Exit code 1
    if what goes through the chunk executor misses the goal: 2 mrad per 2 ms, 5 ms, no violation.
    """
    from pi0_ros.cli.bench.seam.comparison import Conditions, bench_seam
    from pi0_ros.cli.bench.seam.table import table
    from pi0_ros.cli.main import parse_overrides

    asked = Conditions(embodiment, policy_rate, latency_ms, replan_ms, sd, noise, seconds, seeds,
                       tuple(style or ()), parse_overrides(param or []))  # fmt: skip
    numbers = bench_seam(asked)
    Console().print(table(numbers, machine()))
    _write(numbers, json_file)
    met = [each["goal_met"] for each in numbers["styles"].values() if "goal_met" in each]
    raise typer.Exit(0 if all(met) else 1)


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


@app.command(epilog="Example: pi0 bench faults --only executor_killed --only camera_stops")
def faults(
    only: Annotated[
        list[str] | None, typer.Option(help="run this fault only; may be repeated")
    ] = None,
    json_file: Json = None,
) -> None:
    """Let the nodes, streams and clock of a simulated robot fail, and time hold and recovery.

    Each node is a process of its own; see docs/safety.md. Exit code 1 where a bound is not kept.
    """
    from pi0_ros.cli.bench.fault_table import bench_faults

    numbers = bench_faults(only or [])
    _write(numbers, json_file)
    raise typer.Exit(any(fault["complaints"] for fault in numbers.values()))


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
    _write(numbers, json_file)


def _write(numbers: dict[str, Any], json_file: Path | None) -> None:
    if json_file is not None:
        json_file.write_text(json.dumps({"machine": machine(), **numbers}, indent=2) + "\n")
