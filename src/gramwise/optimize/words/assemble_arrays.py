"""From offers to arrays: one value and one source for every element, clashes and gaps told apart.

What is said of a member outweighs what is said of all. Two different values for the same element at the same level of
detail are a clash; an element without a value is a gap, and a gap is a question, never a guess. Where a figure only
matters for some elements (the rate of a link matters where data is sent), the others hold 0 or 1 from the structure.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gramwise.optimize.knowledge.entry import Symbol
from gramwise.optimize.typed.record import Param, Values
from gramwise.optimize.typed.units import parse_unit

from .assemble_groups import Frame
from .assemble_quantity import into
from .slots import Item, Offer, place
from .statement import Figure


@dataclass(frozen=True, slots=True)
class Clash:
    """Two statements that cannot both hold, told in ``message``; ``spans`` are their characters.

    ``twice`` where they give one thing two values, rather than limits that exclude each other.
    """

    message: str
    spans: tuple[tuple[int, int], ...] = ()
    about: str = ""
    twice: bool = False


@dataclass(slots=True)
class Array:
    """Values of one symbol over its sets, row by row.

    Attributes:
        symbol: what it is.
        values: over the flattened index; NaN where nothing is said.
        sources: of each value; empty where nothing is said.
        figures: those that were used.
        clashes: statements about the same element that differ.
        units: in which each value was stated; empty where it was not.
        spots: characters of the words that a flag was read from.
        masked: of a limit that is stated for some elements only, 1 where it is and 0 where there is none.
    """

    symbol: Symbol
    values: list[float]
    sources: list[str]
    figures: list[Figure] = field(default_factory=list)
    clashes: list[Clash] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    spots: list[tuple[int, int]] = field(default_factory=list)
    masked: tuple[float, ...] = ()

    @property
    def gaps(self) -> list[int]:
        """Flattened positions without a value."""
        return [i for i, v in enumerate(self.values) if math.isnan(v)]

    @property
    def complete(self) -> bool:
        """Whether every element has its value."""
        return not self.gaps and not self.clashes


def sizes(index: Sequence[str], frame: Frame) -> tuple[int, ...]:
    """Elements of each set of an index."""
    return tuple(frame.members[g].size for g in index)


def build(symbol: Symbol, offers: Sequence[Offer], frame: Frame, source: str = "") -> Array | None:
    """The array of ``symbol`` from the offers it was given; None where a set of its index is open.

    Args:
        symbol: what the numbers mean.
        offers: at least one.
        frame: members of the sets.
        source: of all values, where they come from an answer rather than from the text.
    """
    if any(g not in frame.members for g in symbol.index):
        return None
    shape = sizes(symbol.index, frame)
    n = math.prod(shape)
    array = Array(symbol, [math.nan] * n, [""] * n, units=[""] * n)
    level = [-1] * len(array.values)
    for offer in sorted(offers, key=lambda o: o.row or any(i.at for i in o.items)):
        for item, fixed in place(offer, symbol.index, frame) or ():
            _write(array, level, item, fixed, shape, frame, source)
    return array


def _write(
    array: Array,
    level: list[int],
    item: Item,
    fixed: Mapping[str, int],
    shape: tuple[int, ...],
    frame: Frame,
    source: str,
) -> None:
    figure, symbol = item.figure, array.symbol
    value = into(figure, symbol.unit)
    if value is None:
        return
    span = source or f"text:{figure.start}-{figure.end}"
    array.figures.append(figure)
    for flat in cells(symbol.index, shape, fixed):
        if level[flat] > len(fixed):
            continue
        if level[flat] == len(fixed) and not math.isclose(array.values[flat], value, rel_tol=1e-6):
            array.clashes.append(_clash(array, flat, figure, frame))
            continue
        array.values[flat], array.sources[flat], level[flat] = value, span, len(fixed)
        array.units[flat] = figure.unit


def cells(index: Sequence[str], shape: Sequence[int], fixed: Mapping[str, int]) -> list[int]:
    """Flattened positions of the elements with the ``fixed`` positions in some of the sets."""
    ranges = [range(n) if g not in fixed else (fixed[g],) for g, n in zip(index, shape, strict=True)]
    return [_flat(position, shape) for position in itertools.product(*ranges)]


def _flat(position: Sequence[int], shape: Sequence[int]) -> int:
    at = 0
    for p, n in zip(position, shape, strict=True):
        at = at * n + p
    return at


def element(array: Array, flat: int, frame: Frame) -> str:
    """Words for one element: "job 2 at the cloud"; empty for a number without sets."""
    index = array.symbol.index
    if not index:
        return ""
    positions = np.unravel_index(flat, sizes(index, frame))
    return " and ".join(frame.members[g].name(int(p)) for g, p in zip(index, positions, strict=True))


def _clash(array: Array, flat: int, figure: Figure, frame: Frame) -> Clash:
    symbol = array.symbol
    unit = "" if symbol.unit == "1" else f" {symbol.unit}"
    of = element(array, flat, frame)
    about = symbol.text + (f" ({of})" if of else "")
    other = into(figure, symbol.unit)
    message = f"The text gives two values for {about}: {array.values[flat]:g}{unit} and {other:g}{unit}."
    spans = [(figure.start, figure.end)]
    if array.sources[flat].startswith("text:"):
        a, b = array.sources[flat][5:].split("-")
        spans.insert(0, (int(a), int(b)))
    return Clash(message, tuple(spans), symbol.name, twice=True)


def fill_where(array: Array, flags: Array | None, frame: Frame) -> None:
    """Fill the gaps of elements at which the symbol does not matter, because its flag is 0 there.

    They repeat a figure that is stated for another element: it is multiplied away, and no number is invented.
    """
    if flags is None:
        return
    index, shape = array.symbol.index, sizes(array.symbol.index, frame)
    if set(flags.symbol.index) <= set(index):
        idle = []
        for flat in array.gaps:
            position = dict(zip(index, (int(p) for p in np.unravel_index(flat, shape)), strict=True))
            at = _flat([position[g] for g in flags.symbol.index], sizes(flags.symbol.index, frame))
            if flags.values[at] == 0.0:
                idle.append(flat)
        repeat(array, idle)


def limited(array: Array, mask: Array, frame: Frame) -> list[int]:
    """Flattened positions of ``array`` at which the limit ``mask`` is set, whose sets are among its own."""
    index, shape = array.symbol.index, sizes(array.symbol.index, frame)
    found = []
    for flat in range(len(array.values)):
        position = dict(zip(index, (int(p) for p in np.unravel_index(flat, shape)), strict=True))
        at = _flat([position[g] for g in mask.symbol.index], sizes(mask.symbol.index, frame))
        if mask.masked[at]:
            found.append(flat)
    return found


def repeat(array: Array, gaps: Sequence[int]) -> None:
    """Write the first stated figure at elements where no rule and no term looks."""
    first = next((i for i, v in enumerate(array.values) if not math.isnan(v)), None)
    if first is None:
        return
    for flat in gaps:
        array.values[flat], array.sources[flat] = array.values[first], array.sources[first]
        array.units[flat] = array.units[first]


def as_param(array: Array, frame: Frame, kind: str = "data") -> Param:
    """The array as a parameter of the typed problem, in the unit of the text; one figure for all stays one number."""
    symbol = array.symbol
    unit = _stated_unit(array)
    held = array.values
    if unit != symbol.unit:
        mine, stated = parse_unit(symbol.unit), parse_unit(unit)
        held = [float(f"{stated.from_base(mine.to_base(v)):.12g}") for v in array.values]
    one = len(set(array.sources)) == 1 and len(set(held)) == 1
    return Param(
        name=symbol.name,
        text=symbol.text,
        index=symbol.index,
        unit=unit,
        kind="kb_default" if kind == "kb_default" else "data",
        values=held[0] if one else _nested(held, sizes(symbol.index, frame)),
        low=symbol.low if unit == symbol.unit else None,
        high=symbol.high if unit == symbol.unit else None,
        source=array.sources[0] if len(set(array.sources)) == 1 else tuple(array.sources),
    )


def _stated_unit(array: Array) -> str:
    """The unit in which every value was stated, if it is one and measures the same; else the card's."""
    said = set(array.units)
    if len(said) == 1 and (unit := next(iter(said))) and parse_unit(unit).same(parse_unit(array.symbol.unit)):
        return unit
    return array.symbol.unit


def mask_param(array: Array, frame: Frame) -> Param:
    """Which elements have the limit at all, for the condition of its rule."""
    return Param(
        name=f"stated_{array.symbol.name}",
        text=f"whether the text states the {array.symbol.text}",
        index=array.symbol.index,
        values=_nested(array.masked, sizes(array.symbol.index, frame)),
        source="structure",
    )


def _nested(values: Sequence[float], shape: Sequence[int]) -> Values:
    if not shape:
        return values[0]
    if len(shape) == 1:
        return tuple(values)
    step = len(values) // shape[0]
    return tuple(_nested(values[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0]))  # type: ignore[return-value]
