"""What one draft is worth beside its item: numbers in their places, units, rows, status, questions, equivalence."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gramwise.optimize.typed.bind import bind
from gramwise.optimize.typed.record import Param, Problem, Question
from gramwise.optimize.typed.units import Unit, parse_unit
from gramwise.optimize.typed.validate import validate
from gramwise.optimize.words.formulator import Draft

from .equivalence import Span, Verdict, elements, equivalent, plain_label, rows, spans
from .expand import NotAffine, expand

CLOSE = 1e-6


@dataclass(slots=True, kw_only=True)
class Slot:
    """A number of the text as a problem uses it: base value, unit, and the labels of the elements that it holds for."""

    value: float
    unit: Unit
    held: frozenset[str]


@dataclass(slots=True, kw_only=True)
class Score:
    """One draft beside its item.

    Attributes:
        id, family, kind, level, known: of the item.
        expected, status: what should have been answered, and what was.
        bound: the problem's names resolve.
        coded: the validator's blocking codes.
        verdict: equivalence; None where there is no problem to compare.
        optimum_g: of the draft on the numbers as given is in the verdict; here the truth's.
        slots: right, given by the draft, wanted by the truth.
        unit_errors, invented: numbers of the draft with another unit or size than stated, and without a source.
        rows: rows shared, of the draft, of the truth.
        used: share of the truth's numbers that the draft uses.
        questions: asked; ``hit``: the expected question is among them.
        spent_s: CPU seconds.
    """

    id: str
    family: str
    kind: str
    level: int
    known: bool
    expected: str
    status: str
    bound: bool = False
    coded: tuple[str, ...] = ()
    verdict: Verdict | None = None
    optimum_g: float | None = None
    slots: tuple[int, int, int] = (0, 0, 0)
    unit_errors: int = 0
    invented: int = 0
    rows: tuple[int, int, int] = (0, 0, 0)
    used: float | None = None
    questions: int = 0
    hit: bool | None = None
    spent_s: float = 0.0
    said: str = field(default="", repr=False)


def score(item: dict[str, Any], draft: Draft, spent_s: float = 0.0) -> Score:
    """The score of one draft."""
    out = Score(
        id=item["id"],
        family=item["family"],
        kind=item["class"],
        level=item["level"],
        known=item["known"],
        expected=item["status"],
        status=draft.status,
        optimum_g=item["optimum_g"],
        questions=len(draft.questions),
        spent_s=spent_s,
        said=draft.reason,
    )
    if item["questions"]:
        out.hit = all(any(_about(q, w) for q in draft.questions) for w in item["questions"])
    problem = draft.problem
    if problem is None:
        return out
    report = validate(problem, text=item["text"])
    out.bound = report.bound is not None
    out.coded = tuple(sorted({f.code for f in report.findings if f.blocks and f.code != "E404"}))
    out.invented = sum(f.code == "E401" for f in report.findings)
    if item["truth"] is None:
        return out
    truth = Problem.model_validate(item["truth"])
    ours, theirs = slots(truth), slots(problem)
    matched = _matched(ours, theirs)
    out.slots = (sum(_right(a, b) for a, b in matched), len(theirs), len(ours))
    out.unit_errors = sum(
        not (b.unit.same(a.unit) and math.isclose(a.value, b.value, rel_tol=CLOSE)) for a, b in matched
    )
    out.used = len(matched) / len(ours)
    out.rows = _rows(truth, problem)
    if draft.status == "formulated":
        out.verdict = equivalent(truth, problem, kept=[(a, b) for a, b in item["kept"]])
    return out


def slots(problem: Problem) -> dict[Span, list[Slot]]:
    """The numbers of the text by span; a number used twice has two slots."""
    found: dict[Span, list[Slot]] = {}
    counts = {s.name: s for s in problem.sets}
    for param in problem.params:
        unit = parse_unit(param.unit)
        by_span: dict[Span, tuple[float, list[str]]] = {}
        for place, (value, source) in enumerate(elements(param)):
            span = next(spans(source))
            if span:
                by_span.setdefault(span, (value, []))[1].append(_element(param, place, counts))
        for span, (value, labels) in by_span.items():
            whole = len(labels) == _size(param, counts) or np.ndim(np.asarray(param.values)) == 0
            found.setdefault(span, []).append(
                Slot(value=value, unit=unit, held=frozenset(["all"] if whole else labels))
            )
    return found


def _size(param: Param, counts: dict[str, Any]) -> int:
    return math.prod(counts[s].count for s in param.index)


def _element(param: Param, place: int, counts: dict[str, Any]) -> str:
    shape = [counts[s].count for s in param.index]
    if np.ndim(np.asarray(param.values)) == 0:
        return "all"
    at = np.unravel_index(place, shape)
    words = []
    for name, i in zip(param.index, at, strict=True):
        declared = counts[name]
        named = declared.labels is not None and not declared.ordered
        words.append(plain_label(declared.label(int(i))) if named else f"#{int(i) + 1}")
    return " / ".join(sorted(words))


def _matched(ours: dict[Span, list[Slot]], theirs: dict[Span, list[Slot]]) -> list[tuple[Slot, Slot]]:
    pairs = []
    for span, mine in ours.items():
        near = [
            s for other, found in theirs.items() if other[0] < span[1] and span[0] < other[1] for s in found
        ]
        if near:
            pairs.append(max(((m, n) for m in mine for n in near), key=lambda p: (_right(*p), _valued(*p))))
    return pairs


def _valued(a: Slot, b: Slot) -> bool:
    return a.unit.same(b.unit) and math.isclose(a.value, b.value, rel_tol=CLOSE)


def _right(a: Slot, b: Slot) -> bool:
    if not _valued(a, b):
        return False
    if a.held == b.held:
        return True
    return len(a.held) == len(b.held) and all(any(_named(x, y) for y in b.held) for x in a.held)


def _named(a: str, b: str) -> bool:
    """The same elements under other words: for each part, all words of the shorter label are in the longer."""
    parts, others = a.split(" / "), b.split(" / ")
    if len(parts) != len(others):
        return False
    return all(
        any(set(p.split()) <= set(o.split()) or set(o.split()) <= set(p.split()) for o in others)
        for p in parts
    )


def _rows(truth: Problem, other: Problem) -> tuple[int, int, int]:
    """Rows shared, of the draft and of the truth, after scaling; signatures know no names."""
    tables = []
    for problem in (truth, other):
        bound, _ = bind(problem)
        if bound is None or any(p.values is None for p in bound.params.values()):
            tables.append(Counter[str]())
            continue
        try:
            found = rows(expand(bound))
        except NotAffine:
            found = []
        tables.append(Counter(f"{head} {sorted(f'{w:.6g}' for w in c.values())}" for _, head, c in found))
    ours, theirs = tables
    return (ours & theirs).total(), theirs.total(), ours.total()


def _about(asked: Question, wanted: dict[str, str]) -> bool:
    """Whether a question asks for the missing thing: a unit that measures the same and a word in common."""
    try:
        unit = parse_unit(asked.unit).same(parse_unit(wanted["unit"]))
    except Exception:  # noqa: BLE001 - whatever a formulator writes as a unit, it is then not the expected one
        unit = False
    energy_for_power = {asked.unit, wanted["unit"]} <= {"W", "kW", "J", "Wh", "kWh"}
    return (unit or energy_for_power) and bool(
        _words(asked.text + " " + asked.about) & _words(wanted["about"])
    )


_SMALL = frozenset(
    {"of", "the", "a", "an", "that", "and", "or", "in", "on", "for", "at", "to", "is", "it", "be", "by"}
    | {"how", "much", "many", "what", "which", "each"}
)


def _words(text: str) -> set[str]:
    return {w.rstrip("s") for w in re.findall(r"[a-z]+", text.lower())} - _SMALL


# ------------------------------------------------------------------ together


def interval(
    scores: Sequence[Any], measure: Callable[[Sequence[Any]], float | None], draws: int = 1000, seed: int = 0
) -> tuple[float, float, float] | None:
    """A measure with its 95 % interval by bootstrap over items; None where it has no value."""
    value = measure(scores)
    if value is None:
        return None
    rng = np.random.default_rng(seed)
    drawn = [measure([scores[i] for i in rng.integers(len(scores), size=len(scores))]) for _ in range(draws)]
    kept = [d for d in drawn if d is not None]
    low, high = np.percentile(kept, [2.5, 97.5])
    return value, float(low), float(high)


def ratio(top: float, below: float) -> float | None:
    """A share; None of nothing."""
    return top / below if below else None


def f1(counts: Iterable[tuple[int, int, int]]) -> tuple[float | None, float | None, float | None]:
    """Precision, recall and F1 of summed (right, given, wanted)."""
    right, given, wanted = (
        (sum(c) for c in zip(*counts, strict=True)) if (counts := list(counts)) else (0, 0, 0)
    )
    precision, recall = ratio(right, given), ratio(right, wanted)
    return precision, recall, ratio(2 * right, given + wanted)
