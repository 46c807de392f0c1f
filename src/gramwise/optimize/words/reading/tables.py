"""Tables inside a text: markdown, CSV, TSV and aligned columns, members down or across, units in heads or cells."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gramwise.optimize.words.statement import Relation

from .members import GENERIC
from .phrases import QUANTITY_NOUNS
from .quantities import Quantity, quantities
from .tokens import SCALES, Token, tokens
from .unitwords import EMITTING, as_carbon, singular, unit_at
from .vocabulary import words

_RULE = re.compile(r"^[\s|:+=-]*-[\s|:+=-]*$")
_COUNTS = re.compile(r"\b[a-z]+s? ?(?:per|an?|each|/) ?(?:hour|h|day|d|week|month|year)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:\.\d+)?$")
_TIME = words("tables.time")
_NO_NOUN = words("tables.no_noun")
_SUFFIXES = {
    "w": "W", "kw": "kW", "wh": "Wh", "kwh": "kWh", "mwh": "MWh", "j": "J", "kj": "kJ", "s": "s", "ms": "ms",
    "min": "min", "h": "h", "kb": "kB", "mb": "MB", "gb": "GB", "mbit": "Mbit", "ghz": "GHz", "mhz": "MHz",
    "pct": "percent", "percent": "percent",
}  # fmt: skip
"""Endings of names such as "power_w", whatever their capitals."""
_INDEX = frozenset(("#", "no", "no.", "nr", "nr.", "id", "index", ""))


@dataclass(slots=True)
class Cell:
    """Text of a cell and its characters in the whole text."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(slots=True)
class Entry:
    """One number of a table: what it is, its row and column headings, and the members that it is said of."""

    quantity: Quantity
    row: str
    column: str
    heading: tuple[str, ...]
    subjects: tuple[str, ...]


@dataclass(slots=True)
class Column:
    """Numbers that belong together, over labels or over "hour"."""

    entries: list[Entry]
    over: tuple[str, ...]
    head: tuple[str, ...]


@dataclass(slots=True)
class Table:
    """A table as it was understood.

    ``axes`` are its members: a noun and labels with their characters. ``hours`` is the number of rows or columns that
    are hours, None where none are.
    """

    start: int
    end: int
    words: tuple[str, ...]
    entries: list[Entry] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    axes: list[tuple[str, list[tuple[str, int, int]]]] = field(default_factory=list)
    hours: tuple[int, int, int] | None = None


def tables(text: str) -> tuple[list[Table], str]:
    """The tables of a text, and the text with their characters replaced by spaces."""
    found: list[Table] = []
    blank = text
    for grid in _grids(text):
        table = _understood(grid, text)
        if table is None:
            continue
        found.append(table)
        inside = "".join(c if c == "\n" else " " for c in blank[table.start : table.end])
        blank = blank[: table.start] + inside + blank[table.end :]
    return found, blank


def _grids(text: str) -> list[list[list[Cell]]]:
    """Blocks of neighbouring lines with equally many cells, at least two by two."""
    lines: list[tuple[str, int]] = []
    at = 0
    for line in text.split("\n"):
        lines.append((line, at))
        at += len(line) + 1
    grids: list[list[list[Cell]]] = []
    given_up: dict[object, int] = {}
    k = 0
    while k < len(lines):
        for split in (_piped, _tabbed, _semicolons, _commas, _aligned):
            if k < given_up.get(split, 0):
                continue
            rows: list[list[Cell]] = []
            end = k
            while end < len(lines):
                line, start = lines[end]
                if _RULE.match(line) and rows:
                    end += 1
                    continue
                cells = split(line, start)
                if len(cells) < 2 or (rows and len(cells) != len(rows[0])):
                    break
                rows.append(cells)
                end += 1
                if len(rows) == _LOOK and not _tabular(rows, split in _STRICT):
                    given_up[split] = end
                    break
            if len(rows) >= 2 and _tabular(
                rows, split is _commas or split is _aligned or split is _semicolons
            ):
                grids.append(rows)
                k = end - 1
                break
        k += 1
    return grids


def _piped(line: str, start: int) -> list[Cell]:
    if line.count("|") < 1 or "||" in line:
        return []
    return _cells(line, start, r"\|", strip=True)


