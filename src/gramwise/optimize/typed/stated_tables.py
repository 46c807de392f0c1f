"""Tables in a text, for the check of sources: where a cell with a number lies, and the unit that its headings give it.

Lines of equally many cells, parted by ``|``, tabs, semicolons or commas, are a table where the first line is a heading:
none of its cells is a number, or its first cell holds none and the table lies on its side. A heading may hold the unit
as "energy (kWh)", "power [W]", "CI gCO2e/kWh" or "energy_J_per_frame"; where the heading of the column has none, the
first cell of the row may, and so may a cell under the heading "unit". A line "energy_j: 5" or "energy_j = 5", as in
YAML or TOML, is a row of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .stated_units import read_units
from .units import NONE, Unit, alike

_KEY = re.compile(
    r"(?:- )?\"?([A-Za-z]\w{0,60}_\w{0,60})\"?[ \t]{0,8}[:=][ \t]{0,40}([^#\s][^#\n]{0,40}?),?\s*(?:#.*)?"
)
_RULE = frozenset(" \t|:+=-")
_FIGURE = re.compile(r"[~≈<>≤≥+−–-]? ?[0-9][0-9.,' ]{0,30}(?:[ -]?[^\W\d_%][^\s,;]{0,12}| ?%)?")
_DIGIT = re.compile(r"[0-9]")
_LETTERS = re.compile(r"(?<![A-Za-zµ])(?<!/)(?<!/ )(?<![Pp]er )[A-Za-zµ%][A-Za-z0-9µ]{0,24}")
_ENDING = re.compile(r"(?<=_)(?:w|j|kj|kb|mb|gb|tb|mbit|gbit|ghz|mhz)(?![A-Za-z0-9])")
_AS_WRITTEN = {"w": "W", "j": "J", "kj": "kJ", "kb": "kB", "mb": "MB", "gb": "GB", "tb": "TB"}
_AS_WRITTEN |= {"mbit": "Mbit", "gbit": "Gbit", "ghz": "GHz", "mhz": "MHz"}
_UNIT_HEADS = frozenset({"unit", "units"})


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that is a number: its characters, and readings of the unit that its headings name."""

    start: int
    end: int
    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    mark: str
    cells: tuple[tuple[int, str], ...]


def cells(text: str) -> Iterator[Cell]:
    """Every cell of every table of a text that is a number, with or without a unit."""
    yield from _keyed(text)
    block: list[_Line] = []
    for line in _lines(text):
        if block and (line.mark, len(line.cells)) != (block[0].mark, len(block[0].cells)):
            yield from _figures(block)
            block = []
        if len(line.cells) > 1:
            block.append(line)
    yield from _figures(block)


def _keyed(text: str) -> Iterator[Cell]:
    """The numbers of lines "key: number" whose key has several parts, the unit perhaps among them."""
    at = 0
    for line in text.split("\n"):
        inside = line.strip()
        found = _KEY.fullmatch(inside)
        if found and _figure(found[2]):
            start = at + line.index(inside)
            yield Cell(start + found.start(2), start + found.end(2), heading_units(found[1]))
        at += len(line) + 1


def heading_units(heading: str) -> tuple[Unit, ...]:
    """Readings of the units in a heading, underscores as blanks.

    What is counted, as images or images per second, is none, and a letter alone is a name.
    """
    if len(heading.strip(" \r*`")) < 2:
        return ()
    plain = _ENDING.sub(lambda found: _AS_WRITTEN[found[0]], heading).replace("_", " ")
    each = (read_units(plain, word.start()) for word in _LETTERS.finditer(plain))
    return tuple(
        dict.fromkeys(u for readings in each if readings and not _counts(readings[-1]) for u in readings)
    )


def _counts(unit: Unit) -> bool:
    return alike(unit.dims, NONE) and unit.factor == 1.0 and not unit.log


def _lines(text: str) -> Iterator[_Line]:
    at = 0
    for line in text.split("\n"):
        inside = line.strip()
        mark = next((m for m in "|\t;," if m in inside), "")
        if not (mark == "|" and _RULE.issuperset(inside)):  # the rule below a heading is no row
            yield _Line(mark, tuple(_cut(line, at, mark)))
        at += len(line) + 1


def _cut(line: str, at: int, mark: str) -> Iterator[tuple[int, str]]:
    """The cells of a line with the places where they begin; bars around the whole line part nothing."""
    if not mark:
        yield at, line
        return
    if mark == "|":
        left = len(line) - len(line.lstrip(" |"))
        line, at = line[left:].rstrip(" |\r"), at + left
    for cell in line.split(mark):
        yield at, cell
        at += len(cell) + 1


def _figures(block: list[_Line]) -> Iterator[Cell]:
    titles = [cell for _, cell in block[0].cells] if len(block) > 1 else []
    if not titles or (_DIGIT.search(titles[0]) and any(map(_figure, titles))):
        return
    columns = [heading_units(title) for title in titles]
    for line in block:
        row = heading_units(line.cells[0][1]) if not _figure(line.cells[0][1]) else ()
        named = (cell for title, (_, cell) in zip(titles, line.cells, strict=True) if _says_unit(title))
        row = row or heading_units(next(named, ""))
        for units, (start, cell) in zip(columns, line.cells, strict=True):
            if _figure(cell):
                yield Cell(start, start + len(cell), units or row)


def _says_unit(title: str) -> bool:
    return title.strip(" \r").lower() in _UNIT_HEADS


def _figure(cell: str) -> bool:
    return _FIGURE.fullmatch(cell.strip()) is not None
