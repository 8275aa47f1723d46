from __future__ import annotations

import json
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from pi0_ros.cli.inspection import inspection, show
from pi0_ros.cli.main import app, main
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.model.config import Pi0Config, VisionConfig
from pi0_ros.model.stored import weights
from pi0_ros.model.stored.tensor_files import TensorFiles
from pi0_ros.policy.checkpoints.random_checkpoint import write_random_checkpoint

GOLDEN = Path(__file__).parents[3] / "config" / "golden"
runner = CliRunner()


@pytest.fixture(scope="module")
def checkpoint(embodiment: Embodiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inspected") / "checkpoint"
    write_random_checkpoint(folder, embodiment, seed=0)
    return folder


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copied"))


@pytest.fixture
def lerobot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy of LeRobot's, on a machine without a network."""

    def refuse(repository: str, name: str) -> Path:
        raise FileNotFoundError(f"no network for {repository}")

    monkeypatch.setattr("pi0_ros.policy.checkpoints.tokenizer_file.find_hub_file", refuse)
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path))
    return Path(shutil.copytree(GOLDEN / "lerobot", tmp_path / "lerobot"))


def answer(*words: str, code: int = 0) -> dict[str, str]:
    """What the command prints where it is piped, by topic; one that comes twice is joined."""
    result = runner.invoke(app, ["inspect", *words])
    assert result.exit_code == code, result.output
    lines = [line.partition(": ") for line in result.output.splitlines()]
    said: dict[str, str] = {}
    for topic, _, text in lines:
        said[topic] = "; ".join(filter(None, (said.get(topic), text)))
    return said


def test_a_checkpoint_that_fits_is_told_in_a_line_per_topic(checkpoint: Path) -> None:
    said = answer(str(checkpoint))
    assert said["checkpoint"] == "π0 in pi0_ros's form"
    assert said["directory"] == str(checkpoint)
    assert said["vision"] == "3 blocks of 128, 4 heads, MLP 512, 64 px in patches of 16"
    assert said["expert"] == "3 blocks of 96, 4 heads of 32, 1 of keys, MLP 192"
    assert said["actions"] == "50 of 18 numbers"
    assert said["cameras"] == "base_0_rgb, left_wrist_0_rgb, right_wrist_0_rgb"
    assert said["statistics"] == "state 14; actions 14"
    assert said["convention"].endswith("state 14, actions 14, relative to the state: none")
    assert said["tokenizer"].startswith(f"{checkpoint / 'tokenizer.model'}, ")
    assert said["sampler"] == "at openpi's rounded times"
    assert "base_camera in base_0_rgb" in said["ur5e_bimanual fits"]
    assert "assumed" not in said


def test_parameters_and_bytes_are_those_of_the_file(checkpoint: Path) -> None:
    facts = inspection(str(checkpoint), [], "").facts["weights"]
    tensors = load_file(checkpoint / "model.safetensors").values()
    assert facts["parameters"] == sum(math.prod(tensor.shape) for tensor in tensors)
    assert facts["bytes"] == (checkpoint / "model.safetensors").stat().st_size
    assert facts["tensors_by_type"] == {"F32": len(tensors)}


