"""pi0_msgs/ActionChunk to the value and back."""

from __future__ import annotations

import numpy as np
from pi0_msgs.msg import ActionChunk as ActionChunkMessage

from pi0_ros.bridge.stamps import to_duration, to_ns, to_time
from pi0_ros.execution.chunk import ActionChunk, ActionKind


def decode_chunk(message: ActionChunkMessage) -> ActionChunk:
    """Return the message as a value.

    Raises:
        ValueError: Sizes do not belong together, or a kind is unknown.
    """
    width, numbers = len(message.names), len(message.actions)
    if width == 0 or numbers % width:
        raise ValueError(f"{numbers} actions for {width} names; expected a multiple, row by row")
    unknown = sorted(set(message.kinds) - set(ActionKind))
    if unknown:
        known = ", ".join(f"{int(kind)} ({kind.name.lower()})" for kind in ActionKind)
        raise ValueError(f"kind {unknown[0]} is unknown; known: {known}")
    return ActionChunk(
        names=tuple(message.names),
        kinds=tuple(ActionKind(int(kind)) for kind in message.kinds),
        actions=np.array(message.actions).reshape(-1, width),
        start_ns=to_ns(message.header.stamp),
        period_ns=to_ns(message.period),
        sequence=message.sequence,
        frozen_steps=message.frozen_steps,
        prompt=message.prompt,
        inference_ns=to_ns(message.inference_time),
        image_stamps_ns=tuple(to_ns(stamp) for stamp in message.image_stamps),
        previous_sequence=message.previous_sequence,
        previous_step=message.previous_step,
        notes=tuple(message.notes),
    )


def encode_chunk(chunk: ActionChunk, embodiment: str) -> ActionChunkMessage:
    """Return the value as a message of a robot by name."""
    message = ActionChunkMessage()
    message.header.stamp = to_time(chunk.start_ns)
    message.header.frame_id = embodiment
    message.sequence = chunk.sequence
    message.names = list(chunk.names)
    message.kinds = [int(kind) for kind in chunk.kinds]
    message.actions = np.asarray(chunk.actions, dtype=np.float64).ravel().tolist()
    message.period = to_duration(chunk.period_ns)
    message.frozen_steps = chunk.frozen_steps
    message.prompt = chunk.prompt
    message.inference_time = to_duration(chunk.inference_ns)
    message.image_stamps = [to_time(stamp_ns) for stamp_ns in chunk.image_stamps_ns]
    message.previous_sequence = chunk.previous_sequence
    message.previous_step = chunk.previous_step
    message.notes = list(chunk.notes)
    return message
