"""What the machine did during a measurement: busy, idle, stolen by the host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")


@dataclass(frozen=True)
class ProcessorTimes:
    """All cores' times since the machine started [ticks], as proc(5) has them."""

    total: int
    idle: int
    stolen: int

    @staticmethod
    def now() -> ProcessorTimes:
        """Read them."""
        return ProcessorTimes.of(STAT.read_text())

    @staticmethod
    def of(stat: str) -> ProcessorTimes:
        """Take them from the text of /proc/stat: user nice system idle iowait irq softirq steal."""
        times = [int(word) for word in stat.splitlines()[0].split()[1:9]]
        return ProcessorTimes(sum(times), times[3] + times[4], times[7])

    def since(self, before: ProcessorTimes) -> dict[str, float]:
        """Return shares of the time since then [%], and the load at the end."""
        total = max(self.total - before.total, 1)
        idle, stolen = self.idle - before.idle, self.stolen - before.stolen
        return {
            "idle_percent": round(100 * idle / total, 1),
            "stolen_percent": round(100 * stolen / total, 1),
            "load_1_min": round(os.getloadavg()[0], 2),
        }
