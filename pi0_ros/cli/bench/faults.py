"""The faults of a cell: what each does to a robot in motion, and how it recovers."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from math import inf as INFINITY
from typing import Any

from std_srvs.srv import SetBool, Trigger

from pi0_ros.cli.bench.fault_cell import EXECUTOR, POLICY, RELAY, SIMULATION, FaultCell
from pi0_ros.cli.bench.fault_record import FaultRecord
from pi0_ros.execution.reasons import Code

Act = Callable[[FaultCell], Any]
QUIET = Code.OK
LARGEST_STEP = 3.1416 * 0.002  # the joints' velocity limit for one sample [rad]
BEFORE_S = 0.1  # commands of so long before it are looked at, too
GIVE_UP = 5.0  # times a bound: how long something is waited for
HICCUP_S = 0.02  # less than what is committed ahead, less a period of the controller
JUMP_S = 5.0
OWN_S = 0.1  # of a robot that steps by itself, until it has heard of us and we of it
# What the bounds follow from, with the executor's and the policy's defaults for this robot.
BRAKE_S = 0.4 + 0.3  # from full speed to standing, and what is committed, served and followed
NO_PLAN_S = 2 * 16 * 0.05 + BRAKE_S  # a plan is not played beyond twice the executed steps
NO_STATES_S = 0.2 + BRAKE_S  # the age that joint states may have
TAIL_S = 0.7  # the last window with its stopping tail
REPLAN_S = 1.5  # the next observation, its plan, and until the arm moves
START_S = 10.0  # a Python process with its imports, discovery, and its first plan


class RobotSteps(Enum):
    """When a robot's commands step by its own doing."""

    NEVER = "never"
    AT_FAULT = "at the fault"  # a protective stop holds the measured pose
    AT_REMOVAL = "at the removal"  # what slept jumps to where it should be by now


@dataclass(frozen=True)
class Outcome:
    """What a fault did.

    Attributes:
        reasons: Codes that the executor gave, in their order, other than ok.
        holds_s: From the fault until the first of them; None where there was none before the
            removal.
        stands_s: From the fault until the robot stood; None where it was not to stand.
        largest_step: Of the commands, from the fault to the recovery [rad per sample].
        recovers_s: From the removal until a chunk is played and the robot moves again.
    """

    reasons: tuple[str, ...]
    holds_s: float | None
    stands_s: float | None
    largest_step: float
    recovers_s: float


@dataclass(frozen=True)
class Fault:
    """One way to fail.

    Attributes:
        name: One word, for `--only`.
        what: What happens, for the table.
        inject: Lets it happen.
        remove: Takes the cause away once the robot stands; None where the fault is but a moment.
        reason: What the executor then says; QUIET: nothing, the motion goes on; None: it is dead.
        stands_within_s: From the fault until the robot stands; None: it need not.
        recovers_within_s: From the removal until a chunk is played and the robot moves again.
        simulated_time: It needs a clock that can jump.
        robot_steps: When the robot itself steps, whatever it is told; its steps are not ours.
        is_smooth: The commands make no step; where a controller's own clock jumps, they do.
    """

    name: str
    what: str
    inject: Act
    remove: Act | None
    reason: Code | None
    stands_within_s: float | None
    recovers_within_s: float
    simulated_time: bool = False
    robot_steps: RobotSteps = RobotSteps.NEVER
    is_smooth: bool = True

    def complaints(self, outcome: Outcome, slack_s: float = 0.0) -> list[str]:
        """Say what an outcome has that it must not have.

        Args:
            outcome: Of a run.
            slack_s: Added to the bounds, for a machine that others use, too [s].
        """
        found = []
        said = ", ".join(outcome.reasons) or "nothing"
        if self.reason is QUIET:
            found += [f"the executor held: {said}"] if outcome.reasons else []
        elif self.reason is not None and self.reason not in outcome.reasons:
            found.append(f"the executor said {said}, not {self.reason.value}")
        if outcome.stands_s is not None and self.stands_within_s is not None:
            found += _late("stood", outcome.stands_s, self.stands_within_s + slack_s)
        found += _late("moved again", outcome.recovers_s, self.recovers_within_s + slack_s)
        if self.is_smooth and outcome.largest_step > LARGEST_STEP:
            step, limit = 1e3 * outcome.largest_step, 1e3 * LARGEST_STEP
            found.append(f"a command stepped by {step:.1f} mrad in 2 ms, limit {limit:.1f}")
        return found


def _late(what: str, after_s: float, limit_s: float) -> list[str]:
    return [f"it {what} after {after_s:.2f} s, limit {limit_s:.2f}"] if after_s > limit_s else []


def run_fault(cell: FaultCell, fault: Fault) -> Outcome:
    """Let something fail while the robot moves, take the cause away, and measure.

    Raises:
        FaultError: The robot does not stand, or recover, within five times the bound.
    """
    cell.make_ready()
    record, began = cell.record, time.monotonic()
    fault.inject(cell)
    injected = time.monotonic()
    if fault.remove is not None:
        limit_s = GIVE_UP * (fault.stands_within_s or 1.0)
        cell.until(lambda: _stands(record, fault, began), limit_s, f"stand, {fault.reason}")
    removed = time.monotonic()
    hold = record.first_hold(began)
    if fault.remove is not None:
        fault.remove(cell)
    wanted = record.accepted + 2 if fault.remove is None else 0
    limit_s = GIVE_UP * fault.recovers_within_s
    cell.until(lambda: _goes_on(record, removed, wanted), limit_s, "motion after the fault")
    period_ns = cell.robot.command.period_ns
    return Outcome(
        reasons=record.reasons(began),
        holds_s=hold.at_s - began if hold else None,
        stands_s=record.last_motion_s(began, removed) - began if fault.remove else None,
        largest_step=max(
            record.largest_step(*span, period_ns)
            for span in _judged(fault.robot_steps, began, injected, removed)
        ),
        recovers_s=record.moves_again_s(removed) - removed,
    )


