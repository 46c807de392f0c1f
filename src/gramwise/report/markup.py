"""The few pieces of HTML that the page is made of; all text is escaped here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from gramwise.report.wording import UNKNOWN, printable


def text(value: object) -> str:
    """Text of unknown origin made safe: control characters replaced, markup escaped, quotes too."""
    return escape(printable(value), quote=True)


def cell(value: object) -> str:
    """The content of a table cell; None is shown as unknown."""
    return f'<span class="unknown">{UNKNOWN}</span>' if value is None else text(value)


def number(value: object) -> str:
    """A right-aligned table cell."""
    return f"<td>{cell(value)}</td>"


def words(value: object, *, wrap: bool = False) -> str:
    """A left-aligned table cell, which may run over several lines."""
    return f'<td class="{"wrap" if wrap else "words"}">{cell(value)}</td>'


def parts(value: str | None) -> str:
    """A left-aligned table cell of parts between commas, each of which stays on one line."""
    if value is None:
        return words(None)
    spans = [f"<span>{text(part)}</span>" for part in value.replace(", ", ",\n").split("\n")]
    return f'<td class="wrap">{" ".join(spans)}</td>'


def head(title: str, unit: str = "", *, left: bool = False, meaning: str = "") -> str:
    """A column heading with its unit below and its meaning on hover."""
    attributes = (' class="words"' if left else "") + (f' title="{text(meaning)}"' if meaning else "")
    below = f"<small>{text(unit)}</small>" if unit else ""
    return f'<th scope="col"{attributes}>{text(title)}{below}</th>'


def row(name: str, cells: Iterable[str], *, tag: str = "", best: bool = False) -> str:
    """A table row with its heading and finished cells; ``tag`` is a short mark beside the name."""
    mark = f'<span class="tag">{text(tag)}</span>' if tag else ""
    opening = '<tr class="best">' if best else "<tr>"
    return f'{opening}<th scope="row">{text(name)}{mark}</th>{"".join(cells)}</tr>'


def table(caption: str, heads: Sequence[str], rows: Sequence[str]) -> str:
    """A captioned table that scrolls sideways, by keyboard too, where the screen is narrow."""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(caption)}"><table>\n'
        f"<caption>{text(caption)}</caption>\n<thead><tr>{''.join(heads)}</tr></thead>\n<tbody>\n"
        + "\n".join(rows)
        + "\n</tbody>\n</table></div>"
    )


def paragraph(value: object, kind: str = "") -> str:
    """A paragraph, of the style class ``kind`` when given."""
    return f'<p class="{kind}">{text(value)}</p>' if kind else f"<p>{text(value)}</p>"


def items(sentences: Iterable[object], *, ordered: bool = False) -> str:
    """A list, numbered when ``ordered``."""
    name = "ol" if ordered else "ul"
    return f"<{name}>" + "".join(f"<li>{text(sentence)}</li>" for sentence in sentences) + f"</{name}>"


def section(title: str, *content: str) -> str:
    """A section with its heading; empty pieces are left out."""
    return f"<section>\n<h2>{text(title)}</h2>\n" + "\n".join(filter(None, content)) + "\n</section>"
