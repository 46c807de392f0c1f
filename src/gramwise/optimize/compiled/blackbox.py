"""The black-box form: features of the instance, a decoder of raw vectors, and the evaluator's cost and violations.

What every solver without a matrix shares (local search, CMA-ES, learned samplers), so that they differ in what they
propose and in nothing else. Where the problem has a linear form, a feasible decision is worked out once and stands in
for what the decoder could not repair: raw vectors then always give decisions that keep every row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import SolverError, SourceUnavailable

from . import highs
from .decoder import Decoder
from .evaluate import Evaluator, Values
from .milp import Milp, compile_milp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gramwise.core.decision import Floats

    from ..typed.bind import Bound

FALLBACK_S = 5.0


class BlackBox:
    """One problem as a black box.

    Args:
        bound: the problem.
        scales: what features are divided by, from another instance of the same shape; by default their own size.
        simplify: let what has a closed form (the least clock that meets a deadline) take it instead of being decoded.
        repair: choose reals by a linear program for the binaries that were decoded; slower, and only for linear forms.

    Attributes:
        dim: length of a raw vector: one number for each scalar variable.
        fallback: a decision that keeps every row, (width,); None where none is known.
        missed: decisions of the last `decode` that keep not every row, and had nothing to fall back on.
    """

    def __init__(
        self,
        bound: Bound,
        *,
        scales: Mapping[str, float] | None = None,
        simplify: bool = True,
        repair: bool = False,
    ) -> None:
        self.bound, self.dim, self.repair = bound, bound.width, repair
        self.milp: Milp = compile_milp(bound, simplify=simplify)
        self.decoder = Decoder(self.milp)
        self.evaluator = Evaluator(bound, self.milp.grids)
        self.scales = dict(scales) if scales is not None else self._sizes()
        self.missed = 0
        self._fallback: Floats | None = None
        self._asked = False

    @property
    def features(self) -> Floats:
        """Every figure of the instance divided by its scale, in the order of the record, (F,)."""
        parts = [
            p.values.reshape(-1) / self.scales[name]
            for name, p in self.bound.params.items()
            if p.values is not None
        ]
        return np.concatenate([np.zeros(0), *parts])

    def decode(self, raw: Floats) -> Floats:
        """Decisions (B, width) in base units of raw vectors (B, dim), any finite or infinite numbers."""
        points = self.milp.eliminated.restore(self.decoder(raw))
        if self.repair:
            points = np.stack([self._refit(p) for p in points])
        bad = np.flatnonzero(~self.evaluator(points).kept)
        if len(bad) and self.fallback is not None:
            points[bad] = self.fallback
            bad = bad[:0]
        self.missed = len(bad)
        return points

    def cost(self, decisions: Floats) -> Floats:
        """Grams, (B,)."""
        return self.evaluator(decisions).grams

    def violations(self, decisions: Floats) -> Mapping[str, Floats]:
        """By constraint, (B,), base units."""
        return self.evaluator(decisions).violations

    def values(self, decisions: Floats) -> Values:
        """Both, and the shares."""
        return self.evaluator(decisions)

    @property
    def fallback(self) -> Floats | None:
        """A feasible decision by HiGHS, worked out when first needed; None without SciPy or where none was found."""
        if not self._asked:
            self._asked = True
            self._fallback = self._find()
        return self._fallback

    def _find(self) -> Floats | None:
        try:
            milp = compile_milp(self.bound)
            answer = highs.solve(milp, time_limit_s=FALLBACK_S, gap_frac=0.5)
        except (SourceUnavailable, SolverError):
            return None
        if answer.z is None:
            return None
        point = milp.decision(answer.z)
        return point if self.evaluator(point[None]).kept[0] else None

    def _refit(self, point: Floats) -> Floats:
        """The best reals for the whole part of a decision; the decision itself where no linear program says so."""
        from dataclasses import replace

        whole = self.milp.integrality[: self.dim]
        if self.milp.relaxed or self.milp.curves or whole.all():
            return point
        low, high = self.milp.lb.copy(), self.milp.ub.copy()
        low[: self.dim][whole] = high[: self.dim][whole] = point[whole]
        answer = highs.solve(replace(self.milp, lb=low, ub=high), time_limit_s=1.0)
        return point if answer.z is None else self.milp.decision(answer.z)

    def _sizes(self) -> dict[str, float]:
        return {
            name: float(np.abs(p.values).max(initial=0.0)) or 1.0
            for name, p in self.bound.params.items()
            if p.values is not None
        }
