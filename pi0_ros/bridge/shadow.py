"""pi0_msgs/ShadowError from the comparison."""

from __future__ import annotations

from pi0_msgs.msg import ShadowError

from pi0_ros.bridge.stamps import to_time
from pi0_ros.execution.shadow import ShadowComparison


def shadow_error(comparison: ShadowComparison, now_ns: int) -> ShadowError:
    """Describe the comparison at an instant [ns, node clock]."""
    message = ShadowError(
        names=list(comparison.names),
        newest=comparison.newest.tolist(),
        mean=comparison.mean.tolist(),
        largest=comparison.largest.tolist(),
        samples=comparison.samples,
    )
    message.header.stamp = to_time(now_ns)
    return message


def shadow_values(comparison: ShadowComparison) -> dict[str, object]:
    """Return what /diagnostics lists: the comparison in figures for people.

    Means and largest by joint [rad or m]; and of the joint that is off most, how its error grows
    with the time since a plan's observation.
    """
    values: dict[str, object] = {"poses compared": comparison.samples}
    if not comparison.samples:
        return values
    each = zip(comparison.names, comparison.mean, comparison.largest, strict=True)
    for name, mean, largest in each:
        values[f"{name}, |plan - measured|"] = f"mean {mean:.4f}, largest {largest:.4f}"
    worst = int(comparison.mean.argmax())
    for begin_s, mean in comparison.ahead.mean.items():
        key = f"{comparison.names[worst]}, mean {begin_s:g} s and more into a plan"
        values[key] = f"{mean[worst]:.4f}"
    return values
