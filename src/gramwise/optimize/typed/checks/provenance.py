"""Pass 4: every number has a source that really holds it, and every number of the text is used or reported.

A source is characters of the description, an entry of the knowledge base, an answer, or ``structure``, which stands for
0 and 1 without a dimension and for nothing else. A number written into an expression or a bound is a number like any
other; only 0, 1, 2, 1/2 and the sizes of sets are form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..bind import Bound
from ..findings import Finding, Refused
from ..known import Known
from ..nodes import Number, walk
from ..record import Param, Problem, flat
from ..stated import Stated, mentioned, stated, within
from ..units import NONE, Unit, alike, parse_unit
from ..vouch import Mentions, Verdict, clean_factor, vouches
from .units import declarations

_SPAN = re.compile(r"text:([0-9]{1,7})-([0-9]{1,7})")
_ANSWER = re.compile(r"answer:([1-9][0-9]{0,4})")
_ENTRY = re.compile(r"kb:(\S{1,200})")
_FORM = (0.0, 1.0, -1.0, 2.0, 0.5)
_MOST_UNUSED = 20
_ORDER: tuple[Verdict, ...] = ("holds", "factor", "unit", "no")


def check_provenance(
    problem: Problem,
    bound: Bound | None,
    *,
    text: str | None,
    knowledge: Mapping[str, Known] | None,
    answers: Sequence[str] | None,
) -> list[Finding]:
    """E401 (a number without a source that holds it), W402 (a number of the text that is not used), W403 (a figure of
    the knowledge base), E404 (an open parameter), W304 (source and value a conversion factor apart).

    Args:
        problem: the record.
        bound: the same with its names resolved; without it expressions are not looked into.
        text, knowledge, answers: as for `validate.validate`.
    """
    checker = _Checker(problem, text, knowledge, answers)
    findings = [f for p in problem.params for f in checker.param(p)]
    findings += checker.sizes()
    if bound is not None:
        findings += checker.bounds(bound)
        findings += checker.literals(bound)
        findings += checker.horizon()
    return [*findings, *checker.unused()]


@dataclass(frozen=True, slots=True)
class _Said:
    """What a source says of a number."""

    verdict: Verdict
    why: str = ""


class _Checker:
    def __init__(
        self,
        problem: Problem,
        text: str | None,
        knowledge: Mapping[str, Known] | None,
        answers: Sequence[str] | None,
    ) -> None:
        self.problem, self.text, self.knowledge, self.answers = problem, text, knowledge, answers
        self.used: list[tuple[int, int]] = []
        self.counts = {float(s.count) for s in problem.sets}

    def param(self, p: Param) -> Iterator[Finding]:
        where = f"param {p.name}"
        if p.kind == "open" or p.values is None:
            message = f"{p.text or p.name} is not known yet."
            yield Finding(code="E404", where=where, message=message, fix="Ask for it.", fragment=p.name)
            return
        sources = (p.source,) if isinstance(p.source, str) else p.source
        values = list(flat(p.values))
        if p.kind == "kb_default" or any(s.startswith("kb:") for s in sources):
            message = f"{p.text or p.name} is taken from the knowledge base, not from the description."
            yield Finding(code="W403", where=where, message=message, fragment=sources[0] if sources else "")
        if p.kind == "assumed" and not self.problem.assumptions:
            yield _e401(where, "it is assumed, and no assumption is listed.")
        if len(sources) not in (1, len(values)):
            yield _e401(
                where, f"{len(values)} values have {len(sources)} sources.", "Give one, or one for each."
            )
            return
        try:
            unit = parse_unit(p.unit)
        except Refused:
            return  # told in pass 2
        yield from self._judged(where, values, sources, unit)

    def _judged(
        self, where: str, values: list[float], sources: Sequence[str], unit: Unit
    ) -> Iterator[Finding]:
        each = sources if len(sources) > 1 else [sources[0]] * len(values)
        pairs = dict.fromkeys(zip(values, each, strict=True))
        factors = 0
        for value, source in pairs:
            said = self.said(source, value, unit)
            if said.verdict in ("no", "unit"):
                yield _e401(where, f"{value:g} {unit.symbol}: {said.why}", fragment=source)
                return
            if said.verdict == "factor" and not factors:
                factors += 1
                yield Finding(
                    code="W304",
                    where=where,
                    message=f"{value:g} {unit.symbol} and the number at its source differ by a conversion of units.",
                    fix="Declare the unit in which the number is stated.",
                    fragment=source,
                )

    def said(self, source: str, value: float, unit: Unit) -> _Said:
        """What a source says of a value."""
        if span := _SPAN.fullmatch(source):
            return self._in_text(int(span[1]), int(span[2]), value, unit)
        if entry := _ENTRY.fullmatch(source):
            return self._in_entry(entry[1], value, unit)
        if answer := _ANSWER.fullmatch(source):
            return self._in_answer(int(answer[1]), value, unit)
        if source == "structure":
            plain = alike(unit.dims, NONE) and not unit.log and value in (0.0, 1.0)
            return _Said("holds" if plain else "no", "the form of a problem brings only 0 and 1 with it.")
        return _Said("no", f"{source[:40]!r} is no source." if source else "it has no source.")

    def _in_text(self, start: int, end: int, value: float, unit: Unit) -> _Said:
        if start >= end or (self.text is not None and end > len(self.text)):
            return _Said("no", f"the description has no characters {start} to {end}.")
        self.used.append((start, end))
        if self.text is None:
            return _Said("holds")
        return self._among(
            within(self.text, start, end), self.text[start:end], value, unit, mentioned(self.text)
        )

    def _among(
        self, numbers: Sequence[Stated], quote: str, value: float, unit: Unit, around: Mentions
    ) -> _Said:
        verdicts = {vouches(n, value, unit, around) for n in numbers} or {"no"}
        verdict = next(v for v in _ORDER if v in verdicts)
        if verdict != "holds" and value in (0.0, 1.0) and alike(unit.dims, NONE) and not _firm(numbers):
            return _Said("holds")  # a statement in words, turned into yes or no
        shown = " ".join(quote.split())[:60]
        why = (
            f"{shown!r} is another amount." if verdict == "unit" else f"{shown!r} does not hold that number."
        )
        return _Said(verdict, why)

    def _in_entry(self, name: str, value: float, unit: Unit) -> _Said:
        if self.knowledge is None:
            return _Said("holds")
        entry = self.knowledge.get(name)
        if entry is None:
            return _Said("no", f"the knowledge base has no entry {name[:60]!r}.")
        if entry.figures is None:
            return _Said("holds")
        held = any(_figure_is(figure, symbol, value, unit) for figure, symbol in entry.figures)
        return _Said("holds" if held else "no", f"the entry {name[:60]!r} does not hold that number.")

    def _in_answer(self, number: int, value: float, unit: Unit) -> _Said:
        if self.answers is None:
            return _Said("holds")
        if number > len(self.answers):
            return _Said("no", f"there is no answer {number}.")
        answer = self.answers[number - 1]
        return self._among(stated(answer), answer, value, unit, mentioned(answer))

    def sizes(self) -> Iterator[Finding]:
        implied = {s for p in self.problem.params if isinstance(p.values, tuple) for s in p.index}
        for s in self.problem.sets:
            # Slots of time follow from a window as often as they are counted.
            if s.size is None or s.name in implied or s.ordered or s.size == 1:
                continue
            said = self._anywhere(s.source, float(s.size), parse_unit("1"))
            if said.verdict != "holds":
                yield _e401(f"set {s.name}", f"its size {s.size}: {said.why}", "Say where the number stands.")

    def bounds(self, bound: Bound) -> Iterator[Finding]:
        for v in self.problem.variables:
            for given in (v.lower, v.upper):
                if isinstance(given, str) or given in (0.0, 1.0) or given in self.counts:
                    continue
                said = self._anywhere(v.source, float(given), bound.variables[v.name].unit)
                if said.verdict != "holds":
                    yield _e401(
                        f"variable {v.name}", f"its bound {given:g}: {said.why}", "Name a parameter as bound."
                    )

    def literals(self, bound: Bound) -> Iterator[Finding]:
        p = self.problem
        sources = {f"derived {d.name}": d.source for d in p.derived} | {"objective": p.objective.source}
        sources |= {f"constraint {c.name}": c.source for c in p.constraints}
        for where, trees in declarations(bound):
            numbers = {(n.value, n.unit) for tree in trees for n in walk(tree) if isinstance(n, Number)}
            for value, symbol in sorted(numbers):
                unit = parse_unit(symbol)
                if value == 0 or (not symbol and (value in _FORM or self._position(value))):
                    continue
                said = self._anywhere(sources[where], value, unit)
                if said.verdict != "holds":
                    shown = f"{value:g} {symbol}".strip()
                    yield _e401(where, f"{shown}: {said.why}", "Make it a parameter with a source.", shown)

    def _position(self, value: float) -> bool:
        """Whether a literal is the size of a set, or the place just behind its last element."""
        return value in self.counts or value - 1.0 in self.counts

    def horizon(self) -> Iterator[Finding]:
        objective = self.problem.objective
        if objective.horizon_s is None or self.text is None:
            return
        second = parse_unit("s")
        if any(clean_factor(objective.horizon_s / n) or objective.horizon_s == n for n in self.counts):
            return
        if self._anywhere(objective.source, objective.horizon_s, second).verdict != "holds":
            yield _e401("objective", f"the horizon of {objective.horizon_s:g} s has no source.")

    def _anywhere(self, source: str, value: float, unit: Unit) -> _Said:
        """As `said`; a number without a source of its own may stand anywhere in the description."""
        if source != "structure":
            return self.said(source, value, unit)
        if self.text is not None:
            for number in stated(self.text):
                if vouches(number, value, unit) == "holds":
                    self.used.append((number.start, number.end))
                    return _Said("holds")
        return _Said("no", "it has no source.")

    def unused(self) -> Iterator[Finding]:
        if self.text is None:
            return
        self._mark_declared()
        told = 0
        reach = -1
        taken = sorted(self.used)
        for number in stated(self.text):
            if number.weak or number.start < reach or (number.word and number.values[0] <= 1):
                continue
            if any(a < number.end and number.start < b for a, b in taken) or set(number.values) & self.counts:
                continue
            reach = number.end
            told += 1
            shown = " ".join(self.text[max(0, number.start - 20) : number.end + 20].split())
            yield Finding(
                code="W402",
                where=f"text:{number.start}-{number.end}",
                message=f"the number in {shown!r} is not used.",
                fragment=self.text[number.start : number.end],
            )
            if told >= _MOST_UNUSED:
                return

    def _mark_declared(self) -> None:
        p = self.problem
        sources = [s.source for s in p.sets] + [v.source for v in p.variables] + [d.source for d in p.derived]
        sources += (
            [c.source for c in p.constraints] + [a.source for a in p.assumptions] + [p.objective.source]
        )
        for source in sources:
            if span := _SPAN.fullmatch(source):
                self.used.append((int(span[1]), int(span[2])))


def _firm(numbers: Sequence[Stated]) -> bool:
    return any(not n.weak and not n.word for n in numbers)


def _figure_is(figure: float, symbol: str, value: float, unit: Unit) -> bool:
    try:
        held = parse_unit(symbol)
    except Refused:
        return False
    wanted = unit.to_base(value)
    return held.same(unit) and abs(held.to_base(figure) - wanted) <= 1e-6 * max(abs(wanted), 1e-300)


def _e401(where: str, message: str, fix: str = "", fragment: str = "") -> Finding:
    return Finding(code="E401", where=where, message=message, fix=fix, fragment=fragment[:80])
