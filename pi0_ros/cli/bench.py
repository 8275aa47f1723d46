"""`pi0 bench`: what is measured, with the machine named."""

import typer

app = typer.Typer(help="Measure this installation on this machine.", no_args_is_help=True)
