"""What a user chooses about a policy."""

from __future__ import annotations

from dataclasses import dataclass

POLICIES = ("scripted", "pi0")


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
        seed: Of the sampler's noise.
        threads: Of torch on the CPU.
    """

    policy: str
    checkpoint: str = ""
    tokenizer: str = ""
    device: str = "auto"
    dtype: str = "auto"
    steps: int = 10
    seed: int = 0
    threads: int = 1
