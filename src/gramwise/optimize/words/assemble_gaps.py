"""The last member without a number, where one number of its kind is left: "60 g at my place, in Oslo 30".

A text may call a member what no list of its names has. If all members but one have their figure, and one unused
figure of the same kind is told in the same breath of something that is no other member, it is that one's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gramwise.optimize.knowledge.entry import Symbol

from .assemble_arrays import Array
from .assemble_cues import Lexicon
from .assemble_groups import Frame
from .assemble_quantity import into, of_other_times
from .slots import Offer
from .statement import Figure

_NEAR = 160
"""Characters between figures that are told in one breath."""


def last_gap(
    missing: Sequence[Symbol],
    spare: Sequence[Offer],
    given: Mapping[str, Array],
    frame: Frame,
    lexicon: Lexicon,
) -> tuple[str, Offer, Array] | None:
    """A symbol with one open member, the one unused offer that can be it, and the whole array; None without such.

    Args:
        missing: symbols that would be asked for.
        spare: offers that found no symbol.
        given: arrays, those with gaps included.
        frame: members of the sets.
        lexicon: cues of the symbols.
    """
    for symbol in missing:
        array = given.get(symbol.name)
        if array is None or len(symbol.index) != 1 or len(array.gaps) != 1 or not array.figures:
            continue
        if frame.members[symbol.index[0]].labels is None:
            continue
        fitting = [o for o in spare if len(o.items) == 1 and _fits(o, array, frame, lexicon)]
        if len(fitting) == 1:
            return symbol.name, fitting[0], _filled(array, fitting[0].figure)
    return None


def _fits(offer: Offer, array: Array, frame: Frame, lexicon: Lexicon) -> bool:
    figure, symbol = offer.figure, array.symbol
    if not figure.unit or offer.items[0].at or figure.clock or figure.relation != array.figures[0].relation:
        return False
    if into(figure, symbol.unit) is None or of_other_times(figure) or figure.each:
        return False
    if lexicon.against(symbol.name, figure) or any(frame.where(s) is not None for s in figure.subjects):
        return False
    return any(abs(figure.start - f.start) < _NEAR for f in array.figures)


def _filled(array: Array, figure: Figure) -> Array:
    """A copy of the array with the figure in its only gap."""
    symbol, gap = array.symbol, array.gaps[0]
    value = into(figure, symbol.unit)
    assert value is not None
    whole = Array(symbol, [*array.values], [*array.sources], [*array.figures, figure], units=[*array.units])
    whole.values[gap], whole.units[gap] = value, figure.unit
    whole.sources[gap] = f"text:{figure.start}-{figure.end}"
    return whole
