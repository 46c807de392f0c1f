"""The bench table for a terminal: two stacked tables at 110 columns, more and narrower ones below that."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import pairwise

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from gramwise.report.columns import Column, decision_columns, outcome_columns
from gramwise.report.document import Summary
from gramwise.report.verdict import best_at_equal_work, equal_work_rule, headline, near_best
from gramwise.report.wording import (
    balance_sentence,
    baseline_name,
    bounds_sentence,
    caps_sentence,
    printable,
)

BEST, NEAR = "*", "~"
FOLDS = (10_000, 32, 26, 22, 18)
"""Characters that a policy name or a list of nodes may take on one line, tried in turn until the table fits."""
MISSING = "-"
_ASCII = str.maketrans({"µ": "u", "×": "x", "·": "|", **dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True))})


class BenchTable:
    """The whole report of a bench as one rich renderable.

    Args:
        summary: the bench document.
        finished: False adds a line that says that the run was stopped.
    """

    def __init__(self, summary: Summary, *, finished: bool = True) -> None:
        self.summary, self.finished = summary, finished

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for text in self._opening():
            yield shown_text(text, options)
        unknown: list[str] = []
        dashes = False
        for columns in (outcome_columns(self.summary), decision_columns(self.summary)):
            known = [column for column in columns if any(column.cells)]
            unknown += [column.title for column in columns if column not in known]
            dashes = dashes or any(cell is None for column in known for cell in column.cells)
            yield Text()
            yield from self._stack(known, console, options)
        yield Text()
        for text in self._closing(unknown, dashes):
            yield shown_text(text, options)

    def _opening(self) -> Iterable[str]:
        s = self.summary
        yield f"{printable(s.scenario)} · caps {printable(s.caps or 'unknown')} · baseline {baseline_name(s)}"
        if not self.finished:
            yield "Unfinished: the run stopped early; what follows is what it had measured until then."
        yield headline(s)

    def _closing(self, unknown: Sequence[str], dashes: bool) -> Iterable[str]:
        s = self.summary
        if best_at_equal_work(s) is not None:
            yield f"{BEST} {equal_work_rule(s)}."
        if near_best(s):
            yield f"{NEAR} not told apart from {BEST}: equal work, and the 95 % intervals overlap."
        yield "of B0, of B1: share of the saving that the bound allows. Idle and transfer: apart from carbon."
        if dashes:
            yield f"{MISSING} unknown."
        if unknown:
            yield f"Unknown for every policy, and left out: {', '.join(unknown)}."
        yield bounds_sentence(s)
        yield balance_sentence(s.balance, s.energy_closure_frac, s.dynamic_closure_frac) + "."
        yield caps_sentence(s.caps)
        yield from (printable(sentence) for sentence in s.provenance)

    def _stack(
        self, columns: Sequence[Column], console: Console, options: ConsoleOptions
    ) -> Iterable[Table | Text]:
        for parts in range(1, len(columns) + 1):
            for width in FOLDS:
                tables = [self._table(chunk, options, width) for chunk in _even(columns, parts)]
                if parts == len(columns) or all(
                    _width(table, console, options) <= options.max_width for table in tables
                ):
                    for k, table in enumerate(tables):
                        yield from ([Text()] if k else [])
                        yield table
                    return

    def _table(self, columns: Sequence[Column], options: ConsoleOptions, fold_to: int) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        table.add_column("policy", no_wrap=True)
        for column in columns:
            heading = shown_text(f"{column.title}\n{column.unit}", options)
            table.add_column(heading, justify="left" if column.text else "right", no_wrap=True)
        for i, name in enumerate(self._names()):
            cells = self._cells(columns, i)
            words = [fold(c, fold_to) if col.text else c for col, c in zip(columns, cells, strict=True)]
            table.add_row(*(Text(cell, style=self._style(i)) for cell in (fold(name, fold_to), *words)))
        return table

    def _names(self) -> list[str]:
        best, near = best_at_equal_work(self.summary), near_best(self.summary)
        marks = [BEST if row is best else NEAR if row in near else " " for row in self.summary.policies]
        return [
            f"{mark} {printable(row.name)}" for mark, row in zip(marks, self.summary.policies, strict=True)
        ]

    def _style(self, i: int) -> str:
        return "bold green" if self.summary.policies[i] is best_at_equal_work(self.summary) else ""

    @staticmethod
    def _cells(columns: Sequence[Column], i: int) -> list[str]:
        return [MISSING if column.cells[i] is None else str(column.cells[i]) for column in columns]


def bench_table(summary: Summary, console: Console | None = None, *, finished: bool = True) -> None:
    """Print the bench table; without colour when the console is no terminal.

    Args:
        summary: from `parse_summary` or `load_run`.
        console: where to; standard output when None.
        finished: False says that the run was stopped.
    """
    (console or Console()).print(BenchTable(summary, finished=finished))


def shown_text(text: str, options: ConsoleOptions) -> Text:
    """Text for this console, with its symbols spelt in ASCII where it has no others."""
    # A terminal that is not UTF-8 cannot show the micro sign, and would stop us with an error.
    return Text(text.translate(_ASCII) if options.ascii_only else text)


def _even(columns: Sequence[Column], parts: int) -> list[Sequence[Column]]:
    ends = [len(columns) * k // parts for k in range(parts + 1)]
    return [columns[a:b] for a, b in pairwise(ends)]


def _width(table: Table, console: Console, options: ConsoleOptions) -> int:
    return Measurement.get(console, options.update(width=10_000), table).maximum


def fold(text: str, width: int) -> str:
    """Text on as many lines as ``width`` characters need."""
    # A node keeps its percentage on the same line; a policy name breaks at its hyphens.
    glued = ", ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in text.split(", "))
    lines = textwrap.wrap(glued, width, subsequent_indent="  " if text[:1] in f"{BEST}{NEAR} " else "")
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")
