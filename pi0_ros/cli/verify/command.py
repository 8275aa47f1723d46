"""`pi0 verify`: the command; the comparison, which loads torch, is beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def verify(
    directory: Annotated[
        Path | None,
        typer.Argument(help="recorded numbers; default: those that come with this package"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    dtype: Annotated[
        Literal["float32", "bfloat16"], typer.Option(help="bfloat16: compares actions only")
    ] = "float32",
    path: Annotated[
        Literal["static", "stepwise"],
        typer.Option(help="static: as policies sample; stepwise: as training computes"),
    ] = "static",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="file that also gets the numbers")
    ] = None,
) -> None:
    """Compare this installation with numbers recorded from openpi and LeRobot.

    Loads their small models, runs their inputs, and prints the largest error of each tensor beside
    its tolerance. Exit code 1 if one is beyond it. On a GPU, TF32 is off meanwhile.
    """
    from rich.console import Console

    from pi0_ros.cli.bench.machine import machine
    from pi0_ros.cli.verify.conditions import Conditions
    from pi0_ros.cli.verify.report import as_json, passed, show
    from pi0_ros.cli.verify.sets import compare_all
    from pi0_ros.embodiment.files import share_directory
    from pi0_ros.policy.device import DTYPES, find_device

    directory = directory or share_directory() / "config" / "golden"
    conditions = Conditions(find_device(device), DTYPES[dtype], path)
    results = compare_all(directory, conditions)
    show(Console(), results, str(conditions))
    if json_file is not None:
        about = {"directory": str(directory), "conditions": str(conditions), "machine": machine()}
        json_file.write_text(as_json(results, about), encoding="utf-8")
    raise typer.Exit(0 if passed(results) else 1)
