"""A YAML file as checked values; what is wrong is told with its file, key, line and value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from pi0_ros.embodiment.files import EmbodimentError
from pi0_ros.embodiment.strict import PATTERNS, Spec

Checked = TypeVar("Checked", bound=Spec)
Step = str | int
MERGE, TEXT = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"

# What YAML's users know better under another name than pydantic gives it.
SAID = {
    "missing": "is missing",
    "model_type": "must be keys with values",
    "dict_type": "must be keys with values",
    "tuple_type": "must be a list",
    "string_type": "must be a text; in quotes, where YAML reads it as something else",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number, without quotes",
    "float_type": "must be a number, without quotes; YAML reads 1e3 as a text and 1.0e+3 as 1000",
}


def read_spec(path: Path, kind: type[Checked], what: str) -> Checked:
    """Read a file.

    Args:
        path: The file.
        kind: What it describes.
        what: The same for people, with its article.

    Raises:
        EmbodimentError: The file is no YAML or does not describe that; the message lists all that
            is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        values, root = _values(text, path)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise EmbodimentError(f"{path} is not valid YAML: {error}") from error
    except OSError as error:
        raise EmbodimentError(f"{path} cannot be read: {error}") from error
    if root is None or not isinstance(values, dict):
        form = "empty" if root is None else "a list" if isinstance(values, tuple) else "one value"
        raise EmbodimentError(
            f"{path} does not describe {what}: it is {form}; write keys with values, such as "
            f"`name: {path.stem}`"
        )
    try:
        return kind.model_validate(values, strict=True)
    except ValidationError as error:
        lines = [f"{path} does not describe {what}:", *_lines(error.errors(), root)]
        raise EmbodimentError("\n".join(lines)) from error


class _Loader(yaml.SafeLoader):
    """Makes tuples of lists, as our values have them, and gives each mistake its line."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # a date such as 2026-13-01, an integer of 5000 digits
            raise yaml.constructor.ConstructorError(
                None, None, str(error), node.start_mark
            ) from None


def _tuple(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> tuple[Any, ...]:
    return tuple(loader.construct_sequence(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:seq", _tuple)


def _values(text: str, path: Path) -> tuple[Any, yaml.Node | None]:
    """Return the values and the node that they were made from."""
    loader = _Loader(text)
    loader.name = str(path)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, None
        _insist_keys_are_unique_texts(root)
        return loader.construct_document(root), root
    finally:
        loader.dispose()


def _insist_keys_are_unique_texts(root: yaml.Node) -> None:
    """Refuse what PyYAML would pass over: of two equal keys it takes the last."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # an alias, maybe of a node around it
            continue
        seen.add(id(node))
        waiting += _children(node)
        if isinstance(node, yaml.MappingNode):
            first: dict[str, yaml.Mark] = {}
            for key, _ in node.value:
                if key.tag not in (TEXT, MERGE):
                    raise _mistake(f"key {_snippet(key)} is not a text; put it in quotes", key)
                if key.value in first:
                    line = first[key.value].line + 1
                    raise _mistake(
                        f"key '{key.value}' stands twice, first in line {line}; remove one", key
                    )
                first[key.value] = key.start_mark


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        yield from (part for pair in node.value for part in pair)
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _mistake(said: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, said, node.start_mark)


def _lines(wrongs: Sequence[Mapping[str, Any]], root: yaml.Node) -> Iterator[str]:
    """Tell all mistakes; a list that is too short because its items are wrong is none."""
    for wrong in wrongs:
        at = wrong["loc"]
        within = [other for other in wrongs if other["loc"][: len(at)] == at and other is not wrong]
        if wrong["type"] != "too_short" or not within:
            yield f"  {_told(wrong, root)}"


def _told(wrong: Mapping[str, Any], root: yaml.Node) -> str:
    """Tell one mistake with its key, line and value."""
    context = wrong.get("ctx", {})
    lacking = wrong["loc"][-1:] if wrong["type"] == "missing" else ()
    steps, _, _ = _place(root, wrong["loc"])
    steps += getattr(context.get("error"), "key", lacking)
    name = ".".join(
        step if re.fullmatch(r"[\w/-]+", step) else repr(step) for step in map(str, steps)
    )
    _, node, line = _place(root, steps)
    place = f"line {line + 1}"
    if isinstance(node, yaml.ScalarNode):
        place = f"got {_snippet(node)}, {place}"
    return f"{name}: {_said(wrong, context)} ({place})"


def _said(wrong: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    """Tell what would be right."""
    if "error" in context:  # one of ours
        return str(context["error"])
    said = SAID.get(wrong["type"]) or PATTERNS.get(context.get("pattern", ""))
    if said is None:
        said = re.sub(r"^\w+ should ", "must ", wrong["msg"]).replace(" after validation", "")
    if wrong["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"])
        close = get_close_matches(str(wrong["input"]), allowed, n=1)
        said += f". Did you mean '{close[0]}'?" if close else ""
    return said


def _place(root: yaml.Node, location: Sequence[Step]) -> tuple[list[Step], yaml.Node, int]:
    """Follow a location as far as the file has it.

    Returns:
        The steps that the file has (pydantic's own, such as the class of a controller, are left
        out), the value that they lead to, and its line from 0.
    """
    steps: list[Step] = []
    node, line = root, root.start_mark.line
    for step in location:
        if isinstance(node, yaml.MappingNode):
            # The last one counts: what a merge key brings stands before what overrides it.
            pairs = [pair for pair in node.value if pair[0].value == step][-1:]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            pairs = [(item, item) for item in node.value[step : step + 1]]
        else:
            pairs = []
        for key, value in pairs:
            steps.append(step)
            node, line = value, key.start_mark.line
    return steps, node, line


def _snippet(node: yaml.Node) -> str:
    """Return a node as the file has it, in one line of at most 80 characters."""
    mark = node.start_mark
    written = str(mark.buffer)[mark.pointer : node.end_mark.pointer]
    return f"{' '.join(written.split()) or 'nothing':.80}"
