"""The robot's YAML against a checkpoint, told from everything but its weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pi0_ros.cli.check.finding import Finding, Findings, note, ok, warning, wrong
from pi0_ros.embodiment.convention import Convention
from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.policy.checkpoints.checkpoint import describe
from pi0_ros.policy.checkpoints.description import Description
from pi0_ros.policy.checkpoints.fit import fit, misfits
from pi0_ros.policy.checkpoints.hub import find_checkpoint
from pi0_ros.policy.checkpoints.tokenizer_file import count_pieces, find_tokenizer


def check_checkpoint(embodiment: Embodiment, place: str, tokenizer: str) -> Findings:
    """Compare sizes, statistics, cameras and conventions.

    Args:
        embodiment: The robot.
        place: Directory, or ``owner/name`` on the Hugging Face Hub.
        tokenizer: sentencepiece file; empty to look for it.

    Raises:
        FileNotFoundError: There is no such checkpoint, or a file of it is missing.
        ValueError: It is no checkpoint of π0 or π0.5, or a file is malformed.
    """
    description = describe(find_checkpoint(place))
    return (
        *_misfits(description, embodiment),
        *_width(description, embodiment),
        *_horizon(description, embodiment),
        *_tokenizer(description, tokenizer),
        _rate(embodiment),
        *(note("checkpoint", f"assumed: {one}") for one in description.assumed),
    )


def _misfits(description: Description, embodiment: Embodiment) -> Iterator[Finding]:
    reasons = misfits(description, embodiment)
    remedy = (
        f"change {embodiment.name}'s YAML as said, or use a checkpoint of this robot; `pi0 inspect "
        f"{description.directory}` tells what this one is"
    )
    yield from (wrong("checkpoint", reason, remedy) for reason in reasons)
    if reasons:
        return
    fitted = fit(description, embodiment)
    yield ok("checkpoint", f"{description.config.variant} in {description.form}'s form fits")
    yield ok("statistics", _statistics(description, embodiment))
    yield from _slots(description, fitted.slots)
    yield from _delta(fitted.pipeline.convention, embodiment)


def _statistics(description: Description, embodiment: Embodiment) -> str:
    kind = description.normalisation_kind
    if "" in description.normalisations or embodiment.openpi is None:
        return f"the checkpoint's own, {kind}"
    return f"those of {embodiment.openpi.statistics}, {kind}"


def _slots(description: Description, slots: dict[str, str]) -> Iterator[Finding]:
    yield ok("slots", ", ".join(f"{camera} in {slot}" for camera, slot in slots.items()))
    empty = [slot for slot in description.config.cameras if slot not in slots.values()]
    if empty:
        yield note("slots", f"no camera for {', '.join(empty)}: the model does not see them")


def _delta(convention: Convention, embodiment: Embodiment) -> Iterator[Finding]:
    width = convention.action_width
    wanted = np.zeros(width, dtype=bool)
    given = [count > 0 for count in embodiment.policy.delta for _ in range(abs(count))]
    wanted[: len(given)] = given[:width]
    mask = convention.delta_mask
    if (mask == wanted).all():
        yield ok("relative actions", f"{_signs(mask)} (+ relative to the state, = as they are)")
        return
    said = f"the YAML's policy.delta says {_signs(wanted)}, the checkpoint {_signs(mask)}"
    yield note("relative actions", f"{said} (+ relative to the state): the checkpoint's hold")


def _signs(mask: np.ndarray) -> str:
    return "".join("+" if flag else "=" for flag in mask)


def _width(description: Description, embodiment: Embodiment) -> Findings:
    width = description.config.action_dim
    known = ", ".join(f"{name} {padded}" for name, padded in embodiment.paddings.items())
    said = f"its vectors have {width} numbers; the YAML's paddings are {known}"
    fault = warning("width", said, f"add {width} to paddings once its order is known to be right")
    return (ok("width", said) if width in embodiment.paddings.values() else fault,)


def _horizon(description: Description, embodiment: Embodiment) -> Findings:
    theirs, timing = description.config.horizon, embodiment.policy
    said = f"{theirs} actions in a chunk, of which {timing.execute} are played"
    if theirs == timing.horizon:
        return (ok("horizon", said),)
    said += f"; the YAML's policy.horizon is {timing.horizon}"
    return (warning("horizon", said, f"set policy.horizon to {theirs}, as this was trained"),)


def _tokenizer(description: Description, given: str) -> Findings:
    try:
        file = find_tokenizer(description, given)
        said = f"{file}, {count_pieces(file, description.config)} pieces"
    except (FileNotFoundError, ValueError) as error:
        remedy = "give the checkpoint's own sentencepiece file as --tokenizer"
        return (wrong("tokenizer", str(error), remedy),)
    return (ok("tokenizer", said),)


def _rate(embodiment: Embodiment) -> Finding:
    rate = embodiment.policy.rate_hz
    return note("rate", f"{rate:g} actions per second by the YAML; checkpoints do not say theirs")
