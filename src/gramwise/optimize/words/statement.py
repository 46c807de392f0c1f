"""What reading a text yields, before anyone decides what it means: figures with their spans, names, tables, wishes.

Nothing here knows a family or a symbol. Every figure keeps the characters that it was read from, so that each number of
a problem can be traced to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Relation = Literal["is", "at_most", "at_least", "between", "about"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of the text.

    Attributes:
        value: as stated, in ``unit``.
        unit: in the notation of `typed.units`; empty for a bare number. "a dozen jobs" is 12 with noun "job".
        start, end: its characters, unit included; ``text[start:end]``.
        relation: limit words around it ("at most", "within", "no less than").
        noun: singular noun that follows directly ("6 camera jobs" -> "job"); empty otherwise.
        clause: position of the clause that it stands in.
        before, after: words of the clause before and behind it, lower case, nearest last and first, stop words kept.
        subjects: labels of members that it is said of, as written in `Reading.groups`; empty where of all or of none.
        row, column: headings, where it stands in a table.
        each: "each", "per job", "apiece" was said.
        negated: "not", "never", "other than" governs it.
        clock: a time of day or the number of an hour, in hours since midnight, rather than a duration.
        own_before, own_after: how many words of ``before`` and ``after`` lie on this side of the next figure.
    """

    value: float
    unit: str
    start: int
    end: int
    relation: Relation = "is"
    noun: str = ""
    clause: int = 0
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    row: str = ""
    column: str = ""
    each: bool = False
    negated: bool = False
    clock: bool = False
    own_before: int = 99
    own_after: int = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Figures that belong together: an enumeration ("300, 280 and 120 g/kWh"), a table's column, hours of a day.

    Attributes:
        figures: in the order of the text; all in one unit.
        over: what it enumerates if that was said: labels in the same order, or a noun such as "hour"; empty otherwise.
        head: words that name the whole run, lower case.
        start: clock or number of the first step where ``over`` is a noun of steps ("from 22:00", "slots 1 to 6"); None
            where it was not said.
    """

    figures: tuple[Figure, ...]
    over: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    start: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Members that the text names or counts.

    Attributes:
        noun: singular, lower case: "site", "job", "camera".
        labels: names in the order of first mention; empty where only counted.
        count: as stated or as counted from the labels; None where neither.
        spans: characters of each label's first mention, or of the count.
    """

    noun: str
    labels: tuple[str, ...] = ()
    count: int | None = None
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A piece of a sentence with its characters and its words, lower case, singular where that is safe."""

    start: int
    end: int
    words: tuple[str, ...]
    heading: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A whole text, read.

    Attributes:
        text: as it was given.
        clauses, figures, runs, groups: what stands in it.
        wish: what is to be made least or most: "carbon", "cost", "latency", "energy", "accuracy", ..., "" if nothing.
        language: "en", or what it seems to be.
        remarks: passages that are instructions to a program rather than a description, with their characters.
    """

    text: str
    clauses: tuple[Clause, ...]
    figures: tuple[Figure, ...]
    runs: tuple[Run, ...]
    groups: tuple[Named, ...]
    wish: str = ""
    language: str = "en"
    remarks: tuple[tuple[int, int], ...] = ()
