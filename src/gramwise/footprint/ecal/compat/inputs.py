"""What an eCAL document may say: each key's kind, bounds and default; everything else is refused by name.

A number may be an array: one value for each configuration. Arrays become float64, whole numbers included, because the
formulas are exact there up to 2^53.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gramwise.core.errors import ConfigError, did_you_mean

from .stack import Value, extremes
from .stages import Column


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number of at least ``low``."""

    default: Any
    low: int = 1


@dataclass(frozen=True, slots=True)
class Real:
    """A finite number from ``low`` to ``high``; ``open_low`` and ``open_high`` leave the ends out."""

    default: Any
    low: float = 0.0
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words; ``many`` allows one for each configuration."""

    default: str
    options: Sequence[str]
    many: bool = False
    any_case: bool = False


@dataclass(frozen=True, slots=True)
class Raw:
    """Whatever the tool itself reads, such as a list of hops."""

    default: Any = None


Field = Count | Real | Choice | Raw

FAILURE = Real(
    0.0, high=1.0, open_high=True, why="at 1 nothing ever arrives and the authors' tools divide by zero"
)


class Schema:
    """What a document may say: its fields by key."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self.fields = dict(fields)
        self.defaults: dict[str, Any] = {key: field.default for key, field in fields.items()}


def read(schema: Schema, given: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Check a document and fill in what it leaves out.

    Args:
        schema: what may be said.
        given: what is said; None means the default.
        where: put before a key in an error, for instance ``"model_params."``.

    Returns:
        Every key of the schema; whole numbers as ``int``, arrays as float64 of shape (N,), words for each
        configuration as a `Column`.

    Raises:
        ConfigError: an unknown key, a number out of bounds or of the wrong kind; names the key.
    """
    if type(given) is not dict and not isinstance(given, Mapping):  # the first question is the cheap one
        raise ConfigError(
            f"this is {type(given).__name__}, not a table of keys.", key=where.rstrip(".") or None
        )
    found = dict(schema.defaults)
    for key, value in given.items():
        field = schema.fields.get(key)
        if field is None:
            raise ConfigError(
                "there is no such key.", key=f"{where}{key}", fix=did_you_mean(str(key), schema.fields)
            )
        if value is not None:
            found[key] = _checked(field, value, where + key)
    return found


def _checked(field: Field, value: Any, key: str) -> Any:
    if type(field) is Count:
        if type(value) is int and value >= field.low:
            return value
        return _count(field, value, key)
    if type(field) is Real:
        return _real(field, value, key)
    return _word(field, value, key) if type(field) is Choice else value


def _count(field: Count, value: Any, key: str) -> Value:
    number = _number(value, key)
    if isinstance(number, np.ndarray):
        kept_whole = isinstance(value, np.ndarray) and value.dtype.kind in "iu"
        if not kept_whole and (np.trunc(number) != number).any():
            raise ConfigError("this is not a whole number for every configuration.", key=key)
    elif isinstance(number, float):
        if not number.is_integer():
            raise ConfigError(f"{number} is not a whole number.", key=key)
        number = int(number)
    _bounded(number, field.low, math.inf, False, False, "", key)
    return number


def _real(field: Real, value: Any, key: str) -> Value:
    number = _number(value, key)
    _bounded(number, field.low, field.high, field.open_low, field.open_high, field.why, key)
    return number


def _number(value: Any, key: str) -> Value:
    if type(value) is int:
        return value
    if isinstance(value, (np.ndarray, list, tuple)):
        try:
            column = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise ConfigError("this is neither a number nor an array of numbers.", key=key) from None
        return column if column.ndim else _number(column.item(), key)
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        number = value.item() if isinstance(value, np.generic) else value
        if isinstance(number, int) or math.isfinite(number):
            return number
    raise ConfigError(f"{value!r} is not a finite number.", key=key)


def _bounded(
    number: Value, low: float, high: float, open_low: bool, open_high: bool, why: str, key: str
) -> None:
    if isinstance(number, np.ndarray):
        if number.ndim != 1 or not number.size:
            raise ConfigError(
                f"an array has one axis and a value at least, not shape {number.shape}.", key=key
            )
        least, most = extremes(number)
    else:
        least = most = number
    if (
        (least > low if open_low else least >= low)
        and (most < high if open_high else most <= high)
        and most < math.inf
    ):
        return
    floor = f"{'above' if open_low else 'at least'} {low:g}"
    ceiling = "" if high == math.inf else f" and {'below' if open_high else 'at most'} {high:g}"
    wrong = least if not (least > low if open_low else least >= low) else most
    raise ConfigError(
        f"{wrong} is out of bounds{': ' + why if why else ''}.",
        key=key,
        fix=f"Write a number {floor}{ceiling}.",
    )


def _word(field: Choice, value: Any, key: str) -> str | Column:
    if isinstance(value, str):
        return _known(field, value, key)
    if field.many and isinstance(value, (list, tuple, np.ndarray)) and len(value):
        column = value.tolist() if isinstance(value, np.ndarray) else value
        words = {each: _known(field, each, key) for each in dict.fromkeys(column)}
        names = tuple(dict.fromkeys(words.values()))
        codes = {each: names.index(word) for each, word in words.items()}
        return Column(names, np.fromiter(map(codes.__getitem__, column), np.intp, len(column)))
    raise ConfigError(f"{value!r} is not a name.", key=key, fix=did_you_mean(str(value), field.options))


def _known(field: Choice, value: Any, key: str) -> str:
    if value in field.options:
        return str(value)
    if field.any_case:
        for option in field.options:
            if str(value).lower() == option.lower():
                return option
    raise ConfigError(f"{value!r} is not known here.", key=key, fix=did_you_mean(str(value), field.options))
