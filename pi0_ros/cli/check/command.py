"""`pi0 check`: tell what does not fit before anything moves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from pi0_ros.cli.check.description import check_description
from pi0_ros.cli.check.finding import Findings, is_fit, ok, wrong
from pi0_ros.cli.check.messages import check_messages
from pi0_ros.cli.check.report import as_json, show
from pi0_ros.cli.check.running import Look, check_running
from pi0_ros.embodiment.files import EmbodimentError
from pi0_ros.embodiment.loading import load_embodiment, load_urdf
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.urdf import Urdf


def check(
    robot: Annotated[str, typer.Argument(help="its name, or its YAML")],
    checkpoint: Annotated[
        str, typer.Option(help="compare with it: directory, or owner/name on the Hub")
    ] = "",
    tokenizer: Annotated[
        str, typer.Option(help="sentencepiece file, where the checkpoint comes without one")
    ] = "",
    graph: Annotated[
        bool | None,
        typer.Option(help="insist on a running robot, or look for none; default: if one runs"),
    ] = None,
    simulation: Annotated[
        bool, typer.Option("--simulation", help="the simulated robot, not its real drivers")
    ] = False,
    description: Annotated[
        Literal["own", "vendor"], typer.Option(help="whose URDF: this package's or the vendor's")
    ] = "own",
    tf_prefix: Annotated[str, typer.Option(help="put before joints, links and frames")] = "",
    namespace: Annotated[str, typer.Option(help="ROS namespace of the running robot")] = "",
    wait: Annotated[
        float, typer.Option(help="look, and then listen, for so long [s]", min=0.1, max=600.0)
    ] = 2.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="file that also gets the findings")
    ] = None,
) -> None:
    """Tell what does not fit before anything moves; nothing is published or commanded.

    Compares the robot's URDF with its YAML; the YAML with a checkpoint, if one is given; and with
    the running robot, if one runs. Each line says how to mend it. Exit code 0 if all fits, 1 if
    something does not, 2 if it cannot be checked.
    """
    embodiment = load_embodiment(robot, tf_prefix=tf_prefix, simulation=simulation)
    findings = list(_check_urdf(embodiment, description))
    messages, types = check_messages(embodiment)
    findings += messages
    if checkpoint:
        from pi0_ros.cli.check.checkpoint import check_checkpoint  # loads torch

        findings += check_checkpoint(embodiment, checkpoint, tokenizer)
    if graph is not False:
        look = Look(robot, namespace, wait, simulation=simulation, insist=bool(graph))
        findings += check_running(embodiment, types, look)
    show(Console(), embodiment.name, findings)
    if json_file is not None:
        json_file.write_text(as_json(embodiment.name, findings), encoding="utf-8")
    raise typer.Exit(0 if is_fit(findings) else 1)


def _check_urdf(embodiment: Embodiment, description: Literal["own", "vendor"]) -> Findings:
    try:
        urdf = Urdf.parse(load_urdf(embodiment, description=description))
    except (EmbodimentError, ValueError) as error:
        remedy = "correct urdf or urdf_arguments in the YAML, or the file"
        return (wrong("URDF", str(error), remedy),)
    said = f"{embodiment.urdf}: {len(urdf.links)} links, {len(urdf.joints)} joints"
    return (ok("URDF", said), *check_description(embodiment, urdf))
