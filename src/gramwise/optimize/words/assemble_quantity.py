"""A figure's value in another unit: same dimension, and three ways of speaking that mean the same.

Hertz of a clock are cycles per second; "10 000 requests a day" are that many requests of the accounted day; and "energy
per cycle is 0.8 nJ" divides by the cycle that the words name.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.units import Unit, parse_unit

from .assemble_cues import stem
from .statement import Figure

_GRAMS_OF_CARBON = {"g": "gCO2e", "kg": "kgCO2e", "mg": "mgCO2e", "t": "tCO2e"}
_HERTZ, _CLOCK = parse_unit("1/s"), parse_unit("cycle/s")
_SECOND, _HOURS_A_DAY = parse_unit("s"), re.compile(r"(h|min)/(?:day|d|night)$")
_WATT, _JOULE = parse_unit("W"), parse_unit("J")
_CAPACITANCE, _TINY = "J*s^2/cycle^3", 1e-15
"""A bare 1e-27 can only be a switched capacitance, which is written without its unit more often than with it."""
PER_PERIOD = re.compile(r"/(h|hour|d|day|week|month|year)$")
_DIVISORS = {
    "cycle": "cycle", "bit": "bit", "byte": "B", "kilobyte": "kB", "megabyte": "MB", "gigabyte": "GB",
    "mb": "MB", "gb": "GB",
    "kilobit": "kbit", "megabit": "Mbit", "gigabit": "Gbit", "mbit": "Mbit", "flop": "flop", "gflop": "Gflop",
    "second": "s", "minute": "min", "hour": "h", "day": "day",
}  # fmt: skip
"""Ends of rates that tell how many in a period."""
COUNTED = frozenset(
    {"request", "item", "job", "replica", "image", "sample", "round", "client", "user", "frame", "query"}
)
"""Units of plain counts."""

_OTHER_TIMES = """
was were used formerly previously earlier yesterday last former old once until before ago instead replaced would could
might competitor neighbour example brochure unrelated ignore irrelevant average typical usually annual national compared
versus previous past historic historical retired planned next future later
"""
_NOT_NOW = frozenset(map(stem, _OTHER_TIMES.split()))
_STEPS_AHEAD = "hour slot period step h day night interval two three four five six"
_NEXT, _AHEAD = {stem("next"), stem("last")}, frozenset(map(stem, _STEPS_AHEAD.split()))
"""The next hours, and the last two of them, are those that are decided about, and no other time."""


def unit_of(figure: Figure) -> Unit | None:
    """The unit of a figure; None where it has one that nobody knows."""
    try:
        return parse_unit(figure.unit)
    except Refused:
        return None


@lru_cache(maxsize=16_384)
def into(figure: Figure, unit: str) -> float | None:
    """The figure's value in ``unit``; None where it measures something else.

    Hertz of a clock are cycles per second; so many requests a day are that many requests, and so many kilowatt-hours a
    day that much energy, the day being the period that is accounted for; a percentage is never a count.
    """
    target = parse_unit(unit)
    if not figure.unit and unit == _CAPACITANCE and 0.0 < figure.value < _TINY:
        return figure.value
    if figure.unit in ("GHz", "MHz", "kHz") and unit.startswith("request/"):
        return None  # a clock serves nobody
    counted = unit in COUNTED
    if figure.unit in ("percent", "%") and counted:
        return None
    steady = re.match(r"[mkM]?W(?=/(h|hour|day|d|slot|period)$)", figure.unit)  # "0.4 kW in every hour"
    for symbol in (
        figure.unit,
        _GRAMS_OF_CARBON.get(figure.unit, ""),
        steady.group() if steady else "",
        *per_words(figure),
    ):
        if not symbol and figure.unit:
            continue
        try:
            own = parse_unit(symbol)
        except Refused:
            continue
        clock = own.same(_HERTZ) and target.same(_CLOCK) and figure.unit.endswith("Hz")
        if unit == "1" and _HOURS_A_DAY.match(figure.unit):
            return None  # "ten hours a day" is no accuracy
        if own.same(target) or clock:
            return float(f"{target.from_base(own.to_base(figure.value)):.15g}")
        if target.same(_SECOND) and (span := _HOURS_A_DAY.match(figure.unit)):
            return into(replace(figure, unit=span[1]), unit)
        if own.same(_WATT) and target.same(_JOULE) and (period := PER_PERIOD.search(figure.unit)):
            return into(replace(figure, unit=figure.unit[: period.start()]), unit)
        if counted and own.same(_HERTZ) and PER_PERIOD.search(figure.unit):
            return figure.value
    return None


def per_words(figure: Figure) -> list[str]:
    """Units with a divisor that the words before the number say: "energy per cycle is 0.8 nJ"."""
    words = figure.before
    ahead = [words[i + 1 : i + 3] for i in range(len(words) - 1) if words[i] in ("per", "each", "every")]
    said = [word.rstrip("s") for pair in ahead for word in pair]  # "each downloaded gigabyte"
    return [f"{figure.unit}/{_DIVISORS[w]}" for w in said if figure.unit and w in _DIVISORS]


def of_other_times(figure: Figure) -> bool:
    """Whether the words say that the number is of another time or another thing."""
    words = [stem(w) for w in (*figure.before[-8:], *figure.after[:5])]
    near = {w for k, w in enumerate(words) if w not in _NEXT or not _AHEAD & set(words[k + 1 : k + 4])}
    return bool(near & _NOT_NOW) or figure.negated
