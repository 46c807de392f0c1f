"""The documents of footprint, measure, calibrate and receipt for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Column
from rich.text import Text

from gramwise.footprint.document import read_document
from gramwise.report.footprint_answers import Answer, answers, cells
from gramwise.report.footprint_page import headline
from gramwise.report.footprint_table import bill_table
from gramwise.report.wording import percent, printable
from gramwise.show import new_table, right

CONTRIBUTORS_SHOWN = 5


def footprint_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.footprint/1`` document: every item, the total, what it rests on, what is left out."""
    footprint = read_document(document)
    bill = bill_table(footprint)
    yield Text(f"{printable(document.get('scenario') or 'footprint')}: {headline(footprint)}")
    table = new_table("item", "phase", *right(bill.unit, "low", "high", "%"), "known")
    for line in bill.rows:
        table.add_row(line.name, line.phase, line.grams, line.low, line.high, line.share, line.method)
    table.add_section()
    table.add_row("total", "", bill.total, bill.low, bill.high, "100.0", footprint.total.method, style="bold")
    yield table
    if footprint.contributors:
        shown = footprint.contributors[:CONTRIBUTORS_SHOWN]
        named = "; ".join(f"{printable(share.key)} {percent(share.share_frac)} %" for share in shown)
        yield Text(f"The interval comes from: {named} of the variance.")
    for answer in answers(document):
        yield from _answer(answer)
    if footprint.not_included:
        yield Text("Not included:\n" + "\n".join(f"  {printable(line)}" for line in footprint.not_included))
    for sentence in document.get("assumptions") or ():
        yield Text(printable(sentence))


def _answer(answer: Answer) -> Iterator[RenderableType]:
    first, *others = answer.columns
    table = new_table(Column(first), *(Column(name) for name in others), title=answer.title)
    for row in answer.rows:
        table.add_row(*cells(row))
    yield table
    for note in answer.notes:
        yield Text(note)
