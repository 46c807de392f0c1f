"""The unit written behind a number, as people write it: symbols, words, "per", "a", grams "of CO2"."""

from __future__ import annotations

import re

from .units import NONE, SYMBOLS, Unit

_PREFIXES = {
    "": 1.0,
    "nano": 1e-9,
    "micro": 1e-6,
    "milli": 1e-3,
    "kilo": 1e3,
    "mega": 1e6,
    "giga": 1e9,
    "tera": 1e12,
}
_BASES = {
    "watt": "W",
    "watthour": "Wh",
    "joule": "J",
    "second": "s",
    "byte": "B",
    "bit": "bit",
    "hertz": "Hz",
    "gram": "g",
    "gramme": "g",
    "metre": "m",
    "meter": "m",
    "cycle": "cycle",
    "flop": "flop",
}
_OTHERS = {
    "sec": "s",
    "secs": "s",
    "mins": "min",
    "hrs": "h",
    "hr": "h",
    "kwh": "kWh",
    "kw": "kW",
    "wh": "Wh",
    "mwh": "MWh",
    "kilo": "kg",
    "kilos": "kg",
    "ton": "t",
    "tons": "t",
    "tonnes": "t",
    "percent": "percent",
    "euros": "EUR",
    "euro": "EUR",
    "dollars": "USD",
    "ghz": "GHz",
    "mhz": "MHz",
    "mbps": "Mbps",
    "gbps": "Gbps",
    "kbps": "kbps",
    "millisecond": "ms",
    "gco2e": "gCO2e",
    "gco2": "gCO2e",
    "kgco2": "kgCO2e",
    "kgco2e": "kgCO2e",
}
_WORD = re.compile(r"(?: |-)?([A-Za-zµ%€$][A-Za-z0-9µ]{0,24})")
_MORE = re.compile(r"[ -]([A-Za-z]{1,24})")
_CARBON = re.compile(
    r"[ -]?(?:of )?(?:the )?(?:CO2e?|CO₂e?|carbon dioxide|carbon|emissions)(?:[- ]?eq(?:uivalent)?s?)?\b",
    re.IGNORECASE,
)
_POWER = re.compile(r"\^(-?[0-9])|([²³])")
_PER = re.compile(
    r" ?/ ?| +per +(?:[a-z]{2,12}ed +)?| +(?:for each|for every|for a|a|an|each|every|for one|for) +|-per-",
    re.IGNORECASE,
)
"""A participle may stand between: "per uploaded bit", "per delivered kWh"."""
_TIMES = re.compile(r" ?[*·] ?")
_NO_UNIT = frozenset({"a", "m", "count", "one", "in", "at", "as", "EUR"})


def _phrases() -> dict[str, Unit]:
    made = {}
    for word, symbol in _BASES.items():
        for prefix, factor in _PREFIXES.items():
            unit = SYMBOLS[symbol]
            for ending in ("", "s"):
                made[prefix + word + ending] = Unit(prefix + word, unit.factor * factor, unit.dims)
    return made | {word: SYMBOLS[symbol] for word, symbol in _OTHERS.items()}


_PHRASES = _phrases()


def read_units(text: str, at: int) -> tuple[Unit, ...]:
    """Readings of the unit at ``text[at:]``, the longest first; nothing where none is understood.

    "40 Wh a day" is read as Wh/d and as Wh, since the second half may be a remark.
    """
    if text.startswith((" per cent", " percent"), at):
        return (SYMBOLS["percent"],)
    found = _unit(text, at)
    if found is None:
        return ()
    unit, at = found
    readings = [unit]
    for _ in range(4):
        divided, times = _PER.match(text, at), _TIMES.match(text, at)
        joint = divided or times
        following = _unit(text, joint.end()) if joint else None
        if joint is None or following is None:
            break
        other, at = following
        unit = joined(unit, other, -1 if divided else 1)
        readings.append(unit)
    return tuple(reversed(readings))


def joined(a: Unit, b: Unit, sign: int) -> Unit:
    """``a`` times ``b``, or divided by it where the sign is -1."""
    factor = a.factor * b.factor if sign > 0 else a.factor / b.factor
    return Unit(
        f"{a.symbol}{'*' if sign > 0 else '/'}{b.symbol}",
        factor,
        tuple(x + sign * y for x, y in zip(a.dims, b.dims, strict=True)),
    )


def _unit(text: str, at: int) -> tuple[Unit, int] | None:
    """One unit with its power, and where it ends."""
    found = _WORD.match(text, at)
    if found is None:
        return None
    unit, end = _longest(text, found)
    if unit is None or (unit.log and end < len(text) and text[end] == "/"):
        return None
    carbon = _CARBON.match(text, end)
    if carbon and unit.dims[-2]:  # a mass
        end = carbon.end()
    power = _POWER.match(text, end)
    if power and not unit.log:
        exponent = float(power[1]) if power[1] else {"²": 2.0, "³": 3.0}[power[2]]
        unit = Unit(unit.symbol, unit.factor**exponent, tuple(exponent * d for d in unit.dims))
        end = power.end()
    return unit, end


def _longest(text: str, found: re.Match[str]) -> tuple[Unit | None, int]:
    word, end = found[1], found.end()
    more = _MORE.match(text, end)
    if more:
        joined = _PHRASES.get((word + more[1]).lower())
        if joined is not None:
            return joined, more.end()
    if word in _NO_UNIT:
        return None, end
    unit = SYMBOLS.get(word) or _PHRASES.get(word.lower())
    if unit is not None and unit.dims == NONE and unit.factor == 1.0 and not unit.log:
        return None, end
    return unit, end
