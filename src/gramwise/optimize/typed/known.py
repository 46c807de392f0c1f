"""What the validator asks of a knowledge base, entry by entry; the base itself stays outside this package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .findings import Refused
from .nodes import Number, walk
from .parse import parse_expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """A constraint that a family cannot do without; one of the same kind and relation counts as the same."""

    name: str
    kind: str = ""
    rel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One entry.

    Attributes:
        figures: numbers that it holds, with their units; None where it is not known which (then any is believed).
        constraints: of a family, those that every problem of it has.
        low, high, unit: of a symbol, its plausible range.
    """

    figures: tuple[tuple[float, str], ...] | None = None
    constraints: tuple[Required, ...] = ()
    low: float | None = None
    high: float | None = None
    unit: str = "1"


def known_from(
    entries: Iterable[Any],
    symbols: Iterable[Any] = (),
    figures: Mapping[str, tuple[float, str]] | None = None,
) -> dict[str, Known]:
    """What cards say, by entry.

    Args:
        entries: cards with ``id``, ``expr`` and ``model`` as in `knowledge.entry.Entry`.
        symbols: with ``name``, ``unit``, ``low``, ``high``, ``default`` as in `knowledge.entry.Symbol`; each is known
            as ``symbol.NAME``.
        figures: further entries with one number each, such as rows of a catalogue.

    Returns:
        For `validate.validate`: a family with the constraints that need nothing, a formula with its constants.
    """
    known: dict[str, Known] = {}
    for entry in entries:
        model = getattr(entry, "model", None)
        constraints = () if model is None else tuple(_required(t) for t in model.constraints if _always(t))
        known[entry.id] = Known(figures=_constants(getattr(entry, "expr", None)), constraints=constraints)
    for symbol in symbols:
        held = () if symbol.default is None else ((symbol.default, symbol.unit),)
        known[f"symbol.{symbol.name}"] = Known(
            figures=held, low=symbol.low, high=symbol.high, unit=symbol.unit
        )
    for name, figure in (figures or {}).items():
        known[name] = Known(figures=(figure,))
    return known


def _always(term: Any) -> bool:
    return not term.needs and not term.unless


def _required(term: Any) -> Required:
    return Required(name=term.name, kind=term.kind, rel=term.rel)


def _constants(expr: str | None) -> tuple[tuple[float, str], ...] | None:
    if expr is None:
        return None
    try:
        tree = parse_expression(expr)
    except Refused:
        return None
    return tuple((n.value, n.unit) for n in walk(tree) if isinstance(n, Number))
