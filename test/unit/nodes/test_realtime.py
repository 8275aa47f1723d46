from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict

import pytest

from pi0_ros.nodes.realtime import Grant, RealtimeSettings, parse_cores

# In a child, since what is granted stays; in a thread, since that is where a loop runs.
CHILD = """
import json, os, resource, sys, threading
from pi0_ros.nodes.realtime import RealtimeSettings, apply

def drop():  # what an ordinary user has: no capabilities, no limits that somebody raised
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 23, 1 << 23))
    if os.getuid() == 0:
        os.setuid(65534)

def loop():
    told["grants"] = [[g.wish, str(g)] for g in apply(RealtimeSettings(PRIORITY, CORES, LOCK))]
    policy = os.sched_getscheduler(0)
    told["is_fifo"] = bool(policy & os.SCHED_FIFO)
    told["priority"] = os.sched_getparam(0).sched_priority
    told["cores"] = sorted(os.sched_getaffinity(0))

told = {}
if DROPPED: drop()
thread = threading.Thread(target=loop)
thread.start()
thread.join()
told["others_are_fifo"] = bool(os.sched_getscheduler(0) & os.SCHED_FIFO)
locked = next(l for l in open("/proc/self/status") if l.startswith("VmLck"))
told["locked_kb"] = int(locked.split()[1])
print(json.dumps(told))
"""


def told(
    *, priority: int = 0, cores: str = "frozenset()", lock: bool = False, dropped: bool = False
) -> dict:
    """Apply wishes in a thread of another process and return what it then says of itself."""
    values = {"PRIORITY": priority, "CORES": cores, "LOCK": lock, "DROPPED": dropped}
    code = "\n".join(f"{name} = {value}" for name, value in values.items()) + CHILD
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(ended.stdout)


def test_without_wishes_nothing_is_asked_for() -> None:
    assert told()["grants"] == []


def test_a_priority_is_the_loops_alone_and_is_said_to_be_granted_only_where_it_is() -> None:
    said = told(priority=7)
    ((wish, outcome),) = said["grants"]
    assert wish == "realtime priority 7"
    assert (outcome == "granted") == said["is_fifo"]
    assert said["priority"] == (7 if said["is_fifo"] else 0)
    assert not said["others_are_fifo"]


def test_a_refused_priority_names_the_limit_and_the_remedy() -> None:
    said = told(priority=7, dropped=True)
    ((_, outcome),) = said["grants"]
    assert outcome.startswith("refused: Operation not permitted; the limit is 0 (ulimit -r)")
    assert "'<user> - rtprio 7' into /etc/security/limits.conf" in outcome
    assert not said["is_fifo"]


def test_locked_memory_is_locked_and_is_said_to_be_granted_only_where_it_is() -> None:
    said = told(lock=True)
    ((wish, outcome),) = said["grants"]
    assert wish == "locked memory"
    assert (outcome == "granted") == (said["locked_kb"] > 0)


def test_memory_under_a_limit_is_not_locked_as_a_later_allocation_would_fail() -> None:
    said = told(lock=True, dropped=True)
    ((_, outcome),) = said["grants"]
    assert outcome.startswith("refused: the limit is 8388608 bytes (ulimit -l)")
    assert "memlock unlimited" in outcome
    assert said["locked_kb"] == 0


def test_a_loop_runs_on_the_cores_that_it_was_given() -> None:
    first = min(os.sched_getaffinity(0))
    said = told(cores=f"frozenset({{{first}}})")
    assert said["grants"] == [[f"cpu affinity {first}", "granted"]]
    assert said["cores"] == [first]


def test_cores_that_are_not_there_are_refused_and_change_nothing() -> None:
    said = told(cores="frozenset({1000})")
    ((wish, outcome),) = said["grants"]
    assert wish == "cpu affinity 1000"
    assert outcome.startswith("refused: Invalid argument; this machine has cores 0 to ")
    assert said["cores"] == sorted(os.sched_getaffinity(0))


def test_cores_that_are_there_in_part_are_used_and_the_rest_is_told() -> None:
    first = min(os.sched_getaffinity(0))
    said = told(cores=f"frozenset({{{first}, 1000}})")
    ((_, outcome),) = said["grants"]
    assert outcome.startswith(f"refused: only {first} of them can be used")
    assert said["cores"] == [first]


def test_one_refusal_does_not_stop_the_other_wishes() -> None:
    first = min(os.sched_getaffinity(0))
    said = told(priority=7, cores=f"frozenset({{{first}}})", lock=True, dropped=True)
    outcomes = dict(said["grants"])
    assert outcomes[f"cpu affinity {first}"] == "granted"
    assert [text.partition(":")[0] for text in outcomes.values()].count("refused") == 2


@pytest.mark.parametrize(
    ("text", "cores"),
    [("", set()), ("2", {2}), ("2,3", {2, 3}), (" 2 , 5 ", {2, 5}), ("2-4,7", {2, 3, 4, 7})],
)
def test_cores_are_written_as_a_list_or_a_range(text: str, cores: set[int]) -> None:
    assert parse_cores(text) == cores


@pytest.mark.parametrize("text", ["two", "2-", "-2", "2..4", "2;3", "-", "2-3-4"])
def test_what_is_no_list_of_cores_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cpu_affinity '.*' must list cores, such as '2,3'"):
        parse_cores(text)


def test_nothing_is_wished_for_by_default() -> None:
    assert asdict(RealtimeSettings()) == {
        "priority": 0, "cores": frozenset(), "lock_memory": False
    }  # fmt: skip
    assert str(Grant("locked memory")) == "granted"
