"""What a solver answers: a decision judged by the evaluator, what bounds it, how it was found and what that took."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

from .evaluate import TOLERANCE, Evaluator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


class Run:
    """One solver at work on one problem: its clock, and how its answer is judged and signed.

    Args:
        solver: its name.
        time_limit_s: wall-clock seconds from now.
        seed: of everything random.
        libraries: distributions whose versions the answer names.
    """

    def __init__(self, solver: str, time_limit_s: float, seed: int, *libraries: str) -> None:
        self.solver, self.time_limit_s, self.seed = solver, time_limit_s, seed
        self.libraries = libraries
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    @property
    def left_s(self) -> float:
        """Wall-clock seconds left; 0 or less when the time is over."""
        return self.time_limit_s - (time.perf_counter() - self._wall)

    @property
    def cpu_s(self) -> float:
        """Seconds of this process so far."""
        return time.process_time() - self._cpu

    def judged(
        self,
        evaluator: Evaluator,
        point: Floats | None,
        *,
        status: Status = "feasible",
        bound: float | None = None,
        rewrites: Sequence[str] = (),
    ) -> Solution:
        """The answer with grams, violations and gap by the evaluator; what it finds missed is no feasible decision.

        Args:
            evaluator: of the problem.
            point: the decision, (width,) in base units; None where there is none.
            status: what holds if the decision keeps everything.
            bound: no decision has fewer grams; None where nothing is proved.
            rewrites: what was rewritten and why.
        """
        found: dict[str, Any] = {"status": status}
        if point is not None:
            found |= _judgement(evaluator, point, status, bound)
        return Solution(
            **found,
            point=point,
            bound=bound,
            wall_s=time.perf_counter() - self._wall,
            cpu_s=self.cpu_s,
            solver=self.solver,
            seed=self.seed,
            versions={name: version(name) for name in self.libraries},
            rewrites=tuple(rewrites),
        )


def _judgement(evaluator: Evaluator, point: Floats, status: Status, bound: float | None) -> dict[str, Any]:
    values = evaluator(point[None])
    kept, grams = bool(values.kept[0]), float(values.grams[0])
    gap = None
    if kept and bound is not None and np.isfinite(bound):
        gap = max(0.0, grams - bound) / abs(grams) if grams else 0.0 if bound == 0 else None
    missed = (
        {}
        if kept
        else {n: float(by[0]) for n, by in values.violations.items() if values.shares[n][0] > TOLERANCE}
    )
    return {
        "status": status if kept else "no_feasible_found",
        "decision": nested(evaluator.bound, point),
        "grams": grams,
        "violations": missed,
        "gap_frac": gap,
    }
