"""Units as factor and dimension: gCO2e is a base of its own, apart from mass, and logarithmic units are another kind.

A unit is written with ``*``, ``/``, ``^`` and parentheses: ``gCO2e/kWh``, ``J*s^2/cycle^3``, ``Mbit/s``. Prefixes are
listed unit by unit, so that ``min`` is minutes and never milli-inches. Things that are counted (request, job, image)
share the dimension ``count``, which comparisons ignore: one request is one. Temperatures are refused, since 0 degrees
is not nothing. Factors are definitions (SI brochure, 9th edition; IEC 80000-13 for Ki, Mi, Gi).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

from .findings import Refused

BASES = ("J", "s", "bit", "cycle", "flop", "gCO2e", "EUR", "USD", "m", "kg", "count")
"""Base units, in the order of a dimension vector."""

Dimension = tuple[int | float, ...]
NONE: Dimension = (0,) * len(BASES)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure.

    Attributes:
        symbol: as it was written.
        factor: base units in one of it. Of a logarithmic unit: the linear reference (1 for dB, 0.001 J/s for dBm).
        dims: exponents over `BASES`.
        log: decibels: only ``db_to_linear`` may make a factor of it.
    """

    symbol: str
    factor: float
    dims: Dimension
    log: bool = False

    def same(self, other: Unit) -> bool:
        """Whether both measure the same kind of thing; counts are ignored."""
        return self.log == other.log and alike(self.dims, other.dims)

    def to_base(self, value: float) -> float:
        """A number in this unit, in base units; decibels stay decibels."""
        return value if self.log else value * self.factor

    def from_base(self, value: float) -> float:
        """The other way."""
        return value if self.log else value / self.factor


def alike(a: Dimension, b: Dimension) -> bool:
    """Equal exponents but for the count."""
    return all(math.isclose(x, y, abs_tol=1e-9) for x, y in zip(a[:-1], b[:-1], strict=True))


def _vector(**exponents: float) -> Dimension:
    return tuple(exponents.get(base, 0) for base in BASES)


