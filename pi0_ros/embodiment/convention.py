"""How a family of checkpoints writes one robot's numbers, as data of config/conventions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

import numpy as np
from pydantic import Field, model_validator

from pi0_ros.embodiment.errors import unknown_name
from pi0_ros.embodiment.spec import CameraSlot
from pi0_ros.embodiment.strict import Name, Spec
from pi0_ros.embodiment.value_map import ActionMap, StateMap

Width = Annotated[int, Field(gt=0)]
Image = TypeVar("Image")


class Convention(Spec):
    """Between a robot's numbers and those that a checkpoint was trained on.

    Attributes:
        name: Its file in config/conventions.
        title: Which checkpoints and robots it belongs to.
        state_width: Numbers of a state, S.
        action_width: Numbers of an action that leave for the robot, A.
        state_maps: From the robot's state to the model's, applied in order.
        action_maps: From the model's actions to the robot's, applied in order.
        delta: Which action dimensions are relative to the state at the chunk's start, in openpi's
            notation: (6, -1) means six that are and one that is not; the rest is not.
        cameras: The model's slot of each camera, by the name that the family gives it.
        optional: Cameras that may be absent; the model does not see their slots.
        ignored: Cameras that may be given, and that the model has no slot for.
        state_in_prompt: Whether π0.5 reads the state in its prompt; if not, it sees none at all.
    """

    name: Name
    title: str
    state_width: Width
    action_width: Width
    state_maps: tuple[StateMap, ...] = ()
    action_maps: tuple[ActionMap, ...] = ()
    delta: tuple[int, ...] = ()
    cameras: dict[Name, CameraSlot] = Field(default_factory=dict)
    optional: tuple[Name, ...] = ()
    ignored: tuple[Name, ...] = ()
    state_in_prompt: bool = True

    @staticmethod
    def identity(state_width: int, action_width: int, delta: tuple[int, ...] = ()) -> Convention:
        """Return the convention that keeps a robot's numbers, those of ``delta`` relative."""
        return Convention(
            name="identity",
            title="The robot's own numbers",
            state_width=state_width,
            action_width=action_width,
            delta=delta,
        )

    @model_validator(mode="after")
    def _dimensions_exist(self) -> Convention:
        for key, maps, width in (
            ("state_maps", self.state_maps, self.state_width),
            ("action_maps", self.action_maps, self.action_width),
        ):
            beyond = [dim for one in maps for dim in one.dims if dim >= width]
            if beyond:
                raise ValueError(f"{key} name dimension {beyond[0]}; the last one is {width - 1}")
        if 0 in self.delta:
            raise ValueError("delta counts dimensions, and a count is not 0; leave it out")
        narrower = min(self.state_width, self.action_width)
        if sum(map(abs, self.delta)) > narrower:
            raise ValueError(
                f"delta counts {sum(map(abs, self.delta))} dimensions; there are {narrower}"
            )
        return self

    @model_validator(mode="after")
    def _cameras_exist(self) -> Convention:
        for name in self.optional:
            if name not in self.cameras:
                raise ValueError(unknown_name("optional camera", name, self.cameras))
        for name in self.ignored:
            if name in self.cameras:
                raise ValueError(f"camera '{name}' is ignored and has a slot; choose one")
        slots = list(self.cameras.values())
        repeated = sorted({slot for slot in slots if slots.count(slot) > 1})
        if repeated:
            raise ValueError(f"camera slots must be unique; repeated: {', '.join(repeated)}")
        return self

    @property
    def delta_mask(self) -> np.ndarray:
        """Which action dimensions are relative to the state, (A,) bool."""
        given = [count > 0 for count in self.delta for _ in range(abs(count))]
        return np.array(given + [False] * (self.action_width - len(given)))

    def state_to_model(self, state: np.ndarray) -> np.ndarray:
        """Map the robot's state to the model's, (..., S).

        Raises:
            ValueError: The state has another width, or a number that no robot has.
        """
        mapped = self._checked("state", state, self.state_width)
        for one in self.state_maps:
            dims = list(one.dims)
            mapped[..., dims] = one.apply(mapped[..., dims])
        return mapped

    def actions_to_robot(self, actions: np.ndarray) -> np.ndarray:
        """Map the model's absolute actions, padded or not, to the robot's, (..., A).

        Raises:
            ValueError: The actions are narrower than the robot's.
        """
        mapped = self._checked("action", actions[..., : self.action_width], self.action_width)
        for one in self.action_maps:
            dims = list(one.dims)
            mapped[..., dims] = one.apply(mapped[..., dims])
        return mapped

    def actions_to_model(self, actions: np.ndarray) -> np.ndarray:
        """Map the robot's actions to the model's absolute ones, (..., A), as training needs them.

        Raises:
            ValueError: The actions have another width.
        """
        mapped = self._checked("action", actions, self.action_width)
        for one in reversed(self.action_maps):
            dims = list(one.dims)
            mapped[..., dims] = one.undo(mapped[..., dims])
        return mapped

    def slots(self, images: Mapping[str, Image]) -> dict[str, Image]:
        """Put images into the model's slots; the slots of absent cameras are left out.

        Args:
            images: Image by the family's name of its camera.

        Raises:
            ValueError: A camera is unknown, or one that is not optional is missing.
        """
        for name in images:
            if name not in self.cameras and name not in self.ignored:
                raise ValueError(unknown_name("camera", name, (*self.cameras, *self.ignored)))
        missing = [n for n in self.cameras if n not in images and n not in self.optional]
        if missing:
            raise ValueError(f"no image of {', '.join(missing)}, which {self.name} needs")
        return {slot: images[name] for name, slot in self.cameras.items() if name in images}

    def _checked(self, what: str, values: np.ndarray, width: int) -> np.ndarray:
        """Return a float64 copy of the right width."""
        if values.shape[-1] != width:
            raise ValueError(
                f"convention '{self.name}' has {width} numbers per {what}; got shape "
                f"{values.shape}. Choose the convention of this robot"
            )
        return np.array(values, dtype=np.float64)


def delta(actions: np.ndarray, state: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Make actions relative to the state at the chunk's start.

    Args:
        actions: (..., H, A) in the model's units, not normalised.
        state: (..., S), likewise.
        mask: Which dimensions become relative, (M,) bool; none behind A or S.

    Returns:
        (..., H, A); where the mask is False, and beyond it, the actions as they were.
    """
    return _shifted(actions, -np.asarray(state, dtype=np.float64), mask)


def absolute(actions: np.ndarray, state: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Undo :func:`delta`: add the state to the actions of the masked dimensions, (..., H, A)."""
    return _shifted(actions, np.asarray(state, dtype=np.float64), mask)


def _shifted(actions: np.ndarray, by: np.ndarray, mask: np.ndarray) -> np.ndarray:
    dims = np.flatnonzero(mask)  # behind the last of them the state may end
    if dims.size and dims[-1] >= min(actions.shape[-1], by.shape[-1]):
        raise ValueError(
            f"a mask of dimension {dims[-1]} does not fit actions {actions.shape} and state "
            f"{by.shape}"
        )
    shifted = np.array(actions, dtype=np.float64)
    shifted[..., dims] += by[..., None, dims]
    return shifted
