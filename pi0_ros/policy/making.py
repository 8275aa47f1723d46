"""Which policies there are, and how each is made."""

from __future__ import annotations

from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.loading import load_urdf
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.policy.protocol import Policy
from pi0_ros.policy.scripted import ScriptedPolicy
from pi0_ros.policy.settings import POLICIES, PolicySettings


def make_policy(settings: PolicySettings, embodiment: Embodiment) -> Policy:
    """Make the chosen policy for a robot.

    Raises:
        ValueError: The policy is unknown, or needs a checkpoint, or has none.
    """
    if settings.policy == "scripted":
        if settings.checkpoint:
            raise ValueError(
                f"policy 'scripted' has no weights, but checkpoint is '{settings.checkpoint}'; "
                "leave it out, or choose policy pi0"
            )
        return ScriptedPolicy(embodiment, load_urdf(embodiment))
    if settings.policy == "pi0":
        if not settings.checkpoint:
            raise ValueError(
                "policy 'pi0' needs a checkpoint: a directory, or owner/name on the Hugging Face "
                "Hub; `pi0 random-checkpoint DIR` writes one with random weights to try the path"
            )
        from pi0_ros.policy.pi0 import Pi0Policy  # torch takes seconds to import

        return Pi0Policy(settings, embodiment)
    raise ValueError(unknown_name("policy", settings.policy, POLICIES))
