"""`pi0 inspect`: the command; the work is in `inspection`, which loads torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def inspect(
    checkpoint: Annotated[
        str, typer.Argument(help="directory, or owner/name on the Hugging Face Hub")
    ],
    embodiment: Annotated[
        list[str] | None,
        typer.Option(help="robot that it shall fit, name or YAML; may be repeated; default: all"),
    ] = None,
    tokenizer: Annotated[
        str, typer.Option(help="sentencepiece file, where the checkpoint comes without one")
    ] = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="file that also gets the facts")
    ] = None,
) -> None:
    """Say what a checkpoint of π0 is, and which robots it fits.

    Only the headers of the weights are read, never the weights: seconds even for 7 GB. Exit code 1
    if its tensors are not those of π0 or π0.5, 2 if it is no such checkpoint.
    """
    from pi0_ros.cli.inspection import inspection, show

    facts = inspection(checkpoint, embodiment or [], tokenizer)
    show(facts)
    if json_file is not None:
        facts.write(json_file)
    raise typer.Exit(0 if facts.is_complete else 1)
