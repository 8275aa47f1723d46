"""`pi0 schema`: what an editor checks a robot's YAML with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pi0_ros.embodiment.schema import embodiment_schema


def schema(
    out: Annotated[Path | None, typer.Option(help="file to write; otherwise printed")] = None,
) -> None:
    """Write the JSON Schema of a robot's YAML, for editors.

    The YAML names it in its first line: `# yaml-language-server: $schema=embodiment.schema.json`
    """
    text = json.dumps(embodiment_schema(), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
