"""The sentences of the simulated task: which arm reaches which block."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

COLORS = ("red", "blue")


@dataclass(frozen=True)
class Instruction:
    """One understood sentence: an arm of the robot and the color of a block."""

    arm: str
    color: str


def parse_instruction(prompt: str, arms: Iterable[str]) -> Instruction:
    """Find the arm and the color in a sentence such as ``left arm reach the red block``.

    Args:
        prompt: The sentence; case and order do not matter.
        arms: Names of the robot's arms. A robot with a single arm need not be named.

    Raises:
        ValueError: Not exactly one arm or one color; the message says which are known. Or the
            robot has no arm.
    """
    words = re.findall(r"[a-z0-9_]+", prompt.lower())
    known = tuple(arms)
    if not known:
        raise ValueError(f"'{prompt}' needs an arm; name one under `arms` in the robot's YAML")
    named = [arm for arm in known if arm.lower() in words]
    if len(known) == 1:
        named = [known[0]]
    colors = [color for color in COLORS if color in words]
    if len(named) != 1 or len(colors) != 1:
        raise ValueError(
            f"'{prompt}' must name one arm of {', '.join(known)} and one block of "
            f"{', '.join(COLORS)}, as in '{known[0]} arm reach the {COLORS[0]} block'"
        )
    return Instruction(named[0], colors[0])
