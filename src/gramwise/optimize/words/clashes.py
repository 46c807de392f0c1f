"""Descriptions that contradict themselves, told apart from problems that merely have no solution.

A *contradiction* lies between statements, whatever is decided: a quantity given twice with different values, a lower
limit above an upper one, everything excluded, or one stated limit that cannot be met even if decisions could be split
freely and every other limit were lifted (a deadline shorter than the fastest option, a demand above the whole
capacity). An *infeasible* problem is well stated: only the limits together leave no decision (a packing that does not
go up). The solver reports that one, with the smallest violated set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gramwise.optimize.knowledge.entry import Symbol
from gramwise.optimize.typed.bind import bind
from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.record import Constraint, Problem

from .assemble import Attempt
from .assemble_arrays import Array, Clash, cells, element, sizes
from .assemble_cues import Lexicon
from .assemble_quantity import into, of_other_times
from .slots import Item, Offer, place
from .statement import Figure

if TYPE_CHECKING:
    from gramwise.optimize.compiled.milp import Milp

_PAIRS = (("ready", "due"), ("f_lo", "f_hi"), ("r_min", "r_max"), ("b_min", "b_max"))
_SURE, _SURE_OF_SAME = 0.75, 0.45
_PATIENCE_S = 2.0


def stated_twice(tried: Attempt, symbols: Mapping[str, Symbol]) -> list[Clash]:
    """Left-over figures that give a symbol another value than the figure that was taken for it.

    Args:
        tried: the attempt, whose ``left`` figures are judged.
        symbols: those that the family can take.
    """
    numbers = {n: s for n, s in symbols.items() if not s.flag}
    lexicon = Lexicon(numbers.values())
    found = []
    for figure in tried.left:
        if not figure.unit or figure.clock or of_other_times(figure):
            continue
        scored = sorted(
            (
                (lexicon.evidence(n, figure) - lexicon.against(n, figure), n)
                for n, s in numbers.items()
                if into(figure, s.unit) is not None
            ),
            reverse=True,
        )
        if not scored:
            continue
        array = tried.arrays.get(scored[0][1])
        same = array is not None and any(f.subjects == figure.subjects != () for f in array.figures)
        if scored[0][0] < (_SURE_OF_SAME if same else _SURE):
            continue
        if array is not None and array.figures and (clash := _against(array, figure, tried)) is not None:
            found.append(clash)
    return found


def _against(array: Array, figure: Figure, tried: Attempt) -> Clash | None:
    frame = tried.frame
    at = frozenset(w for w in (frame.where(label) for label in figure.subjects) if w is not None)
    first = array.figures[0]
    if figure.relation != first.relation and "is" not in (figure.relation, first.relation):
        return None
    placed = place(Offer((Item(figure, at),)), array.symbol.index, frame)
    value = into(figure, array.symbol.unit)
    if not placed or value is None or not _same_owners(array, figure, bool(at), tried):
        return None
    fixed = placed[0][1]
    for flat in cells(array.symbol.index, sizes(array.symbol.index, frame), fixed):
        held = array.values[flat]
        if array.sources[flat].startswith("text:") and abs(held - value) > 1e-6 * max(abs(held), abs(value)):
            return _twice(array, flat, figure, value, tried)
    return None


def _same_owners(array: Array, figure: Figure, placed: bool, tried: Attempt) -> bool:
    """Whether a figure is said of members as those of the array are; names that are no members must be the same."""
    where = tried.frame.where
    if placed != any(where(label) is not None for f in array.figures for label in f.subjects):
        return False
    strange = {label for label in figure.subjects if where(label) is None}
    theirs = {label for f in array.figures for label in f.subjects if where(label) is None}
    return placed or strange == theirs


def _twice(array: Array, flat: int, figure: Figure, value: float, tried: Attempt) -> Clash:
    unit = "" if array.symbol.unit == "1" else f" {array.symbol.unit}"
    of = element(array, flat, tried.frame)
    a, _, b = array.sources[flat][5:].partition("-")
    return Clash(
        f"The text gives two values for {array.symbol.text}{f' ({of})' if of else ''}: "
        f"{array.values[flat]:g}{unit} and {value:g}{unit}.",
        ((int(a), int(b)), (figure.start, figure.end)),
        array.symbol.name,
        twice=True,
    )


def crossed_limits(arrays: Mapping[str, Array]) -> list[Clash]:
    """Lower limits that lie above their upper limits."""
    found = []
    for low, high in _PAIRS:
        a, b = arrays.get(low), arrays.get(high)
        if a is None or b is None:
            continue
        tops = b.values if len(b.values) == len(a.values) else [min(b.values)] * len(a.values)
        for bottom, top, source in zip(a.values, tops, a.sources, strict=True):
            if bottom > top and source.startswith("text:"):
                spans = tuple((f.start, f.end) for f in (a.figures[:1] + b.figures[:1]))
                unit = "" if a.symbol.unit == "1" else f" {a.symbol.unit}"
                found.append(
                    Clash(
                        f"{_cap(a.symbol.text)} is {bottom:g}{unit}, above {b.symbol.text}, {top:g}{unit}.",
                        spans,
                        low,
                    )
                )
                break
    return found


def impossible_limits(problem: Problem, limits: Mapping[str, tuple[tuple[int, int], ...]]) -> list[Clash]:
    """Stated limits that nothing can meet even by themselves, by linear relaxation; empty where that cannot be told.

    Args:
        problem: without open parameters.
        limits: names of the rules that state a limit, with the characters that state it.
    """
    from gramwise.optimize.compiled.milp import compile_milp

    bound, _ = bind(problem)
    if bound is None:
        return []
    try:
        form = compile_milp(bound, simplify=False)
    except Refused:
        return []
    always = {c.name for c in problem.constraints} - set(limits)
    barring = [c for c in problem.constraints if c.name in limits and _excludes(c)]
    single = [c for c in problem.constraints if c.name in limits and c not in barring]
    if _relaxation_is_empty(form, always):
        told = " and ".join(dict.fromkeys(c.text or c.name for c in problem.constraints if c.name in always))
        return [Clash(f"This cannot hold together, whatever is decided: {told}.")]
    for together in ([barring] if barring else []) + [[*barring, c] for c in single]:
        if _relaxation_is_empty(form, always | {c.name for c in together}):
            spans = tuple(span for c in together for span in limits[c.name])
            told = " and ".join(dict.fromkeys(c.text or c.name for c in together))
            return [
                Clash(f"Nothing that the text offers can meet this: {told}.", spans[:6], together[0].name)
            ]
    return []


def hopeless(problem: Problem) -> bool:
    """Whether it is proved that no decision keeps all rules: a reason to doubt an unusual way to read the text.

    Args:
        problem: without open parameters.
    """
    from gramwise.optimize.compiled.highs import solve
    from gramwise.optimize.compiled.milp import compile_milp

    bound, _ = bind(problem)
    if bound is None:
        return False
    try:
        form = compile_milp(bound, simplify=False)
    except Refused:
        return False
    return solve(replace(form, c=np.zeros_like(form.c)), time_limit_s=_PATIENCE_S).status == "infeasible"


def _excludes(constraint: Constraint) -> bool:
    """Whether a stated rule only says what is out of the question: where, or before when, something may not be."""
    return constraint.kind == "logic" or constraint.rhs.strip().split(" ")[0] == "0"


def _relaxation_is_empty(form: Milp, names: set[str]) -> bool:
    """Whether no point, whole or not, satisfies the rows of these constraints and of rewrites; True only if proved."""
    from gramwise.optimize.compiled.highs import solve

    kept = np.array([not n or n in names for n in form.constraint], dtype=bool)
    moved = np.cumsum(kept) - 1
    entries = kept[form.row]
    relaxed = replace(
        form,
        c=np.zeros_like(form.c),
        row=moved[form.row[entries]],
        col=form.col[entries],
        val=form.val[entries],
        row_lo=form.row_lo[kept],
        row_hi=form.row_hi[kept],
        integrality=np.zeros_like(form.integrality),
        constraint=tuple(n for n, k in zip(form.constraint, kept, strict=True) if k),
    )
    return solve(relaxed, time_limit_s=_PATIENCE_S).status == "infeasible"


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]
