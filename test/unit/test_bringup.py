from __future__ import annotations

import re
import tempfile
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pi0_ros.bringup import BringUp, NodePlan, Options, plan
from pi0_ros.embodiment.files import EmbodimentError, known_embodiments

ROBOT = "ur5e_bimanual"
ROBOTS = known_embodiments()
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


@pytest.fixture(autouse=True)
def _configs_of_rviz_are_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def nodes(bring_up: BringUp) -> dict[str, NodePlan]:
    return {node.name: node for node in bring_up.nodes}


def planned(robot: str = ROBOT, **options: object) -> dict[str, NodePlan]:
    return nodes(plan(robot, Options(**options)))


def told(node: NodePlan, flag: str) -> dict[str, str]:
    """The ``name:=value`` words after each ``-r`` or ``-p``."""
    words = node.ros_arguments()
    said = [words[i + 1] for i in range(0, len(words), 2) if words[i] == flag]
    pairs = [word.partition(":=") for word in said]
    return {name: value for name, _, value in pairs}


def parameters(node: NodePlan) -> dict[str, object]:
    """What a YAML parser reads from the words."""
    return {name: yaml.safe_load(text) for name, text in told(node, "-p").items()}


# --- what runs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("robot", ROBOTS)
def test_a_simulated_robot_has_three_nodes_and_starts_by_itself(robot: str) -> None:
    found = planned(robot)
    assert list(found) == ["policy_node", "chunk_executor_node", "sim_robot_node"]
    assert found["chunk_executor_node"].defaults == {"enable_on_activate": True}
    assert {node.parameters["embodiment"] for node in found.values()} == {robot}


@pytest.mark.parametrize("robot", ROBOTS)
def test_a_real_robot_has_no_simulation_and_waits_to_be_enabled(robot: str) -> None:
    found = planned(robot, simulation=False)
    assert list(found) == ["policy_node", "chunk_executor_node"]
    assert found["chunk_executor_node"].defaults == {"enable_on_activate": False}


@pytest.mark.parametrize("simulation", [True, False])
def test_every_node_knows_whether_it_speaks_to_a_simulation(simulation: bool) -> None:
    found = planned(simulation=simulation, launch_rviz=True)
    for name in ("policy_node", "chunk_executor_node", "preview_node"):
        assert found[name].parameters["simulation"] is simulation


def test_policy_checkpoint_and_prompt_go_to_the_policy_only() -> None:
    chosen = {"policy": "pi0", "checkpoint": "/weights", "prompt": "wave"}
    found = planned(**chosen)
    assert chosen.items() <= found["policy_node"].parameters.items()
    for name in ("chunk_executor_node", "sim_robot_node"):
        assert not set(chosen) & set(found[name].parameters)


def test_the_executor_listens_to_the_policys_chunks() -> None:
    remappings = planned()["chunk_executor_node"].remappings
    assert remappings == {"action_chunk": "policy_node/action_chunk"}


def test_with_simulated_time_the_simulation_drives_the_clock_that_the_others_follow() -> None:
    found = planned(use_sim_time=True, launch_rviz=True)
    for name in set(found) - {"sim_robot_node"}:
        assert found[name].parameters["use_sim_time"] is True, name
    assert found["sim_robot_node"].parameters["publish_clock"] is True
    assert "use_sim_time" not in found["sim_robot_node"].parameters


def test_without_simulated_time_the_simulation_drives_no_clock() -> None:
    assert planned()["sim_robot_node"].parameters["publish_clock"] is False


def test_a_prefix_goes_to_all_nodes_of_ours() -> None:
    found = planned(tf_prefix="cell_", launch_rviz=True)
    for node in found.values():
        assert node.parameters.get("tf_prefix") == ("cell_" if node.package == "pi0_ros" else None)


def test_all_nodes_share_the_namespace() -> None:
    for node in planned(namespace="cell_1", launch_rviz=True).values():
        assert node.namespace == "cell_1"
        assert told(node, "-r")["__ns"] == "/cell_1"


