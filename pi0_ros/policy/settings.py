"""What a user chooses about a policy."""

from __future__ import annotations

from dataclasses import dataclass

POLICIES = ("scripted", "pi0")
REPLANS = ("executed", "continuous", "on_demand")
# What a plan does with the one that is executed while it is made (real-time chunking). Not `off`:
# YAML reads that as a truth value.
RTC = ("none", "guided", "identity", "trained")


@dataclass(frozen=True)
class PolicySettings:
    """What a user chooses about a policy.

    Attributes:
        policy: One of ``POLICIES``.
        checkpoint: Directory of the weights, or their repository on the Hugging Face Hub; empty
            where the policy has none.
        tokenizer: sentencepiece file, where the checkpoint has none and it is not found.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: ``auto`` (bfloat16 on a GPU, float32 elsewhere), ``float32`` or ``bfloat16``.
        steps: Euler steps of the sampler.
        rtc: One of ``RTC``: plans are made for themselves; guided by the Jacobian, as published;
            guided by the identity, which is cheaper; or conditioned on the committed actions, by a
            checkpoint that was trained so.
        seed: Of the sampler's noise.
        threads: Of torch on the CPU.
    """

    policy: str
    checkpoint: str = ""
    tokenizer: str = ""
    device: str = "auto"
    dtype: str = "auto"
    steps: int = 10
    rtc: str = "guided"
    seed: int = 0
    threads: int = 1
