"""Real-time wishes of a loop's thread: priority, cores, locked memory; refusals are told."""

from __future__ import annotations

import ctypes
import os
import resource
from dataclasses import dataclass
from pathlib import Path

MCL_CURRENT, MCL_FUTURE = 1, 2  # sys/mman.h: what is mapped now, and what will be
CAP_IPC_LOCK = 14  # linux/capability.h: locks memory without a limit
LIMITS = "/etc/security/limits.conf"


@dataclass(frozen=True)
class RealtimeSettings:
    """What a loop wants of the kernel; by default nothing.

    Attributes:
        priority: SCHED_FIFO's, 1 to 99; 0: the usual scheduler.
        cores: CPU cores that the loop may use; empty: all.
        lock_memory: Keep the whole process in memory, so that no page fault delays the loop.
    """

    priority: int = 0
    cores: frozenset[int] = frozenset()
    lock_memory: bool = False


@dataclass(frozen=True)
class Grant:
    """One wish and what became of it.

    Attributes:
        wish: The thing and its value.
        refusal: Why it was not granted, and the remedy; empty: it was.
    """

    wish: str
    refusal: str = ""

    def __str__(self) -> str:
        """Form ``granted`` or ``refused: why``."""
        return f"refused: {self.refusal}" if self.refusal else "granted"


def parse_cores(text: str) -> frozenset[int]:
    """Read a list of cores such as ``2,3`` or ``2-5``; empty: no wish.

    Raises:
        ValueError: The text has another form.
    """
    cores: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"cpu_affinity '{text}' must list cores, such as '2,3' or '2-5'")
        cores |= set(range(int(first), int(last or first) + 1))
    return frozenset(cores)


def apply(settings: RealtimeSettings) -> tuple[Grant, ...]:
    """Ask the kernel, for the calling thread; what it refuses changes nothing.

    Memory is the whole process's; cores and priority are the calling thread's alone, and threads
    that it starts do not inherit the priority.

    Returns:
        One grant per wish; empty where nothing is wished for.
    """
    grants = []
    if settings.lock_memory:
        grants.append(_lock_memory())
    if settings.cores:
        grants.append(_use_cores(settings.cores))
    if settings.priority:
        grants.append(_use_priority(settings.priority))
    return tuple(grants)


def _use_priority(priority: int) -> Grant:
    wish = f"realtime priority {priority}"
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, policy, os.sched_param(priority))  # 0: the calling thread
    except OSError as error:
        allowed, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
        return Grant(
            wish,
            f"{error.strerror}; the limit is {_limit(allowed)} (ulimit -r); put "
            f"'<user> - rtprio {priority}' into {LIMITS} and log in anew",
        )
    return Grant(wish)


def _use_cores(cores: frozenset[int]) -> Grant:
    wish = f"cpu affinity {','.join(map(str, sorted(cores)))}"
    try:
        os.sched_setaffinity(0, cores)
    except OSError as error:
        return Grant(wish, f"{error.strerror}; this machine has cores 0 to {_last_core()}")
    got = os.sched_getaffinity(0)
    if got != cores:  # the kernel leaves out what is offline or not this container's
        text = ",".join(map(str, sorted(got)))
        return Grant(wish, f"only {text} of them can be used; is the rest offline or reserved?")
    return Grant(wish)


def _lock_memory() -> Grant:
    wish = "locked memory"
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if limit != resource.RLIM_INFINITY and not _has_capability(CAP_IPC_LOCK):
        # Even where the process fits now: under a limit a later allocation would fail and end it.
        return Grant(
            wish,
            f"the limit is {_limit(limit)} bytes (ulimit -l); put '<user> - memlock unlimited' "
            f"into {LIMITS} and log in anew",
        )
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE) != 0:
        return Grant(wish, f"{os.strerror(ctypes.get_errno())}; is there enough memory?")
    return Grant(wish)


def _has_capability(number: int) -> bool:
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next(line.split()[1] for line in lines if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> number & 1)


def _limit(value: int) -> str:
    return "unlimited" if value == resource.RLIM_INFINITY else str(value)


def _last_core() -> int:
    return (os.cpu_count() or 1) - 1
