"""What a user chooses about a policy."""

from __future__ import annotations

from dataclasses import dataclass

POLICIES = ("scripted", "pi0")


@dataclass(frozen=True)
class PolicySettings:
    """What a user chooses about a policy.

    Attributes:
        policy: One of ``POLICIES``.
        checkpoint: Directory of the weights; empty where the policy has none.
        device: ``auto``, ``cpu`` or ``cuda``.
        dtype: ``float32`` or ``bfloat16``.
        steps: Euler steps of the sampler.
        seed: Of the sampler's noise.
        threads: Of torch on the CPU.
    """

    policy: str
    checkpoint: str = ""
    device: str = "auto"
    dtype: str = "float32"
    steps: int = 10
    seed: int = 0
    threads: int = 1