def _tabbed(line: str, start: int) -> list[Cell]:
    return _cells(line.strip("\n"), start, r"\t+") if "\t" in line.strip() else []


def _semicolons(line: str, start: int) -> list[Cell]:
    return _cells(line, start, r";") if ";" in line and len(line) < 400 else []


def _commas(line: str, start: int) -> list[Cell]:
    if "," not in line or len(line) > 400 or re.search(r"[.;:!?]\s*$|^\s*[-*+] |:\s", line):
        return []
    return _cells(line, start, r",")


def _aligned(line: str, start: int) -> list[Cell]:
    return _cells(line, start, r"\s{2,}") if re.search(r"\S\s{2,}\S", line) else []


_STRICT = (_commas, _aligned, _semicolons)
"""Separators that prose has too: tables of theirs must look like tables."""
_LOOK = 40
"""Rows after which a block that is no table is given up, so that the search stays linear."""


def _cells(line: str, start: int, separator: str, strip: bool = False) -> list[Cell]:
    cells, at = [], 0
    marks = [*re.finditer(separator, line), None]
    for mark in marks:
        stop = mark.start() if mark is not None else len(line)
        raw = line[at:stop]
        lead = len(raw) - len(raw.lstrip(" \t*\"'`"))
        body = raw.strip(" \t*\"'`")
        cells.append(Cell(body, start + at + lead))
        at = mark.end() if mark is not None else at
    if strip or not cells[0].text:
        while strip and cells and not cells[-1].text:
            cells.pop()
        if (
            cells
            and not cells[0].text
            and ((strip and line.lstrip().startswith("|")) or separator == r"\s{2,}")
        ):
            cells.pop(0)
    return cells


def _tabular(rows: list[list[Cell]], strict: bool) -> bool:
    """Numbers where a table has them; prose with commas is no table."""
    body = [cell for row in rows[1:] for cell in row[1:]]
    numeric = sum(_numeric(cell.text) for cell in body)
    if not body or numeric < 0.5 * len(body):
        return False
    if not strict:
        return True
    short = all(len(cell.text) < 40 for row in rows for cell in row)
    head = all(not _numeric(cell.text) for cell in rows[0][1:])
    return (
        short
        and numeric >= 0.6 * len(body)
        and (head or len(rows) >= 3)
        and all(row[0].text for row in rows[1:])
    )


def _parts(text: str) -> list[str]:
    """The figures of a cell that holds several: "12 s, 60 J", "12 s / 60 J"; empty for any other cell."""
    parts = re.split(r"\s*[,;/|&]\s+|\s+/\s*|\s+and\s+", text)
    several = len(parts) > 1 and all(p and _numeric(p, alone=True) for p in parts)
    return parts if several else []


def _numeric(text: str, *, alone: bool = False) -> bool:
    if not alone and _parts(text):
        return True
    return bool(
        re.match(r"[-+~<≤>≥]?\s?[€$£]?\d[\d.,:eE+ -]*\s?[^\s\d]{0,14}(?:\s[^\s\d]{1,8})?$", text)
    ) or text in ("-", "n/a", "")


def _understood(grid: list[list[Cell]], text: str) -> Table | None:
    counted = bool(set(_words(grid[0][0].text)) & (_TIME | GENERIC)) and not _unit(grid[0][0].text)
    header = grid[0] if counted or not all(_numeric(cell.text) for cell in grid[0][1:]) else None
    body = grid[1:] if header else grid
    start = grid[0][0].start
    start = text.rfind("\n", 0, start) + 1
    last = grid[-1][-1]
    end = text.find("\n", last.end)
    caption = _caption(text, start)
    table = Table(
        start,
        len(text) if end < 0 else end,
        _words(caption) + tuple(w for c in header or [] for w in _words(c.text)),
    )
    _fill(table, header, body, caption)
    return table if table.entries else None


def _caption(text: str, start: int) -> str:
    lines = text[max(0, start - 400) : start].rstrip("\n ").rsplit("\n", 1)
    line = lines[-1].strip() if start else ""
    return re.split(r"(?<=[.!?])\s", line)[-1][-160:]


def _words(text: str) -> tuple[str, ...]:
    return tuple(singular(t.low) for t in tokens(text.replace("_", " ")) if t.kind == "word")


