from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pi0_ros.cli.check.checkpoint import check_checkpoint
from pi0_ros.cli.check.finding import Finding, Level, is_fit, note, ok
from pi0_ros.embodiment.loading import load_embodiment
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.policy.checkpoints.random_checkpoint import write_random_checkpoint


@pytest.fixture(scope="module")
def checkpoint(embodiment: Embodiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checked") / "checkpoint"
    write_random_checkpoint(folder, embodiment, seed=0)
    return folder


def compared(checkpoint: Path, embodiment: Embodiment) -> dict[str, Finding]:
    return {one.topic: one for one in check_checkpoint(embodiment, str(checkpoint), "")}


def with_policy(embodiment: Embodiment, **changes: Any) -> Embodiment:
    policy = embodiment.policy.model_copy(update=changes)
    return embodiment.model_copy(update={"policy": policy})


def test_a_checkpoint_that_fits_is_told_in_a_line_per_topic(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    found = compared(checkpoint, embodiment)
    assert is_fit(found.values())
    assert found["checkpoint"].said == "pi0 in pi0_ros's form fits"
    assert found["width"] == ok(
        "width", "its vectors have 18 numbers; the YAML's paddings are paper 18, openpi 32"
    )
    assert found["horizon"] == ok("horizon", "50 actions in a chunk, of which 16 are played")
    assert found["statistics"].said == "the checkpoint's own, z_score"
    assert found["slots"].said.startswith("base_camera in base_0_rgb, ")
    assert found["tokenizer"].level == Level.OK
    assert found["rate"] == note(
        "rate", "20 actions per second by the YAML; checkpoints do not say theirs"
    )


def test_other_relative_actions_than_the_yamls_are_a_note(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    assert compared(checkpoint, embodiment)["relative actions"] == note(
        "relative actions",
        "the YAML's policy.delta says ++++++=++++++=, the checkpoint ============== (+ relative to "
        "the state): the checkpoint's hold",
    )
    same = compared(checkpoint, with_policy(embodiment, delta=()))
    assert same["relative actions"].level == Level.OK


def test_another_width_and_another_horizon_are_warnings(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    narrow = with_policy(embodiment, horizon=40).model_copy(update={"paddings": {"openpi": 32}})
    found = compared(checkpoint, narrow)
    assert found["width"].level == found["horizon"].level == Level.WARNING
    assert found["horizon"].said.endswith("the YAML's policy.horizon is 40")


def test_a_robot_with_a_camera_less_leaves_a_slot_empty(
    checkpoint: Path, embodiment: Embodiment
) -> None:
    fewer = embodiment.model_copy(update={"cameras": embodiment.cameras[:2]})
    found = check_checkpoint(fewer, str(checkpoint), "")
    assert note("slots", "no camera for right_wrist_0_rgb: the model does not see them") in found


def test_what_does_not_fit_a_checkpoint_is_told_each_with_its_remedy(checkpoint: Path) -> None:
    found = check_checkpoint(
        with_policy(load_embodiment("franka"), execute=60), str(checkpoint), ""
    )
    faults = [one for one in found if one.level == Level.WRONG]
    assert "the robot's YAML plays 60 of each; lower policy.execute" in faults[0].said
    assert "states of 14 and actions of 14 numbers; the robot's have 8 and 8" in faults[1].said
    assert f"`pi0 inspect {checkpoint}`" in faults[0].remedy


def test_statistics_and_tokenizer_that_are_not_there_are_told(
    checkpoint: Path, embodiment: Embodiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path))
    copied = Path(shutil.copytree(checkpoint, tmp_path / "copied"))
    (copied / "tokenizer.model").unlink()
    statistics = json.loads((copied / "norm_stats.json").read_text())
    state = statistics["norm_stats"]["state"]
    state |= {key: numbers[:7] for key, numbers in state.items() if numbers}
    (copied / "norm_stats.json").write_text(json.dumps(statistics))
    found = compared(copied, embodiment)
    assert found["checkpoint"].said.startswith("statistics of the robot, state: ")
    assert found["tokenizer"].level == Level.WRONG
    assert "--tokenizer" in found["tokenizer"].remedy
