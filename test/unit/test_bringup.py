from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.bringup import BringUp, NodePlan, launch_arguments, plan, viewer_nodes
from pi0_ros.embodiment.files import EmbodimentError

ROBOT = "ur5e_bimanual"
PROMPTS = [
    "left arm reach the red block",
    "",
    "yes",
    "12",
    'say "hello"',
    "it's a \\ backslash",
    "first: then, {all} [of] #it",
    "two\nlines\tand\ra tab",
    "über π0 \N{ROBOT FACE}",
    "a line \u2028 separator, \x85 and a bell \x07",
]


def nodes(bring_up: BringUp) -> dict[str, NodePlan]:
    return {node.name: node for node in bring_up.nodes}


def told(node: NodePlan, flag: str) -> dict[str, str]:
    """The ``name:=value`` words after each ``-r`` or ``-p``."""
    words = node.ros_arguments()
    pairs = [words[i + 1].partition(":=") for i in range(0, len(words), 2) if words[i] == flag]
    return {name: value for name, _, value in pairs}


def parameters(node: NodePlan) -> dict[str, object]:
    """What a YAML parser reads from the words."""
    return {name: yaml.safe_load(text) for name, text in told(node, "-p").items()}


# --- what runs -----------------------------------------------------------------------------------


def test_a_simulated_robot_has_three_nodes_and_starts_by_itself() -> None:
    planned = nodes(plan(ROBOT))
    assert list(planned) == ["policy_node", "chunk_executor_node", "sim_robot_node"]
    assert planned["chunk_executor_node"].parameters["enable_on_activate"] is True
    assert {node.parameters["embodiment"] for node in planned.values()} == {ROBOT}


def test_a_real_robot_has_no_simulation_and_waits_to_be_enabled() -> None:
    planned = nodes(plan(ROBOT, simulation=False))
    assert list(planned) == ["policy_node", "chunk_executor_node"]
    assert planned["chunk_executor_node"].parameters["enable_on_activate"] is False


def test_policy_checkpoint_and_prompt_go_to_the_policy_only() -> None:
    chosen = {"policy": "pi0", "checkpoint": "/weights", "prompt": "wave"}
    planned = nodes(plan(ROBOT, **chosen))
    assert chosen.items() <= planned["policy_node"].parameters.items()
    for name in ("chunk_executor_node", "sim_robot_node"):
        assert not set(chosen) & set(planned[name].parameters)


def test_the_executor_listens_to_the_policys_chunks() -> None:
    remappings = nodes(plan(ROBOT))["chunk_executor_node"].remappings
    assert remappings == {"action_chunk": "policy_node/action_chunk"}


def test_with_simulated_time_the_simulation_drives_the_clock_that_the_others_follow() -> None:
    planned = nodes(plan(ROBOT, use_sim_time=True))
    for name in ("policy_node", "chunk_executor_node"):
        assert planned[name].parameters["use_sim_time"] is True
    assert planned["sim_robot_node"].parameters["publish_clock"] is True
    assert "use_sim_time" not in planned["sim_robot_node"].parameters


def test_all_nodes_share_the_namespace() -> None:
    for node in plan(ROBOT, namespace="cell_1").nodes:
        assert node.namespace == "cell_1"
        assert told(node, "-r")["__ns"] == "/cell_1"


@pytest.mark.parametrize("namespace", ["cell_1", "/cell_1", "cell_1/", "/cell_1/"])
def test_slashes_around_a_namespace_do_not_matter(namespace: str) -> None:
    node = plan(ROBOT, namespace=namespace).nodes[0]
    assert told(node, "-r") == {"__node": "policy_node", "__ns": "/cell_1"}


def test_without_a_namespace_none_is_given() -> None:
    assert "__ns" not in told(plan(ROBOT).nodes[0], "-r")


def test_remappings_stay_relative_so_that_namespaces_work() -> None:
    executor = nodes(plan(ROBOT, namespace="cell_1"))["chunk_executor_node"]
    assert told(executor, "-r")["action_chunk"] == "policy_node/action_chunk"