def _scale(text: str) -> float:
    """What a heading multiplies its numbers by: "capacity (million requests)", "samples (thousands)", "(x1000)"."""
    marks = [t.low for t in tokens(text.replace("_", " "))]
    for at, word in enumerate(marks):
        if (
            word in SCALES
            and not (at and marks[at - 1].isdigit())
            and marks[max(0, at - 1)] not in ("per", "/")
        ):
            return SCALES[word]
        if (
            word in ("x", "×")
            and at + 1 < len(marks)
            and marks[at + 1].replace(",", "") in ("1000", "1000000")
        ):
            return float(marks[at + 1].replace(",", ""))
    return 1.0


def _unit(text: str) -> str:
    """The unit in a heading: in brackets, behind a comma or "in", as its last words, or as in "power_w"."""
    name, _, suffix = text.strip().rpartition("_")
    if name and "_per" not in name and suffix.lower() in _SUFFIXES:
        return _SUFFIXES[suffix.lower()]
    marks = tokens(text.replace("_", " "))
    context = any(t.low in EMITTING for t in marks)
    for at, token in enumerate(marks):
        opens = token.text in ("(", "[", ",", "/", "{") or token.low in ("in", "as")
        if opens and at + 1 < len(marks):
            unit = _taken(marks, at + 1, context, at)
            if unit:
                return unit
    if "per" in {t.low for t in marks[1:3]} or any(t.text == "/" for t in marks[1:2]):
        unit = _taken(marks, 0, context, 0)
        if unit:
            return unit
    for at in range(1, len(marks)):
        if marks[at - 1].low in ("per", "a", "an", "each", "every"):
            continue  # "hits per hour" are no hours
        if len(marks[at].text) > 1 or marks[at].text in ("W", "J", "s", "h", "g", "%"):
            unit = _taken(marks, at, context, at - 1)
            if unit:
                return unit
    return _taken(marks, 0, context, 0) if len(marks) and ("/" in text or any(c in text for c in "%")) else ""


def _taken(marks: list[Token], at: int, context: bool, before: int) -> str:
    read = unit_at(marks, at)
    if read is None or read.scale != 1.0 or read.unit.startswith(("1/", "?")):
        return ""
    if marks[before].text == "/" and "/" not in read.unit:
        return ""
    if marks[at].low in ("power", "energy", "min", "max", "a") and marks[before].text not in ("(", "["):
        return ""
    per_energy = read.unit.endswith(("Wh", "J"))  # grams per energy are of nothing else
    return as_carbon(read.unit) if read.mass and (context or per_energy) else read.unit


def _measures(text: str) -> bool:
    """Whether a heading names a quantity rather than a member."""
    words = _words(text)
    return bool(_unit(text)) or any(word in QUANTITY_NOUNS for word in words)


