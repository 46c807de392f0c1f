"""Mixed-integer linear programming by HiGHS: exact for any acyclic graph, any objective and any limits.

First the program without whole numbers: its value is a bound, and its reduced costs say what a placement costs at
least that puts a layer on a node. Then the whole-numbered program over the choices that look good; it gives a good
placement, and all choices whose least cost is above that are struck out before the rest is solved. Every placement
that HiGHS gives is priced by `evaluate`, and one that breaks a limit within HiGHS's tolerance is forbidden and the
program solved again.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from gramwise.partition.descent import descend
from gramwise.partition.highs import Relaxation, integer, relaxation
from gramwise.partition.problem import Problem, Split, evaluate
from gramwise.partition.program import Program
from gramwise.partition.stages import incumbent
from gramwise.partition.sums import MOST_CHARGED, Sums, busy, resources, sums

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints

_NEAR = 1e-3
"""Choices that raise the bound by at most this share look good."""

_GOOD = 1e-2
"""A placement this near the bound strikes out enough by itself."""

_AS_GOOD = 2e-10
"""Share by which a bound may be below a value and prove it optimal: the solver's own tolerance, scaled."""

_MOST_REPAIRS = 25


class Milp:
    """The best placement by mixed-integer programming.

    Args:
        time_limit_s: seconds after which the best placement so far is the answer, with the bound proven by then.
    """

    name = "milp"
    exact = True

    def __init__(self, time_limit_s: float = 10.0) -> None:
        self.time_limit_s = time_limit_s

    def why_not(self, problem: Problem) -> str:
        """Empty unless so many nodes are charged idle power that there are too many sets of them."""
        if problem.objective in ("carbon", "energy") and int((problem.idle_w > 0).sum()) > MOST_CHARGED:
            return f"more than {MOST_CHARGED} nodes are charged idle power"
        return ""

    def split(self, problem: Problem) -> Split:
        """Place every layer."""
        return _Search(problem, time.monotonic() + self.time_limit_s).run()


class _Search:
    """One problem: the best placement so far, in all sets of charged nodes."""

    def __init__(self, problem: Problem, end_s: float) -> None:
        self.problem, self.end_s = problem, end_s
        self.best: tuple[Ints, float] | None = incumbent(problem)

    def run(self) -> Split:
        bound = math.inf
        for floor, view in sorted(
            ((_floor(view), view) for view in sums(self.problem)), key=lambda pair: pair[0]
        ):
            if self._beaten(floor):
                bound = min(bound, floor)
                break  # those of the others are higher still
            bound = min(bound, self._solve(view, floor))
        if self.best is None:
            return Split(None, bound, math.isinf(bound))
        exact = self._beaten(bound)
        return Split(tuple(self.best[0].tolist()), self.best[1] if exact else bound, exact)

    def _beaten(self, bound: float) -> bool:
        return self.best is not None and bound >= self.best[1] - _AS_GOOD * abs(self.best[1])

    def _solve(self, sums: Sums, floor: float) -> float:
        """The proven bound of one set of charged nodes; better placements are kept."""
        if time.monotonic() >= self.end_s:
            return floor
        p = sums.problem
        able = p.allowed if p.line is None else p.allowed[:, list(p.line)]
        if not able.any(axis=1).all():  # a layer that no node may run
            return math.inf
        view = _View(sums)
        if math.isinf(view.bound) or self._beaten(view.bound):
            return view.bound
        self._offer(view.rounded())
        if not self._beaten(view.bound):
            self._offer(descend(self.problem, view.rounded()[0]))
        if self.best is None or self.best[1] > view.bound + _GOOD * abs(view.bound):
            near = view.bound + _NEAR * abs(view.bound)
            bound = self._exhaust(view, near, (self.end_s + time.monotonic()) / 2)
            if self._beaten(min(bound, near)):
                return min(bound, near)
        return self._exhaust(view, self.best[1] if self.best else math.inf, self.end_s)

    def _exhaust(self, view: _View, most: float, end_s: float) -> float:
        """The proven bound of a view, over choices that may cost no more than ``most``."""
        bound = view.bound
        for _ in range(_MOST_REPAIRS):
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                break
            placement, proven = view.solve(most, self.best[1] if self.best else math.inf, left_s)
            bound = max(bound, proven)
            if placement is None:
                break
            self._offer(placement[None])
            if self._beaten(bound):
                break
            view.forbid(placement)
        return bound

    def _offer(self, placements: Ints) -> None:
        if not len(placements):
            return
        costs = evaluate(self.problem, placements)
        value = np.where(costs.feasible, costs.value(self.problem.objective), math.inf)
        row = int(value.argmin())
        if value[row] < (self.best[1] if self.best else math.inf):
            self.best = placements[row], float(value[row])


def _floor(view: Sums) -> float:
    """What no placement is below, seen at once: the least of every layer, transfers for nothing."""
    p = view.problem
    if p.objective == "throughput":
        return 0.0
    layer = view.objective(p.objective).layer
    return float(np.where(p.allowed, layer, math.inf).min(axis=1).sum())


class _View:
    """The program of one set of charged nodes."""

    def __init__(self, view: Sums) -> None:
        p = view.problem
        self.program = program = Program(p)
        program.limit(view.latency)
        for figure in resources(p):
            program.limit(figure)
        if p.objective == "throughput":
            program.aim_period(busy(p))
        else:
            program.aim(view.objective(p.objective))
        self.unit = float(program.minimise.max(initial=0.0)) or 1.0
        self.upper = np.array(program.upper)
        self.relaxed: Relaxation = relaxation(program.minimise / self.unit, program.rows(), self.upper)
        self.bound = self.relaxed.value * self.unit + program.constant
        self.whole = int(program.x.max()) + 1

    def rounded(self) -> Ints:
        """The placement that the relaxation likes best."""
        return self._placement(self.relaxed.z)[None]

    def solve(self, most: float, known: float, left_s: float) -> tuple[Ints | None, float]:
        """The best placement among choices that may cost no more than ``most``; and what none of these is below."""
        program = self.program
        room = (most - self.bound) / self.unit
        upper = self.upper.copy()
        rise = program.implied(self.relaxed.reduced)
        upper[: self.whole][rise > room + 1e-9 * abs(self.relaxed.value)] = 0.0
        # Near ten thousand, so that the solver's absolute gap of 1e-6 is 1e-10 of the objective.
        size = known if math.isfinite(known) else self.bound
        scale = 1e4 / size if size > 0 else 1e4 / self.unit
        answer = integer(program.minimise * scale, program.rows(), upper, self.whole, left_s)
        bound = answer.bound / scale + program.constant
        return (None if answer.z is None else self._placement(answer.z)), bound

    def forbid(self, placement: Ints) -> None:
        """Exclude one placement."""
        columns = self.program.x[np.arange(len(placement)), placement]
        self.program.row([(int(c), 1.0) for c in columns], -math.inf, len(placement) - 1.0)

    def _placement(self, z: Floats) -> Ints:
        share = np.where(self.program.x >= 0, z[self.program.x], -1.0)
        nodes: Ints = share.argmax(axis=1)
        return nodes


PLUGIN = Milp