def _judged(
    steps: RobotSteps, began: float, injected: float, removed: float
) -> tuple[tuple[float, float], ...]:
    """Return the spans in which commands that step are ours, all [s, monotonic]."""
    before = began - BEFORE_S
    if steps is RobotSteps.AT_FAULT:
        return (before, began), (injected + OWN_S, INFINITY)
    if steps is RobotSteps.AT_REMOVAL:
        return (before, removed), (removed + OWN_S, INFINITY)
    return ((before, INFINITY),)


def _stands(record: FaultRecord, fault: Fault, began: float) -> bool:
    """Say whether the robot stands and the executor, unless dead, has said why."""
    explained = fault.reason is None or record.first_hold(began) is not None
    return explained and record.has_stood(time.monotonic(), began)


def _goes_on(record: FaultRecord, removed: float, accepted: int) -> bool:
    """Say whether a chunk is played and the robot moves, with some more chunks accepted."""
    return record.accepted >= accepted and record.moves_again_s(removed) < INFINITY


# --- the matrix ----------------------------------------------------------------------------------


def _send(node: str, number: int) -> Act:
    return lambda cell: cell.signal(node, number)


def _start(node: str) -> Act:
    return lambda cell: cell.start(node)


def _pause(*topics: str) -> Act:
    return lambda cell: [cell.tell_relay(f"pause {topic}") for topic in topics or cell.cameras]


def _resume(*topics: str) -> Act:
    return lambda cell: [cell.tell_relay(f"resume {topic}") for topic in topics or cell.cameras]


def _hiccup(cell: FaultCell) -> None:
    cell.signal(EXECUTOR, signal.SIGSTOP)
    time.sleep(HICCUP_S)
    cell.signal(EXECUTOR, signal.SIGCONT)


def _press(cell: FaultCell) -> None:
    cell.call(SetBool, f"{SIMULATION}/estop", data=True)


def _release(cell: FaultCell) -> None:
    cell.call(SetBool, f"{SIMULATION}/estop", data=False)
    cell.until(lambda: cell.call(Trigger, f"{EXECUTOR}/reset").success, REPLAN_S, "reset")


def _shift(seconds: float) -> Act:
    return lambda cell: cell.tell_relay(f"shift {seconds}")


KILL, END, STOP, GO = signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP, signal.SIGCONT
STALE, BLIND = Code.CHUNK_STALE, Code.JOINT_STATES_STALE
FAULTS = (
    Fault("policy_killed", "policy_node is killed; started again",
          _send(POLICY, KILL), _start(POLICY), STALE, NO_PLAN_S, START_S),
    Fault("policy_left", "policy_node ends in order; started again, sequences from 0",
          _send(POLICY, END), _start(POLICY), Code.PLAN_WITHDRAWN, BRAKE_S, START_S),
    Fault("policy_frozen", "policy_node is frozen (SIGSTOP)",
          _send(POLICY, STOP), _send(POLICY, GO), STALE, NO_PLAN_S, REPLAN_S),
    Fault("camera_stops", "one camera stops",
          _pause("wrist_camera/image_raw"), _resume("wrist_camera/image_raw"),
          STALE, NO_PLAN_S, REPLAN_S),
    Fault("cameras_stop", "all cameras stop", _pause(), _resume(), STALE, NO_PLAN_S, REPLAN_S),
    Fault("states_stop", "joint_states stop",
          _pause("joint_states"), _resume("joint_states"), BLIND, NO_STATES_S, REPLAN_S),
    Fault("driver_killed", "what publishes cameras and joint_states is killed; started again",
          _send(RELAY, KILL), _start(RELAY), BLIND, NO_STATES_S, START_S),
    Fault("robot_frozen", "the robot's driver is frozen (SIGSTOP)",
          _send(SIMULATION, STOP), _send(SIMULATION, GO), BLIND, NO_STATES_S, REPLAN_S,
          robot_steps=RobotSteps.AT_REMOVAL),
    Fault("estop", "emergency stop; released, ~/reset",
          _press, _release, Code.ESTOP, BRAKE_S, REPLAN_S,
          robot_steps=RobotSteps.AT_FAULT),
    Fault("executor_killed", "chunk_executor_node is killed; started again",
          _send(EXECUTOR, KILL), _start(EXECUTOR), None, TAIL_S, START_S),
    Fault("executor_frozen", "chunk_executor_node is frozen (SIGSTOP)",
          _send(EXECUTOR, STOP), _send(EXECUTOR, GO), None, TAIL_S, REPLAN_S),
    Fault("executor_hiccup", f"chunk_executor_node is frozen for {HICCUP_S * 1e3:.0f} ms",
          _hiccup, None, QUIET, None, REPLAN_S),
    Fault("clock_back", f"the clock jumps back by {JUMP_S:.0f} s",
          _shift(-JUMP_S), None, Code.CLOCK_JUMP, None, REPLAN_S, simulated_time=True),
    Fault("clock_forward", f"the clock jumps ahead by {JUMP_S:.0f} s",
          _shift(JUMP_S), None, Code.STALLED, None, REPLAN_S, simulated_time=True,
          is_smooth=False),
)  # fmt: skip
