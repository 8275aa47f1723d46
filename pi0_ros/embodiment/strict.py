"""What all descriptions in YAML have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pi0_ros.embodiment.errors import unknown_name

NAME = r"^\S(.*\S)?$"
TOPIC = r"^(~?/)?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*$"
PATTERNS = {
    NAME: "must be one line with no blanks around it",
    TOPIC: "must be words of letters, digits and _, with / between them and no digit first",
}
Name = Annotated[str, Field(pattern=NAME)]
Topic = Annotated[str, Field(pattern=TOPIC, max_length=200)]
# Bounds of what a robot can have: a number beyond them is in another unit, or mistyped.
Position = Annotated[float, Field(ge=-100, le=100)]
DriverNumber = Annotated[float, Field(ge=-1e6, le=1e6)]
Rate = Annotated[float, Field(gt=0, le=10_000)]
Milliseconds = Annotated[float, Field(gt=0, le=10_000)]


class Misfit(ValueError):
    """A value is well-formed and does not fit.

    Args:
        said: What is wrong, and what would be right.
        key: Where, from the description that complains: ``"joints", 3, "home"``.
    """

    def __init__(self, said: str, *key: str | int) -> None:
        super().__init__(said)
        self.key = key


class Spec(BaseModel):
    """Common rules: frozen, unknown keys rejected, numbers finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, values: object) -> object:
        for key in values if isinstance(values, dict) else ():
            if key not in cls.model_fields:
                raise Misfit(unknown_name("key", str(key), cls.model_fields), key)
        return values


def reject_repeats(what: str, names: Iterable[object], *key: str | int) -> None:
    """Insist that all names, or numbers, are different.

    Raises:
        ValueError: Some are repeated; the message lists them.
    """
    given = [str(name) for name in names]
    repeated = sorted({name for name in given if given.count(name) > 1})
    if repeated:
        raise Misfit(f"{what} must be unique; repeated: {', '.join(repeated)}", *key)


def insist_known(what: str, names: Iterable[str], known: Iterable[str], *key: str | int) -> None:
    """Insist that all names exist.

    Raises:
        ValueError: One does not; the message lists those that do.
    """
    exist = tuple(known)
    for name in names:
        if name not in exist:
            raise Misfit(unknown_name(what, name, exist), *key)
