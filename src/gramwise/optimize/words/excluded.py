"""Statements that exclude each other by their words alone, whatever problem they belong to.

Three kinds: a number of things beside a full list of them that is longer or shorter ("five clients, A, B, C and D"); a
lower limit above the upper one in the same breath ("never above 4 kWh and never below 6 kWh"); and the same thing
demanded and forbidden ("it must go through Ada's, and it must not go through Ada's").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from .assemble_arrays import Clash
from .assemble_cues import stem
from .statement import Figure, Named, Reading

_LIST_BEGINS = re.compile(r"[\s,:(–-]*(?:(?!and\b|or\b|is\b|are\b|in\b|of\b|at\b)[a-z-]+[\s,:(–-]+){0,2}")
_LIST_GOES_ON = re.compile(r"\s*(?:[,;/&]|,?\s*\band\b|,?\s*\bor\b)\s*(?:the |a |an )?")
_LIST_ENDS = re.compile(r"\b(and|or)\b|&")
_LINK_WORDS = """
and but or never not no nor less more fewer than below above under over at least most minimum maximum up to must
be may it always also drop fall rise exceed stay kept go get should shall cannot can not
"""
_LINKS = frozenset(_LINK_WORDS.split())
_DEMAND = re.compile(
    r"\b(?P<not>must\s+not|mustn['’]t|must\s+never|may\s+not|may\s+never|cannot|can['’]t|can\s+not|shall\s+not|"
    r"should\s+not|shouldn['’]t|(?:is|are)\s+not\s+(?:allowed|permitted)\s+to|(?:is|are)\s+forbidden\s+to)"
    r"\s+(?:ever\s+)?(?:be\s+)?(?P<never>[a-z]+)"
    r"|\b(?P<must>must|has\s+to|have\s+to|needs?\s+to|(?:is|are)\s+required\s+to|shall)"
    r"\s+(?:always\s+)?(?:be\s+)?(?P<verb>[a-z]+)",
    re.IGNORECASE,
)
_SCOPE_ENDS = re.compile(
    r"[,.;:!?\n]|\b(because|since|as|while|but|and|although|so|for|at least|at most|no more)\b", re.I
)
_SMALL_WORDS = "the a an in on at by to of it its they them this that there here only all both"
_SMALL = frozenset(_SMALL_WORDS.split())
_BREATH = 70
"""Characters between two limits that are told together."""


@dataclass(frozen=True, slots=True)
class _Demand:
    """A duty: whether it is a ban, its verb, the names it is said of, the other words behind it, its characters."""

    denied: bool
    verb: str
    whom: frozenset[str]
    what: frozenset[str]
    span: tuple[int, int]


def excluding(reading: Reading) -> list[Clash]:
    """What the text says that excludes itself, with the characters; empty where nothing does."""
    return [*_miscounted(reading), *_crossed(reading), *_demanded_and_forbidden(reading)]


def _miscounted(reading: Reading) -> Iterator[Clash]:
    for named in reading.groups:
        if named.labels or not named.count or not named.spans:
            continue
        start, end = named.spans[0]
        if any(f.start <= start < f.end and f.relation != "is" for f in reading.figures):
            continue
        for listed in reading.groups:
            if (
                len(listed.labels) > 1
                and len(listed.labels) != named.count
                and _lists(listed, end, reading.text)
            ):
                names = ", ".join(listed.labels)
                yield Clash(
                    f"The text speaks of {named.count} {named.noun}s and lists {len(listed.labels)}: {names}.",
                    ((start, end), (listed.spans[0][0], listed.spans[-1][1])),
                )


def _lists(listed: Named, end: int, text: str) -> bool:
    """Whether a full list of these names follows at once behind a count that ends at ``end``."""
    spans = listed.spans
    if len(spans) != len(listed.labels) or not end <= spans[0][0] <= end + 40:
        return False
    between = [text[a[1] : b[0]] for a, b in pairwise(spans)]
    opening = text[end : spans[0][0]]
    whole = all(_LIST_GOES_ON.fullmatch(t) for t in between) and bool(_LIST_ENDS.search(between[-1]))
    return whole and _LIST_BEGINS.fullmatch(opening) is not None


def _crossed(reading: Reading) -> Iterator[Clash]:
    for a, b in pairwise(sorted(reading.figures, key=lambda f: f.start)):
        if {a.relation, b.relation} != {"at_most", "at_least"} or a.unit != b.unit or a.clock or b.clock:
            continue
        low, high = (a, b) if a.relation == "at_least" else (b, a)
        if low.value > high.value and (a.unit or a.noun == b.noun) and _in_one_breath(a, b, reading.text):
            said = [reading.text[f.start : f.end].strip() for f in (low, high)]
            yield Clash(
                f"The text asks for at least {said[0]} and at most {said[1]} of the same thing.",
                ((a.start, a.end), (b.start, b.end)),
            )


def _in_one_breath(a: Figure, b: Figure, text: str) -> bool:
    between = text[a.end : b.start]
    return len(between) <= _BREATH and set(re.findall(r"[a-z]+", between.lower())) <= _LINKS


def _demanded_and_forbidden(reading: Reading) -> Iterator[Clash]:
    said = list(_demands(reading))
    for i, one in enumerate(said):
        for other in said[i + 1 :]:
            if one.denied != other.denied and one.verb == other.verb and _same_thing(one, other):
                a, b = (reading.text[d.span[0] : d.span[1]].strip() for d in (one, other))
                yield Clash(
                    f"The text demands and forbids the same: {a!r} and {b!r}.", (one.span, other.span)
                )


def _same_thing(one: _Demand, other: _Demand) -> bool:
    """Whether two duties are about the same: equal words behind them, and the same names or none on one side."""
    if one.what != other.what:
        return False
    if one.whom and other.whom:
        return one.whom == other.whom
    return bool(one.what)


def _demands(reading: Reading) -> Iterator[_Demand]:
    text = reading.text
    labels = {label.lower() for named in reading.groups for label in named.labels}
    for found in _DEMAND.finditer(text):
        denied = found.group("not") is not None
        verb = stem(found.group("never") or found.group("verb"))
        if verb == "not":
            continue
        stop = _SCOPE_ENDS.search(text, found.end())
        end = stop.start() if stop else len(text)
        begin = max(text.rfind(mark, 0, found.start()) for mark in (".", ";", "\n", ":", ",")) + 1
        ahead, behind = text[begin : found.start()].lower(), text[found.end() : end].lower()
        whom = frozenset(n for n in labels if re.search(rf"(?<!\w){re.escape(n)}(?!\w)", ahead))
        what = frozenset(stem(w) for w in re.findall(r"[a-z0-9]+", behind) if w not in _SMALL)
        yield _Demand(denied, verb, whom, what, (found.start(), end))
