"""The problem as a record: sets, parameters, variables, derived terms, an objective in gCO2e, constraints, questions.

It is flat on purpose: expressions are text of a small language (`parse`), since schemas of structured output limit
depth and deep trees are where values get misplaced. Every number has a source:

    text:120-127    characters 120 to 127 (end excluded) of the user's description
    kb:ENTRY        an entry of the knowledge base, its figure taken as it stands (a catalogue's row is an entry too)
    answer:2        the user's second answer in a dialogue
    structure       0, 1 and positions that the form of the problem brings with it; never a quantity of the world

A parameter of kind ``open`` has no value yet: then the problem asks and does not compile. Method:
generative planning, section 5.1.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

SCHEMA = "gramwise.problem/1"
MOST_SIZE = 10_000
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
_Row: TypeAlias = tuple[float, ...]
Values: TypeAlias = float | _Row | tuple[_Row, ...] | tuple[tuple[_Row, ...], ...]


def _nested(value: object, depth: int = 0) -> object:
    """Lists to tuples, numbers to floats.

    Raises:
        ValueError: anything that is not a finite number or three levels of lists of them.
    """
    if isinstance(value, list | tuple) and depth < 3:
        return tuple(_nested(v, depth + 1) for v in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("values are numbers, or lists of numbers, three levels deep at most")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("values are finite numbers")
    return number


def _values(value: object) -> object:
    return None if value is None else _nested(value)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Formulator(_Record):
    """Who wrote the problem: name, version, and the model where one was asked."""

    name: str
    version: str
    model: str | None = None


class Meta(_Record):
    """Where the problem comes from.

    Attributes:
        id: short name of this problem.
        title: one line for people.
        family: id of a family of the knowledge base, or ``other``.
        description_hash: SHA-256 of the user's text.
        formulator: who wrote it.
        kb_version: version of the knowledge base that was used.
    """

    id: str
    title: str = ""
    family: str = "other"
    description_hash: str = ""
    formulator: Formulator | None = None
    kb_version: str = ""


class SetDecl(_Record):
    """A finite set: either ``labels`` or a ``size``. ``ordered`` permits subscripts such as ``t-1``."""

    name: Name
    labels: tuple[str, ...] | None = None
    size: int | None = Field(default=None, ge=1, le=MOST_SIZE)
    ordered: bool = False
    source: str = "structure"

    @property
    def count(self) -> int:
        """How many elements."""
        return len(self.labels) if self.labels is not None else int(self.size or 0)

    def label(self, position: int) -> str:
        """Name of the element at 0-based ``position``."""
        return self.labels[position] if self.labels is not None else str(position + 1)


class Param(_Record):
    """A known number, or an array of them over sets.

    Attributes:
        name: symbol in expressions.
        text: what it is, in words.
        index: names of sets, in the order of the subscripts.
        unit: of every value.
        kind: ``data`` stands in the text or an answer, ``kb_default`` in the knowledge base, ``assumed`` follows
            from an assumption that is listed, ``open`` is unknown.
        values: one number for all, or nested lists over ``index``; None where open.
        low, high: range that the source gives, in the same unit.
        source: of all values, or one for each, flattened in row order.
    """

    name: Name
    text: str = ""
    index: tuple[Name, ...] = ()
    unit: str = "1"
    kind: Literal["data", "kb_default", "assumed", "open"] = "data"
    values: Annotated[Values | None, BeforeValidator(_values)] = None
    low: float | None = None
    high: float | None = None
    source: str | tuple[str, ...] = ""


class Variable(_Record):
    """A decision. Both bounds are required: numbers in ``unit``, or names of parameters over (part of) ``index``.

    A number other than 0, 1 or the size of a set is a quantity of the world: ``source`` says where it stands.
    """

    name: Name
    text: str = ""
    index: tuple[Name, ...] = ()
    domain: Literal["binary", "integer", "real"]
    lower: float | Name
    upper: float | Name
    unit: str = "1"
    source: str = "structure"


class Derived(_Record):
    """A named expression, ``forall`` its binders (``"j in JOB, s in SITE"``); used as ``name[j,s]`` in that order."""

    name: Name
    text: str = ""
    forall: str = ""
    unit: str = "1"
    expr: str
    source: str = "structure"


class Objective(_Record):
    """What is minimised, in grams CO2e. ``source`` is that of the numbers written in ``expr`` and of the horizon."""

    sense: Literal["min"] = "min"
    unit: str = "gCO2e"
    expr: str
    horizon_s: float | None = Field(default=None, gt=0)
    boundary: Literal["operational", "operational+embodied"] = "operational"
    text: str = ""
    source: str = "structure"


class Constraint(_Record):
    """``lhs rel rhs`` for every element of ``forall``."""

    name: Name
    kind: Literal["latency", "accuracy", "memory", "capacity", "energy", "budget", "logic", "other"]
    forall: str = ""
    lhs: str
    rel: Literal["<=", ">=", "=="]
    rhs: str
    text: str = ""
    source: str = "structure"


class Assumption(_Record):
    """Something taken for granted, in words, and where that comes from."""

    text: str
    source: str = "structure"


class Question(_Record):
    """What must be known before the problem can be solved.

    Attributes:
        id: stable within the problem.
        about: symbol of the open parameter, or of what is missing.
        text: the question, for a person.
        unit: in which the answer is expected; empty for words.
        default_source: entry of the knowledge base that could stand in, if the user says so.
    """

    id: str
    about: str
    text: str
    unit: str = ""
    default_source: str = ""


class Problem(_Record):
    """A carbon optimisation problem as data. `validate` says whether it makes sense, `compile` makes it solvable."""

    schema_: Literal["gramwise.problem/1"] = Field(default="gramwise.problem/1", alias="schema")
    meta: Meta
    sets: tuple[SetDecl, ...] = ()
    params: tuple[Param, ...] = ()
    variables: tuple[Variable, ...] = ()
    derived: tuple[Derived, ...] = ()
    objective: Objective
    constraints: tuple[Constraint, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    open_questions: tuple[Question, ...] = ()

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    def document(self) -> dict[str, Any]:
        """As plain JSON-able data."""
        return self.model_dump(mode="json", by_alias=True)

    def digest(self) -> str:
        """SHA-256 of the canonical document without ``meta``: two formulators that say the same have the same."""
        document = self.document()
        del document["meta"]
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def flat(values: object) -> Iterator[float]:
    """Every number of nested values, in row order."""
    if isinstance(values, tuple):
        for inner in values:
            yield from flat(inner)
    elif isinstance(values, int | float):
        yield float(values)
