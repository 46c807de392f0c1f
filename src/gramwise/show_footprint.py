"""The documents of footprint, measure, calibrate and receipt for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Column
from rich.text import Text

from gramwise.core.quantity import Quantity
from gramwise.footprint.document import read_document
from gramwise.report.footprint_answers import Answer, answers, cells
from gramwise.report.footprint_page import headline
from gramwise.report.footprint_table import bill_table, interval
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


def figures_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """The outputs of one of the eCAL authors' tools, under their names."""
    table = new_table("output", *right("value"))
    for name, value in document.items():
        table.add_row(printable(name), f"{value:.9g}" if isinstance(value, float) else printable(value))
    yield table


def beside_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.ecal-compare/1`` document: compat and physical mode, and which defect explains what."""
    stages = new_table(
        "stage", *right("compat, J", "physical, J"), title=f"eCAL: {document['tool']} beside physical mode"
    )
    for row in document["rows"]:
        stages.add_row(row["stage"], f"{row['compat_j']:.4g}", f"{row['physical_j']:.4g}")
    yield stages
    total = document["rows"][-1]
    steps = new_table(
        "defect",
        *right("total, J"),
        "instead",
        title="From the one to the other, one correction after another",
    )
    steps.add_row("", f"{total['compat_j']:.4g}", f"as {document['tool']} has it")
    for defect, moved in total["by_defect_j"].items():
        if moved:
            steps.add_row(defect, f"{moved:+.4g}", printable(document["order"][defect]))
    steps.add_row("", f"{total['physical_j']:.4g}", "physical mode")
    yield steps
    for line in document["not_included"]:
        yield Text(f"Not included: {printable(line)}")


def measured_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.phase/1`` document: what a run spent."""

    def said(key: str, unit: str) -> str:
        known = document.get(key)
        return "unknown" if known is None else f"{interval(Quantity(**known), unit)} {known['method']}"

    seconds = "unknown" if document["cpu_s"] is None else f"{document['cpu_s']:.3g} s"
    yield Text(
        f"gramwise: {printable(document['name'])}, {document['phase']}: {document['status']} after "
        f"{document['wall_s']:.3g} s, CPU {seconds}; energy {said('energy', 'J')}, idle {said('idle', 'J')}; carbon "
        f"{said('carbon', 'g')}. In {document['ledger']}."
    )
    for note in document.get("notes") or ():
        yield Text(f"gramwise: {printable(note)}")


def findings_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """What the check of a receipt found."""
    for finding in document["findings"]:
        yield Text(f"{finding['kind']}: {printable(finding['place'])}: {printable(finding['text'])}")
    yield Text("The receipt holds." if document["holds"] else "The receipt does not hold.")


def difference_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.receipt-diff/1`` document: a change by cause."""
    frac = document["change_frac"]
    share = "" if frac is None else f" ({percent(frac, signed=True)} %)"
    yield Text(f"{document['change_g']:+.4g} {document['unit']}{share}")
    table = new_table("cause", *right(document["unit"]), "what changed")
    for cause in document["causes"]:
        if cause["carbon_g"] or cause["factors"]:
            changed = ", ".join(dict.fromkeys(printable(row["key"]) for row in cause["factors"]))
            table.add_row(cause["cause"], f"{cause['carbon_g']:+.4g}", changed)
    yield table
    for note in document["notes"]:
        yield Text(printable(note))


def published_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.ecal-figure/1`` document: published points, ours, and the ratios that are claimed of them."""
    table = new_table(
        Column("model", no_wrap=True), *right("inferences", "ours, J/bit", "published, J/bit", "difference")
    )
    for point in document["points"]:
        ours, theirs = f"{point['ecal_j_per_bit']:.6g}", f"{point['published_j_per_bit']:.6g}"
        table.add_row(
            point["model"],
            f"{point['inferences']:,}".replace(",", " "),
            ours,
            theirs,
            f"{point['relative_difference']:.1e}",
        )
    yield table
    ratios = new_table("model", *right("eCAL at", "over eCAL at", "ratio", "at most"), title="Ratios")
    for row in document["ratios"]:
        ratios.add_row(
            row["model"], str(row["few"]), str(row["many"]), f"{row['ratio']:.3f}", f"{row['ceiling']:.3f}"
        )
    yield ratios
    yield Text(f"Published points: {printable(document['source'])}")
