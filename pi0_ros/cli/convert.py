"""`pi0 convert`: the command; the work is in `conversion`, which loads torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def convert(
    source: Annotated[Path, typer.Argument(help="openpi's checkpoint: JAX or PyTorch")],
    target: Annotated[Path, typer.Argument(help="folder to write")],
    to: Annotated[
        Literal["pi0", "openpi"], typer.Option(help="pi0: our form; openpi: its PyTorch form")
    ] = "pi0",
    tokenizer: Annotated[
        Path | None, typer.Option(help="sentencepiece file to put in; pi0 form only")
    ] = None,
    asset: Annotated[
        str, typer.Option(help="whose statistics, where the checkpoint has those of many robots")
    ] = "",
    dtype: Annotated[
        Literal["float32", "bfloat16"], typer.Option(help="bfloat16 halves the file, and rounds")
    ] = "float32",
    horizon: Annotated[
        int | None,
        typer.Option(help="actions in a chunk, if not 50; the weights do not say", min=1),
    ] = None,
    prompt_length: Annotated[
        int | None, typer.Option(help="most prompt tokens, if not 48 or, in π0.5, 200", min=1)
    ] = None,
    vision_heads: Annotated[
        int | None, typer.Option(help="of the image tower, if it is none of SigLIP's", min=1)
    ] = None,
    force: Annotated[bool, typer.Option(help="replace a checkpoint that is there")] = False,
) -> None:
    """Write openpi's weights and statistics in another form, tensor by tensor.

    JAX parameters are read with tensorstore: pip install -r requirements/jax.txt. The target
    appears when it is complete; an interrupted conversion leaves TARGET.part, and is run again.
    """
    from pi0_ros.cli.conversion import Conversion, run

    run(
        Conversion(
            source=source,
            target=target,
            to=to,
            tokenizer=tokenizer,
            asset=asset,
            dtype=dtype,
            horizon=horizon,
            prompt_length=prompt_length,
            vision_heads=vision_heads,
            force=force,
        )
    )
