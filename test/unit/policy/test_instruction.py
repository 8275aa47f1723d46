from __future__ import annotations

import pytest

from pi0_ros.policy.instruction import Instruction, parse_instruction

BOTH = ("left", "right")


@pytest.mark.parametrize(
    ("prompt", "arm", "color"),
    [
        ("left arm reach the red block", "left", "red"),
        ("Right arm: reach the BLUE block!", "right", "blue"),
        ("reach the blue block with your left hand", "left", "blue"),
        ("red, right", "right", "red"),
    ],
)
def test_an_arm_and_a_color_are_found_in_any_order(prompt: str, arm: str, color: str) -> None:
    assert parse_instruction(prompt, BOTH) == Instruction(arm, color)


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "reach the red block",
        "left arm reach the block",
        "left arm reach the green block",
        "left and right arm reach the red block",
        "left arm reach the red and the blue block",
        "leftmost arm reach the reddish block",
    ],
)
def test_anything_else_is_refused_with_an_example(prompt: str) -> None:
    with pytest.raises(ValueError, match="must name one arm of left, right and one block") as said:
        parse_instruction(prompt, BOTH)
    assert f"'{prompt}'" in str(said.value)
    assert "as in 'left arm reach the red block'" in str(said.value)


def test_an_only_arm_need_not_be_named() -> None:
    assert parse_instruction("reach the red block", ["panda"]) == Instruction("panda", "red")
    assert parse_instruction("panda, the red block", ["panda"]) == Instruction("panda", "red")


def test_an_arm_may_have_capital_letters() -> None:
    assert parse_instruction("use Arm_A on red", ["Arm_A", "Arm_B"]) == Instruction("Arm_A", "red")


def test_a_robot_without_arms_is_told_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="name one under `arms` in the robot's YAML"):
        parse_instruction("left arm reach the red block", [])
