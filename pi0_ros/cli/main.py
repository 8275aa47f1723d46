"""`pi0`: the commands of the package."""

from __future__ import annotations

import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pi0_ros.bringup import Options, Value, plan
from pi0_ros.cli.bench.command import app as bench
from pi0_ros.cli.check.command import check
from pi0_ros.cli.convert import convert
from pi0_ros.cli.inspect import inspect
from pi0_ros.cli.replay.command import replay
from pi0_ros.cli.robots.command import robots
from pi0_ros.cli.running import run_plan
from pi0_ros.cli.schema import schema
from pi0_ros.cli.task.command import task
from pi0_ros.cli.verify.command import verify
from pi0_ros.embodiment.files import EmbodimentError, known_embodiments
from pi0_ros.embodiment.loading import load_embodiment

app = typer.Typer(
    name="pi0",
    help="Run the π0 vision-language-action model on ROS 2 robots.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # rich's own would swallow units such as [s]
    pretty_exceptions_enable=False,
)
app.add_typer(bench, name="bench")
errors = Console(stderr=True)

Robot = Annotated[
    str, typer.Argument(help=f"a robot's YAML, or one of {', '.join(known_embodiments())}")
]
Policy = Annotated[str, typer.Option(help="which policy plans: scripted or pi0")]
Checkpoint = Annotated[str, typer.Option(help="directory or owner/name on the Hugging Face Hub")]


def _explained(name: str) -> Any:
    """Explain an option of `pi0 up` in the words of the launch argument."""
    option = next(item for item in fields(Options) if item.name == name)
    choices = option.metadata["choices"]
    listed = f": {', '.join(choices)}" if choices else ""
    return typer.Option(help=option.metadata["description"] + listed)


@app.command(epilog="Example: pi0 up ur5e_bimanual --prompt 'left arm reach the red block'")
def up(
    embodiment: Robot,
    policy: Annotated[str, _explained("policy")] = "scripted",
    checkpoint: Annotated[str, _explained("checkpoint")] = "",
    prompt: Annotated[str, _explained("prompt")] = "",
    simulation: Annotated[bool, _explained("simulation")] = True,
    namespace: Annotated[str, _explained("namespace")] = "",
    use_sim_time: Annotated[bool, _explained("use_sim_time")] = False,
    params_file: Annotated[str, _explained("params_file")] = "",
    tf_prefix: Annotated[str, _explained("tf_prefix")] = "",
    log_level: Annotated[str, _explained("log_level")] = "info",
    use_respawn: Annotated[bool, _explained("use_respawn")] = False,
    profile: Annotated[bool, typer.Option(help="use this package's Fast DDS profile")] = True,
    param: Annotated[
        list[str] | None, typer.Option(help="further parameter, node.name=value; may be repeated")
    ] = None,
) -> None:
    """Bring up a robot without ros2 launch: same nodes, same parameters as the launch file.

    RViz and robot_state_publisher are the launch file's. Ctrl-C stops all. The exit code tells
    which node ended by itself: 10 policy_node, 11 chunk_executor_node, 12 sim_robot_node.
    """
    load_embodiment(
        embodiment, tf_prefix=tf_prefix
    )  # a wrong YAML is refused here, before any process starts
    options = Options(
        policy=policy,
        checkpoint=checkpoint,
        prompt=prompt,
        simulation=simulation,
        namespace=namespace,
        use_sim_time=use_sim_time,
        params_file=params_file,
        tf_prefix=tf_prefix,
        log_level=log_level,
        use_respawn=use_respawn,
    )
    bring_up = plan(embodiment, options, parse_overrides(param or []))
    raise typer.Exit(run_plan(bring_up if profile else replace(bring_up, environment={})))


@app.command(epilog="Example: pi0 demo --out out/demo")
def demo(
    policy: Policy = "scripted",
    checkpoint: Checkpoint = "",
    out: Annotated[Path, typer.Option(help="folder of the results")] = Path("out/demo"),
    seed: Annotated[int, typer.Option(help="of the blocks' places")] = 0,
    timeout_s: Annotated[float, typer.Option(help="longest episode [s]", min=1.0)] = 20.0,
) -> None:
    """Run three prompted episodes in simulation through real ROS topics and report them.

    Exit code 1 if an episode fails or a command breaks a limit. Uses a ROS domain of its own, 88 or
    PI0_DOMAIN_ID, so that no real robot hears it.
    """
    from pi0_ros.cli.demo.command import run_demo

    raise typer.Exit(run_demo(policy, checkpoint, out, seed, timeout_s))


app.command(epilog="Example: pi0 check ur5e_bimanual --checkpoint lerobot/pi0_base")(check)
app.command(epilog="Example: pi0 inspect lerobot/pi0_base --json out/pi0.json")(inspect)
app.command(epilog="Example: pi0 replay bag --seed 3")(replay)
app.command(epilog="Example: pi0 robots --write docs")(robots)
app.command(epilog="Example: pi0 verify --device cuda")(verify)
app.command(epilog="Example: pi0 convert checkpoints/pi0_base out/pi0 --asset trossen")(convert)
app.command(epilog="Example: pi0 schema --out embodiment.schema.json")(schema)
app.command(epilog="Example: pi0 task 'left arm reach the red block' --settled 1 --timeout 9")(task)


@app.command(epilog="Example: pi0 random-checkpoint /tmp/random --embodiment ur5e_bimanual")
def random_checkpoint(
    directory: Annotated[Path, typer.Argument(help="folder to write")],
    embodiment: Annotated[str, typer.Option(help="robot that it shall fit")] = "ur5e_bimanual",
    seed: Annotated[int, typer.Option(help="of the weights")] = 0,
) -> None:
    """Write a small π0 with random weights, to try the path; it trembles and knows no task."""
    from pi0_ros.policy.checkpoints.random_checkpoint import write_random_checkpoint

    write_random_checkpoint(directory, load_embodiment(embodiment), seed)
    typer.echo(f"random weights in {directory}: pi0 up {embodiment} --policy pi0 "
               f"--checkpoint {directory}")  # fmt: skip


def parse_overrides(texts: list[str]) -> dict[str, dict[str, Value]]:
    """Read ``node.name=value`` texts; values are typed as YAML.

    Raises:
        ValueError: A text has another form, or its value is no text, number, true or false.
    """
    import yaml

    overrides: dict[str, dict[str, Value]] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        node, dot, name = target.partition(".")
        if not (equals and dot and node and name):
            raise ValueError(f"--param '{text}' must look like sim_robot_node.seed=3")
        try:
            typed = yaml.safe_load(value) if value else ""
        except yaml.YAMLError:
            typed = None
        if not isinstance(typed, Value):
            raise ValueError(
                f"--param '{text}': value '{value}' must be a text, a number, true or false; "
                f"quote a text that YAML reads otherwise, as in {target}='\"{value}\"'"
            )
        overrides.setdefault(node, {})[name] = typed
    return overrides


def main() -> None:
    """Run `pi0`; errors that a user can mend are one message, not a traceback."""
    try:
        app()
    except (EmbodimentError, ValueError, OSError) as error:
        errors.print(f"pi0: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