def _fill(table: Table, header: list[Cell] | None, body: list[list[Cell]], caption: str) -> None:
    first = header[0].text if header else ""
    if header and len(header) > 2 and _long(body):
        _fill_long(table, header, body)
        return
    rows = [row[0] for row in body]
    columns = header[1:] if header else [Cell("", 0) for _ in body[0][1:]]
    if not header:
        columns = [Cell(caption, -1) for _ in body[0][1:]]
    told = [cell.text for cell in columns]
    if header and all(_parts(cell.text) for row in body for cell in row[1:]):
        columns = [Cell(re.split(r"\s*[:(\[]", c.text)[0] or c.text, c.start) for c in columns]
    measured = [_measures(cell.text) for cell in columns]
    row_measures = [_measures(cell.text) for cell in rows]
    hours = _hours(first, rows)
    across = header is not None and _hours(first or caption, columns)
    noun = _noun(first)
    labels = _labels(rows, noun)
    crossed = not any(measured) and header is not None
    transposed = crossed and any(row_measures) and not hours
    if hours:
        table.hours = (len(rows), rows[0].start, rows[-1].end)
    elif not transposed:
        table.axes.append((noun, [(label, c.start, c.end) for label, c in zip(labels, rows, strict=True)]))
    names = _labels(columns, "")
    if crossed and across:
        table.hours = (len(columns), columns[0].start, columns[-1].end)
    elif crossed:
        table.axes.append(
            (noun if transposed else "", [(n, c.start, c.end) for n, c in zip(names, columns, strict=True)])
        )
    own = _unit(caption) if caption else ""
    own = "" if own in ("h", "day", "d", "week", "month", "year") else own  # "per hour" names the rows
    grid: list[list[list[Entry]]] = []
    for r, row in enumerate(body):
        line: list[list[Entry]] = []
        for c, cell in enumerate(row[1:]):
            unit = _unit(rows[r].text) if transposed else _unit(columns[c].text)
            if not unit and (crossed or not any(measured)):
                unit = own if not transposed else ""
            heading = _words(rows[r].text if transposed else columns[c].text) or _words(caption)
            if crossed and not transposed:
                heading = _words(caption)
            subjects = (() if hours or transposed else (labels[r],)) + (
                (names[c],) if crossed and not across else ()
            )
            if parts := _parts(cell.text):
                units = _part_units(told[c], len(parts))
                line.append(_several(cell, parts, units, rows[r].text, columns[c].text, heading, subjects))
                continue
            line.append(_entries(cell, unit, rows[r].text, columns[c].text, heading, subjects))
        grid.append(line)
    table.entries = [entry for line in grid for cell_ in line for entry in cell_]
    if header and not (hours or transposed) and _measures(first) and all(_NUMBER.match(c.text) for c in rows):
        # a quantity that numbers the rows, as a batch size or a clock, is one of their numbers
        own = _unit(first)
        firsts = [
            e
            for r, c in enumerate(rows)
            for e in _entries(c, own, c.text, first, _words(first), (labels[r],))
        ]
        table.entries += firsts
        _column(table, firsts, labels, names, hours, transposed, False, 0)
    lines = grid if transposed else [list(line) for line in zip(*grid, strict=True)]
    for k, column in enumerate(lines):
        for part in range(max((len(c) for c in column), default=0)):
            _column(
                table,
                [c[part] for c in column if part < len(c)],
                labels,
                names,
                hours,
                transposed,
                crossed,
                k,
            )
    if crossed and not transposed:
        for k, line in enumerate(grid):
            for part in range(max((len(c) for c in line), default=0)):
                entries = [c[part] for c in line if part < len(c)]
                if len(entries) == len(names):
                    over = ("hour",) if across else tuple(names)
                    table.columns.append(Column(entries, over, tuple(_words(caption)) + _words(labels[k])))


def _long(body: list[list[Cell]]) -> bool:
    """Whether each row is a pair of names and its numbers: "intro, cluster, 300, 10"."""
    pairs = [(row[0].text, row[1].text) for row in body]
    words = all(text and not _numeric(text) for pair in pairs for text in pair)
    several = [len({p[k] for p in pairs}) for k in (0, 1)]
    return words and len(set(pairs)) == len(pairs) == several[0] * several[1] and min(several) > 1


def _fill_long(table: Table, header: list[Cell], body: list[list[Cell]]) -> None:
    for k in (0, 1):
        cells = {row[k].text: row[k] for row in reversed(body)}
        ordered = sorted(cells.items(), key=lambda item: item[1].start)
        table.axes.append((_noun(header[k].text), [(name, c.start, c.end) for name, c in ordered]))
    for c, head in enumerate(header[2:], start=2):
        unit, heading = _unit(head.text), _words(head.text)
        for row in body:
            pair = (row[0].text, row[1].text)
            table.entries += _entries(row[c], unit, pair[0], head.text, heading, pair)


def _column(
    table: Table,
    entries: list[Entry],
    labels: list[str],
    names: list[str],
    hours: bool,
    transposed: bool,
    crossed: bool,
    k: int,
) -> None:
    if len(entries) < 2 or len({e.quantity.unit for e in entries}) > 1:
        return
    over = tuple(names) if transposed else ("hour",) if hours else tuple(labels)
    if len(over) != len(entries) and over != ("hour",):
        over = tuple(e.subjects[0] for e in entries if e.subjects)
    head = entries[0].heading + (_words(names[k]) if crossed and not transposed and k < len(names) else ())
    table.columns.append(Column(entries, over, head))


