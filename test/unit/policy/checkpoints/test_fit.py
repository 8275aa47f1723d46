from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pi0_ros.embodiment.convention import Convention
from pi0_ros.embodiment.normalisation import Normalisation
from pi0_ros.embodiment.normaliser import ZScore
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.policy.checkpoints.checkpoint import describe
from pi0_ros.policy.checkpoints.description import Description
from pi0_ros.policy.checkpoints.fit import fit, misfits

Build = Callable[..., Path]
Robot = Callable[..., Embodiment]
BASE, LEFT, RIGHT = "base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb"


@pytest.fixture
def told(lerobot: Path) -> Description:
    """A policy of six joints with the cameras base and left_wrist, and chunks of 12."""
    return describe(lerobot)


# --- cameras -------------------------------------------------------------------------------------


def test_a_camera_of_the_same_name_is_found_whatever_its_slot(
    told: Description, robot: Robot
) -> None:
    swapped = robot(cameras={"left_wrist": BASE, "base": LEFT})
    assert fit(told, swapped).slots == {"left_wrist": "left_wrist", "base": "base"}


def test_a_camera_is_found_by_the_name_that_the_checkpoint_renames(
    told: Description, robot: Robot
) -> None:
    renamed = replace(told, camera_names={**told.camera_names, "front": "left_wrist"})
    assert fit(renamed, robot(cameras={"front": BASE})).slots == {"front": "left_wrist"}


def test_a_camera_is_found_by_its_slot(checkpoint: Path, embodiment: Embodiment) -> None:
    slots = {"base_camera": BASE, "left_wrist_camera": LEFT, "right_wrist_camera": RIGHT}
    assert fit(describe(checkpoint), embodiment).slots == slots


def test_a_camera_of_another_name_is_found_by_its_place(told: Description, robot: Robot) -> None:
    other = robot(cameras={"wrist_cam": LEFT, "top": BASE})
    assert fit(told, other).slots == {"wrist_cam": "left_wrist", "top": "base"}


def test_a_robot_may_have_fewer_cameras(told: Description, robot: Robot) -> None:
    assert fit(told, robot(cameras={"wrist": LEFT})).slots == {"wrist": "left_wrist"}


def test_two_cameras_on_one_slot_are_refused(told: Description, robot: Robot) -> None:
    (reason,) = misfits(told, robot(cameras={"left_wrist": BASE, "hand": LEFT}))
    assert reason == "cameras left_wrist and hand share its slot left_wrist; rename one"


def test_a_camera_without_a_slot_is_named_with_the_remedy(told: Description, robot: Robot) -> None:
    (reason,) = misfits(told, robot(cameras={"base": BASE, "other": RIGHT}))
    assert reason.startswith(f"it has no slot {RIGHT} for other; it has base, left_wrist. Remove")


# --- sizes ---------------------------------------------------------------------------------------


def test_every_reason_is_given_at_once(told: Description, robot: Robot) -> None:
    wide = robot(joints=40, cameras={"other": RIGHT})
    with pytest.raises(ValueError, match=r"lerobot does not fit tester: its vectors have 32") as e:
        fit(told, wide)
    said = str(e.value)
    assert "and the robot's 40; use a checkpoint at least as wide" in said
    assert "it has states of 6 and actions of 6 numbers; the robot's have 40 and 40" in said
    assert f"it has no slot {RIGHT}" in said


def test_chunks_shorter_than_what_is_played_are_refused(told: Description, robot: Robot) -> None:
    hasty = robot(policy={"rate_hz": 20, "horizon": 50, "execute": 13})
    (reason,) = misfits(told, hasty)
    assert reason == (
        "its chunks have 12 actions and the robot's YAML plays 13 of each; lower policy.execute"
    )
    assert misfits(told, robot(policy={"rate_hz": 20, "horizon": 50, "execute": 12})) == ()


def test_statistics_of_fewer_dimensions_than_the_robot_are_refused(
    told: Description, robot: Robot
) -> None:
    narrow = ZScore(np.zeros(5), np.ones(5), 0.0, 0.0)
    wide = told.normalisations[""].state
    for name, both in (
        ("state", Normalisation(narrow, wide)),
        ("actions", Normalisation(wide, narrow)),
    ):
        (reason,) = misfits(replace(told, normalisations={"": both}), robot())
        assert reason == (
            f"statistics of the robot, {name}: a vector of 6 is wider than its statistics, which "
            "have 5 dimensions; use the statistics of this robot"
        )


# --- statistics and convention by the robot's YAML -----------------------------------------------


def test_openpis_checkpoint_fits_the_robot_that_names_its_statistics_and_convention(
    openpi: Build, embodiment: Embodiment
) -> None:
    found = fit(describe(openpi()), embodiment)
    mask = found.pipeline.convention.delta_mask.tolist()
    assert mask == [True] * 6 + [False] + [True] * 6 + [False]
    # Statistics of mean 0 and std 1, but for openpi's millionth: numbers stay as they are.
    actions = found.pipeline.actions(np.full((50, 32), 0.5), np.full(14, 2.0))
    np.testing.assert_allclose(actions[0], np.where(mask, 2.5, 0.5), atol=1e-5)


def test_wider_statistics_serve_a_narrower_robot(openpi: Build, embodiment: Embodiment) -> None:
    one = {"mean": [0.0] * 32, "std": [1.0] * 32}
    folder = openpi(assets={"ur5e_dual": {"norm_stats": {"state": one, "actions": one}}})
    assert misfits(describe(folder), embodiment) == ()


@pytest.mark.parametrize(
    ("statistics", "says"),
    [
        ("", "it has no statistics; copy assets/<robot>/norm_stats.json of the training beside it"),
        (
            "droid trossen",
            "it has no statistics 'ur5e_dual', which the robot's YAML names in "
            "openpi.statistics; it has droid, trossen",
        ),
    ],
)
def test_statistics_that_are_not_there_are_named_with_those_that_are(
    openpi: Build, embodiment: Embodiment, statistics: str, says: str
) -> None:
    one = {"mean": [0.0] * 14, "std": [1.0] * 14}
    content: dict[str, Any] = {"norm_stats": {"state": one, "actions": one}}
    told = describe(openpi(assets=dict.fromkeys(statistics.split(), content)))
    assert misfits(told, embodiment) == (says,)


def test_a_robot_that_names_no_statistics_is_asked_to(openpi: Build, robot: Robot) -> None:
    (reason,) = misfits(describe(openpi()), robot(joints=14))
    assert reason.startswith("it has statistics of ur5e_dual, and the robot's YAML does not say")
    assert reason.endswith("write the id into openpi.statistics")


def test_a_convention_of_the_checkpoint_goes_before_the_robots(
    openpi: Build, embodiment: Embodiment
) -> None:
    own = replace(describe(openpi()), convention=Convention.identity(14, 14))
    assert not fit(own, embodiment).pipeline.convention.delta_mask.any()
