"""What a solver answers: a decision judged by the evaluator, what bounds it, how it was found and what that took."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

from .evaluate import Evaluator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gramwise.core.decision import Floats

    from ..typed.bind import Bound

version = lru_cache(maxsize=16)(metadata.version)
"""Version of an installed distribution; reading it takes a millisecond, so once."""

Status: TypeAlias = Literal[
    "optimal", "feasible", "infeasible", "no_feasible_found", "unbounded", "time_limit"
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solution:
    """An answer.

    Attributes:
        status: ``optimal`` and ``infeasible`` are proved; ``feasible`` is kept to but not proved best;
            ``no_feasible_found`` proves nothing; ``time_limit`` has neither decision nor proof.
        decision: by variable, nested lists in the variable's unit; empty where there is none.
        point: the same as scalars in base units, (width,); None where there is none.
        grams: of the objective by the evaluator; None where there is no decision.
        bound: no decision has fewer grams; None where nothing is proved.
        gap_frac: (grams - bound) / |grams|; None where either is unknown.
        violations: constraints that the decision misses, and by how much in base units; empty where it keeps all.
        wall_s, cpu_s: seconds of building and solving.
        solver, seed, versions: who found it, from which seed, with which libraries.
        rewrites: what was rewritten and why, and what was only relaxed.
        prices: by constraint, grams saved for one base unit more room; None where it was not worked out.
        saved: by constraint, grams that the room in its note saves; None where it was not worked out.
        price_notes: how much room was given and how each price was found.
    """

    status: Status
    decision: Mapping[str, Any] = field(default_factory=dict)
    point: Floats | None = None
    grams: float | None = None
    bound: float | None = None
    gap_frac: float | None = None
    violations: Mapping[str, float] = field(default_factory=dict)
    wall_s: float
    cpu_s: float
    solver: str
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    rewrites: tuple[str, ...] = ()
    prices: Mapping[str, float | None] = field(default_factory=dict)
    saved: Mapping[str, float | None] = field(default_factory=dict)
    price_notes: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As plain JSON-able data."""
        names = (
            "status", "decision", "grams", "bound", "gap_frac", "violations", "wall_s", "cpu_s", "solver", "seed",
            "versions", "rewrites", "prices", "saved", "price_notes",
        )  # fmt: skip
        found = {name: getattr(self, name) for name in names}
        return {
            k: dict(v) if hasattr(v, "items") else list(v) if isinstance(v, tuple) else v
            for k, v in found.items()
        }


class Solver(Protocol):
    """Anything that answers a bound problem; plug-ins of kind ``solver``."""

    def solve(
        self, bound: Bound, *, time_limit_s: float, seed: int = 0, start: Floats | None = None
    ) -> Solution:
        """The best decision found within ``time_limit_s``.

        Args:
            bound: the problem.
            time_limit_s: wall-clock seconds.
            seed: of everything random.
            start: a decision to begin from, (width,) in base units; those that cannot use it pass it over.
        """
        ...


def nested(bound: Bound, point: Floats) -> dict[str, Any]:
    """A decision (width,) in base units as nested lists by variable, in each variable's unit."""
    found: dict[str, Any] = {}
    for name, v in bound.variables.items():
        values = point[v.start : v.start + v.size] / v.unit.factor
        if v.domain != "real":
            values = np.round(values)
        found[name] = values.reshape(v.shape).tolist() if v.shape else float(values[0])
    return found


def flat(bound: Bound, decision: Mapping[str, Any]) -> Floats:
    """The other way: nested lists to (width,) in base units."""
    point = np.zeros(bound.width)
    for name, v in bound.variables.items():
        point[v.start : v.start + v.size] = (
            np.ravel(np.asarray(decision[name], dtype=np.float64)) * v.unit.factor
        )
    return point


def judged(evaluator: Evaluator, answer: Solution) -> Solution:
    """The same with grams, violations and gap by the evaluator; what it finds missed is no feasible decision."""
    if answer.point is None:
        return answer
    values = evaluator(answer.point[None])
    kept, grams = bool(values.kept[0]), float(values.grams[0])
    missed = {
        name: float(by[0])
        for name, by in values.violations.items()
        if not kept and values.shares[name][0] > 1e-6
    }
    status = answer.status
    if not kept:
        status = "no_feasible_found"
    gap = None
    if kept and answer.bound is not None and np.isfinite(answer.bound):
        gap = max(0.0, grams - answer.bound) / abs(grams) if grams else 0.0 if answer.bound == 0 else None
    return replace(
        answer,
        status=status,
        decision=nested(evaluator.bound, answer.point),
        grams=grams,
        violations=missed,
        gap_frac=gap,
    )