def _entries(
    cell: Cell, unit: str, row: str, column: str, heading: tuple[str, ...], subjects: tuple[str, ...]
) -> list[Entry]:
    """The number of a cell, or the two of a range ("1-3")."""
    found = quantities(tokens(cell.text, cell.start))
    relation = _relation(cell.text, heading)
    ranged = len(found) > 1 and found[0].range == "low"
    entries = []
    for quantity in found[: 2 if ranged else 1]:
        if not quantity.unit:
            quantity.value *= _scale(column or row)
        if not quantity.unit and unit:
            quantity.unit, quantity.noun, quantity.mass = unit, "", False
        if not quantity.unit and (told := _COUNTS.search((column or row).replace("_", " "))):
            counted = quantities(tokens("2 " + told[0]))[:1]  # "hits per hour": as in "20 hits per hour"
            if counted and counted[0].unit and counted[0].value == 2:
                quantity.unit, quantity.noun = counted[0].unit, counted[0].noun
        if quantity.mass and any(word in EMITTING for word in heading):
            quantity.unit = as_carbon(quantity.unit)
        quantity.relation = (
            relation if quantity.unit != "min" else _relation(cell.text, _without_min(heading))
        )
        if ranged:  # "1-3": what is allowed
            quantity.relation = "at_least" if quantity is found[0] else "at_most"
        entries.append(Entry(quantity, row, column, heading, subjects))
    return entries


def _part_units(heading: str, n: int) -> list[str]:
    """The units of the figures of each cell, where the heading gives as many: "low (s / J)"."""
    inside = re.search(r"[:(\[]\s*([^)\]]+)", heading)
    parts = re.split(r"\s*[,;/|&]\s*|\s+and\s+", inside[1]) if inside else []
    return [_unit(f"x ({part})") or _unit(f"x {part}") for part in parts] if len(parts) == n else [""] * n


def _several(
    cell: Cell,
    parts: list[str],
    units: list[str],
    row: str,
    column: str,
    heading: tuple[str, ...],
    subjects: tuple[str, ...],
) -> list[Entry]:
    """The figures of a cell that holds more than one."""
    entries: list[Entry] = []
    at = 0
    for part, unit in zip(parts, units, strict=True):
        at = cell.text.index(part, at)
        entries += _entries(Cell(part, cell.start + at), unit, row, column, heading, subjects)
        at += len(part)
    return entries


def _without_min(heading: tuple[str, ...]) -> tuple[str, ...]:
    """The heading of a column of minutes, whose unit is no "minimum"."""
    last = max((k for k, w in enumerate(heading) if w == "min"), default=-1)
    return heading[:last] + heading[last + 1 :] if last >= 0 else heading


def _relation(text: str, heading: tuple[str, ...]) -> Relation:
    if text[:1] in "<≤" and text:
        return "at_most"
    if text[:1] in ">≥" and text:
        return "at_least"
    if any(
        w in heading
        for w in (
            "max",
            "maximum",
            "limit",
            "deadline",
            "cap",
            "most",
            "budget",
            "latest",
            "room",
            "headroom",
        )
    ):
        return "at_most"
    return "at_least" if any(w in heading for w in ("min", "minimum", "least", "floor", "earliest")) else "is"


def _noun(first: str) -> str:
    words = [w for w in _words(first) if w not in _NO_NOUN]
    if words and words[-1] not in QUANTITY_NOUNS and words[-1] not in _INDEX:
        return words[-1]
    return ""


def _labels(cells: list[Cell], noun: str) -> list[str]:
    """Labels as written; a bare number gets the noun in front."""
    return [f"{noun or 'row'} {c.text}" if re.fullmatch(r"\d{1,4}", c.text) else c.text for c in cells]


def _hours(first: str, cells: list[Cell]) -> bool:
    """Whether the cells count hours or slots: 0, 1, 2 ...; 00:00; 00-01; "hour 3"."""
    texts = [cell.text.lower() for cell in cells]
    if len(texts) < 2:
        return False
    times = all(
        re.fullmatch(
            r"(?:h(?:our)?|slot|t)?\s?\d{1,2}(?::?\d\d)?\s?(?:am|pm|h)?(?:\s?(?:-|to)\s?\d{1,2}(?::\d\d)?\s?(?:am|pm|h)?)?",
            t,
        )
        for t in texts
    )
    told = bool(set(_words(first)) & _TIME) or any(re.search(r"hour|:|am$|pm$|^h\d", t) for t in texts)
    return times and told
