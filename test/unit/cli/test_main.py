from __future__ import annotations

import inspect
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pi0_ros.bringup import Options
from pi0_ros.cli.main import app, main, parse_overrides, up

runner = CliRunner()


def answer(*words: str) -> str:
    """What the command prints, in one line without frames."""
    result = runner.invoke(app, list(words), env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0, result.output
    return " ".join(result.output.replace("│", " ").split())


def test_help_lists_the_commands() -> None:
    said = answer("--help")
    for command in ("up", "demo", "random-checkpoint", "bench"):
        assert f" {command} " in said


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("up", "Example: pi0 up ur5e_bimanual --prompt 'left arm reach the red block'"),
        ("demo", "Example: pi0 demo --out out/demo"),
        ("random-checkpoint", "Example: pi0 random-checkpoint /tmp/random"),
    ],
)
def test_the_help_of_each_command_shows_an_example(command: str, example: str) -> None:
    assert example in answer(command, "--help")


def test_the_help_of_up_names_the_robots_and_the_exit_codes() -> None:
    said = answer("up", "--help")
    assert "ur5e_bimanual" in said
    assert "11 chunk_executor_node" in said


def test_random_checkpoint_writes_one_and_says_how_to_use_it(tmp_path: Path) -> None:
    said = answer("random-checkpoint", str(tmp_path / "weights"))
    assert (tmp_path / "weights" / "model.safetensors").is_file()
    assert f"pi0 up ur5e_bimanual --policy pi0 --checkpoint {tmp_path / 'weights'}" in said


# --- parameters of nodes -------------------------------------------------------------------------


def test_parameters_are_collected_by_node_and_typed_as_yaml() -> None:
    texts = [
        "sim_robot_node.seed=3",
        "sim_robot_node.camera_rate_hz=15.0",
        "chunk_executor_node.dry_run=true",
        "policy_node.prompt=left arm",
    ]
    assert parse_overrides(texts) == {
        "sim_robot_node": {"seed": 3, "camera_rate_hz": 15.0},
        "chunk_executor_node": {"dry_run": True},
        "policy_node": {"prompt": "left arm"},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("n.p=", ""),
        ('n.p="3"', "3"),
        ("n.p=a=b", "a=b"),
        ("n.p='a: b'", "a: b"),
        ("n.p=/.y", "/.y"),
    ],
)
def test_texts_may_be_empty_quoted_or_hold_an_equals_sign(text: str, value: str) -> None:
    assert parse_overrides([text]) == {"n": {"p": value}}


def test_dots_after_the_first_belong_to_the_parameter() -> None:
    assert parse_overrides(["node.group.gain=1"]) == {"node": {"group.gain": 1}}


def test_the_last_of_two_values_wins() -> None:
    assert parse_overrides(["n.p=1", "n.p=2"]) == {"n": {"p": 2}}


@pytest.mark.parametrize("text", ["", "seed=3", "node.seed", ".seed=3", "node.=3", "=3"])
def test_another_form_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(
        ValueError, match=rf"--param '{text}' must look like sim_robot_node\.seed=3"
    ):
        parse_overrides([text])


@pytest.mark.parametrize("value", ["[1, 2]", "{a: b}", "a: b", "null", "2024-01-31", "[1", "'a"])
def test_a_value_that_is_no_text_number_or_truth_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="must be a text, a number, true or false") as caught:
        parse_overrides([f"policy_node.prompt={value}"])
    assert f"value '{value}'" in str(caught.value)


# --- errors of users -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["up", "ur5e_bimanuel"], "Did you mean 'ur5e_bimanual'?"),
        (["up", "ur5e_bimanual", "--param", "seed"], "must look like sim_robot_node.seed=3"),
        (["up", "ur5e_bimanual", "--param", "sim.seed=3"], "node 'sim' is unknown"),
        (["up", "ur5e_bimanual", "--params-file", "/none.yaml"], "there is no file /none.yaml"),
        (["up", "ur5e_bimanual", "--policy", "pi"], "policy 'pi' is unknown; known: pi0, scripted"),
        (["up", "ur5e_bimanual", "--log-level", "loud"], "log_level 'loud' is unknown"),
        (["random-checkpoint", "/dev/null/x"], "/dev/null"),
    ],
)
def test_what_a_user_can_mend_is_one_message_and_exit_code_2(
    words: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["pi0", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("pi0: ")
    assert says in said
    assert "Traceback" not in said


def test_up_runs_the_plan_with_the_words_of_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def run(bring_up: object) -> int:
        started.append(bring_up)
        return 11

    monkeypatch.setattr("pi0_ros.cli.main.run_plan", run)
    words = ["up", "ur5e_bimanual", "--no-simulation", "--namespace", "cell", "--tf-prefix", "a_",
             "--log-level", "warn", "--param", "policy_node.prompt=wave"]  # fmt: skip
    result = runner.invoke(app, words)
    assert result.exit_code == 11
    (bring_up,) = started
    assert [node.name for node in bring_up.nodes] == ["policy_node", "chunk_executor_node"]
    assert {node.namespace for node in bring_up.nodes} == {"cell"}
    assert {node.parameters["tf_prefix"] for node in bring_up.nodes} == {"a_"}
    assert {node.log_level for node in bring_up.nodes} == {"warn"}
    assert bring_up.nodes[0].parameters["prompt"] == "wave"


def test_the_options_of_up_are_the_launch_arguments_but_those_of_rviz() -> None:
    said = answer("up", "--help")
    of_rviz = {"launch_rviz", "publish_description", "description"}
    for item in fields(Options):
        assert (f"--{item.name.replace('_', '-')} " in said) is (item.name not in of_rviz)
        if item.name not in of_rviz:
            assert str(inspect.signature(up).parameters[item.name].default) == str(item.default)