@pytest.mark.parametrize("namespace", ["cell_1", "/cell_1", "cell_1/", "/cell_1/"])
def test_slashes_around_a_namespace_do_not_matter(namespace: str) -> None:
    node = planned(namespace=namespace)["policy_node"]
    assert told(node, "-r") == {"__node": "policy_node", "__ns": "/cell_1"}


def test_without_a_namespace_none_is_given() -> None:
    assert "__ns" not in told(planned()["policy_node"], "-r")


def test_remappings_stay_relative_so_that_namespaces_work() -> None:
    executor = planned(namespace="cell_1")["chunk_executor_node"]
    assert told(executor, "-r")["action_chunk"] == "policy_node/action_chunk"


def test_all_nodes_log_from_the_same_level_on() -> None:
    for node in planned(log_level="warn", launch_rviz=True).values():
        words = node.ros_arguments()
        assert words[words.index("--log-level") + 1] == "warn"


@pytest.mark.parametrize("use_respawn", [False, True])
def test_all_nodes_start_again_or_none_does(use_respawn: bool) -> None:
    found = planned(use_respawn=use_respawn, launch_rviz=True).values()
    assert {node.respawn for node in found} == {use_respawn}


def test_an_override_goes_to_its_node_and_wins() -> None:
    changed = {"sim_robot_node": {"seed": 3}, "policy_node": {"prompt": "wave", "execute": 8}}
    found = nodes(plan(ROBOT, Options(prompt="reach"), changed))
    assert found["sim_robot_node"].parameters["seed"] == 3
    assert found["policy_node"].parameters["prompt"] == "wave"
    assert found["policy_node"].parameters["execute"] == 8
    assert "seed" not in found["policy_node"].parameters


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
        plan(ROBOT, Options(simulation=simulation), {name: {"seed": 3}})
    assert says in str(caught.value)


def test_an_unknown_robot_is_refused_before_anything_starts() -> None:
    with pytest.raises(EmbodimentError, match="Did you mean 'ur5e_bimanual'"):
        plan("ur5e_bimanua")


def test_a_missing_yaml_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(EmbodimentError, match=r"robot\.yaml' does not exist"):
        plan(str(tmp_path / "robot.yaml"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("policy", "pi"),
        ("log_level", "trace"),
        ("description", "vendors"),
        ("publish_description", "yes"),
    ],
)
def test_what_is_not_a_choice_is_refused_with_the_choices(name: str, value: str) -> None:
    choices = next(item for item in fields(Options) if item.name == name).metadata["choices"]
    known = ", ".join(sorted(choices))
    with pytest.raises(ValueError, match=f"{name} '{value}' is unknown; known: {known}"):
        Options(**{name: value})


def test_every_option_says_what_it_means_and_has_a_default_that_is_allowed() -> None:
    for item in fields(Options):
        assert len(item.metadata["description"]) > 10, item.name
        assert item.default in (item.metadata["choices"] or (item.default,))


def test_all_processes_share_a_profile_that_exists() -> None:
    environment = plan(ROBOT).environment
    assert Path(environment["FASTRTPS_DEFAULT_PROFILES_FILE"]).is_file()
    assert environment["MALLOC_MMAP_THRESHOLD_"] == "67108864"


# --- a file of parameters ------------------------------------------------------------------------


def test_a_file_of_parameters_reaches_all_nodes_by_its_full_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text("/**: {ros__parameters: {seed: 3}}")
    monkeypatch.chdir(tmp_path)
    for node in planned(params_file="mine.yaml").values():
        words = node.ros_arguments()
        assert words[words.index("--params-file") + 1] == str(tmp_path / "mine.yaml")


