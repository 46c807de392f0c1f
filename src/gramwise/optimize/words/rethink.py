"""Other ways to say which number is which symbol, where the cheapest pairing leaves gaps: the whole text decides.

The pairing of numbers and symbols knows words and shapes one by one. It cannot know that "2500 requests an hour" is the
capacity of a pod, because only then "18 000 requests" can be the demand. Each hypothesis here forbids some pairs: the
symbols of the other ways in which the family can be told, or a symbol to the number that holds it, where a number
without a place measures the same. The search goes on from the hypothesis that leaves fewest defects, and ends with one
that leaves none: every number that was meant has its place, nothing is missing and nothing clashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from .assemble import Attempt
from .assemble_quantity import into
from .statement import Figure

Barred = frozenset[tuple[str, int]]
"""Pairs that may not be made: a symbol and where its number starts; -1 forbids the symbol to every number."""
ANY = -1
_MOST_STEPS, _MOST_WIDTH = 3, 8
_T = TypeVar("_T")


def rethought(
    first: _T,
    barred: Barred,
    attempt_of: Callable[[_T], Attempt],
    defects: Callable[[_T], tuple[int, tuple[Figure, ...]]],
    retry: Callable[[Barred], _T],
) -> _T | None:
    """The first candidate without defects on the way of fewest defects; None where the search finds none.

    Args:
        first: the candidate to set out from.
        barred: pairs that it was made without.
        attempt_of: the attempt of a candidate.
        defects: how many things are wrong with a candidate, and the numbers that it leaves without a place.
        retry: a candidate that makes none of some pairs.
    """
    now, bars = first, barred
    wrong, left = defects(now)
    seen = {bars}
    for _ in range(_MOST_STEPS):
        best: tuple[int, _T, Barred, tuple[Figure, ...]] | None = None
        for step in list(dict.fromkeys(_steps(attempt_of(now), left)))[:_MOST_WIDTH]:
            if bars | step in seen:
                continue
            seen.add(bars | step)
            other = retry(bars | step)
            count, rest = defects(other)
            if count == 0:
                return other
            if best is None or count < best[0]:
                best = count, other, bars | step, rest
        if best is None or best[0] > wrong:
            return None  # a step aside may open the way; one back does not
        wrong, now, bars, left = best
    return None


def _steps(tried: Attempt, left: tuple[Figure, ...]) -> Iterator[Barred]:
    """Pairs to forbid next: those that hold the place of a number without one, then whole ways to tell the family."""
    gaps = {s.name for s in tried.missing}
    for array in tried.arrays.values():
        symbol = array.symbol
        if any(into(f, symbol.unit) is not None for f in left):
            yield frozenset((symbol.name, f.start) for f in array.figures)
    used = tried.used()
    for name, array in tried.arrays.items():
        if name in used or not any(f in left for f in array.figures):
            continue
        for (
            other,
            rival,
        ) in tried.arrays.items():  # "uses 250 W", where "holding 100 Wh" was taken for its energy
            if other in used and rival.figures and rival.symbol.index == array.symbol.index:
                yield frozenset((other, f.start) for f in rival.figures)
    ways = tried.model.alternatives
    for own in ways:
        others = {n for names in ways for n in names} - set(own)
        if others & (set(tried.arrays) | gaps):
            yield frozenset((n, ANY) for n in others)
    for name, array in tried.arrays.items():
        if array.figures and any(into(f, s.unit) is not None for s in tried.missing for f in array.figures):
            yield frozenset((name, f.start) for f in array.figures)
