"""What lies along time: which names can be hours, and which figures only measure the series out.

"For the five hours from 17:00 to 22:00", "hours 0 to 7" and "during four hours" say over what the enumerations run.
They are no durations, no deadlines and no lengths of a slot, and no server or roof is an hour.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from gramwise.optimize.knowledge.entry import Group

from .assemble_clusters import Cluster
from .assemble_cues import stem, stems
from .statement import Figure, Reading, Run

if TYPE_CHECKING:
    from .assemble_groups import Frame

_TIME = frozenset(("hour", "slot", "period", "interval", "step", "time slot"))
_RUNNING_WORDS = """
takes take took lasts last lasting runs run running needs need duration long length requires
"""
_SPANNING_WORDS = """
next coming following horizon over during within across throughout in each every all these those for
"""
_DAYTIME_WORDS = """
morning forenoon noon midday lunchtime afternoon evening dusk night midnight dawn breakfast supper day today tonight
tomorrow hour slot period interval step first second third fourth fifth sixth last monday tuesday wednesday
thursday friday saturday sunday spring summer autumn winter early late
"""
_RUNNING = frozenset(map(stem, _RUNNING_WORDS.split()))
_SPANNING = frozenset(map(stem, _SPANNING_WORDS.split()))
_DAYTIME = frozenset(map(stem, _DAYTIME_WORDS.split()))


def is_axis(group: Group, cluster: Cluster) -> bool:
    """Whether the names of ``cluster`` can be the steps of an ordered set: any where it is not of time, else only
    names that hold a noun of time or a number.
    """
    if not _TIME & set(group.nouns):
        return True
    nouns = {stems(n) for n in group.nouns}
    if any(stems(n) in nouns for n in cluster.nouns):
        return True
    return all(
        any(c.isdigit() for c in label)
        or bool(_DAYTIME & {stem(w) for w in label.lower().split()})
        or any(stems(w) in nouns for w in label.split())
        for label in cluster.labels
    )


def of_time(group: Group, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Labels without those that are no times, where the set is of time and at least two of them are."""
    if not _TIME & set(group.nouns):
        return labels
    times = tuple(
        label
        for label in labels
        if _DAYTIME & {stem(w) for w in label.lower().split()} or label[-1:].isdigit()
    )
    return times if len(times) >= 2 else labels


def stepped(run: Run, frame: Frame) -> bool:
    """Whether an enumeration goes over the steps of an ordered set, all of them in their order: rows numbered from 0
    are told by their order then, not by their numbers.
    """
    if len(run.over) != 1:
        return False
    return any(
        m.ordered and m.size == len(run.figures) and stem(run.over[0]) in {stem(m.noun), *_TIME}
        for m in frame.members.values()
    )


_WINDOWS = (("between", "between"), ("at_least", "at_most"))
_RANGE = re.compile(
    r"(?:hours?|slots?|periods?|steps?|intervals?|numbered|indexed|\()\s*(?:from |h ?= ?)?(\d{1,2})\s*"
    r"(?:\.\.\.?|…|–|-|to|through|until|up to)\s*"
    r"(?:hour |slot |period |step )?(\d{1,2})(?!\d|[:.]\d|\s*%)",
    re.IGNORECASE,
)


def numbered_from(reading: Reading, run: Run) -> tuple[float, tuple[int, int]] | None:
    """The number of the first step of a series whose start no word in front of it says, and its characters.

    "Numbered 0 to 7", "(0..4)", or the first heading of the rows of a table.
    """
    first = run.figures[0]
    if re.fullmatch(r"\d{1,2}", first.row):
        line = reading.text.rfind("\n", 0, first.start) + 1
        at = reading.text.find(first.row, line, first.start)
        if at >= 0:
            return float(first.row), (at, at + len(first.row))
    for found in _RANGE.finditer(reading.text):
        if int(found[2]) - int(found[1]) + 1 == len(run.figures):
            return float(found[1]), found.span(1)
    return None


def numbers_a_step(figure: Figure) -> bool:
    """Whether a figure is a time of day or the number of a slot, and so measures nothing."""
    return figure.clock or (figure.noun in _TIME and not figure.unit and figure.relation != "is")


def with_windows(reading: Reading) -> Reading:
    """The reading with windows taken apart: "within slots 1 to 4" is a lower limit and an upper one."""
    figures = list(reading.figures)
    for k, (a, b) in enumerate(pairwise(reading.figures)):
        near = a.clause == b.clause and b.start - a.end < 16
        if near and a.relation == b.relation == "between" and numbers_a_step(a) and numbers_a_step(b):
            if a is figures[k]:
                figures[k], figures[k + 1] = replace(a, relation="at_least"), replace(b, relation="at_most")
        elif near and a.relation == b.relation == "between" and _counts(a) and _counts(b) and a is figures[k]:
            shared = replace(a, noun=b.noun, unit=b.unit, after=b.after, own_after=b.own_after, each=b.each)
            figures[k] = replace(shared, relation="at_least")
            figures[k + 1] = replace(b, relation="at_most")
    return replace(reading, figures=tuple(figures))


def _counts(figure: Figure) -> bool:
    """Whether a figure is a plain count or a count per period."""
    return not figure.unit or figure.unit.startswith("1/") or bool(figure.noun and "/" in figure.unit)


def horizon_figures(reading: Reading, sizes: Collection[int]) -> set[tuple[int, int]]:
    """Characters of the figures that only say how long the series is, or from when to when it runs.

    Args:
        reading: the text.
        sizes: numbers of steps of the ordered sets.
    """
    spent: set[tuple[int, int]] = set()
    for f in reading.figures:
        if f.unit in ("h", "hour") and not f.clock and f.value in sizes and _measures_out(f):
            spent.add((f.start, f.end))
        if not f.unit and f.value in sizes and any(stem(w) in _TIME for w in f.after[:2]):
            spent.add((f.start, f.end))  # "6 hourly slots"
    for found in _RANGE.finditer(reading.text):
        if int(found[2]) - int(found[1]) + 1 in sizes:
            spent |= {(f.start, f.end) for f in reading.figures if found.start(1) <= f.start < found.end(2)}
    times = [f for f in reading.figures if numbers_a_step(f)]
    timed = [f for run in reading.runs if run.start is not None for f in run.figures if not f.clock]
    for a, b in pairwise(times):
        if (a.relation, b.relation) in _WINDOWS and a.clause == b.clause and b.start - a.end < 16:
            beside = any(0 <= a.start - f.end < 14 for f in timed)  # "140 from 1 to 2"
            if beside or any(a.clause == f.clause and 0 <= f.start - b.end < 60 for f in timed):
                spent |= {(a.start, a.end), (b.start, b.end)}  # "from 22:00 to 1:00 it is 400"
            length = (b.value - a.value) % 24 or 24.0
            if {length, length + 1} & set(sizes):
                spent |= {(a.start, a.end), (b.start, b.end)}
    return spent


def _measures_out(figure: Figure) -> bool:
    """Whether a number of hours is the horizon: "over the next six hours", and not "takes three hours"."""
    near = [stem(w) for w in figure.before[-3:]]
    if {stem("window"), stem("horizon")} & {stem(w) for w in figure.before[-4:]}:
        return True
    if not near and {stem("open"), stem("available"), stem("ahead"), stem("left")} & {
        stem(w) for w in figure.after[:4]
    }:
        return True
    if set(near) & _RUNNING and not {stem("next"), stem("each")} & set(near):
        return False
    return bool(set(near) & _SPANNING)
