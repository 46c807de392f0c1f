"""Descriptions with marked numbers: the mark names what a number is, and leaves no trace in the text.

``{ci=0.32|320|g/kWh}`` shows ``0.32``, stands for 320 g/kWh and is the next element of ``ci``; value and unit may be
left out (the number as shown; the unit of the element before). ``{ci@2,3=75}`` is elements 2 and 3. Numbers without a
mark are distractors. The factors below are written by hand, apart from the package's own table, so that a slip in
one shows against the other.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

_MARK = re.compile(r"\{(\w+)(?:@([\d,]+))?=([^{}|]+)(?:\|([^{}|]*))?(?:\|([^{}|]*))?\}")

_KWH, _WH = 3.6e6, 3600.0
FACTORS = {
    "1": 1.0,
    "percent": 0.01,
    "J": 1.0,
    "mJ": 1e-3,
    "kJ": 1e3,
    "MJ": 1e6,
    "GJ": 1e9,
    "Wh": _WH,
    "kWh": _KWH,
    "mWh": 3.6,
    "MWh": 1e3 * _KWH,
    "W": 1.0,
    "mW": 1e-3,
    "kW": 1e3,
    "MW": 1e6,
    "s": 1.0,
    "ms": 1e-3,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "bit": 1.0,
    "Mbit": 1e6,
    "Gbit": 1e9,
    "B": 8.0,
    "kB": 8e3,
    "MB": 8e6,
    "GB": 8e9,
    "TB": 8e12,
    "MiB": 8.0 * 2**20,
    "GiB": 8.0 * 2**30,
    "Mbit/s": 1e6,
    "kbit/s": 1e3,
    "Gbit/s": 1e9,
    "MB/s": 8e6,
    "cycle": 1.0,
    "Mcycle": 1e6,
    "Gcycle": 1e9,
    "Gcycle/s": 1e9,
    "Mcycle/s": 1e6,
    "GHz": 1e9,
    "MHz": 1e6,
    "gflop": 1e9,
    "Gflop": 1e9,
    "Tflop": 1e12,
    "Gflop/s": 1e9,
    "Gflop/J": 1e9,
    "J*s^2/cycle^3": 1.0,
    "gCO2e": 1.0,
    "kgCO2e": 1e3,
    "gCO2e/kWh": 1 / _KWH,
    "kgCO2e/kWh": 1e3 / _KWH,
    "kgCO2e/MWh": 1 / _KWH,
    "gCO2e/MJ": 1e-6,
    "mgCO2e/Wh": 1e-3 / _WH,
    "tCO2e/MWh": 1e3 / _KWH,
    "gCO2e/GB": 1 / 8e9,
    "J/MB": 1 / 8e6,
    "J/MiB": 1 / (8.0 * 2**20),
    "Wh/GB": _WH / 8e9,
    "kWh/GB": _KWH / 8e9,
    "J/bit": 1.0,
    "uJ/bit": 1e-6,
    "nJ/bit": 1e-9,
    "kWh/TB": _KWH / 8e12,
    "job": 1.0,
    "request": 1.0,
    "image": 1.0,
    "request/s": 1.0,
    "request/h": 1 / 3600.0,
    "request/d": 1 / 86400.0,
    "request/min": 1 / 60.0,
    "J/request": 1.0,
    "Wh/request": _WH,
    "mWh/request": 3.6,
    "kWh/year": _KWH / (365.25 * 86400.0),
    "J/image": 1.0,
    "mJ/image": 1e-3,
    "Wh/image": _WH,
    "h/d": 1 / 24.0,
    "kJ/request": 1e3,
    "kWh/request": _KWH,
    "tCO2e": 1e6,
    "W/GB": 1 / 8e9,
    "kJ/GB": 1e3 / 8e9,
    **dict.fromkeys(["replica", "sample", "client", "count", "round", "token", "site"], 1.0),
    "MJ/request": 1e6,
    "job/h": 1 / 3600.0,
    "MWh/TB": 1e3 * _KWH / 8e12,
}
"""Base units in one of each, by hand: joule, second, bit, cycle, flop, gram CO2e."""


@dataclass
class Marked:
    """A description without its marks.

    Attributes:
        text: as a reader gets it.
        values, spans, units: by key; elements in order, in the key's unit.
        placed: keys with numbered places, where those not mentioned are nothing (0), or do not count (1 for a rate).
    """

    text: str = ""
    values: dict[str, list[float]] = field(default_factory=dict)
    spans: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    placed: set[str] = field(default_factory=set)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def base(self, key: str, count: int = 1) -> list[float]:
        """The elements of ``key`` in base units by our own factors; one number said once holds ``count`` times."""
        factor = FACTORS[self.units[key]]
        values = [v * factor for v in self.values[key]]
        if key in self.placed:
            values += [math.nan] * (count - len(values))
            return [idle(key) if math.isnan(v) else v for v in values]
        if len(values) == 1:
            return values * count
        if len(values) != count:
            raise ValueError(f"{key}: {len(values)} numbers for {count} places")
        return values

    def one(self, key: str) -> float:
        """The only element of ``key`` in base units."""
        return self.base(key)[0]


def idle(key: str) -> float:
    """What stands where a key with numbered places says nothing."""
    return 1.0 if key == "rate" else 0.0


def read(marked: str) -> Marked:
    """The description and its numbers.

    Raises:
        ValueError: a mark whose number cannot be read.
    """
    out = Marked()
    pieces: list[str] = []
    at = length = 0
    source = marked.strip() + "\n"
    for mark in _MARK.finditer(source):
        pieces.append(source[at : mark.start()])
        length += mark.start() - at
        key, places, shown, value, unit = mark.groups()
        number = float(value) if value else float(shown.replace(",", "").replace(" ", ""))
        if unit:
            unit = re.sub(r"^g/", "gCO2e/", re.sub(r"^kg/", "kgCO2e/", unit))
            if out.units.setdefault(key, unit) != unit:
                raise ValueError(f"{key}: {unit} after {out.units[key]}")
        span = (length, length + len(shown))
        if places:
            out.placed.add(key)
        _place(out, key, places, number, span)
        pieces.append(shown)
        length += len(shown)
        at = mark.end()
    out.text = "".join(pieces) + source[at:]
    for key, numbers in out.values.items():
        out.units.setdefault(key, "1")
        holes = any(math.isnan(n) for n in numbers) and key not in out.placed
        if holes or "{" in out.text:
            raise ValueError(f"{key}: a place is left open, or a mark is broken in {out.text!r}")
    return out


def _place(out: Marked, key: str, places: str | None, number: float, span: tuple[int, int]) -> None:
    numbers, spans = out.values.setdefault(key, []), out.spans.setdefault(key, [])
    for place in [int(p) - 1 for p in places.split(",")] if places else [len(numbers)]:
        while len(numbers) <= place:
            numbers.append(math.nan)
            spans.append((0, 0))
        numbers[place], spans[place] = number, span
