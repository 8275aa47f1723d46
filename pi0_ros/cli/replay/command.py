"""`pi0 replay`: a recorded bag through the code of policy_node, without ROS nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pi0_ros.policy.settings import POLICIES, RTC


def replay(
    bag: Annotated[Path, typer.Argument(help="its folder, or its .mcap or .db3 file")],
    embodiment: Annotated[
        str, typer.Option(help="robot, by name or YAML; default: whose plans were recorded")
    ] = "",
    policy: Annotated[
        str, typer.Option(help=f"{', '.join(POLICIES)}; default: as recorded, or scripted")
    ] = "",
    checkpoint: Annotated[
        str, typer.Option(help="directory, or owner/name on the Hub; default: as recorded")
    ] = "",
    tokenizer: Annotated[
        str, typer.Option(help="sentencepiece file, where the checkpoint comes without one")
    ] = "",
    prompt: Annotated[
        str, typer.Option(help="sentence to follow; recorded plans bring their own")
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16")] = "auto",
    steps: Annotated[int, typer.Option(help="Euler steps of the sampler", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="of the noise", min=0)] = 0,
    threads: Annotated[int, typer.Option(help="of torch on the CPU", min=1)] = 1,
    rtc: Annotated[str, typer.Option(help=f"real-time chunking: {', '.join(RTC)}")] = "guided",
    execute: Annotated[
        int, typer.Option(help="actions before the next plan; 0: the robot's YAML", min=0)
    ] = 0,
    latency: Annotated[
        float, typer.Option(help="from an image to its plan, with --compare [ms]", min=0.0)
    ] = 0.0,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="plan anew and compare with what was done, though the bag has plans"
        ),
    ] = False,
    namespace: Annotated[str, typer.Option(help="ROS namespace of the recorded robot")] = "",
    topic: Annotated[
        list[str] | None,
        typer.Option(help="name in the YAML:=name in the bag; may be repeated"),
    ] = None,
    image_transport: Annotated[
        Literal["auto", "raw", "compressed"],
        typer.Option(help="which images; auto: raw where there are any"),
    ] = "auto",
    simulation: Annotated[
        bool, typer.Option("--simulation", help="recorded from the simulated robot")
    ] = False,
    tf_prefix: Annotated[str, typer.Option(help="before joints, links and frames")] = "",
    begin: Annotated[
        float, typer.Option("--from", help="skip the bag's first seconds [s]", min=0.0)
    ] = 0.0,
    end: Annotated[
        float | None, typer.Option("--to", help="stop so long after the bag's start [s]", min=0.0)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="keep the plans: a new bag, or arrays for a name that ends in .npz"),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="file that also gets the numbers")
    ] = None,
) -> None:
    """Send a recorded bag through the code of policy_node, offline.

    Where policy_node's plans were recorded, each is made again from the same images, positions,
    prompt, running plan and noise, and must come out the same, bit for bit: give the node's
    parameters as options. Otherwise, and with --compare, the policy plans along the bag, and its
    plans are compared with where the joints were and what was commanded.

    Exit code 0 if all is equal or compared, 1 if plans differ, 2 if nothing could be compared, 130
    after Ctrl-C, which still reports what was done.
    """
    from pi0_ros.cli.replay.running import Choices, run_replay
    from pi0_ros.policy.settings import PolicySettings

    settings = PolicySettings(
        policy=policy,
        checkpoint=checkpoint,
        tokenizer=tokenizer,
        device=device,
        dtype=dtype,
        steps=steps,
        seed=seed,
        threads=threads,
        rtc=rtc,
    )
    choices = Choices(
        bag=bag,
        embodiment=embodiment,
        simulation=simulation,
        tf_prefix=tf_prefix,
        namespace=namespace,
        topics=tuple(topic or ()),
        image_transport=image_transport,
        settings=settings,
        prompt=prompt,
        execute=execute,
        latency_ns=round(1e6 * latency),
        compare=compare,
        begin_ns=round(1e9 * begin),
        end_ns=None if end is None else round(1e9 * end),
        out=out,
        json_file=json_file,
    )
    raise typer.Exit(run_replay(choices))
