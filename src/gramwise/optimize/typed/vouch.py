"""Whether a number of a text is the one that a problem claims: units compared, a left-out one looked for elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

from .stated import Stated
from .units import BASES, NONE, Dimension, Unit, alike, parse_unit

Verdict = Literal["holds", "factor", "unit", "no"]
Mentions: TypeAlias = Sequence[tuple[Unit, bool]]

_KG, _CYCLE, _GRAMS = BASES.index("kg"), BASES.index("cycle"), BASES.index("gCO2e")
_KWH = parse_unit("kWh")
_FACTORS = (8.0, 24.0, 60.0, 100.0, 3600.0, 86400.0)


def vouches(number: Stated, value: float, unit: Unit, around: Mentions = ()) -> Verdict:
    """Whether a stated number is ``value`` in ``unit``.

    Args:
        number: of a text.
        value, unit: what is claimed.
        around: units that the text names elsewhere, for numbers that stand without one.

    Returns:
        ``holds``; ``factor`` where a well-known conversion factor lies between them and the stated unit was not
        understood; ``unit`` where it was understood and the numbers do not agree in it; ``no``.
    """
    readings = (*number.units, *number.prior) or (None,)
    verdicts = {
        _compare(n, read, value, unit, number, around if read is readings[0] else None)
        for n in _readings(number, unit)
        for read in readings
    }
    order: tuple[Verdict, ...] = ("holds", "factor", "unit", "no")
    return next(v for v in order if v in verdicts)


def clean_factor(ratio: float) -> float | None:
    """The conversion factor that a ratio is, or None: powers of 1000 and 1024, or those times 8, 24, 60, 3600 ..."""
    if not 0 < ratio < math.inf:
        return None
    ratio = max(ratio, 1 / ratio)
    if not math.isfinite(ratio):
        return None
    for base in (1.0, *_FACTORS):
        for step in (1000.0, 1024.0):
            power = math.log(ratio / base) / math.log(step)
            if (
                0 <= round(power) <= 9
                and (base, round(power)) != (1.0, 0)
                and _close(ratio, base * step ** round(power))
            ):
                return base * step ** round(power)
    return None


def _readings(number: Stated, unit: Unit) -> Sequence[float]:
    if number.clock and alike(unit.dims, NONE):
        # A place in a list of hours counts from 1, and an interval may end before the hour that is said.
        return [v + step for v in number.values for step in (-1.0, 0.0, 1.0)]
    return number.values


def _compare(
    n: float, read: Unit | None, value: float, unit: Unit, number: Stated, around: Mentions | None
) -> Verdict:
    base = unit.to_base(value)
    if read is None or (alike(read.dims, NONE) and read.factor == 1.0 and not read.log):
        elsewhere = _elsewhere(n, base, unit, around or ())
        if elsewhere is not None:
            return elsewhere
        if _close(n, value):
            return "holds"
        ratios = [value / n, base / n] if n and not unit.log else []
        return "factor" if any(clean_factor(abs(r)) for r in ratios) else "no"
    if read.log or unit.log:
        return "holds" if read.log == unit.log and _close(_level(n, read), _level(value, unit)) else "unit"
    dims, factor = _as_declared(read, unit.dims)
    if alike(dims, unit.dims):
        return "holds" if _close(n * factor, base) else "unit"
    if alike(unit.dims, NONE):
        return "holds" if _close(n, value) else "unit"
    if around is not None and _part_of(dims, unit.dims):
        if _with_its_rest(n * factor, base, unit, around):
            return "holds"
        elsewhere = _elsewhere(n, base, unit, around)
        if elsewhere is not None:
            return elsewhere
        rests = _rests(dims, unit.dims, around)
        if any(_close(n * factor / rest, base) for rest in rests):
            return "holds"
        if rests:
            return "unit"
        if _close(n * factor, base) or _close(n, value):
            return "holds"
        return "factor" if n and clean_factor(abs(base / (n * factor))) else "unit"
    return "unit"


def _elsewhere(n: float, base: float, unit: Unit, around: Mentions) -> Verdict | None:
    """What the units that the text names elsewhere say of a number without one; None where they are of other kinds."""
    if unit.log or alike(unit.dims, NONE):
        return None
    same = [(_as_declared(u, unit.dims), sure) for u, sure in around]
    factors = [(factor, sure) for (dims, factor), sure in same if alike(dims, unit.dims)]
    if any(_close(n * factor, base) for factor, _ in factors):
        return "holds"
    return "unit" if any(sure for _, sure in factors) else None


def _with_its_rest(amount: float, base: float, unit: Unit, around: Mentions) -> bool:
    """ "0.06 kg CO2 per kWh here, 310 grams there": the second is per kilowatt-hour too, though in another prefix."""
    tops = {u.symbol: _as_declared(u, unit.dims)[1] for u, _ in around}
    for other, _ in around:
        above, stroke, _ = other.symbol.partition("/")
        dims, factor = _as_declared(other, unit.dims)
        if (
            stroke
            and above in tops
            and alike(dims, unit.dims)
            and _close(amount * factor / tops[above], base)
        ):
            return True
    return False


def _rests(read: Dimension, wanted: Dimension, around: Mentions) -> list[float]:
    """Sizes of what a stated unit may be meant for each of: units that the text surely names, and the kilowatt-hour.

    "A kilowatt-hour makes 350 grams here, 90 there."
    """
    rest = tuple(r - w for r, w in zip(read, wanted, strict=True))
    return [u.factor for u, sure in [*around, (_KWH, True)] if sure and alike(u.dims, rest)]


def _as_declared(read: Unit, wanted: Dimension) -> tuple[Dimension, float]:
    """A stated unit as the problem means it: grams of a grid are CO2e, a processor's hertz are cycles a second."""
    dims, factor = list(read.dims), read.factor
    if wanted[_GRAMS] and not dims[_GRAMS] and dims[_KG]:
        factor *= 1000.0 ** dims[_KG]
        dims[_GRAMS], dims[_KG] = dims[_KG], 0
    if wanted[_CYCLE] and not dims[_CYCLE] and dims[BASES.index("s")] == -wanted[_CYCLE]:
        dims[_CYCLE] = wanted[_CYCLE]
    return tuple(dims), factor


def _part_of(dims: Dimension, wanted: Dimension) -> bool:
    """Whether only the first part of a unit was read: J of J/bit, grams of grams per kilowatt-hour."""
    return all(d == 0 or d == w for d, w in zip(dims[:-1], wanted[:-1], strict=True))


def _level(value: float, unit: Unit) -> float:
    return value + 10.0 * math.log10(unit.factor)


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=2e-4, abs_tol=1e-300)
