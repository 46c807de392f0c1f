"""Passes 8 and 9: can it be kept at all, and does the optimum say anything.

E801 proved infeasible, with the smallest set of misses in words · W802 only one point fits · W803 no feasible point was
found, which proves nothing · E702 unbounded · W901 the best is to do nothing · W902 the optimum ignores the data.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..typed.bind import bind
from ..typed.findings import Finding, Refused
from . import highs
from .evaluate import Evaluator
from .feasible import infeasible_finding, misses
from .milp import Milp, compile_milp

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

    from ..typed.bind import Bound

_SHAKE = 0.1
_TRIALS = 4


def check_solvable(bound: Bound, *, time_limit_s: float = 10.0) -> list[Finding]:
    """Findings of passes 8 and 9 about a problem that passes 1 to 7 let through.

    Args:
        bound: the problem.
        time_limit_s: roughly, for all that is solved here; what does not fit in is left out, never guessed.

    Raises:
        SourceUnavailable: SciPy is not installed.
    """
    try:
        milp = compile_milp(bound)
    except Refused as refused:
        return [refused.at("problem")]
    answer = highs.solve(milp, time_limit_s=time_limit_s / 3, gap_frac=1e-6)
    if answer.status == "infeasible":
        missed = None
        if len(milp.eliminated.column):
            # with the clocks in, a deadline can give way; without them a forbidden choice cannot
            missed = misses(compile_milp(bound, simplify=False), time_limit_s=time_limit_s / 4)
        missed = missed or misses(milp, time_limit_s=time_limit_s / 2)
        if missed:
            return [infeasible_finding(missed)]
        return [_plain("E801", "nothing keeps every constraint and every bound.")]
    if answer.status == "unbounded" and milp.exact:
        return [_plain("E702", "the grams fall without end: a variable lacks a limit.")]
    if answer.z is None:
        if _search(bound) is not None:
            return []
        return [_plain("W803", "no feasible point found in the time given; there may be one.")]
    point = milp.decision(answer.z)
    evaluator = Evaluator(bound)
    if not evaluator(point[None]).kept[0]:
        found = _search(bound)
        if found is None:
            return [
                _plain(
                    "W803", "no feasible point found; the problem is not linear, so that this proves nothing."
                )
            ]
        return []
    findings = _only_point(milp, point, time_limit_s / 6) if milp.exact and not milp.curves else []
    if answer.status == "optimal" and milp.exact:
        findings += _idle(bound, evaluator, point)
        findings += _insensitive(bound, float(evaluator(point[None]).grams[0]), time_limit_s / 6)
    return findings


def _plain(code: str, message: str) -> Finding:
    return Finding(code=code, where="problem", message=message)


def _search(bound: Bound) -> Floats | None:
    """A feasible point by the decoder and 256 random samples; None where none was found."""
    from .blackbox import BlackBox

    box = BlackBox(bound)
    points = box.decode(np.random.default_rng(0).normal(size=(256, box.dim)))
    kept = np.flatnonzero(box.evaluator(points).kept)
    return points[kept[0]] if len(kept) else None


def _only_point(milp: Milp, point: Floats, time_limit_s: float) -> list[Finding]:
    """W802: whether another decision is feasible, by going as far from this one as possible."""
    width = milp.bound.width
    binary = milp.integrality[:width] & (milp.lb[:width] == 0) & (milp.ub[:width] == 1)
    if binary.all() and width:
        # the binaries that differ, counted: least overlap with the point
        c = np.zeros(len(milp.c))
        c[:width] = np.where(point > 0.5, 1.0, -1.0)
        far = highs.solve(replace(milp, c=c, offset=0.0), time_limit_s=time_limit_s, gap_frac=0.5)
        only = far.z is not None and far.status == "optimal" and np.array_equal(milp.decision(far.z), point)
    else:
        rng, only = np.random.default_rng(0), True
        for sign in (1.0, -1.0, 1.0, -1.0):
            reach = np.where(np.isfinite(milp.ub - milp.lb), milp.ub - milp.lb, 1.0)
            c = np.zeros(len(milp.c))
            c[:width] = sign * rng.uniform(0.5, 1.5, width) / np.where(reach > 0, reach, 1.0)[:width]
            far = highs.solve(replace(milp, c=c, offset=0.0), time_limit_s=time_limit_s / 4, gap_frac=0.5)
            scale = np.maximum(np.abs(point), 1e-9)
            if far.z is None or (np.abs(milp.decision(far.z) - point) > 1e-6 * scale).any():
                only = False
                break
    if not only:
        return []
    return [_plain("W802", "only one decision keeps every constraint: there is nothing to choose.")]


def _idle(bound: Bound, evaluator: Evaluator, point: Floats) -> list[Finding]:
    """W901: every variable at its lower bound, or at 0, is best and permitted."""
    lower = np.concatenate([v.lower.ravel() for v in bound.variables.values()] or [np.zeros(0)])
    upper = np.concatenate([v.upper.ravel() for v in bound.variables.values()] or [np.zeros(0)])
    nothing = np.clip(np.zeros(bound.width), lower, upper)
    at_end = (np.abs(point - lower) <= 1e-9) | (
        np.abs(point - upper) <= 1e-9 * np.maximum(1.0, np.abs(upper))
    )
    if not at_end.all():
        return []
    values = evaluator(np.stack([point, nothing]))
    same = values.grams[1] <= values.grams[0] + 1e-9 * abs(values.grams[0])
    if not (values.kept[1] and same):
        return []
    return [
        Finding(
            code="W901",
            where="objective",
            message="doing nothing is best: every variable at its least keeps every constraint.",
            fix="State what must be served, or by when.",
        )
    ]


def _insensitive(bound: Bound, grams: float, time_limit_s: float) -> list[Finding]:
    """W902: the optimum's grams stay the same when every figure moves by a tenth, each its own way."""
    rng = np.random.default_rng(0)
    for _ in range(_TRIALS):
        shaken = shake(bound, rng)
        if shaken is None:
            return []
        milp = compile_milp(shaken)
        answer = highs.solve(milp, time_limit_s=time_limit_s / _TRIALS, gap_frac=1e-6)
        if answer.z is None or answer.status != "optimal":
            return []  # the data decide at least whether anything fits
        moved = Evaluator(shaken)(milp.decision(answer.z)[None]).grams[0]
        if abs(moved - grams) > 1e-9 * max(abs(grams), abs(moved)):
            return []
    return [
        Finding(
            code="W902",
            where="objective",
            message="the least grams stay the same when every figure moves by 10 %: they do not depend on the data.",
        )
    ]


def shake(bound: Bound, rng: np.random.Generator) -> Bound | None:
    """The same problem with every figure of the world moved by up to 10 %, or None where it has no such figure.

    Figures whose source is ``structure``, and tables of 0 and 1, stay.
    """
    params, any_moved = [], False
    for p in bound.problem.params:
        held = bound.params[p.name]
        if held.values is None or p.source == "structure" or np.isin(held.values, (0.0, 1.0)).all():
            params.append(p)
            continue
        given = np.asarray(p.values, dtype=np.float64)
        moved = np.multiply(given, rng.uniform(1 - _SHAKE, 1 + _SHAKE, given.shape))
        params.append(p.model_copy(update={"values": _tuples(moved.tolist())}))
        any_moved = True
    if not any_moved:
        return None
    made, _ = bind(bound.problem.model_copy(update={"params": tuple(params)}))
    return made


def _tuples(values: object) -> object:
    return tuple(_tuples(v) for v in values) if isinstance(values, list) else values
