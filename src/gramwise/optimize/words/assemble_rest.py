"""What is still missing and what is still unused: where only one number can be what is asked for, it is that.

A number that is told in words that nobody foresaw finds no symbol by its cues. If a required symbol has no number, and
exactly one unused number measures such a thing, holds for the right members and is not said to be of another time or
another thing, while no other missing symbol could take it, a careful reader would not ask either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gramwise.optimize.knowledge.entry import Symbol

from .assemble_arrays import Array, build
from .assemble_cues import Lexicon
from .assemble_groups import Frame
from .assemble_quantity import COUNTED, PER_PERIOD, into, of_other_times
from .slots import Offer, place

_VOLUME = 50.0
"""Things from which on a count is a volume, and no number of sites or machines."""


def only_place(
    missing: Sequence[Symbol],
    spare: Sequence[Offer],
    given: Mapping[str, Array],
    frame: Frame,
    lexicon: Lexicon,
) -> tuple[str, Offer, Array] | None:
    """A missing symbol, the one unused offer that can be it, and its array; None where there is no such pair.

    Args:
        missing: symbols that would be asked for.
        spare: offers that found no symbol.
        given: arrays that are there already; those with gaps are left alone.
        frame: members of the sets.
        lexicon: cues of the symbols.
    """
    open_ = [
        s for s in missing if s.name not in given and not s.flag and all(g in frame.members for g in s.index)
    ]
    fits = {
        s.name: [k for k, offer in enumerate(spare) if _tells(offer, s) and may_be(offer, s, frame, lexicon)]
        for s in open_
    }
    for symbol in open_:
        mine = fits[symbol.name]
        if len(mine) != 1 or any(mine[0] in others for n, others in fits.items() if n != symbol.name):
            continue
        array = build(symbol, [spare[mine[0]]], frame)
        if array is not None and array.complete:
            return symbol.name, spare[mine[0]], array
    return None


def _tells(offer: Offer, symbol: Symbol) -> bool:
    """Whether a number speaks for itself: by its unit, or, where things are counted, as one count for each member."""
    counted = symbol.unit in COUNTED and not offer.figure.unit
    each = counted and bool(symbol.index) and len(offer.items) > 1
    # "40 000 checks": a volume of things, more than there are members of anything
    volume = counted and not symbol.index and bool(offer.figure.noun) and offer.figure.value >= _VOLUME
    return bool(offer.figure.unit) or each or (volume and len(offer.items) == 1)


def counted_as_well(given: Mapping[str, Array], symbols: Mapping[str, Symbol]) -> Array | None:
    """So many requests an hour are a rate, and the number that an account of an hour is about, if no other is told.

    Args:
        given: arrays that are there already.
        symbols: that the family can take.
    """
    rate, count = given.get("lam_0"), symbols.get("n_0")
    if rate is None or count is None or "n_0" in given or "T_hor" in given or len(rate.figures) != 1:
        return None
    figure = rate.figures[0]
    value = into(figure, count.unit)
    if value is None or not PER_PERIOD.search(figure.unit):
        return None
    return Array(count, [value], [f"text:{figure.start}-{figure.end}"], figures=[figure], units=[""])


def unsaid_horizon(given: Mapping[str, Array], symbols: Mapping[str, Symbol]) -> list[Symbol]:
    """The length of the account, where only our convention gives it: a duration without another place is that length.

    Args:
        given: arrays that are there already.
        symbols: of all cards.
    """
    account = given.get("T_acc")
    assumed = account is not None and all(source.startswith("kb:") for source in account.sources)
    return [symbols["T_hor"]] if assumed and "T_hor" not in given else []


def may_be(offer: Offer, symbol: Symbol, frame: Frame, lexicon: Lexicon) -> bool:
    """Whether nothing speaks against an offer being a symbol: dimension, range, shape, limit, time and words."""
    values = [into(item.figure, symbol.unit) for item in offer.items]
    if (
        any(v is None or not _plausible(v, symbol) for v in values)
        or place(offer, symbol.index, frame) is None
    ):
        return False
    if any(item.figure.clock for item in offer.items) and not symbol.clock:
        return False
    relation = offer.figure.relation
    if relation in ("at_most", "at_least") and relation != symbol.relation:
        return False
    if {g for item in offer.items for g, _ in item.at} - set(symbol.index):
        return False
    return not any(
        of_other_times(item.figure) or lexicon.against(symbol.name, item.figure, offer.head)
        for item in offer.items
    )


def _plausible(value: float, symbol: Symbol) -> bool:
    return (symbol.low is None or value >= symbol.low) and (symbol.high is None or value <= symbol.high)
