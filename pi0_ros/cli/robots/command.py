"""`pi0 robots`: which robots are known; writes their page and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pi0_ros.cli.robots.page import page
from pi0_ros.embodiment.files import known_embodiments
from pi0_ros.embodiment.loading import load_embodiment


def robots(
    write: Annotated[
        Path | None, typer.Option(help="folder that gets robots.md and images")
    ] = None,
) -> None:
    """List the robots of this package, or write their page with a rendered picture of each."""
    known = [load_embodiment(name) for name in known_embodiments()]
    if write is None:
        table = Table("robot", "what it is", "state", "action", "rate [Hz]", box=None)
        for robot in known:
            sizes = (len(robot.state_joints), len(robot.axes), robot.policy.rate_hz)
            table.add_row(robot.name, robot.title, *(f"{size:g}" for size in sizes))
        Console().print(table)
        return
    from pi0_ros.cli.robots.pictures import draw_robot, draw_sheet  # needs off-screen GL

    folder = write / "images" / "robots"
    folder.mkdir(parents=True, exist_ok=True)
    (write / "robots.md").write_text(page(known), encoding="utf-8")
    pictures = [folder / f"{robot.name}.jpg" for robot in known]
    for robot, picture in zip(known, pictures, strict=True):
        draw_robot(robot, picture)
        typer.echo(picture)
    draw_sheet(pictures, write / "images" / "robots.jpg")