_POWERS = {
    "": 1.0,
    "n": 1e-9,
    "u": 1e-6,
    "µ": 1e-6,
    "m": 1e-3,
    "k": 1e3,
    "K": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
_WATT, _HOUR, _DAY = _vector(J=1, s=-1), 3600.0, 86400.0

_COUNTED = """
request requests job jobs task tasks inference inferences image images frame frames token tokens step steps sample
samples query queries user users client clients round rounds epoch epochs item items replica replicas server servers
node nodes site sites slot slots batch batches device devices message messages call calls count
"""

# symbols of one meaning | prefixes | factor | dimension
_ROWS: tuple[tuple[str, str, float, Dimension], ...] = (
    ("J joule joules", "n u µ m k M G T", 1.0, _vector(J=1)),
    ("Wh", "n u µ m k M G T", _HOUR, _vector(J=1)),
    ("W watt watts", "n u µ m k M G T", 1.0, _WATT),
    ("Ws", "m k", 1.0, _vector(J=1)),
    ("eV", "k M", 1.602176634e-19, _vector(J=1)),
    ("s sec second seconds", "n u µ m", 1.0, _vector(s=1)),
    ("min minute minutes", "", 60.0, _vector(s=1)),
    ("h hr hour hours", "", _HOUR, _vector(s=1)),
    ("d day days", "", _DAY, _vector(s=1)),
    ("week weeks", "", 7 * _DAY, _vector(s=1)),
    ("month months", "", 365.25 / 12 * _DAY, _vector(s=1)),
    ("year years yr a", "", 365.25 * _DAY, _vector(s=1)),
    ("bit bits b", "k M G T", 1.0, _vector(bit=1)),
    ("B byte bytes", "k K M G T P", 8.0, _vector(bit=1)),
    ("bps", "k M G", 1.0, _vector(bit=1, s=-1)),
    ("cycle cycles", "k M G T", 1.0, _vector(cycle=1)),
    ("flop FLOP", "k M G T P E", 1.0, _vector(flop=1)),
    ("FLOPS flops FLOP_per_s", "k M G T P E", 1.0, _vector(flop=1, s=-1)),
    ("OPS", "k M G T P", 1.0, _vector(flop=1, s=-1)),
    ("MAC", "k M G T", 2.0, _vector(flop=1)),
    ("Hz", "k M G T", 1.0, _vector(s=-1)),
    ("gCO2e gCO2 gCO2eq", "u µ m k M", 1.0, _vector(gCO2e=1)),
    ("tCO2e tCO2 tCO2eq", "k M", 1e6, _vector(gCO2e=1)),
    ("EUR", "k M", 1.0, _vector(EUR=1)),
    ("USD", "k M", 1.0, _vector(USD=1)),
    ("m metre metres meter meters", "n u µ m k", 1.0, _vector(m=1)),
    ("g gram grams", "u µ m k", 1e-3, _vector(kg=1)),
    ("t tonne", "", 1e3, _vector(kg=1)),
    ("N", "k", 1.0, _vector(J=1, m=-1)),
    ("percent %", "", 0.01, NONE),
    ("1 one", "", 1.0, NONE),
    (_COUNTED, "", 1.0, _vector(count=1)),
)

_REFUSED = {"C", "°C", "degC", "celsius", "F", "°F", "degF", "fahrenheit", "kelvin"}


_PREFIXED = "bit bits bps byte bytes cycle cycles flop flops gCO2e gCO2 gCO2eq tCO2e tCO2 tCO2eq"
"""Symbols written out that still take a prefix, as in ``Mbit`` and ``kgCO2e``; other words do not: no ``mminutes``."""


def _table() -> dict[str, Unit]:
    table: dict[str, Unit] = {}
    prefixed = _PREFIXED.split()
    for symbols, prefixes, factor, dims in _ROWS:
        for symbol in symbols.split():
            table[symbol] = Unit(symbol, factor, dims)
        for symbol in symbols.split():
            if len(symbol) > 2 and not symbol[0].isupper() and symbol not in prefixed:
                continue
            for prefix in prefixes.split():
                table.setdefault(prefix + symbol, Unit(prefix + symbol, factor * _POWERS[prefix], dims))
    for symbol, bits in (("B", 8.0), ("byte", 8.0), ("bytes", 8.0), ("bit", 1.0)):
        for prefix, factor in _BINARY.items():
            table[prefix + symbol] = Unit(prefix + symbol, factor * bits, _vector(bit=1))
    table["cm"] = Unit("cm", 1e-2, _vector(m=1))
    table["dB"] = Unit("dB", 1.0, NONE, log=True)
    table["dBm"] = Unit("dBm", 1e-3, _WATT, log=True)
    table["dBW"] = Unit("dBW", 1.0, _WATT, log=True)
    return table


SYMBOLS: dict[str, Unit] = _table()
"""Every symbol that is understood."""

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-zµ°%][A-Za-z0-9µ°_]*|1(?![0-9.]))|(?P<power>\^\s*-?[0-9]{1,2}(?:\.[0-9])?)|(?P<op>[*/·()]))"
)
_LONGEST = 60


