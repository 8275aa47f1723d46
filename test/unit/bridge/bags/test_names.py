"""Names of topics in a bag, as ROS resolves them."""

from __future__ import annotations

import pytest

from pi0_ros.bridge.bags.names import TopicNames, find_namespaces


def test_a_relative_name_is_in_the_namespace_and_an_absolute_one_is_not() -> None:
    names = TopicNames("robot_1")
    assert names.resolve("joint_states") == "/robot_1/joint_states"
    assert names.resolve("/tf") == "/tf"
    assert TopicNames().resolve("joint_states") == "/joint_states"
    assert TopicNames("/a/b/").resolve("joint_states") == "/a/b/joint_states"


def test_a_remapped_name_is_resolved_like_any_other() -> None:
    names = TopicNames.parse("cell", ["joint_states:=arm/joint_states", "camera:=/rgb"])
    assert names.resolve("joint_states") == "/cell/arm/joint_states"
    assert names.resolve("/cell/joint_states") == "/cell/arm/joint_states"
    assert names.resolve("camera") == "/rgb"
    assert names.resolve("odom") == "/cell/odom"


@pytest.mark.parametrize("rule", ["joint_states", "a=b", ":=b", "a:="])
def test_a_rule_of_another_form_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match="must look like"):
        TopicNames.parse("", [rule])


def test_a_namespace_must_have_all_topics() -> None:
    there = ["/a/joint_states", "/a/odom", "/b/joint_states", "/joint_states"]
    assert find_namespaces(["joint_states", "odom"], there) == ("/a",)
    assert find_namespaces(["/joint_states"], there) == ()
