"""One replay from the choices to the report."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from rclpy.serialization import deserialize_message
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pi0_ros.bridge.bags.bag import Bag
from pi0_ros.bridge.bags.names import TopicNames
from pi0_ros.bridge.bags.recording import CHUNKS, Recording, recorded_robot, recorded_status
from pi0_ros.cli.bench.machine import machine
from pi0_ros.cli.replay.demonstration import Demonstration
from pi0_ros.cli.replay.output import PlanSink, open_sink
from pi0_ros.cli.replay.parity import Parity
from pi0_ros.cli.replay.report import Cost, DemonstrationReport, ParityReport
from pi0_ros.embodiment.files import known_embodiments
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.execution.chunk import ActionChunk
from pi0_ros.policy.making import make_policy
from pi0_ros.policy.protocol import Policy
from pi0_ros.policy.settings import PolicySettings

INTERRUPTED = 130  # as shells count SIGINT


@dataclass(frozen=True)
class Choices:
    """What the user chose; empty texts mean: as recorded.

    Attributes:
        begin_ns: Skipped of the bag's start [ns].
        end_ns: Where to stop, after the bag's start [ns]; None: at its end.
        latency_ns: From an image to its plan [ns].
    """

    bag: Path
    embodiment: str
    simulation: bool
    tf_prefix: str
    namespace: str
    topics: tuple[str, ...]
    image_transport: str
    settings: PolicySettings
    prompt: str
    execute: int
    latency_ns: int
    compare: bool
    begin_ns: int
    end_ns: int | None
    out: Path | None
    json_file: Path | None


@dataclass
class Timed:
    """Times a policy."""

    policy: Policy
    cost: Cost

    def __getattr__(self, name: str) -> Any:
        """Be the policy in all else."""
        return getattr(self.policy, name)

    def plan(self, *inputs: Any) -> ActionChunk:
        """Plan, and add to the cost."""
        began = time.perf_counter()
        try:
            return self.policy.plan(*inputs)
        finally:
            self.cost.plans += 1
            self.cost.planning_s += time.perf_counter() - began


class Way(Protocol):
    """One of the two ways to replay.

    Attributes:
        messages: Read so far.
    """

    messages: int

    def plans(self) -> Iterator[tuple[int, ActionChunk | None]]:
        """Go through the bag; yield how far it is [ns, the recorder's clock], and each plan."""


class Report(Protocol):
    """What one of them found."""

    @property
    def exit_code(self) -> int:
        """Of the command."""

    def show(self, console: Console) -> None:
        """Print it."""

    def numbers(self) -> dict[str, Any]:
        """Return it for JSON."""


def run_replay(choices: Choices) -> int:
    """Replay and report.

    Returns:
        Exit code.

    Raises:
        ValueError: The bag, the robot or the policy do not fit together.
        OSError: A file is missing, or exists.
    """
    console, cost = Console(soft_wrap=True), Cost()
    with Bag(choices.bag) as bag:
        recording, settings = _recording(bag, choices)
        robot, span_ns = recording.embodiment, _span_ns(bag, choices)
        _insist_on_prompt(choices, recording)
        _say(console, f"{choices.bag}: {robot.name}, {(span_ns[1] - span_ns[0]) / 1e9:.1f} s")
        policy = Timed(make_policy(settings, robot), cost)
        way, report = _way(choices, recording, policy, span_ns)
        policy.warm_up()
        began = time.perf_counter()
        with open_sink(choices.out, recording.topic(CHUNKS), robot.name) as sink:
            is_whole = _is_finished(way, sink, span_ns)
        cost.seconds, cost.messages = time.perf_counter() - began, way.messages
        if not is_whole:
            _say(console, "interrupted; this is what was done so far")
        report.show(console)
        for line in filter(None, (bag.fault, str(cost))):
            _say(console, line)
        if choices.json_file is not None:
            about = {
                "bag": str(choices.bag), "fault": bag.fault, "robot": robot.name,
                "policy": settings.policy, "checkpoint": settings.checkpoint,
                "cost": cost.numbers(), "machine": machine(),
            }  # fmt: skip
            text = json.dumps(report.numbers() | about, indent=2, ensure_ascii=False)
            choices.json_file.write_text(text + "\n", encoding="utf-8")
    return report.exit_code if is_whole else INTERRUPTED


def _recording(bag: Bag, choices: Choices) -> tuple[Recording, PolicySettings]:
    """Find the robot in the bag, and the policy that planned there."""
    names = TopicNames.parse(choices.namespace, choices.topics)
    status, chosen = recorded_status(bag, names, deserialize_message), choices.settings
    robot = choices.embodiment or recorded_robot(bag, names, deserialize_message)
    if not robot:
        raise ValueError(
            f"{choices.bag} does not say of which robot it is, as it has no "
            f"{names.resolve(CHUNKS)}; give --embodiment: a YAML, or one of "
            f"{', '.join(known_embodiments())}"
        )
    if not (chosen.policy or chosen.checkpoint) and status is not None:
        chosen = replace(chosen, policy=status.policy, checkpoint=status.checkpoint)
    if not chosen.policy:
        chosen = replace(chosen, policy="pi0" if chosen.checkpoint else "scripted")
    embodiment = load_embodiment(robot, tf_prefix=choices.tf_prefix, simulation=choices.simulation)
    transport = choices.image_transport
    return Recording(bag, embodiment, names, deserialize_message, transport), chosen


def _span_ns(bag: Bag, choices: Choices) -> tuple[int, int]:
    """Return where to begin, and before what to stop [ns, the recorder's clock]."""
    first_ns, last_ns = bag.span_ns
    start_ns, stop_ns = first_ns + choices.begin_ns, last_ns + 1
    if choices.end_ns is not None:
        stop_ns = min(stop_ns, first_ns + choices.end_ns)
    if start_ns >= stop_ns:
        end = "its end" if choices.end_ns is None else f"--to {choices.end_ns / 1e9:g} s"
        raise ValueError(
            f"nothing lies between --from {choices.begin_ns / 1e9:g} s and {end}; the bag lasts "
            f"{(last_ns - first_ns) / 1e9:.1f} s"
        )
    return start_ns, stop_ns


def _is_parity(choices: Choices, recording: Recording) -> bool:
    return recording.chunks is not None and not choices.compare


def _insist_on_prompt(choices: Choices, recording: Recording) -> None:
    if not (_is_parity(choices, recording) or choices.prompt.strip()):
        raise ValueError("no prompt; say with --prompt what the robot was to do")


def _way(
    choices: Choices, recording: Recording, policy: Policy, span_ns: tuple[int, int]
) -> tuple[Way, Report]:
    robot = recording.embodiment
    execute = choices.execute or robot.policy.execute
    if _is_parity(choices, recording):
        parity = ParityReport(robot)
        return Parity(recording, policy, execute, span_ns, parity.add), parity
    problem = policy.check_prompt(choices.prompt)
    if problem:
        raise ValueError(f"prompt: {problem}")
    latency_ns = choices.latency_ns
    done = Demonstration(recording, policy, choices.prompt, execute, latency_ns, span_ns)
    return done, DemonstrationReport(done)


def _is_finished(way: Way, sink: PlanSink, span_ns: tuple[int, int]) -> bool:
    """Replay under a progress bar; False after Ctrl-C."""
    share = TextColumn("{task.percentage:.0f} %")
    columns = TextColumn("{task.description}"), BarColumn(), share, TimeRemainingColumn()
    start_ns, stop_ns = span_ns
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("replaying", total=(stop_ns - start_ns) / 1e9)
        try:
            for received_ns, chunk in way.plans():
                progress.update(task, completed=(received_ns - start_ns) / 1e9)
                if chunk is not None:
                    sink.add(received_ns, chunk)
        except KeyboardInterrupt:
            return False
    return True


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
