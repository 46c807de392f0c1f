"""Numbers with an interval as a user writes them, and strict reading of mappings into frozen records.

The records of this package are plain dataclasses; their limits stand in the annotations and are checked by pydantic
when a mapping is read or a record is checked. An unknown key is refused with the nearest valid one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.footprint import Factor, Spread
from gramwise.core.quantity import Method

CONFIG = ConfigDict(
    extra="forbid", allow_inf_nan=False, revalidate_instances="always", arbitrary_types_allowed=True
)
GIVEN = "given in the case"

NonNegative = Annotated[float, Field(ge=0, strict=True)]
Positive = Annotated[float, Field(gt=0, strict=True)]
Fraction = Annotated[float, Field(ge=0, le=1, strict=True)]
Share = Annotated[float, Field(gt=0, le=1, strict=True)]
BelowOne = Annotated[float, Field(ge=0, lt=1, strict=True)]
Count = Annotated[int, Field(ge=1, strict=True)]
Number = Annotated[int, Field(ge=0, strict=True)]
Flag = Annotated[bool, Field(strict=True)]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A number that is not negative, with its interval and source; the unit is that of the key it stands under.

    Attributes:
        value: best estimate.
        low, high: ends of the interval; left out, the value is exact.
        source: where it comes from; left out, it is the case itself.
        method: measured, modelled or assumed.
        spread: how it is drawn between its ends.

    Raises:
        ValueError: negative, an interval out of order, an empty source.
    """

    __pydantic_config__ = CONFIG

    value: NonNegative
    low: NonNegative | None = None
    high: NonNegative | None = None
    source: str = GIVEN
    method: Method = "assumed"
    spread: Spread = "triangular"

    def __post_init__(self) -> None:
        low, high = self.ends
        if not 0.0 <= low <= self.value <= high:
            raise ValueError(f"must be 0 <= low <= value <= high, not {low}, {self.value}, {high}")
        if not self.source.strip():
            raise ValueError("needs a source")

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends; the value where one was left out."""
        return (
            self.value if self.low is None else self.low,
            self.value if self.high is None else self.high,
        )

    def factor(self, key: str, unit: str) -> Factor:
        """It as a factor of a bill."""
        low, high = self.ends
        return Factor(
            key=key,
            value=self.value,
            low=low,
            high=high,
            unit=unit,
            method=self.method,
            source=self.source,
            spread="exact" if low == high else self.spread,
        )


def _amount(raw: object) -> object:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return raw
    return Amount(value=float(raw))


Some = Annotated[Amount, BeforeValidator(_amount)]
"""An amount, which may be written as one number."""


def _above_zero(amount: Amount) -> Amount:
    if amount.ends[0] <= 0.0:
        raise ValueError("must be above zero, its low end too")
    return amount


def _at_least_one(amount: Amount) -> Amount:
    if amount.ends[0] < 1.0:
        raise ValueError("must be at least 1, its low end too")
    return amount


def _a_share(amount: Amount) -> Amount:
    if amount.ends[0] <= 0.0 or amount.ends[1] > 1.0:
        raise ValueError("must lie above 0 and at most at 1, its ends too")
    return amount


SomePositive = Annotated[Amount, BeforeValidator(_amount), AfterValidator(_above_zero)]
SomeShare = Annotated[Amount, BeforeValidator(_amount), AfterValidator(_a_share)]
SomePue = Annotated[Amount, BeforeValidator(_amount), AfterValidator(_at_least_one)]


def strict(kind: type[T], raw: Mapping[str, Any] | T, file: str | Path | None = None) -> T:
    """Read a mapping into a record, or check a record that was made in Python.

    Args:
        kind: a dataclass whose annotations carry its limits.
        raw: what was written.
        file: it stands in, for messages.

    Raises:
        ConfigError: the first fault, naming the key; for an unknown key also the nearest valid one.
    """
    try:
        checked: T = _adapter(kind).validate_python(raw)
        return checked
    except ValidationError as error:
        raise _config_error(kind, error, file) from None


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """The checker of a record, made once: building it takes far longer than using it."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _config_error(kind: type[Any], error: ValidationError, file: str | Path | None) -> ConfigError:
    faults = error.errors(include_url=False, include_input=False)
    fault = next((f for f in faults if f["type"] == "unexpected_keyword_argument"), faults[0])
    path = [str(part) for part in fault["loc"] if not _inner(str(part))]
    if fault["type"] == "unexpected_keyword_argument":
        word = path[-1]
        return ConfigError(
            f"the key {word!r} is unknown.",
            file=file,
            key=_written(path),
            fix=did_you_mean(word, _keys_at(kind, path[:-1])),
        )
    message = fault["msg"].removeprefix("Value error, ")
    return ConfigError(f"{message}.", file=file, key=_written(path) or None)


def _inner(part: str) -> bool:
    """Whether a step of a path is pydantic's own (a branch of a union), not the user's."""
    return "[" in part or part in ("Series", "Amount")


def _written(path: list[str]) -> str:
    """A path as the user wrote it: without the tag that chose a branch (``model.mlp.widths``)."""
    tagged = {
        i for i in range(1, len(path) - 1) if path[i - 1] == "model" or path[i - 2 : i - 1] == ["layers"]
    }
    return ".".join(part for i, part in enumerate(path) if i not in tagged)


def _keys_at(kind: type[Any], path: list[str]) -> list[str]:
    """Valid keys of the record that a path leads to: gathered from the schema, which knows unions and tags."""
    schema = _adapter(kind).json_schema()
    known = schema.get("$defs", {})

    def options(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        if "$ref" in node:
            return options(known[node["$ref"].rsplit("/", 1)[1]])
        branches = [*node.get("anyOf", []), *node.get("oneOf", []), *node.get("allOf", [])]
        return [node, *(leaf for branch in branches for leaf in options(branch))]

    at: list[Mapping[str, Any]] = options(schema)
    for part in path:
        step: list[Mapping[str, Any]] = []
        for node in at:
            if part in node.get("properties", {}):
                step += options(node["properties"][part])
            elif isinstance(node.get("additionalProperties"), Mapping):
                step += options(node["additionalProperties"])
            elif part.isdigit() and isinstance(node.get("items"), Mapping):
                step += options(node["items"])
        at = step or at  # a union's tag is part of a path and no step in the schema
        tagged = [n for n in at if n.get("properties", {}).get("kind", {}).get("const") == part]
        at = tagged or at
    return sorted({key for node in at for key in node.get("properties", {})})
