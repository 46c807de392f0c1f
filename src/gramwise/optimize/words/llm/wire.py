"""What a model writes and how it becomes a `Problem`: flat, every field required, arrays in row order, quotes as proof.

A model is bad at counting characters, so it quotes the words that a number stands in and we look them up; a quote that
is not in the text leaves the number without a source, which the validator refuses (E401). Nothing in a reply is ever
executed: it is parsed as JSON, checked against this schema and then against the nine passes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gramwise.optimize.typed.record import Param, Problem, SetDecl, Variable, flat
from gramwise.optimize.words.formulator import Draft


class _Flat(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class WireSet(_Flat):
    """A set: labels, or null and a size."""

    name: str
    labels: list[str] | None
    size: int | None
    ordered: bool
    quote: str


class WireParam(_Flat):
    """A parameter: values in row order over ``index``, one number for all, or null where the text does not say."""

    name: str
    text: str
    index: list[str]
    unit: str
    values: list[float] | None
    quotes: list[str]


class WireVariable(_Flat):
    """A variable; a bound is a number, or the name of a parameter in ``lower_param`` or ``upper_param``."""

    name: str
    text: str
    index: list[str]
    domain: Literal["binary", "integer", "real"]
    lower: float | None
    lower_param: str | None
    upper: float | None
    upper_param: str | None
    unit: str
    quote: str


class WireDerived(_Flat):
    """A named expression."""

    name: str
    text: str
    forall: str
    unit: str
    expr: str


class WireConstraint(_Flat):
    """``lhs rel rhs``."""

    name: str
    kind: Literal["latency", "accuracy", "memory", "capacity", "energy", "budget", "logic", "other"]
    forall: str
    lhs: str
    rel: Literal["<=", ">=", "=="]
    rhs: str
    text: str
    quote: str


class WireQuestion(_Flat):
    """Something that the text does not say."""

    about: str
    text: str
    unit: str


class Reply(_Flat):
    """A whole answer."""

    status: Literal["formulated", "needs_input", "contradiction", "out_of_scope"]
    reason: str
    family: str
    title: str
    sets: list[WireSet]
    params: list[WireParam]
    variables: list[WireVariable]
    derived: list[WireDerived]
    objective: str
    constraints: list[WireConstraint]
    assumptions: list[str]
    questions: list[WireQuestion]


STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "what there is and what is known",
        ("status", "reason", "family", "title", "sets", "params", "questions"),
    ),
    ("what is decided and minimised", ("variables", "derived", "objective")),
    ("what must hold", ("constraints", "assumptions")),
)
"""Fields asked for one after the other when staged; what comes together is judged by the validator, not by a model."""


def schema(fields: tuple[str, ...] = ()) -> dict[str, Any]:
    """JSON Schema in the strict dialect: all fields required, no extras; of some ``fields`` or of all."""
    whole = Reply.model_json_schema()
    _strict(whole)
    if fields:
        whole["properties"] = {name: whole["properties"][name] for name in fields}
        whole["required"] = list(fields)
    return whole


def _strict(node: Any) -> None:
    if isinstance(node, dict):
        node.pop("title", None) if isinstance(node.get("title"), str) else None
        if node.get("type") == "object":
            node["required"] = list(node.get("properties", {}))
            node["additionalProperties"] = False
        for child in node.values():
            _strict(child)
    elif isinstance(node, list):
        for child in node:
            _strict(child)


def problem_of(reply: Reply, text: str, answers: Mapping[int, str], meta: Mapping[str, Any]) -> Problem:
    """The typed problem that a reply describes.

    Args:
        reply: as checked against the schema.
        text: the user's description; quotes are looked up in it.
        answers: the user's answers by number; quotes are looked up there next.
        meta: fields of `Meta`.

    Raises:
        ValueError: values that do not fill their index, a bound that is missing, or another field that the record
            refuses; the message names it.
    """
    sizes = {s.name: len(s.labels) if s.labels is not None else (s.size or 0) for s in reply.sets}

    def source(quote: str) -> str:
        return locate(quote, text, answers)

    return Problem.model_validate(
        {
            "meta": dict(meta),
            "sets": [_set(s, source) for s in reply.sets],
            "params": [_param(p, sizes, source) for p in reply.params],
            "variables": [_variable(v, source) for v in reply.variables],
            "derived": [{**d.model_dump(), "source": "structure"} for d in reply.derived],
            "objective": {"expr": reply.objective},
            "constraints": [
                {**c.model_dump(exclude={"quote"}), "source": source(c.quote) or "structure"}
                for c in reply.constraints
            ],
            "assumptions": [{"text": a, "source": "structure"} for a in reply.assumptions],
            "open_questions": [
                {"id": f"q{i}", "about": q.about, "text": q.text, "unit": q.unit}
                for i, q in enumerate(reply.questions, 1)
            ],
        }
    )


def locate(quote: str, text: str, answers: Mapping[int, str]) -> str:
    """Source of a quote: its characters in the text, else the answer that holds it, a card by its id, else nothing."""
    wanted = quote.strip()
    if not wanted or wanted.startswith("kb:"):
        return wanted  # the validator looks whether the card exists and holds the number
    at = _found(wanted, text)
    if at is not None:
        return f"text:{at}-{at + len(wanted)}"
    return next((f"answer:{number}" for number, said in answers.items() if wanted in said), "")


def reply_of(draft: Draft, text: str) -> Reply:
    """A draft as a model would have to write it: the inverse of `problem_of`, for servers that answer by rules.

    Args:
        draft: of any formulator.
        text: the description that its sources point into.
    """
    problem = draft.problem
    return Reply(
        status=draft.status,
        reason=draft.reason,
        family=draft.family,
        title="" if problem is None else problem.meta.title,
        sets=[] if problem is None else [_wire_set(s, text) for s in problem.sets],
        params=[] if problem is None else [_wire_param(p, text) for p in problem.params],
        variables=[] if problem is None else [_wire_variable(v, text) for v in problem.variables],
        derived=[]
        if problem is None
        else [WireDerived.model_validate(d.model_dump(exclude={"source"})) for d in problem.derived],
        objective="" if problem is None else problem.objective.expr,
        constraints=[]
        if problem is None
        else [
            WireConstraint(**c.model_dump(exclude={"source"}), quote=_quote(c.source, text))
            for c in problem.constraints
        ],
        assumptions=[] if problem is None else [a.text for a in problem.assumptions],
        questions=[WireQuestion(about=q.about, text=q.text, unit=q.unit) for q in draft.questions],
    )


def _wire_set(s: SetDecl, text: str) -> WireSet:
    labels = None if s.labels is None else list(s.labels)
    return WireSet(name=s.name, labels=labels, size=s.size, ordered=s.ordered, quote=_quote(s.source, text))


def _wire_param(p: Param, text: str) -> WireParam:
    sources = [p.source] if isinstance(p.source, str) else list(p.source)
    quotes = [_quote(source, text) for source in sources]
    return WireParam(
        name=p.name,
        text=p.text,
        index=list(p.index),
        unit=p.unit,
        values=None if p.values is None else list(flat(p.values)),
        quotes=[] if not any(quotes) else quotes,
    )


def _wire_variable(v: Variable, text: str) -> WireVariable:
    record: dict[str, Any] = v.model_dump(exclude={"lower", "upper", "source"}) | {
        "quote": _quote(v.source, text)
    }
    for side, bound in (("lower", v.lower), ("upper", v.upper)):
        record[side] = None if isinstance(bound, str) else bound
        record[f"{side}_param"] = bound if isinstance(bound, str) else None
    return WireVariable.model_validate(record)


def _quote(source: str, text: str) -> str:
    if source.startswith("kb:"):
        return source
    if not source.startswith("text:"):
        return ""
    start, end = (int(place) for place in source.removeprefix("text:").split("-"))
    first = start
    # A short quote may stand elsewhere too: words before it are added until it is found where it was meant.
    while first > 0 and _found(text[first:end].strip(), text) != first:
        first = max(text.rfind(" ", 0, first - 1), text.rfind("\n", 0, first - 1)) + 1
    return text[first:end]


def _found(wanted: str, text: str) -> int | None:
    """Where ``wanted`` stands as whole words, else where it stands at all."""
    whole = re.search(rf"(?<![\w.,]){re.escape(wanted)}(?![\w]|[.,]\d)", text)
    at = whole.start() if whole else text.find(wanted)
    return at if at >= 0 else None


def _set(s: WireSet, source: Any) -> dict[str, Any]:
    record = {
        "name": s.name,
        "labels": s.labels,
        "ordered": s.ordered,
        "source": source(s.quote) or "structure",
    }
    return record if s.labels is not None else {**record, "size": s.size}


def _param(p: WireParam, sizes: Mapping[str, int], source: Any) -> dict[str, Any]:
    record: dict[str, Any] = {"name": p.name, "text": p.text, "index": p.index, "unit": p.unit}
    if p.values is None:
        return {**record, "kind": "open", "values": None}
    found = [source(q) for q in p.quotes]
    sources = found[0] if len(found) == 1 else found
    structural = not any(q.strip() for q in p.quotes) and all(v in (0.0, 1.0) for v in p.values)
    return {**record, "values": _shaped(p, sizes), "source": "structure" if structural else sources or ""}


def _shaped(p: WireParam, sizes: Mapping[str, int]) -> Any:
    values = list(p.values or ())
    shape = [sizes.get(name, 0) for name in p.index]
    if len(values) == 1:
        return values[0]
    if math.prod(shape) != len(values):
        raise ValueError(
            f"param {p.name}: {len(values)} values for an index of {' x '.join(map(str, shape)) or 1}"
        )
    nested: Any = values
    for size in reversed(shape[1:]):
        nested = [nested[i : i + size] for i in range(0, len(nested), size)]
    return nested


def _variable(v: WireVariable, source: Any) -> dict[str, Any]:
    record = v.model_dump(exclude={"lower_param", "upper_param", "quote"}) | {
        "source": source(v.quote) or "structure"
    }
    for side in ("lower", "upper"):
        number, name = getattr(v, side), getattr(v, f"{side}_param")
        if (number is None) == (name is None):
            raise ValueError(
                f"variable {v.name}: {side} is a number, or {side}_param names a parameter; not both"
            )
        record[side] = name if number is None else number
    return record
