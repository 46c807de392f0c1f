"""The documents of footprint, measure, calibrate and receipt for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Column
from rich.text import Text

from gramwise.core.quantity import Quantity
from gramwise.core.receipt import TOLERANCE
from gramwise.footprint.document import read_document
from gramwise.report.footprint_answers import Answer, answers, cells
from gramwise.report.footprint_page import headline
from gramwise.report.footprint_table import bill_table, interval
from gramwise.report.wording import percent, printable, quantity
from gramwise.show import new_table, right

CONTRIBUTORS_SHOWN = 5


def footprint_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.footprint/1`` document: every item, the total, what it rests on, what is left out."""
    footprint = read_document(document)
    bill = bill_table(footprint)
    yield Text(f"{printable(document.get('scenario') or 'footprint')}: {headline(footprint)}")
    table = new_table(*_words("item", "phase"), *right(bill.unit, "low", "high", "%"), *_words("known"))
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
        yield Text("\nNot included:\n" + "\n".join(f"  {printable(line)}" for line in footprint.not_included))
    for sentence in document.get("assumptions") or ():
        yield Text(printable(sentence))


def _answer(answer: Answer) -> Iterator[RenderableType]:
    table = new_table(*_words(*answer.columns))
    table.show_header = any(answer.columns)
    for row in answer.rows:
        table.add_row(*cells(row))
    yield _title(answer.title)
    yield table
    for note in answer.notes:
        yield Text(note)


def _words(*titles: str) -> Iterator[Column]:
    """Columns of text: what is too long for a line goes on in the next, and nothing is cut."""
    yield from (Column(title, overflow="fold") for title in titles)


def _title(text: str) -> Text:
    """Over a table, on a line of its own: a table's own title is wrapped to the width of the table."""
    return Text(f"\n{text}", style="bold")


def figures_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """The outputs of one of the eCAL authors' tools, under their names."""
    table = new_table(*_words("output"), *right("value"))
    for name, value in document.items():
        table.add_row(printable(name), f"{value:.9g}" if isinstance(value, float) else printable(value))
    yield table


def beside_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.ecal-compare/1`` document: compat and physical mode, and which defect explains what."""
    yield _title(f"eCAL: {document['tool']} beside physical mode")
    stages = new_table("stage", *right("compat, J", "physical, J"))
    for row in document["rows"]:
        stages.add_row(row["stage"], f"{row['compat_j']:.4g}", f"{row['physical_j']:.4g}")
    yield stages
    total = document["rows"][-1]
    yield _title("From the one to the other, one correction after another")
    steps = new_table("defect", *right("total, J"), *_words("instead"))
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
        said = (finding["kind"], finding["place"], finding["text"])
        yield Text(": ".join(printable(part) for part in said if part))
    yield Text("The receipt holds." if document["holds"] else "The receipt does not hold.")


def difference_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.receipt-diff/1`` document: a change by cause."""
    frac = document["change_frac"]
    share = "" if frac is None else f" ({percent(frac, signed=True)} %)"
    per = printable(document["unit"].partition("/")[2])
    yield Text(f"{_moved(document['change_g'])}{f' per {per}' if per else ''}{share}")
    table = new_table("cause", *right("change"), *_words("what changed"))
    noise_g = TOLERANCE * max(abs(document[side]["carbon_g"]) for side in ("a", "b"))
    for cause in document["causes"]:
        grams = cause["carbon_g"] if abs(cause["carbon_g"]) > noise_g else 0.0
        if grams or cause["factors"]:
            table.add_row(
                cause["cause"],
                _moved(grams),
                ", ".join(map(printable, dict.fromkeys(cause["factors"]))),
            )
    if table.row_count:
        yield table
    else:
        yield Text("No cause: neither joules nor factors differ.")
    for note in document["notes"]:
        yield Text(printable(note))


def _moved(grams: float) -> str:
    """A change with its sign and a unit that suits it."""
    return f"{'-' if grams < 0.0 else '+'}{quantity(abs(grams), 'g')}" if grams else "0 g"


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
    yield _title("Ratios")
    ratios = new_table("model", *right("eCAL at", "over eCAL at", "ratio", "at most"))
    for row in document["ratios"]:
        ratios.add_row(
            row["model"], str(row["few"]), str(row["many"]), f"{row['ratio']:.3f}", f"{row['ceiling']:.3f}"
        )
    yield ratios
    yield Text(f"Published points: {printable(document['source'])}")


def calibration_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """What ``gramwise calibrate`` measured, and what networks take by it."""
    if "families" in document:
        table = new_table(Column("kernels", no_wrap=True), *right("measured", "seen, %", "unseen, %"))
        for name, family in document["families"].items():
            known = (percent(family.get(key)) or "-" for key in ("seen_frac", "unseen_frac"))
            table.add_row(name, str(family["samples"]), *known)
        yield table
        yield Text(
            f"Median error of single kernels: {percent(document['seen_frac'])} % of those fitted, "
            f"{percent(document['unseen_frac'])} % of each predicted from the others. In {document['file']}."
        )
    for row in document["predictions"]:
        seconds = Quantity(
            value=row["cpu_s"],
            low=row["low_s"],
            high=row["high_s"],
            unit="s",
            method="modelled",
            boundary="chip",
            source=row["source"],
        )
        yield Text(
            f"{printable(row['model'])}: {interval(seconds, 's')} of one CPU, modelled: {row['source']}"
        )
        if row["unknown"]:
            yield Text(
                f"  never measured, {percent(row['unknown_frac'])} % of it: {', '.join(row['unknown'])}"
            )
