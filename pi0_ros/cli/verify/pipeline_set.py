"""openpi's recorded data pipeline: everything between a robot's numbers and the network's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pi0_ros.cli.verify.comparison import EXACT, Comparison, Result, absolute
from pi0_ros.cli.verify.pictures import check_pictures
from pi0_ros.cli.verify.recording import Recording, read_manifest
from pi0_ros.cli.verify.texts import check_frames, check_prompts
from pi0_ros.embodiment import convention
from pi0_ros.embodiment.convention import Convention
from pi0_ros.embodiment.loading import load_convention
from pi0_ros.embodiment.normalisation import Normalisation, NormStats
from pi0_ros.embodiment.pipeline import Pipeline
from pi0_ros.embodiment.running_statistics import RunningStatistics
from pi0_ros.embodiment.vector import padded

FLOAT64 = absolute(1e-12)
KINDS = {"zscore": "z_score", "quantile": "quantile"}
# Which conventions have the mask of relative actions of each recorded robot.
MASKS = {
    "aloha": ("aloha", "ur5_dual"),
    "droid_jointpos": ("droid_jointpos",),
    "libero_ur5": ("libero", "ur5"),
}


def compare_pipeline(folder: Path, name: str) -> list[Result]:
    """Compare a folder that holds numbers of openpi's data pipeline.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or a tensor is missing or mis-shaped.
    """
    manifest = read_manifest(folder / "pipeline.json")
    case = Comparison(name, Recording(folder / "pipeline.safetensors"))
    check_pictures(case, manifest)
    _normalisation(case, folder)
    _running_statistics(case)
    _relative_actions(case)
    _aloha(case)
    _chains(case, folder)
    check_prompts(case, manifest, folder)
    check_frames(case, manifest, folder)
    return case.complete()


def _statistics(folder: Path, kind: str) -> Normalisation:
    file = folder / "norm_stats.json"
    return NormStats.load(file).normalisation(KINDS[kind], file)


def _normalisation(case: Comparison, folder: Path) -> None:
    recorded = case.recorded
    for kind in KINDS:
        made = _statistics(folder / "norm_stats", kind)
        for what in ("state", "actions"):
            one = getattr(made, what)
            found = one.normalise(recorded.array(f"norm.in_{what}"))
            case.check(f"norm.{kind}.{what}", found, FLOAT64)
            found = one.denormalise(recorded.array(f"unnorm.{kind}.in_{what}"))
            case.check(f"unnorm.{kind}.{what}", found, FLOAT64)


def _running_statistics(case: Comparison) -> None:
    running = RunningStatistics()
    for number in sorted(case.recorded.below("running.batch."), key=int):
        running.update(case.recorded.array(f"running.batch.{number}"))
    found = running.statistics()
    for name in ("mean", "std", "q01", "q99"):
        case.check(f"running.{name}", np.array(getattr(found, name)), FLOAT64)


def _relative_actions(case: Comparison) -> None:
    for robot, names in MASKS.items():
        recorded = case.recorded[f"delta.{robot}.mask"]
        for name in names:
            mask = load_convention(name).delta_mask
            case.check(f"delta.{robot}.mask of {name}", mask, EXACT, recorded=recorded)
        numbers = [case.recorded.array(f"delta.{robot}.{n}") for n in ("actions", "state", "mask")]
        case.check(f"delta.{robot}.out", convention.delta(*numbers), FLOAT64)
        case.check(f"absolute.{robot}.out", convention.absolute(*numbers), FLOAT64)


def _aloha(case: Comparison) -> None:
    """Compare ALOHA's convention, with openpi's adaptation (1) and without (0)."""
    recorded, adapted = case.recorded, load_convention("aloha")
    width = adapted.state_width
    state, actions = recorded.array("aloha.raw_state"), recorded.array("aloha.raw_actions")
    junk = np.pad(actions, [(0, 0), (0, 18)], constant_values=7.0)  # what pads a network's output
    for number, one in (("1", adapted), ("0", Convention.identity(width, width))):
        case.check(f"aloha.adapt{number}.state", one.state_to_model(state), FLOAT64)
        learned = one.actions_to_model(actions)
        case.check(f"aloha.adapt{number}.train_actions", learned, FLOAT64)
        case.check(f"aloha.adapt{number}.out_actions", one.actions_to_robot(junk), FLOAT64)
    flipped = [dim for one in adapted.state_maps if one.map == "flip" for dim in one.dims]
    signs = np.where(np.isin(np.arange(width), flipped), -1, 1)
    case.check("aloha.joint_flip", signs, EXACT)
    x = recorded.array("aloha.gripper_x")
    grippers = [dim for one in adapted.action_maps if one.map == "linear" for dim in one.dims]
    for way, tensor in (
        (adapted.state_to_model, "aloha.gripper_to_angular"),
        (adapted.actions_to_robot, "aloha.gripper_from_angular"),
        (adapted.actions_to_model, "aloha.gripper_from_angular_inv"),
    ):
        # Both grippers go the same way; the other joints are of no account here.
        found = way(np.repeat(x[:, None], width, axis=1))[:, grippers]
        twice = recorded[tensor][:, None].expand(-1, len(grippers))
        case.check(tensor, found, FLOAT64, recorded=twice)


def _chains(case: Comparison, folder: Path) -> None:
    """Compare whole ways in and out, at the network's full width."""
    recorded, stats = case.recorded, folder / "norm_stats_32"
    sampled = recorded.array("chain.aloha.model_actions")
    width = sampled.shape[-1]
    droid = ("chain.droid.raw_joint_position", "chain.droid.raw_gripper_position")
    states = {
        "aloha": recorded.array("aloha.raw_state"),
        "droid": np.concatenate([recorded.array(tensor) for tensor in droid]),
        "libero": recorded.array("chain.libero.raw_state"),
    }
    for robot, raw in states.items():
        kind = "quantile" if robot == "droid" else "zscore"
        chain = Pipeline(load_convention(robot), _statistics(stats, kind))
        state = chain.state(raw)
        if robot == "droid":
            case.check("chain.droid.model_state_unpadded", state, FLOAT64)
            back = chain.normalisation.state.denormalise(padded(state, width))
            case.check("chain.droid.unnorm_state", back, FLOAT64)
        else:
            case.check(f"chain.{robot}.model_state", padded(state, width), FLOAT64)
        case.check(f"chain.{robot}.robot_actions", chain.actions(sampled, raw), FLOAT64)