@lru_cache(maxsize=4096)
def parse_unit(text: str) -> Unit:
    """The unit that ``text`` names.

    Raises:
        Refused: E301 with the nearest symbol where one is unknown, temperatures, decibels inside a product, bad syntax.
    """
    if len(text) > _LONGEST:
        raise Refused("E301", "a unit is no longer than 60 characters.", fragment=text)
    tokens = _tokens(text.replace("μ", "µ"))  # Greek mu and the micro sign look the same
    if not tokens:
        return Unit("1", 1.0, NONE)
    if len(tokens) == 1 and tokens[0] in SYMBOLS and SYMBOLS[tokens[0]].log:
        return SYMBOLS[tokens[0]]
    position = 0

    def product(depth: int) -> tuple[float, Dimension]:
        nonlocal position
        factor, dims, sign = 1.0, NONE, 1
        first = True
        while position < len(tokens) and tokens[position] != ")":
            if tokens[position] in "*·/":
                if first:
                    raise Refused(
                        "E301", f"{text!r} is no unit: it starts with {tokens[position]}.", fragment=text
                    )
                sign = -1 if tokens[position] == "/" else 1
                position += 1
            elif not first:
                raise Refused("E301", f"{text!r} is no unit: write * or / between symbols.", fragment=text)
            f, d = atom(depth)
            factor = _in_range(factor * f if sign > 0 else factor / f, text)
            dims = tuple(a + sign * b for a, b in zip(dims, d, strict=True))
            first, sign = False, 1
        if first:
            raise Refused("E301", f"{text!r} is no unit.", fragment=text)
        return factor, dims

    def atom(depth: int) -> tuple[float, Dimension]:
        nonlocal position
        if position >= len(tokens) or depth > 8:
            raise Refused("E301", f"{text!r} is no unit.", fragment=text)
        token = tokens[position]
        position += 1
        if token == "(":
            factor, dims = product(depth + 1)
            if position >= len(tokens) or tokens[position] != ")":
                raise Refused("E301", f"{text!r} lacks a closing parenthesis.", fragment=text)
            position += 1
        else:
            unit = _symbol(token)
            factor, dims = unit.factor, unit.dims
        if position < len(tokens) and tokens[position].startswith("^"):
            power = float(tokens[position][1:])
            position += 1
            factor, dims = _raised(factor, power, text), tuple(power * d for d in dims)
        return factor, dims

    factor, dims = product(0)
    if position != len(tokens):
        raise Refused("E301", f"{text!r} has a closing parenthesis too many.", fragment=text)
    return Unit(text.strip(), factor, dims)


def _raised(factor: float, power: float, text: str) -> float:
    try:
        return _in_range(factor**power, text)
    except OverflowError:
        return _in_range(math.inf, text)


def _in_range(factor: float, text: str) -> float:
    # A factor of 0 or infinity would make every number of the unit meaningless.
    if not 1e-200 < factor < 1e200:
        raise Refused("E301", f"{text!r} is no unit: its factor leaves the range of numbers.", fragment=text)
    return factor


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    stripped = text.strip()
    while at < len(stripped):
        found = _TOKEN.match(stripped, at)
        if found is None or found.end() == at:
            raise Refused(
                "E301", f"{text!r} is no unit.", fix="Write it as gCO2e/kWh or J*s^2.", fragment=text
            )
        tokens.append(re.sub(r"\s", "", found.group()))
        at = found.end()
    return tokens


def _symbol(token: str) -> Unit:
    if token in _REFUSED:
        raise Refused(
            "E301", f"temperatures ({token}) are not taken: 0 degrees is not nothing.", fragment=token
        )
    unit = SYMBOLS.get(token)
    if unit is None:
        near = _nearest(token)
        fix = f"Did you mean {near}?" if near else "docs/method/problem.md lists the symbols."
        raise Refused("E301", f"there is no unit {token!r}.", fix=fix, fragment=token)
    if unit.log:
        raise Refused(
            "E302", f"{token} is logarithmic and cannot stand in a product of units.", fragment=token
        )
    return unit


def _nearest(token: str) -> str | None:
    from difflib import get_close_matches

    # Only symbols of the same first letter: a problem full of invented units must not take seconds to refuse.
    alike_start = [s for s in SYMBOLS if s[0].lower() == token[0].lower()]
    exact = next((s for s in alike_start if s.lower() == token.lower()), None)
    return exact or next(iter(get_close_matches(token, alike_start, n=1)), None)


def spell(dims: Dimension) -> str:
    """A dimension in base units, for people: ``J*s^-1``; ``1`` where it has none."""
    parts = [b if e == 1 else f"{b}^{e:g}" for b, e in zip(BASES, dims, strict=True) if e]
    return "*".join(parts) or "1"