def test_an_override_goes_to_its_node_and_wins() -> None:
    changed = {"sim_robot_node": {"seed": 3}, "policy_node": {"prompt": "wave", "execute": 8}}
    planned = nodes(plan(ROBOT, prompt="reach", overrides=changed))
    assert planned["sim_robot_node"].parameters["seed"] == 3
    assert planned["policy_node"].parameters["prompt"] == "wave"
    assert planned["policy_node"].parameters["execute"] == 8
    assert "seed" not in planned["policy_node"].parameters


@pytest.mark.parametrize(
    ("name", "simulation", "says"),
    [
        ("sim_robot_nod", True, "Did you mean 'sim_robot_node'?"),
        ("sim_robot_node", False, "known: chunk_executor_node, policy_node."),
    ],
)
def test_an_override_of_a_node_that_does_not_run_is_refused(
    name: str, simulation: bool, says: str
) -> None:
    with pytest.raises(ValueError, match=f"node '{name}' is unknown") as caught:
        plan(ROBOT, simulation=simulation, overrides={name: {"seed": 3}})
    assert says in str(caught.value)


def test_an_unknown_robot_is_refused_before_anything_starts() -> None:
    with pytest.raises(EmbodimentError, match="Did you mean 'ur5e_bimanual'"):
        plan("ur5e_bimanua")


def test_a_missing_yaml_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(EmbodimentError, match=r"robot\.yaml' does not exist"):
        plan(str(tmp_path / "robot.yaml"))


def test_all_processes_share_a_profile_that_exists() -> None:
    environment = plan(ROBOT).environment
    assert Path(environment["FASTRTPS_DEFAULT_PROFILES_FILE"]).is_file()
    assert environment["MALLOC_MMAP_THRESHOLD_"] == "67108864"


# --- how it is said ------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_prompt_arrives_as_it_was_written(prompt: str) -> None:
    node = plan(ROBOT, prompt=prompt).nodes[0]
    assert parameters(node)["prompt"] == prompt


@given(st.text())
def test_every_text_arrives_as_it_was_written(text: str) -> None:
    assert parameters(NodePlan("n", parameters={"text": text})) == {"text": text}


@pytest.mark.parametrize("value", [True, False, 0, -7, 0.5, 2.0, "true", "7", "0.5", "null", "~"])
def test_a_value_keeps_its_type(value: bool | int | float | str) -> None:
    read = parameters(NodePlan("n", parameters={"value": value}))["value"]
    assert read == value
    assert type(read) is type(value)


def test_a_text_is_one_line_so_that_a_shell_can_show_it() -> None:
    for prompt in PROMPTS:
        word = NodePlan("n", parameters={"prompt": prompt}).ros_arguments()[-1]
        assert len(word.splitlines()) == 1


def test_a_node_runs_as_a_module_of_this_interpreter() -> None:
    command = plan(ROBOT).nodes[0].command()
    assert command[1:4] == ["-m", "pi0_ros.nodes.policy_node", "--ros-args"]
    assert command[4:6] == ["-r", "__node:=policy_node"]


# --- the launch files ----------------------------------------------------------------------------


def test_launch_arguments_are_what_the_plan_takes_and_two_of_their_own() -> None:
    takes = set(inspect.signature(plan).parameters) - {"embodiment", "overrides"}
    assert set(launch_arguments()) == takes | {"launch_rviz", "log_level"}


def test_launch_arguments_have_the_plans_defaults() -> None:
    signature = inspect.signature(plan).parameters
    for name, (default, description) in launch_arguments().items():
        assert description, name
        if name in signature:
            expected = signature[name].default
            text = str(expected).lower() if isinstance(expected, bool) else expected
            assert default == text, name


def test_the_viewer_gets_the_urdf_and_the_namespace() -> None:
    publisher, rviz = viewer_nodes(ROBOT, "cell_1")
    assert str(publisher.parameters["robot_description"]).startswith("<?xml")
    assert {publisher.namespace, rviz.namespace} == {"cell_1"}
    assert rviz.arguments[0] == "-d"
    assert Path(rviz.arguments[1]).name == "ur5e_bimanual.rviz"
