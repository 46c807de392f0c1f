"""Pass 6: bounds in order, numbers that exist, sizes that can belong together, durations that fit their slot."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np

from ..bind import Bound
from ..findings import Finding, Refused
from ..intervals import Range
from ..known import Known
from ..ranges import Ranges
from ..units import alike, parse_unit

_SECOND = parse_unit("s").dims
_SLOT = re.compile(r"(?i)^(dt|delta|tau|slot\w*|horizon\w*|period\w*|t_?slot|\w+_slot|slot_\w+|interval\w*)$")
_SLOT_TEXT = re.compile(
    r"(?i)\b(slot|horizon|planning period|time step|length of (a|the|each) (step|slot|period|interval))\b"
)
_SPAN = 1e9


def check_sanity(bound: Bound, knowledge: Mapping[str, Known] | None = None) -> list[Finding]:
    """E601 (bounds crossed), W602 (sizes more than 1e9 apart), W603 (longer than the slot), W604 (implausible), E605.

    E605 is a value that does not exist for certain: a division by 0, a logarithm or a root of less than nothing, a
    subscript that leaves its set, a product beyond the range of numbers.
    """
    ranges = Ranges(bound)
    return [
        *_crossed(bound),
        *_nonexistent(bound, ranges),
        *_spans(bound),
        *_too_long(bound, ranges),
        *_implausible(bound, knowledge or {}),
    ]


def _crossed(bound: Bound) -> Iterator[Finding]:
    for name, v in bound.variables.items():
        if (v.lower > v.upper).any():
            yield Finding(
                code="E601", where=f"variable {name}", message="the lower bound is above the upper bound."
            )
        elif v.domain == "integer" and (np.ceil(v.lower) > np.floor(v.upper)).any():
            yield Finding(
                code="E601", where=f"variable {name}", message="no whole number lies between its bounds."
            )
    for param in bound.problem.params:
        if param.low is not None and param.high is not None and param.low > param.high:
            yield Finding(code="E601", where=f"param {param.name}", message="its range is crossed.")


def _nonexistent(bound: Bound, ranges: Ranges) -> Iterator[Finding]:
    fix = "Leave such elements out with `where`, or give another number."
    message = "some element has no value: a division by 0, a root or logarithm of less than 0, or a subscript outside."
    if ranges.objective().gone.any():
        yield Finding(code="E605", where="objective", message=message, fix=fix)
    for c in bound.constraints:
        excess, keep = ranges.excess(c)
        if (excess.gone & keep).any():
            yield Finding(code="E605", where=f"constraint {c.record.name}", message=message, fix=fix)


def _spans(bound: Bound) -> Iterator[Finding]:
    for name, param in bound.params.items():
        if param.values is None or param.unit.log:
            continue
        sizes = np.abs(param.values[param.values != 0])
        with np.errstate(over="ignore"):
            if sizes.size and sizes.max() / sizes.min() > _SPAN:
                yield Finding(
                    code="W602",
                    where=f"param {name}",
                    message=f"its values span from {sizes.min():.3g} to {sizes.max():.3g} in base units.",
                    fix="Check their units.",
                )


def _too_long(bound: Bound, ranges: Ranges) -> Iterator[Finding]:
    slots = {
        p.name: float(bound.params[p.name].values.max())  # type: ignore[union-attr]
        for p in bound.problem.params
        if bound.params[p.name].values is not None
        and alike(bound.params[p.name].unit.dims, _SECOND)
        and (_SLOT.match(p.name) or _SLOT_TEXT.search(p.text))
    }
    limits = dict(slots)
    if bound.problem.objective.horizon_s is not None:
        limits["horizon_s"] = bound.problem.objective.horizon_s
    if not limits:
        return
    name, slot = min(limits.items(), key=lambda item: item[1])
    for what, taken in _durations(bound, ranges, slots):
        if taken > slot:
            yield Finding(
                code="W603",
                where=what,
                message=f"it takes {taken:.3g} s at least, and {name} is {slot:.3g} s.",
                fix="Check the units of work and speed, or let the activity last several slots.",
            )


def _durations(bound: Bound, ranges: Ranges, slots: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    for name, term in bound.derived.items():
        if alike(term.unit.dims, _SECOND) and not term.unit.log:
            yield f"derived {name}", _surely(ranges.derived(name))
    for name, param in bound.params.items():
        if (
            alike(param.unit.dims, _SECOND)
            and name not in slots
            and param.values is not None
            and param.values.size
        ):
            yield f"param {name}", float(param.values.max())


def _surely(taken: Range) -> float:
    """The longest time that some element takes whatever is decided."""
    known = np.where(taken.gone, -np.inf, taken.lo)
    return float(known.max()) if known.size else -np.inf


def _implausible(bound: Bound, knowledge: Mapping[str, Known]) -> Iterator[Finding]:
    for param in bound.problem.params:
        held = bound.params[param.name]
        if held.values is None or not held.values.size:
            continue
        low, high = (
            held.unit.from_base(float(held.values.min())),
            held.unit.from_base(float(held.values.max())),
        )
        if _outside(low, high, param.low, param.high):
            yield _w604(param.name, low, high, param.low, param.high, held.unit.symbol)
            continue
        card = knowledge.get(f"symbol.{param.name}")
        if card is None:
            continue
        try:
            unit = parse_unit(card.unit)
        except Refused:
            continue
        if unit.same(held.unit):
            low, high = unit.from_base(float(held.values.min())), unit.from_base(float(held.values.max()))
            if _outside(low, high, card.low, card.high):
                yield _w604(param.name, low, high, card.low, card.high, card.unit)


def _outside(low: float, high: float, least: float | None, most: float | None) -> bool:
    return (least is not None and low < least * (1 - 1e-9)) or (most is not None and high > most * (1 + 1e-9))


def _w604(name: str, low: float, high: float, least: float | None, most: float | None, unit: str) -> Finding:
    usual = f"{'-' if least is None else f'{least:g}'} to {'-' if most is None else f'{most:g}'} {unit}"
    return Finding(
        code="W604",
        where=f"param {name}",
        message=f"its values run from {low:.4g} to {high:.4g} {unit}; usual are {usual}.",
        fix="Check the unit.",
    )
