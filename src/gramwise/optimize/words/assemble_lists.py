"""Lists whose lines are built alike: "- after stage 1: 0.35 J, 220 kB" four times makes three columns.

Lines are alike where their figures measure the same things in the same order. Each such column becomes an enumeration
over the lines, named by what stands before the colon, unless the figures already belong to one.
"""

from __future__ import annotations

import re
from dataclasses import replace

from .assemble_quantity import unit_of
from .statement import Figure, Named, Reading, Run

_NAME = re.compile(
    r"^[ \t]*(?:[-*•–]|\(?[0-9a-z][.)])[ \t]+(?:(?:the|a|an|our|my)\s+)?(?P<name>[^:\n]{1,60}):",
    re.MULTILINE | re.IGNORECASE,
)


def with_lists(reading: Reading) -> Reading:
    """The reading with an enumeration for each column of each list of like lines."""
    reading = _levelled(reading)
    found: list[Run] = []
    enumerated = {(f.start, f.end) for run in reading.runs for f in run.figures}
    listed = _listed_names(reading)
    reading = replace(reading, groups=(*reading.groups, *listed)) if listed else reading
    for block in _blocks(reading):
        names = tuple(name for name, _ in block)
        named = all(names) and len(set(names)) == len(names)
        columns = list(zip(*(figures for _, figures in block), strict=True))
        titles = _titles(reading.text, block[0][1][0].start, len(columns))
        for column, title in zip(columns, titles, strict=True):
            if any((f.start, f.end) in enumerated for f in column):
                continue
            head = title or tuple(dict.fromkeys(w for f in column for w in (*f.before[-2:], *f.after[:1])))
            found.append(Run(figures=column, over=names if named else (), head=head))
    enumerated |= {(f.start, f.end) for run in found for f in run.figures}
    found += _inline(reading, enumerated)
    return replace(reading, runs=(*reading.runs, *found)) if found else reading


def _listed_names(reading: Reading) -> list[Named]:
    """Names of the lines of a list of which most are built alike: one line that is told otherwise belongs to them."""
    lines = _lines(reading)
    alike = {name for block in _blocks(reading) for name, _ in block if name}
    found: list[Named] = []
    run: list[tuple[str, list[Figure]]] = []
    for name, figures in [*lines, ("", [])]:
        kinds = {_kind(f) for f in figures}
        near = not run or len(kinds & {_kind(f) for f in run[-1][1]}) * 2 >= len(kinds) > 0
        if name and figures and near:
            run.append((name, figures))
            continue
        names = tuple(dict.fromkeys(n for n, _ in run))
        if len(names) == len(run) > 2 and set(names) & alike and not set(names) <= alike:
            starts = [reading.text.find(n) for n in names]
            spans = tuple((at, at + len(n)) for at, n in zip(starts, names, strict=True))
            found.append(Named(noun="", labels=names, count=len(names), spans=spans))
        run = [(name, figures)] if name and figures else []
    return found


def _levelled(reading: Reading) -> Reading:
    """Bare numbers of a line take the unit that stands at their place in the line above, where all else is alike.

    "keeping it takes 150 watt-hours" in the first line and "keeping it takes 140" in the next are both energies.
    """
    units: dict[tuple[int, int], Figure] = {}
    above: list[Figure] = []
    for _, figures in _lines(reading):
        if len(figures) == len(above) > 1 and all(map(_same_place, above, figures)):
            figures = [
                f if f.unit or not a.unit else replace(f, unit=a.unit, noun=a.noun, each=a.each)
                for a, f in zip(above, figures, strict=True)
            ]
            units |= {(f.start, f.end): f for f in figures}
        above = figures
    if not units:
        return reading
    return replace(
        reading,
        figures=tuple(units.get((f.start, f.end), f) for f in reading.figures),
        runs=tuple(
            replace(r, figures=tuple(units.get((f.start, f.end), f) for f in r.figures)) for r in reading.runs
        ),
    )


