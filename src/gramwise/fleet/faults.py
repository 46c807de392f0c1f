"""What is wrong with a scenario, as values first and then as one clear error.

Checks return `Problem` values, so that all of them can be counted; the first is told in full. pydantic's own
findings are translated here, the only place that knows both its vocabulary and ours.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from gramwise.core.errors import ConfigError, did_you_mean

GUIDE = "docs/how-to/scenario.md"

_SAID = {
    "too_short": "it is empty",
    "string_too_short": "it is empty",
    "string_type": "it must be text, in quotes",
    "string_pattern_mismatch": "it may hold letters, digits, - and _ only",
    "int_type": "it must be a whole number",
    "float_type": "it must be a number",
    "tuple_type": "it must be a list",
    "dict_type": "it must be a table",
    "model_type": "it must be a table",
    "byte_size": "it must be a number of bytes, or text such as 512 MiB",
    "byte_size_unit": "its unit is not one of bytes",
}
"""pydantic's findings in the words of a TOML file; the others read well as they are."""


class Problem(NamedTuple):
    """One thing that cannot be used: the dotted key, a sentence, and what to write instead."""

    key: str
    message: str
    fix: str = ""


def raise_first(problems: Sequence[Problem], file: Path, origins: Mapping[str, str] | None = None) -> None:
    """Raise the first problem and say how many more there are; do nothing when there is none.

    Args:
        problems: in the order of importance.
        file: the scenario file.
        origins: for keys whose value did not come from the file, where it came from.

    Raises:
        ConfigError: with file (or the origin), key, sentence and what to write.
    """
    if not problems:
        return
    key, message, fix = problems[0]
    more = len(problems) - 1
    note = f"({more} more {'problem' if more == 1 else 'problems'} after this one.)" if more else ""
    raise ConfigError(
        message,
        file=(origins or {}).get(key, str(file)),
        key=key or None,
        fix=" ".join(part for part in (fix, note) if part) or None,
    )


def translate(error: ValidationError, root: type[BaseModel]) -> list[Problem]:
    """pydantic's findings as problems: the schema, unknown keys (they explain missing ones), the rest."""
    found = [_problem(detail, root) for detail in error.errors(include_url=False)]
    return [problem for _, problem in sorted(found, key=lambda pair: pair[0])]


def toml_text(value: object) -> str:
    """A value as it would stand in a TOML file."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (str, bool)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _problem(detail: Any, root: type[BaseModel]) -> tuple[int, Problem]:
    loc = tuple(str(part) for part in detail["loc"] if part != "[key]")
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "gramwise":
        key = ".".join((*loc, *filter(None, [context["key"]])))
        return 2, Problem(key, detail["msg"], context["fix"])
    key = ".".join(loc)
    if kind == "extra_forbidden":
        table = f"[{'.'.join(loc[:-1])}]" if loc[:-1] else "the top level"
        fix = _nearest_key(loc[-1], _fields(_model_at(root, loc[:-1])))
        return (0 if key == "schema" else 1), Problem(key, f"{table} has no key {loc[-1]!r}.", fix)
    order = 0 if loc[:1] == ("schema",) else 2
    field = _fields(_model_at(root, loc[:-1])).get(loc[-1]) if loc else None
    if kind == "missing":
        return order, Problem(key, "this key is missing.", _example(loc, field))
    return order, Problem(key, _sentence(detail), _example(loc, field))


def _nearest_key(word: str, known: Mapping[str, FieldInfo]) -> str:
    """Names carry their unit, so the commonest slip is to leave it out: ``deadline`` for ``deadline_s``."""
    longer = [name for name in known if name.startswith(f"{word}_")]
    return f"Did you mean {longer[0]!r}?" if longer else did_you_mean(word, known, limit=20)


def _sentence(detail: Any) -> str:
    value = detail["input"]
    shown = "a table" if isinstance(value, Mapping) else toml_text(value)
    said = _SAID.get(detail["type"]) or detail["msg"].replace("Input should", "it must")
    return f"{shown} cannot be used: {said[:1].lower()}{said[1:]}."


def _example(loc: Sequence[str], field: FieldInfo | None) -> str:
    """What to write: the field's example, or the table that is missing."""
    if field is None or not loc:
        return f"See {GUIDE}."
    if field.examples:
        return f"Write for instance {loc[-1]} = {toml_text(field.examples[0])}."
    name = ".NAME" if typing.get_origin(field.annotation) is dict else ""
    return f"Write a table [{'.'.join(loc)}{name}]; see {GUIDE}."


def _fields(model: type[BaseModel] | None) -> dict[str, FieldInfo]:
    """Fields by the name they have in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()} if model else {}


def _model_at(root: type[BaseModel], loc: Sequence[str]) -> type[BaseModel] | None:
    """The model of the table at ``loc``; in a table or list of tables, one part of ``loc`` is the entry's name."""
    model: type[BaseModel] | None = root
    parts = iter(loc)
    for part in parts:
        field = _fields(model).get(part)
        if field is None:
            return None
        model = _inner(field.annotation)
        if _holds_tables(field.annotation):
            next(parts, None)
    return model


def _holds_tables(annotation: Any) -> bool:
    """Whether entries stand under a name or a position of their own: in a dict, a list, or either or None."""
    origins = (typing.get_origin(each) for each in (annotation, *typing.get_args(annotation)))
    return typing.get_origin(annotation) is dict or tuple in origins


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_inner, typing.get_args(annotation))), None)