def test_the_file_comes_after_what_it_may_change_and_before_what_was_asked_for(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("/**: {ros__parameters: {enable_on_activate: false}}")
    words = planned(params_file=str(path))["chunk_executor_node"].ros_arguments()
    places = [words.index(w) for w in ("enable_on_activate:=true", str(path), "simulation:=true")]
    assert places == sorted(places)


def test_an_option_at_its_default_leaves_the_word_to_the_file() -> None:
    for node in planned().values():
        assert not {"policy", "prompt", "checkpoint", "tf_prefix"} & set(node.parameters)


def test_a_missing_file_of_parameters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"params_file '.*mine\.yaml': there is no file /"):
        planned(params_file=str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "policy_node: {ros__parameters: {a: 1}}",
            "has the key policy_node; it must have one, /**:",
        ),
        ("/**: {ros__parameters: {a: 1}}\n/**/b: {ros__parameters: {a: 1}}", "the key /**, /**/b;"),
        ("/**: {a: 1}", "below it ros__parameters: with parameters by name"),
        ("/**:", "below it ros__parameters: with parameters by name"),
        ("/**: 7", "below it ros__parameters: with parameters by name"),
        ("/**: {ros__parameters: 7}", "below it ros__parameters: with parameters by name"),
        ("", "has the key None; it must have one"),
        ("7", "has the key 7; it must have one"),
        ("{", "is not valid YAML"),
    ],
)
def test_a_file_of_another_form_is_refused_with_the_right_one(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(says)):
        planned(params_file=str(path))


# --- what shows the robot ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "shows"),
    [
        ({}, []),
        ({"simulation": False}, []),
        ({"launch_rviz": True}, ["preview_node", "robot_state_publisher", "rviz2"]),
        ({"launch_rviz": True, "publish_description": "false"}, ["preview_node", "rviz2"]),
        ({"launch_rviz": True, "simulation": False}, ["preview_node", "rviz2"]),
        ({"publish_description": "true"}, ["preview_node", "robot_state_publisher"]),
        (
            {"launch_rviz": True, "simulation": False, "publish_description": "true"},
            ["preview_node", "robot_state_publisher", "rviz2"],
        ),
    ],
    ids=str,
)
def test_the_description_is_published_where_nobody_else_does_it(
    options: dict[str, object], shows: list[str]
) -> None:
    robots = {"policy_node", "chunk_executor_node", "sim_robot_node"}
    assert [name for name in planned(**options) if name not in robots] == shows


def test_the_preview_listens_to_the_policys_chunks() -> None:
    remappings = planned(launch_rviz=True)["preview_node"].remappings
    assert remappings == {"action_chunk": "policy_node/action_chunk"}


def test_rviz_gets_a_config_of_its_robot() -> None:
    flag, path = planned(launch_rviz=True)["rviz2"].arguments
    assert flag == "-d"
    assert Path(path).name.startswith("pi0_ros_ur5e_bimanual_")
    config = yaml.safe_load(Path(path).read_text())
    assert config["Visualization Manager"]["Global Options"]["Fixed Frame"] == "world"


def test_robot_state_publisher_gets_the_urdf_with_the_prefix() -> None:
    found = planned(publish_description="true", tf_prefix="cell_")["robot_state_publisher"]
    urdf = str(found.parameters["robot_description"])
    assert urdf.startswith("<?xml")
    assert 'name="cell_left_elbow_joint"' in urdf


@pytest.mark.parametrize(
    ("simulation", "remappings"),
    [(True, {}), (False, {"joint_states": "preview_node/joint_states"})],
)
def test_a_real_robots_joints_are_told_by_the_urdfs_names(
    simulation: bool, remappings: dict[str, str]
) -> None:
    found = planned(publish_description="true", simulation=simulation)
    assert found["robot_state_publisher"].remappings == remappings


def test_the_vendors_description_is_refused_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    with pytest.raises(EmbodimentError, match="xacro cannot expand"):
        planned(publish_description="true", description="vendor")


# --- how it is said ------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_prompt_arrives_as_it_was_written(prompt: str) -> None:
    node = planned(prompt=prompt)["policy_node"]
    assert parameters(node).get("prompt", "") == prompt


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
