"""The JSON Schema of a robot's YAML, by which an editor completes, explains and checks it."""

from __future__ import annotations

import inspect
import re
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from pi0_ros.embodiment.spec import Embodiment
from pi0_ros.embodiment.strict import Spec


def embodiment_schema() -> dict[str, Any]:
    """Return the schema; its words are those of the classes' docstrings."""
    schema = Embodiment.model_json_schema(schema_generator=_Described)
    return {"$schema": _Described.schema_dialect, "title": "A robot of pi0_ros", **schema}


def documented(kind: type[Spec]) -> tuple[str, dict[str, str]]:
    """Split a docstring: what comes before ``Attributes:``, and each attribute's words.

    An attribute that a class inherits may stand in the docstring of the class it comes from.
    """
    words: dict[str, str] = {}
    for parent in reversed([one for one in kind.__mro__ if issubclass(one, Spec)]):
        _, _, attributes = inspect.cleandoc(parent.__doc__ or "").partition("\nAttributes:\n")
        for name, said in re.findall(r"^    (\w+): ((?:.+|\n {8})+)", attributes, re.MULTILINE):
            words[name] = _one_line(said)
    before, _, _ = inspect.cleandoc(kind.__doc__ or "").partition("\nAttributes:\n")
    return _one_line(before), words


def _one_line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


class _Described(GenerateJsonSchema):
    """Takes descriptions from docstrings, and no titles: they would repeat the keys."""

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().model_schema(schema)
        made["description"], words = documented(schema["cls"])
        for name, field in made["properties"].items():
            field["description"] = words[name]
        made.pop("title", None)
        return made

    def dict_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().dict_schema(schema)
        return {**made, "additionalProperties": False} if "patternProperties" in made else made

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False
