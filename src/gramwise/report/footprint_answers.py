"""What stands beside a bill, as tables of words: scores, break-even, renewal, eCAL. Terminal and page share them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gramwise.core.quantity import Quantity
from gramwise.core.units import S_PER_DAY, S_PER_YEAR
from gramwise.report.footprint_table import interval
from gramwise.report.wording import UNKNOWN, percent, printable, quantity

NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One table: the first column names the row; None is unknown."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    notes: tuple[str, ...] = ()


def answers(document: Mapping[str, Any]) -> Iterator[Answer]:
    """Every table that a ``gramwise.footprint/1`` document has something for."""
    if document.get("scores"):
        yield _scores(document)
    if document.get("break_even"):
        yield _break_even(document["break_even"], document)
    if document.get("renewal"):
        yield _renewal(document)


def _scores(document: Mapping[str, Any]) -> Answer:
    rows = []
    for score in document["scores"]:
        name = score["specification"] + (f", {score['side']}" if score["side"] else "")
        operational, embodied = Quantity(**score["operational"]), Quantity(**score["embodied"])
        rows.append(
            (
                printable(name),
                f"{interval(Quantity(**score['score']), 'g')} per {printable(score['functional_unit'])}",
                quantity(operational.value, "g"),
                quantity(embodied.value, "g"),
                printable(score["boundary"]),
            )
        )
    return Answer(
        title="Scores",
        columns=("specification", "score", "operational", "embodied", "boundary"),
        rows=tuple(rows),
        notes=("Scores are never added up. The method of each component stands in --json and in the bill.",),
    )


def _break_even(found: Mapping[str, Any], document: Mapping[str, Any]) -> Answer:
    unit = printable(document["functional_unit"])
    count = _count(found["inferences"], found["low"], found["high"])
    when = (
        NEVER
        if found["at"] is None
        else f"{found['at'][:10]} [{_day(found['low_at'])} to {_day(found['high_at'])}]"
    )
    return Answer(
        title="When serving has emitted as much as making the model",
        columns=("", ""),
        rows=(
            ("making the model, once", quantity(found["development_g"], "g")),
            (f"one {unit}, with its share of idle and hardware", quantity(found["running_g"], "g")),
            (f"{unit}s until then", count),
            ("on", when),
        ),
    )


def _renewal(document: Mapping[str, Any]) -> Answer:
    rows = []
    for each in document["renewal"]:
        payback, compared = each["payback"], each["comparison"]
        after = _years(payback["value_s"])
        if payback["value_s"] is not None:
            after += f" [{_years(payback['low_s'])} to {_years(payback['high_s'])}]"
        rows.append(
            (
                printable(each["name"]),
                after,
                f"{percent(payback['never_frac'])} %",
                interval(Quantity(**compared["keep"]), "g"),
                interval(Quantity(**compared["replace"]), "g"),
                f"{percent(compared['replace_lower_frac'])} %",
            )
        )
    horizon = _years(document["renewal"][0]["horizon_s"])
    return Answer(
        title="Does a newer machine repay its making?",
        columns=(
            "renewal",
            "repaid after",
            "never in",
            f"keep, {horizon}",
            f"replace, {horizon}",
            "replacing is less in",
        ),
        rows=tuple(rows),
        notes=("Shares are of the draws.",),
    )


def _count(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return NEVER
    return f"{value:.4g} [{NEVER if low is None else f'{low:.4g}'} to {NEVER if high is None else f'{high:.4g}'}]"


def _day(moment: str | None) -> str:
    return NEVER if moment is None else moment[:10]


def _years(seconds: float | None) -> str:
    if seconds is None:
        return NEVER
    return f"{seconds / S_PER_YEAR:.2g} years" if seconds >= S_PER_YEAR else f"{seconds / S_PER_DAY:.3g} days"


def cells(row: tuple[str | None, ...]) -> Iterator[str]:
    """A row for the terminal."""
    yield from (UNKNOWN if cell is None else cell for cell in row)
