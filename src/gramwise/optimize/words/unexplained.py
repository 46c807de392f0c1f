"""Numbers of a text that a problem leaves unused without a reason: a sign that something else was meant.

A description may tell more than the problem needs. A number is excused where it is of another time or thing, of a kind
that the problem is not about (money, people, distances), or where it says again what is used already: the same figure
in other units, the sum of a list, the rest to 100 %. What is left over after that was meant, and was not understood. A
problem that leaves such a number unused is another problem than the one described, so that it is better to ask.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from gramwise.optimize.knowledge.base import Base
from gramwise.optimize.knowledge.entry import Symbol
from gramwise.optimize.typed.findings import Finding
from gramwise.optimize.typed.units import Unit, parse_unit

from .assemble import Attempt, in_scope
from .assemble_cues import Lexicon, stem, stems
from .assemble_quantity import PER_PERIOD, into, of_other_times, unit_of
from .doubt import waived
from .formulator import Answer
from .statement import Figure, Named, Reading

_HEART = tuple(
    parse_unit(u) for u in ("J", "W", "gCO2e", "gCO2e/J", "J/request", "J/item", "J/B", "J/cycle", "cycle")
)
"""Kinds of numbers that a carbon problem is about: whoever states one means it, whatever the words beside it."""
_PERCENT, _HOUR = parse_unit("percent"), parse_unit("h")
_LONG = ("day", "week", "month", "year")
"""Periods that stories tell: a warranty, a contract, the time since."""
_VOLUME = re.compile(r"^(1|[a-z]+)/(h|day|week|month|year)$")
_TOLD = 0.4
"""Evidence from which the words beside a number of another kind say what it is."""
_SAME, _ABOUT = 2e-3, 3e-2
_MOST_PARTS, _MOST_FIGURES = 3, 12
_SUMMING_WORDS = "total together altogether all sum overall combined both whole makes adds entire"
_SUMMING = frozenset(map(stem, _SUMMING_WORDS.split()))
_THINGS = """
heating heater radiator lamp lighting light bulb kettle coffee fridge refrigerator elevator lift boiler oven car van
train flight commute rent salary printer television dishwasher advert poster award
"""
_OTHER_THINGS = frozenset(map(stem, _THINGS.split()))
_PEOPLE = frozenset(
    map(stem, ("person", "people", "employee", "colleague", "child", "cat", "dog", "room", "floor"))
)
_NEAR, _LIST = 7, 4
_MODAL = frozenset(("would", "could", "might"))
_MOST_MEMBERS, _FIRST = 8, 3
_SEVERAL = 3
_STEPS = frozenset(
    stems(w) for w in ("hour", "slot", "period", "step", "day", "request", "query", "round", "item")
)


def unexplained(
    tried: Attempt, cited: Collection[str], reading: Reading, base: Base, answers: Sequence[Answer] = ()
) -> list[Figure]:
    """Figures with a unit that were meant and are not used.

    Args:
        tried: the attempt.
        cited: sources of what the problem uses.
        reading: the text, read.
        base: all cards.
        answers: what the person said so far; a number of the kind that they told is settled by that.
    """
    scope = (base.symbols[n] for n in in_scope(tried.model, tried.family, base))
    symbols = {s.name: s for s in scope if not s.flag}
    lexicon = Lexicon(symbols.values())
    used = [f for f in reading.figures if f"text:{f.start}-{f.end}" in cited]
    amounts, sums = _amounts(used, tried), _sums_of_few(used)
    context = [f for n in tried.model.context if n in tried.arrays for f in tried.arrays[n].figures]
    told = [base.symbols[a.about].unit for a in answers if a.about in base.symbols]
    mute = _unheard(reading, cited) + _unplaced_rows(tried, cited, symbols)
    shares = _shares_of_several(reading)
    return [f for f in mute if not waived(f, answers)] + [
        f
        for f in reading.figures
        if (
            f.unit
            or (f.relation in ("at_most", "at_least") and not f.noun)
            or _some_of_a_set(f, tried)
            or _share(f)
        )
        and f not in used
        and f not in mute
        and f not in context
        and not _excused(f, reading)
        and (_about_this(f, symbols, lexicon) or f in shares)
        and not _restates(f, [*amounts, *sums] if _sums_up(f) else amounts)
        and not _counts_members(f, tried)
        and all(into(f, unit) is None for unit in told)
        and not waived(f, answers)
    ]


def bare(reading: Reading, cited: Collection[str]) -> list[Figure]:
    """Numbers without unit and noun that are not used: a score, a quality, a unit that was left out.

    Args:
        reading: the text, read.
        cited: sources of what the problem uses.
    """
    return [
        f
        for f in reading.figures
        if not (f.unit or f.noun or f.value in (0.0, 1.0) or f.negated)
        and f"text:{f.start}-{f.end}" not in cited
        and not _excused(f, reading)
    ]


def all_used(findings: Iterable[Finding], reading: Reading) -> bool:
    """Whether every number is used, but for those that the words excuse.

    Args:
        findings: of the draft; W402 names the numbers without a use.
        reading: the text, read.
    """
    unused = {f.where.removeprefix("text:").split("-")[0] for f in findings if f.code == "W402"}
    return all(
        str(f.start) not in unused
        or _excused(f, reading)
        or (not f.unit and stem(f.noun) in _PEOPLE)
        or _counts_named(f, reading)
        for f in reading.figures
    )


def _counts_named(figure: Figure, reading: Reading) -> bool:
    """Whether a number only counts names, in a word that is a unit: "two batches", where two are named."""
    unit = unit_of(figure)
    plain = unit is not None and figure.unit.isalpha() and unit.same(parse_unit("1"))
    return (
        plain
        and figure.relation == "is"
        and figure.value in {len(g.labels) for g in reading.groups if g.labels}
    )


def _share(figure: Figure) -> bool:
    """A bare number between 0 and 1: an accuracy, a score, a fraction."""
    return not figure.unit and not figure.noun and 0.0 < figure.value < 1.0


def _some_of_a_set(figure: Figure, tried: Attempt) -> bool:
    """ "Two jobs" said of one site, where there are four jobs: it limits something, however it is told."""
    sets = [m for m in tried.frame.members.values() if m.noun and m.noun == figure.noun]
    return bool(figure.subjects) and not figure.unit and any(figure.value < m.size for m in sets)


def _unheard(reading: Reading, cited: Collection[str]) -> list[Figure]:
    """A limit on what several members are counted in, where none of these counts is used: "900 photos or more"."""
    nouns: dict[str, list[Figure]] = {}
    for f in reading.figures:
        if f.noun and not f.unit and not f.clock:
            nouns.setdefault(stem(f.noun), []).append(f)
    return [
        f
        for told in nouns.values()
        if len(told) >= _SEVERAL and sum(f"text:{f.start}-{f.end}" in cited for f in told) <= 1
        for f in told
        if f.relation in ("at_least", "at_most")
        and f"text:{f.start}-{f.end}" not in cited
        and not _excused(f, reading)
    ]


def _unplaced_rows(tried: Attempt, cited: Collection[str], symbols: Mapping[str, Symbol]) -> list[Figure]:
    """How often a day each member is used, as far as this found no place: one number for each is never told idly."""
    sizes = {m.size for m in tried.frame.members.values() if m.size > 1}
    rows = [o for o in tried.spare if len(o.items) in sizes and len({i.at for i in o.items} | {o.row}) > 1]
    return [
        item.figure
        for offer in rows
        if PER_PERIOD.search(offer.figure.unit)
        and any(s.index and into(offer.figure, s.unit) is not None for s in symbols.values())
        for item in offer.items
        if f"text:{item.figure.start}-{item.figure.end}" not in cited and not of_other_times(item.figure)
    ]


def unplaced_sets(tried: Attempt, reading: Reading, base: Base) -> list[Named]:
    """Counts of things to decide about that are no set of the problem: "three jobs", where a battery was understood.

    Args:
        tried: the attempt.
        reading: the text, read.
        base: all cards, whose sets say what one decides about.
    """
    known = {
        stems(n)[-1:] for e in base.of("family") if e.model for g in e.model.groups for n in g.nouns[:_FIRST]
    }
    bound = {(m.size, stems(n)[-1:]) for m in tried.frame.members.values() for n in (m.noun, *m.nouns)}
    return [
        named
        for named in reading.groups
        if named.count is not None
        and 2 <= named.count <= _MOST_MEMBERS
        and not named.labels
        and named.spans
        and (last := stems(named.noun)[-1:]) in known - _STEPS
        and (named.count, last) not in bound
        and not any(f"text:{a}-{b}" in _sources(tried) for a, b in named.spans)
        and not any(f.relation != "is" for f in reading.figures if f.start == named.spans[0][0])
    ]


def _sources(tried: Attempt) -> set[str]:
    return {s for a in tried.arrays.values() for s in a.sources}


def _excused(figure: Figure, reading: Reading) -> bool:
    """Whether the words say that the number is of another time or another thing."""
    near = {stem(w) for w in (*figure.before[-_NEAR:], *figure.after[:_NEAR])}
    order = any(a <= figure.start < b for a, b in reading.remarks)
    if figure.value == 1 and reading.text[figure.start : figure.end].lower().startswith("once"):
        return True  # "once a day" is how often, not how much
    rule = figure.value == 1 and "exactly" in figure.before[-2:]  # "exactly one server per job" is no amount
    listed = any(len(run.figures) >= _LIST and figure in run.figures for run in reading.runs)
    other = not listed and (_of_another_time(figure) or bool(near & _OTHER_THINGS))
    return rule or figure.clock or order or other


def _counts_members(figure: Figure, tried: Attempt) -> bool:
    """Whether a number only says how many members a set has, in a word that is a unit: "two batches of pictures"."""
    sizes = {m.size for m in tried.frame.members.values() if m.size > 1}
    nouns = {stems(n)[-1:] for g in tried.model.groups for n in g.nouns}
    return figure.relation == "is" and figure.value in sizes and stems(figure.unit)[-1:] in nouns


def _of_another_time(figure: Figure) -> bool:
    """As `of_other_times`; "it would draw 50 Wh" tells what comes of a choice, and is of this time."""
    plain = replace(
        figure,
        before=tuple(w for w in figure.before if w not in _MODAL),
        after=tuple(w for w in figure.after if w not in _MODAL),
    )
    return of_other_times(figure) and of_other_times(plain)


def _shares_of_several(reading: Reading) -> list[Figure]:
    """A percentage of each of several names ("right in 60 % of cases, ... in 90 %"): whoever tells that means it."""
    told = [f for f in reading.figures if f.unit == "percent" and len(f.subjects) == 1]
    return told if len({f.subjects for f in told}) > 1 else []


def _about_this(figure: Figure, symbols: Mapping[str, Symbol], lexicon: Lexicon) -> bool:
    """Whether the number measures what any carbon problem is about, or what the words say that this family takes."""
    unit = unit_of(figure)
    if unit is None or figure.unit in _LONG:
        return False
    volume = bool(_VOLUME.search(figure.unit)) and figure.value > 1  # "1,460 times a year" scales everything
    return (
        volume
        or any(unit.same(kind) for kind in _HEART)
        or any(
            into(figure, s.unit) is not None and lexicon.evidence(n, figure) >= _TOLD
            for n, s in symbols.items()
        )
    )


def _amounts(used: Sequence[Figure], tried: Attempt) -> list[tuple[Unit, float]]:
    """What is known, in base units: used figures, sums of a few of them and of lists, and the length of the horizon."""
    single = [(u, u.to_base(f.value)) for f in used if (u := unit_of(f)) is not None and f.unit]
    sums = [
        (parse_unit(a.symbol.unit), parse_unit(a.symbol.unit).to_base(math.fsum(a.values)))
        for a in tried.arrays.values()
        if len(a.values) > 1 and not a.gaps
    ]
    hours = [(_HOUR, _HOUR.to_base(m.size)) for m in tried.frame.members.values() if m.ordered]
    step = tried.arrays.get("dt")
    steps = [(parse_unit(step.symbol.unit), v) for v in step.values] if step is not None and hours else []
    return [*single, *sums, *hours, *steps]


def _sums_of_few(used: Sequence[Figure]) -> list[tuple[Unit, float]]:
    """Sums of two or three used figures of one kind, in base units."""
    single = [(u, u.to_base(f.value)) for f in used if (u := unit_of(f)) is not None and f.unit]
    return [
        (some[0][0], math.fsum(v for _, v in some))
        for n in range(2, _MOST_PARTS + 1)
        for some in combinations(single[:_MOST_FIGURES], n)
        if all(u.same(some[0][0]) for u, _ in some)
    ]


def _sums_up(figure: Figure) -> bool:
    """Whether the words say that the number is a sum: otherwise it equals one by chance."""
    return bool(_SUMMING & {stem(w) for w in (*figure.before[-_NEAR:], *figure.after[:_NEAR])})


def _restates(figure: Figure, amounts: Iterable[tuple[Unit, float]]) -> bool:
    unit = unit_of(figure)
    if unit is None:
        return False
    value, near = unit.to_base(figure.value), _ABOUT if figure.relation == "about" else _SAME
    return any(
        u.same(unit)
        and (
            math.isclose(v, value, rel_tol=near)
            or (unit.same(_PERCENT) and math.isclose(_PERCENT.to_base(100.0) - v, value, rel_tol=near))
        )
        for u, v in amounts
    )
