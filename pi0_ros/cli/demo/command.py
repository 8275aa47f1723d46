"""`pi0 demo`: three prompted episodes through real ROS topics, shown live and reported."""

from __future__ import annotations

from pathlib import Path

import rclpy
from rich.console import Console
from rich.live import Live
from rich.text import Text

from pi0_ros.bridge.stamps import to_ns
from pi0_ros.cli.demo.episode import DemoClient, DemoError, EpisodeRecord
from pi0_ros.cli.demo.report import write_report
from pi0_ros.cli.stack import Stack, isolate_domain
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.execution.executor import State

ROBOT = "ur5e_bimanual"
PROMPTS = (
    "left arm reach the red block",
    "right arm reach the blue block",
    "left arm reach the blue block",
)
START_TIMEOUT_S = 60.0
CAMERA_RATE_HZ = 10.0  # rendering on a CPU takes about 6 ms an image
OVERVIEW_RATE_HZ = 10.0


def run_demo(policy: str, checkpoint: str, out: Path, seed: int, timeout_s: float) -> int:
    """Run the demo.

    Returns:
        Exit code: 0 if every episode succeeded and no command broke a limit, 1 otherwise.
    """
    out.mkdir(parents=True, exist_ok=True)
    isolate_domain()
    console = Console(soft_wrap=True)
    console.print(f"[bold]pi0 demo[/]: {ROBOT} in simulation, policy '{policy}', without display")
    console.print(
        f"  1. start policy_node, chunk_executor_node, sim_robot_node (log: {out}/log.txt)"
    )
    arguments = [
        ROBOT, "--policy", policy, "--checkpoint", checkpoint,
        "--param", f"sim_robot_node.seed={seed}",
        "--param", f"sim_robot_node.camera_rate_hz={CAMERA_RATE_HZ}",
        "--param", f"sim_robot_node.overview_rate_hz={OVERVIEW_RATE_HZ}",
    ]  # fmt: skip
    embodiment = load_embodiment(ROBOT, simulation=True)
    rclpy.init()
    stack = Stack(arguments, out / "log.txt")
    try:
        with stack:
            client = DemoClient(rclpy.create_node("pi0_demo"), embodiment)
            client.wait_until_up(START_TIMEOUT_S)
            console.print(f"  2. {len(PROMPTS)} episodes, at most {timeout_s:.0f} s each")
            records = [_episode(client, console, prompt, timeout_s) for prompt in PROMPTS]
    except DemoError as error:
        console.print(f"[red]failed[/]: {error}\n{stack.last_lines()}")
        return 1
    finally:
        rclpy.try_shutdown()
    console.print(f"  3. write video, pictures and numbers to {out}")
    report = write_report(out, embodiment, records, policy)
    for name in ("commands_per_s", "largest_step_rad", "limit_violations", "latency_ms"):
        console.print(f"     {name}: {report[name]}")
    is_good = all(record.success for record in records) and not report["limit_violations"]
    return 0 if is_good else 1


def _episode(client: DemoClient, console: Console, prompt: str, timeout_s: float) -> EpisodeRecord:
    """Run one episode with a live line, of which the last state stays."""
    with Live(console=console, refresh_per_second=10, transient=True) as live:
        record = client.run_episode(
            prompt, timeout_s, lambda record: live.update(live_line(client, record))
        )
    console.print(live_line(client, record))
    return record


def live_line(client: DemoClient, record: EpisodeRecord) -> Text:
    """Return one line: prompt, time, distance, executor's state, chunk age, planning latency."""
    executor, policy = client.executor_status, client.policy_status
    elapsed, distance = record.distances[-1] if record.distances else (0.0, float("inf"))
    age = to_ns(executor.chunk_age) / 1e9 if executor else 0.0
    latency = to_ns(policy.latency) / 1e6 if policy else 0.0
    state = State(executor.state).name.lower() if executor else "?"
    reason = "" if executor is None or executor.reason == "ok" else f" ({executor.reason})"
    mark = " reached" if record.success else ""
    return Text(
        f"  {record.prompt:30} {elapsed:4.1f} s {distance * 1000:3.0f} mm{mark}, {state}{reason}, "
        f"chunk {age:.2f} s, plan {latency:.0f} ms",
        overflow="ellipsis",
        no_wrap=True,
    )
