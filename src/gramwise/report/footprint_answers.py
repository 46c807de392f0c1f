"""What stands beside a bill, as tables of words: scores, break-even, renewal, eCAL. Terminal and page share them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gramwise.core.quantity import Quantity
from gramwise.core.units import S_PER_DAY, S_PER_YEAR
from gramwise.report.footprint_table import interval
from gramwise.report.wording import UNKNOWN, percent, printable, quantity, times_ten

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
    if document.get("ecal"):
        yield from _ecal(document["ecal"])


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


def _ecal(found: Mapping[str, Any]) -> Iterator[Answer]:
    yield Answer(
        title="eCAL, physical mode",
        columns=("", ""),
        rows=tuple(_life(found)),
        notes=(
            "Beside the bill, not in it: it tells the same life once more. Joules are before PUE.",
            *(f"Not included: {printable(line)}." for line in found["not_included"]),
        ),
    )
    yield Answer(
        title="eCAL by stage",
        columns=("part", "stage", "location", "energy", "carbon"),
        rows=tuple(
            (
                printable(part["name"]),
                part["stage"],
                printable(part["location"]),
                quantity(part["energy_j"], "J"),
                quantity(part["carbon_g"], "g"),
            )
            for part in found["parts"]
        ),
    )
    if found["countries"]:
        yield Answer(
            title="The same life on other grids",
            columns=("zone", "carbon over the life", "one more inference"),
            rows=tuple(
                (printable(row["name"]), quantity(row["carbon_g"], "g"), quantity(row["marginal_g"], "g"))
                for row in found["countries"]
            ),
        )
    for location, hours in found["hours"].items():
        yield Answer(
            title=f"One inference at every hour of {printable(location)}",
            columns=("hour, UTC", "carbon"),
            rows=tuple(
                (_hour(at), None if grams is None else quantity(grams, "g"))
                for at, grams in zip(hours["times_s"], hours["marginal_g"], strict=True)
            ),
            notes=(f"The best hour saves {percent(hours['saved_frac'])} % against the mean of the day.",),
        )


def _life(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    more = (
        quantity(found["marginal_j_per_inference"], "J"),
        quantity(found["marginal_g_per_inference"], "g"),
    )
    even = found["break_even_inferences"]
    after = NEVER if even is None else f"{_count(even['value'], even['low'], even['high'])} inferences"
    yield (
        "energy over the life",
        f"{quantity(found['energy_j'], 'J')}, {quantity(found['site_wh'], 'Wh')} with PUE",
    )
    yield "carbon over the life", interval(Quantity(**found["bill"]["total"]), "g")
    yield "per bit that came in", quantity(found["j_per_bit"], "J")
    yield "development, once", quantity(found["development_j"], "J")
    yield "one more inference", ", ".join(more)
    yield "an inference with its share of all", quantity(found["amortised_j_per_inference"], "J")
    yield "development is matched after", after


def _hour(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M")


def _count(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return NEVER
    ends = (NEVER if end is None else whole(end) for end in (low, high))
    return f"{whole(value)} [{' to '.join(ends)}]"


def whole(count: float) -> str:
    """A number of things to four digits, in groups of three: ``57 750 000``; a power of ten from 10¹⁵ on."""
    if count < 1e4:
        return f"{count:.4g}"
    power = math.floor(math.log10(count))
    if power >= 15:
        return f"{count / 10.0**power:.4g}{times_ten(power)}"
    return f"{round(count, 3 - power):,.0f}".replace(",", "\N{NO-BREAK SPACE}")


def _day(moment: str | None) -> str:
    return NEVER if moment is None else moment[:10]


def _years(seconds: float | None) -> str:
    if seconds is None:
        return NEVER
    return f"{seconds / S_PER_YEAR:.2g} years" if seconds >= S_PER_YEAR else f"{seconds / S_PER_DAY:.3g} days"


def cells(row: tuple[str | None, ...]) -> Iterator[str]:
    """A row for the terminal."""
    yield from (UNKNOWN if cell is None else cell for cell in row)