def test_no_weight_is_read(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("headers are enough")

    monkeypatch.setattr(TensorFiles, "read", read)
    assert answer(str(checkpoint))["checkpoint"]


def test_a_policy_of_lerobots_is_told_with_why_it_does_not_fit(lerobot: Path) -> None:
    said = answer(str(lerobot))
    assert said["checkpoint"] == "π0 in LeRobot's form"
    assert said["cameras"] == "base, left_wrist"
    assert said["normalisation"] == "MEAN_STD"
    assert said["sampler"] == "at exactly 1 - k/n"
    assert said["images"] == "interpolated between four pixels to 64 px"
    assert said["tokenizer"].startswith(f"no tokenizer for {lerobot}; looked for ")
    assert "no network for google/paligemma-3b-pt-224" in said["tokenizer"]
    reasons = said["ur5e_bimanual does not fit"]
    assert "its chunks have 12 actions and the robot's YAML plays 16 of each" in reasons
    assert "states of 6 and actions of 6 numbers; the robot's have 14 and 14" in reasons
    assert "no slot right_wrist_0_rgb for right_wrist_camera" in reasons


@pytest.fixture
def openpi(tmp_path: Path) -> Path:
    """A small π0.5 of openpi's, of which only the header of the weights is there."""
    config = replace(
        Pi0Config.demo(),
        vision=VisionConfig(image_size=28, patch_size=14, width=768, depth=1, heads=12, mlp=8),
        heads=8,
        variant="pi05",
    )
    folder = tmp_path / "openpi"
    for robot, width in (("droid", 8), ("lerobot/aloha_sim", 14)):
        one = {key: [number] * width for number, key in enumerate(("mean", "std", "q01", "q99"))}
        (folder / "assets" / robot).mkdir(parents=True)
        text = json.dumps({"norm_stats": {"state": one, "actions": one}})
        (folder / "assets" / robot / "norm_stats.json").write_text(text)
    layout = weights.stored_layout(config, torch.bfloat16)
    zeros = ((name, torch.zeros(stored.shape)) for name, stored in layout.items())
    weights.write_weights(folder / "model.safetensors", layout, zeros)
    return folder


def test_openpis_pi05_is_told_with_the_statistics_of_each_robot(openpi: Path) -> None:
    said = answer(str(openpi))
    assert said["checkpoint"] == "π0.5 in openpi's form"
    assert said["weights"].endswith(" BF16") or "BF16, " in said["weights"]
    assert said["normalisation"] == "quantile"
    assert said["statistics droid"] == "state 8; actions 8"
    assert said["statistics lerobot/aloha_sim"] == "state 14; actions 14"
    assert said["assumed"].startswith("prompts of at most 200 tokens, openpi's usual number; chunk")
    reason = said["ur5e_bimanual does not fit"]
    assert reason.startswith("it has no statistics 'ur5e_dual'")
    assert reason.endswith("it has droid, lerobot/aloha_sim")


def test_without_statistics_the_remedy_is_told(openpi: Path) -> None:
    shutil.rmtree(openpi / "assets")
    said = answer(str(openpi))["statistics"]
    assert said == "none: copy assets/<robot>/norm_stats.json of the training beside it"


def test_a_tokenizer_may_be_given_and_is_checked(checkpoint: Path, lerobot: Path) -> None:
    given = str(checkpoint / "tokenizer.model")
    said = answer(str(lerobot), "--tokenizer", given)["tokenizer"]
    assert said.startswith(f"{given} has ")
    assert "the model needs 211 tokens" in said


def test_dimensions_that_hardly_moved_are_named(copied: Path) -> None:
    file = copied / "norm_stats.json"
    content = json.loads(file.read_text())
    content["norm_stats"]["state"]["std"][3:5] = [0.0, 1e-6]
    file.write_text(json.dumps(content))
    assert answer(str(copied))["statistics"] == (
        "state 14 (hardly moved in training: 3, 4); actions 14"
    )


def test_relative_actions_are_marked(copied: Path) -> None:
    content = json.loads((copied / "config.json").read_text())
    content["pipeline"]["convention"]["delta"] = [2, -1]
    (copied / "config.json").write_text(json.dumps(content))
    said = answer(str(copied))
    assert said["convention"].endswith("relative to the state: [0, 1]")
    assert "actions ++============ (+ relative" in said["ur5e_bimanual fits"]
    content["pipeline"]["convention"] = None
    (copied / "config.json").write_text(json.dumps(content))
    said = answer(str(copied))
    assert said["convention"] == "as the robot's YAML says"
    assert "actions ++++++=++++++= (+ relative" in said["ur5e_bimanual fits"]


def test_tensors_that_are_not_the_models_are_exit_code_1(copied: Path) -> None:
    tensors = load_file(copied / "model.safetensors")
    del tensors["action_out_proj.bias"]
    save_file({**tensors, "mine": torch.zeros(1)}, copied / "model.safetensors")
    said = answer(str(copied), code=1)["do not load"]
    assert "1 missing: action_out_proj.bias; 1 unexpected: mine" in said


def test_json_holds_the_facts(lerobot: Path, tmp_path: Path) -> None:
    answer(str(lerobot), "--json", str(tmp_path / "facts.json"))
    facts: dict[str, Any] = json.loads((tmp_path / "facts.json").read_text())
    assert (facts["form"], facts["kind"], facts["exact_times"]) == ("LeRobot", "π0", True)
    assert facts["config"]["horizon"] == 12
    assert facts["normalisation"]["statistics"][""]["state"] == {"width": 6, "still": []}
    assert facts["convention"]["state_width"] == 6
    assert len(facts["fits"]["ur5e_bimanual"]["faults"]) == 3


def test_robots_may_be_named(checkpoint: Path) -> None:
    said = answer(str(checkpoint), "--embodiment", "ur5e_bimanual")
    assert "ur5e_bimanual fits" in said


def test_a_terminal_gets_a_table_that_breaks_long_lines(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(force_terminal=True, width=60, highlight=False)
    monkeypatch.setattr("pi0_ros.cli.inspection.Console", lambda **_: console)
    show(inspection(str(checkpoint), [], ""))
    printed = capsys.readouterr().out
    assert "\x1b[1mcheckpoint" in printed
    assert "π0 in pi0_ros's form" in printed
    assert len(printed.splitlines()) > 20


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"model_type": "paligemma"}, "a model of type 'paligemma'; policies of type pi0 and pi05"),
        ({"type": "smolvla"}, "a model of type 'smolvla'"),
        ({"format": "pi0_ros/9"}, "format 'pi0_ros/9'; read is 'pi0_ros/1'"),
        (None, "holds neither model.safetensors nor model.safetensors.index.json"),
    ],
)
def test_what_is_no_checkpoint_is_one_message_and_exit_code_2(
    config: dict[str, str] | None,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(sys, "argv", ["pi0", "inspect", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("pi0: ")
    assert says in said


def test_the_help_says_that_weights_are_not_read_and_shows_an_example() -> None:
    result = runner.invoke(app, ["inspect", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    said = " ".join(result.output.replace("│", " ").split())
    assert "Only the headers of the weights are read, never the weights: seconds even for" in said
    assert "Example: pi0 inspect lerobot/pi0_base" in said
