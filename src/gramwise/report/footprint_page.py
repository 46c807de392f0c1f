"""One self-contained HTML page of a bill: total and interval, pictures, every item, what is left out, every factor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gramwise.core.errors import ConfigError, RunDirectoryError, SourceUnavailable
from gramwise.core.footprint import Factor, Footprint
from gramwise.core.units import J_PER_KWH
from gramwise.footprint.document import read_document
from gramwise.report.drawing import Drawing
from gramwise.report.ecal_charts import curve_drawing
from gramwise.report.footprint_answers import answers
from gramwise.report.footprint_charts import drawings
from gramwise.report.footprint_table import bill_table, interval
from gramwise.report.html import figure, frame, write_whole
from gramwise.report.markup import head, items, number, paragraph, row, section, table, text, words
from gramwise.report.wording import percent, printable, quantity

KINDS = ("svg", "png")


def write_page(document: Mapping[str, Any], path: str | Path) -> Path:
    """Write the page of a ``gramwise.footprint/1`` document; an older page is replaced only by a whole new one.

    Raises:
        DataError: not such a document.
        RunDirectoryError: the file cannot be written.
    """
    return write_whole(page(document), Path(path))


def write_figures(
    document: Mapping[str, Any], out_dir: str | Path, formats: Sequence[str] = KINDS
) -> list[Path]:
    """Write each picture of a bill as a file: ``phases``, ``flow``, ``contributors`` and ``ecal``, as SVG and PNG.

    Raises:
        ConfigError: another format.
        DataError: not such a document.
        RunDirectoryError: a file cannot be written.
        SourceUnavailable: matplotlib is not installed.
    """
    return write_drawings(_pictures(document, read_document(document)), out_dir, formats)


def write_drawings(
    pictures: Sequence[Drawing], out_dir: str | Path, formats: Sequence[str] = KINDS
) -> list[Path]:
    """Write pictures as files of a folder, made when missing; an older file is replaced only by a whole new one.

    Raises:
        ConfigError, RunDirectoryError, SourceUnavailable: as of `write_figures`.
    """
    for kind in formats:
        if kind not in KINDS:
            raise ConfigError(f"pictures cannot be written as {kind!r}.", fix=f"Write {' or '.join(KINDS)}.")
    return [
        _written(Path(out_dir) / f"{drawing.key}.{kind}", drawing.file(kind))
        for drawing in pictures
        for kind in formats
    ]


def _pictures(document: Mapping[str, Any], footprint: Footprint) -> tuple[Drawing, ...]:
    found = document.get("ecal")
    return (*drawings(footprint), *([curve_drawing(found)] if found else []))


def _written(file: Path, content: bytes) -> Path:
    part = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(file)
    except OSError as fault:
        if part.is_file():
            part.unlink()
        raise RunDirectoryError(
            f"{file} cannot be written: {fault.strerror}; give another directory."
        ) from fault
    return file


def page(document: Mapping[str, Any]) -> str:
    """The page as text. The same document gives the same text."""
    footprint = read_document(document)
    name = printable(document.get("scenario") or "footprint")
    title = f"{name}: grams of a whole life"
    return frame(
        title,
        _opening(document, footprint, title),
        *_charts(_pictures(document, footprint)),
        _items(footprint),
        *_more(document),
        section("Not included", items(footprint.not_included or ("Nothing that gramwise knows of.",))),
        _factors(footprint),
        _basis(document, footprint),
    )


def headline(footprint: Footprint) -> str:
    """Total with its interval, price of a unit, the embodied share, and what the uncertainty comes from."""
    f = footprint
    said = f"{interval(f.total, 'g')} CO2e"
    if f.per_unit is not None:
        said += f", {interval(f.per_unit, 'g')} per {printable(f.functional_unit)}"
    if f.total.value > 0.0:
        said += f"; {percent(f.embodied.value / f.total.value)} % of it is embodied"
    if f.contributors:
        first = f.contributors[0]
        share = f"{percent(first.share_frac)} % of the variance"
        said += f". The largest part of its uncertainty ({share}) is {printable(first.key)}"
    return said + "."


def _opening(document: Mapping[str, Any], f: Footprint, title: str) -> str:
    facts = [f.boundary]
    facts += [f"{document['years']:g} years"] if document.get("years") else []
    facts += [f"{f.units:,.0f} x {printable(f.functional_unit)}".replace(",", " ")] if f.units else []
    lines = [
        f"<h1>{text(title)}</h1>",
        paragraph(" · ".join(facts), "sub"),
        paragraph(headline(f), "headline"),
    ]
    return "<header>\n" + "\n".join(lines) + "\n</header>"


def _charts(pictures: Sequence[Drawing]) -> Iterator[str]:
    try:
        drawn = [figure(picture.chart()) for picture in pictures]
    except SourceUnavailable as fault:
        yield paragraph(f"Without pictures: {fault}", "note")
        return
    yield section("Where the grams are", *drawn)


def _items(f: Footprint) -> str:
    bill = bill_table(f)
    heads = [
        head("item", left=True),
        head("phase", left=True),
        head("carbon", bill.unit),
        head("low", bill.unit, meaning="5th percentile of the draws"),
        head("high", bill.unit, meaning="95th percentile of the draws"),
        head("share", "%"),
        head("electricity", "kWh"),
        head("known", left=True, meaning="measured, modelled or assumed: that of the least sure factor"),
    ]
    rows = [
        row(
            line.name,
            [
                words(line.phase),
                *(number(figure) for figure in (line.grams, line.low, line.high, line.share)),
                number(None if item.energy_j is None else f"{item.energy_j.value / J_PER_KWH:.4g}")
                if not item.embodied
                else "<td></td>",
                words(line.method),
            ],
        )
        for line, item in zip(bill.rows, f.items, strict=True)
    ]
    total = [words(""), *(number(figure) for figure in (bill.total, bill.low, bill.high, "100.0"))]
    rows.append(row("total", [*total, "<td></td>", words(f.total.method)], best=True))
    note = (
        f"Rows are rounded so that they sum to the total. Intervals are percentiles of {f.draws} draws, seed {f.seed}, "
        "in which items that share a factor move together: the ends do not add up, and are not meant to."
    )
    return section("The bill", table("Grams by item", heads, rows), paragraph(note, "note"))


def _more(document: Mapping[str, Any]) -> Iterator[str]:
    for answer in answers(document):
        heads = [head(title, left=True) for title in answer.columns]
        rows = [row(str(cells[0]), [words(cell, wrap=True) for cell in cells[1:]]) for cells in answer.rows]
        notes = [paragraph(note, "note") for note in answer.notes]
        yield section(answer.title, table(answer.title, heads, rows), *notes)


def _factors(f: Footprint) -> str:
    shares = {share.key: share.share_frac for share in f.contributors}
    ordered = sorted(f.factors.values(), key=lambda factor: (-shares.get(factor.key, 0.0), factor.key))
    heads = [
        head("factor", left=True),
        head("value"),
        head("low"),
        head("high"),
        head("unit", left=True),
        head("variance", "%", meaning="share of the total's variance that it brings alone"),
        head("known", left=True),
        head("source", left=True),
    ]
    rows = [_factor(factor, shares.get(factor.key)) for factor in ordered]
    return section("Every factor and where it comes from", table("Factors", heads, rows))


def _factor(factor: Factor, share: float | None) -> str:
    figures = (f"{value:.4g}" for value in (factor.value, factor.low, factor.high))
    cells = [*(number(figure) for figure in figures), words(factor.unit)]
    cells += [number("0.0" if share is None else percent(share)), words(factor.method)]
    return row(factor.key, [*cells, words(factor.source, wrap=True)])


def _basis(document: Mapping[str, Any], f: Footprint) -> str:
    said = [*(document.get("assumptions") or ())]
    said += [f"Operational {quantity(f.operational.value, 'g')}, embodied {quantity(f.embodied.value, 'g')}."]
    return section("How this was worked out", items(said))
