"""Whether a checkpoint fits a robot, and how the two are connected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pi0_ros.embodiment.convention import Convention
from pi0_ros.embodiment.loading import convention_of
from pi0_ros.embodiment.pipeline import Pipeline
from pi0_ros.embodiment.spec import Camera, Embodiment
from pi0_ros.embodiment.vector import vector_widths
from pi0_ros.model.config import CAMERAS
from pi0_ros.policy.checkpoints.description import Description


@dataclass(frozen=True, eq=False)
class Fit:
    """How one robot uses one checkpoint.

    Attributes:
        pipeline: Between the robot's numbers and the network's.
        slots: The network's slot of each camera, by the camera's name; other slots stay empty.
    """

    pipeline: Pipeline
    slots: dict[str, str]


def fit(description: Description, embodiment: Embodiment) -> Fit:
    """Connect a checkpoint to a robot.

    Raises:
        ValueError: They do not fit; the message gives every reason.
    """
    reasons = misfits(description, embodiment)
    if reasons:
        raise ValueError(
            f"{description.directory} does not fit {embodiment.name}: {'; '.join(reasons)}"
        )
    return Fit(_pipeline(description, embodiment), _slots(description, embodiment))


def misfits(description: Description, embodiment: Embodiment) -> tuple[str, ...]:
    """List why a checkpoint does not fit a robot; empty where it does."""
    checks: tuple[Callable[[Description, Embodiment], object], ...] = (
        _check_sizes,
        _pipeline,
        _slots,
    )
    reasons = []
    for check in checks:
        try:
            check(description, embodiment)
        except ValueError as error:
            reasons.append(str(error))
    return tuple(reasons)


def _check_sizes(description: Description, embodiment: Embodiment) -> None:
    config, width = description.config, max(vector_widths(embodiment))
    if config.action_dim < width:
        raise ValueError(
            f"its vectors have {config.action_dim} numbers and the robot's {width}; use a "
            "checkpoint at least as wide"
        )
    if config.horizon < embodiment.policy.execute:
        raise ValueError(
            f"its chunks have {config.horizon} actions and the robot's YAML plays "
            f"{embodiment.policy.execute} of each; lower policy.execute"
        )


def _pipeline(description: Description, embodiment: Embodiment) -> Pipeline:
    """Put convention and statistics together."""
    convention = description.convention or convention_of(embodiment)
    widths = vector_widths(embodiment)
    if (convention.state_width, convention.action_width) != widths:
        raise ValueError(
            f"it has states of {convention.state_width} and actions of "
            f"{convention.action_width} numbers; the robot's have {widths[0]} and {widths[1]}. "
            "Use a checkpoint that was trained on this robot"
        )
    asset = "" if "" in description.normalisations else _asset(description, embodiment)
    pipeline = Pipeline(convention, description.normalisations[asset])
    _check_statistics(pipeline, convention, asset)
    return pipeline


def _asset(description: Description, embodiment: Embodiment) -> str:
    """Find the statistics of a robot among those of several."""
    known = sorted(description.normalisations)
    if not known:
        raise ValueError(
            "it has no statistics; copy assets/<robot>/norm_stats.json of the training beside it"
        )
    if embodiment.openpi is None:
        raise ValueError(
            f"it has statistics of {', '.join(known)}, and the robot's YAML does not say which "
            "are its own; write the id into openpi.statistics"
        )
    if embodiment.openpi.statistics not in known:
        raise ValueError(
            f"it has no statistics '{embodiment.openpi.statistics}', which the robot's YAML "
            f"names in openpi.statistics; it has {', '.join(known)}"
        )
    return embodiment.openpi.statistics


def _check_statistics(pipeline: Pipeline, convention: Convention, asset: str) -> None:
    widths = {"state": convention.state_width, "actions": convention.action_width}
    for name, width in widths.items():
        try:
            getattr(pipeline.normalisation, name).normalise(np.zeros(width))
        except ValueError as error:
            raise ValueError(f"statistics {asset or 'of the robot'}, {name}: {error}") from error


def _slots(description: Description, embodiment: Embodiment) -> dict[str, str]:
    """Find each camera's slot: by the camera's name, or by the slot that its YAML names."""
    slots = {camera.name: _slot(description, camera) for camera in embodiment.cameras}
    for slot in slots.values():
        sharing = [name for name, other in slots.items() if other == slot]
        if len(sharing) > 1:
            raise ValueError(f"cameras {' and '.join(sharing)} share its slot {slot}; rename one")
    return slots


def _slot(description: Description, camera: Camera) -> str:
    cameras = description.config.cameras
    named = description.camera_names.get(camera.name)
    if named in cameras:
        return str(named)
    if camera.slot in cameras:
        return camera.slot
    place = CAMERAS.index(camera.slot)
    if description.camera_names and place < len(cameras):
        return cameras[place]  # the first camera of the dataset is the base camera, and so on
    raise ValueError(
        f"it has no slot {camera.slot} for {camera.name}; it has {', '.join(cameras)}. Remove the "
        "camera from the robot's YAML, or give it another slot"
    )