def _same_place(above: Figure, here: Figure) -> bool:
    bare = not here.unit and not here.noun and not here.clock
    return bare or _kind(above) == _kind(here)


def _inline(reading: Reading, enumerated: set[tuple[int, int]]) -> list[Run]:
    """Columns of "1 GHz drawing 0.6 W, 1.5 GHz drawing 1.6 W or 2 GHz drawing 3 W": kinds that repeat in turn."""
    figures = [f for f in reading.figures if f.unit]
    found: list[Run] = []
    at = 0
    while at < len(figures):
        taken = 0
        for width in (4, 3, 2):
            rows = _repeats(figures, at, width, reading.text)
            if len(rows) > 1 and not any((f.start, f.end) in enumerated for row in rows for f in row):
                for column in zip(*rows, strict=True):
                    head = tuple(dict.fromkeys(w for f in column for w in (*f.before[-2:], *f.after[:1])))
                    found.append(Run(figures=column, head=head))
                taken = len(rows) * width
                break
        at += taken or 1
    return found


def _repeats(figures: list[Figure], at: int, width: int, text: str) -> list[list[Figure]]:
    """Rows of ``width`` unnamed figures of different kinds from ``at`` on, all of one sentence."""
    rows: list[list[Figure]] = []
    pattern: list[str] = []
    while len(row := figures[at : at + width]) == width:
        kinds = [_kind(f) for f in row]
        first = rows[0][0].start if rows else row[0].start
        same_sentence = not re.search(r"[.!?;]\s", text[first : row[-1].start])
        if (
            len(set(kinds)) < width
            or any(f.clock or f.subjects != (rows[0] if rows else row)[0].subjects for f in row)
            or len(row[0].subjects) > 1
            or any(a.relation != b.relation for a, b in zip(row, rows[0] if rows else row, strict=True))
            or not same_sentence
            or (pattern and kinds != pattern)
        ):
            break
        pattern = kinds
        rows.append(row)
        at += width
    return rows


def _blocks(reading: Reading) -> list[list[tuple[str, list[Figure]]]]:
    """Consecutive bullet lines with figures of the same kinds in the same order; two lines at least."""
    lines = _lines(reading)
    blocks: list[list[tuple[str, list[Figure]]]] = []
    last: list[str] = []
    for name, figures in lines:
        kinds = [_kind(f) for f in figures]
        if figures and kinds == last and blocks:
            blocks[-1].append((name, figures))
        elif figures:
            blocks.append([(name, figures)])
        last = kinds
    return [b for b in blocks if len(b) > 1]


def _titles(text: str, first: int, columns: int) -> list[tuple[str, ...]]:
    """Words for each column from the line above, where that names as many things: "intensity / PUE / limit:"."""
    above = text[:first].rsplit("\n", 2)
    line = above[-2] if len(above) > 1 and not re.search(r"\d", above[-2]) else ""
    for mark in ("/", ";", ","):
        parts = [re.findall(r"[a-z0-9µ]+", part.lower()) for part in line.split(mark)]
        if len(parts) == columns > 1 and all(parts):
            return [tuple(part) for part in parts]
    return [()] * columns


def _lines(reading: Reading) -> list[tuple[str, list[Figure]]]:
    found = []
    starts = [
        m.start() for m in re.finditer(r"^[ \t]*(?:[-*•–]|\(?[0-9a-z][.)])[ \t]+", reading.text, re.MULTILINE)
    ]
    for start in starts:
        end = reading.text.find("\n", start)
        end = len(reading.text) if end < 0 else end
        named = _NAME.match(reading.text, start)
        body = named.end() if named else start
        figures = [f for f in reading.figures if body <= f.start < end]
        found.append((named["name"].strip() if named else "", figures))
    return found


def _kind(figure: Figure) -> str:
    """What a figure measures, but for what is counted: 0.03 kWh for every call and 0.05 kWh per pull are alike."""
    unit = unit_of(figure)
    return f"{unit.dims[:-1]}{'dB' if unit.log else ''}" if unit is not None else figure.unit
