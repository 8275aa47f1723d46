"""The styles in turn, with the same chunks, on one cell; and what was aimed at."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress, TaskID

from pi0_ros.bringup import Value
from pi0_ros.cli.bench.model import bars
from pi0_ros.cli.bench.processes import robot_and_executor
from pi0_ros.cli.bench.robot_copy import copy_robot
from pi0_ros.cli.bench.seam.cell import Cell
from pi0_ros.cli.bench.seam.feeds import Style, Target, chosen
from pi0_ros.cli.bench.seam.measures import Measures, measure
from pi0_ros.cli.bench.seam.motion import ChunkStream, Timing
from pi0_ros.cli.bench.seam.record import Record, series
from pi0_ros.cli.bench.seam.summary import GOAL, meets_goal, summary
from pi0_ros.cli.stack import isolate_domain
from pi0_ros.embodiment.axes import Joint
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Embodiment

LEAD_IN_S = 2.0  # from the first observation until everything counts: the arm is on its way
TAIL_S = 0.1  # of sending after what counts
DOMAIN = 89
PARAMETERS: dict[str, dict[str, Value]] = {
    "chunk_executor_node": {"enable_on_activate": False},
    "sim_robot_node": {"joint_state_rate_hz": 100.0},
}


@dataclass(frozen=True)
class Conditions:
    """What is compared.

    Attributes:
        embodiment: Name or YAML of the robot.
        policy_rate_hz: Actions per second [Hz].
        latency_ms: From an observation to its chunk [ms].
        replan_ms: Between two observations [ms].
        sd: Standard deviation of the bias of a chunk [rad].
        noise: Standard deviation of each action beside it [rad].
        seconds: How much of each run counts [s].
        seeds: Runs of each style.
        styles: Names of styles; none: all.
        parameters: Of the nodes, further ones.
    """

    embodiment: str = "ur5e"
    policy_rate_hz: float = 20.0
    latency_ms: float = 200.0
    replan_ms: float = 400.0
    sd: float = 0.02
    noise: float = 0.0
    seconds: float = 20.0
    seeds: int = 6
    styles: tuple[str, ...] = ()
    parameters: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)


@dataclass(eq=False)
class _Runs:
    """What the runs of one style left."""

    measures: list[Measures]
    reasons: Counter[str]
    late_ms: list[float]
    messages_lost: int = 0


def bench_seam(conditions: Conditions) -> dict[str, Any]:
    """Feed one simulated arm with the same chunks in every style and measure its commands.

    Returns:
        Conditions, numbers by style with mean and worst over the seeds, and whether the goal is
        met by what goes through the chunk executor.

    Raises:
        ValueError: A condition makes no sense.
        RuntimeError: A process of the cell ended or does not answer.
    """
    styles = chosen(list(conditions.styles))
    overrides = {name: {**values} for name, values in PARAMETERS.items()}
    for node, values in conditions.parameters.items():
        overrides.setdefault(node, {}).update(values)
    isolate_domain(DOMAIN)
    with tempfile.TemporaryDirectory() as name, bars() as progress:
        folder = Path(name)
        yaml = copy_robot(conditions.embodiment, folder, {"policy": _policy(conditions)})
        target = Target.of(load_embodiment(str(yaml), simulation=True))
        timing = _timing(conditions, target.embodiment)
        task = progress.add_task("start", total=len(styles) * conditions.seeds)
        with robot_and_executor(str(yaml), folder, overrides) as ended:
            cell = Cell(target, ended)
            try:
                cell.wait_until_up()
                runs = _runs(cell, target, timing, conditions, styles, progress, task)
            finally:
                cell.close()
    return _report(conditions, timing, styles, runs)


def _policy(conditions: Conditions) -> dict[str, float]:
    """Say how the robot's policy acts: the executor plays no chunk much longer than it says."""
    rate_hz = float(conditions.policy_rate_hz)
    return {"rate_hz": rate_hz, "execute": max(1, round(conditions.replan_ms / 1e3 * rate_hz))}


def _timing(conditions: Conditions, robot: Embodiment) -> Timing:
    return Timing(
        period_ns=robot.policy.period_ns,
        replan_ns=round(1e6 * conditions.replan_ms),
        latency_ns=round(1e6 * conditions.latency_ms),
        lead_ns=robot.command.lead_ns,
        horizon=robot.policy.horizon,
    )


def _runs(
    cell: Cell,
    target: Target,
    timing: Timing,
    conditions: Conditions,
    styles: dict[str, Style],
    progress: Progress,
    task: TaskID,
) -> dict[str, _Runs]:
    """Run each style in turn with one seed, then all with the next: other load meets all alike."""
    runs = {name: _Runs([], Counter(), []) for name in styles}
    length_s = LEAD_IN_S + conditions.seconds + TAIL_S
    sequence = 0
    for seed in range(conditions.seeds):
        chunks = ChunkStream.drawn(length_s, timing, conditions.sd, conditions.noise, seed)
        for name, style in styles.items():
            progress.update(task, description=f"{style.label}, seed {seed}")
            record = cell.run(
                partial(_feed, target, chunks, style, sequence),
                length_s,
                through_executor=style.through_executor,
            )
            runs[name].measures.append(_measured(record, target, conditions.seconds))
            runs[name].reasons.update(record.reasons)
            runs[name].late_ms.extend(record.late_ms)
            runs[name].messages_lost += record.lost
            sequence += len(chunks.biases)
            progress.advance(task)
    return runs


def _feed(target: Target, chunks: ChunkStream, style: Style, sequence: int, start_ns: int) -> Any:
    return style.make(target, chunks.at(start_ns, continued=style.continued), sequence)


def _measured(record: Record, target: Target, seconds: float) -> Measures:
    robot = target.embodiment
    joints = tuple(axis for axis in robot.axes if isinstance(axis, Joint) and axis.gripper is None)
    names = tuple(joint.name for joint in joints)
    first_ns = record.start_ns + round(1e9 * LEAD_IN_S)
    last_ns = first_ns + round(1e9 * seconds)
    commands, measured = (
        series(messages, names).between(first_ns, last_ns)
        for messages in (record.commands, record.measured)
    )
    moving = names.index(target.joint)
    return measure(commands, measured, joints, moving, robot.command.period_ns, record.start_ns)


def _report(
    conditions: Conditions, timing: Timing, styles: dict[str, Style], runs: dict[str, _Runs]
) -> dict[str, Any]:
    by_style = {}
    for name, style in styles.items():
        each = runs[name]
        by_style[name] = {
            "label": style.label,
            **summary(each.measures),
            "servo_lag_ms": round(_mean(each, lambda m: m.joint_delay_ms - m.command_delay_ms), 2),
            "violations": sum(run.violations for run in each.measures),
            "messages_lost": each.messages_lost,
            "sent_late_ms": _late(each.late_ms),
            "executor_said": dict(each.reasons),
            "runs": [asdict(run) for run in each.measures],
        }
        if style.through_executor:
            by_style[name]["goal_met"] = meets_goal(by_style[name])
    return {
        "conditions": {**asdict(conditions), "rtc_delay": timing.delay, "execute": timing.execute},
        "goal": GOAL,
        "styles": by_style,
    }


def _late(late_ms: list[float]) -> dict[str, float]:
    p50, largest = np.percentile(late_ms, [50, 100])
    return {"p50": round(float(p50), 2), "max": round(float(largest), 2)}


def _mean(runs: _Runs, number: Callable[[Measures], float]) -> float:
    return float(np.mean([number(run) for run in runs.measures]))
