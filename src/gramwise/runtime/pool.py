"""Mean CPU seconds over all policies of a run, and the bounds that follow: one limit for everybody."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from gramwise.core.errors import Infeasible, SourceUnavailable
from gramwise.core.units import carbon_g
from gramwise.optimize.bounds import capacity_bound, closed_form_bound
from gramwise.runtime.assembly import Fleet
from gramwise.runtime.engine import NODES_JOINED, variant_key
from gramwise.runtime.profile import Profile
from gramwise.runtime.tally import Line


class Pool:
    """Mean CPU seconds of one inference by place and variant, pooled over all policies of the run.

    A place is a node, or nodes joined by ``>`` as in `Outcome.node`.

    Attributes:
        cpu_s: of each stage, by place and variant; one stage for what is not split.
    """

    def __init__(self, fleet: Fleet, lines: Sequence[Line]) -> None:
        self.fleet, self.lines = fleet, lines
        self._index = {node.name: i for i, node in enumerate(fleet.nodes)}
        self.cpu_s: dict[tuple[str, str], tuple[float, ...]] = {}
        count: Counter[tuple[str, str]] = Counter()
        total: dict[tuple[str, str], tuple[float, ...]] = {}
        for line in lines:
            for o in line.done:
                key, parts = (o.node, o.variant), line.parts(o)
                count[key] += o.count
                before = total.get(key, (0.0,) * len(parts))
                total[key] = tuple(s + part.cpu_s for s, part in zip(before, parts, strict=True))
        for row, model in enumerate(fleet.plans.model):
            if model != fleet.scenario.model:
                continue
            key = (self.place(row), fleet.plans.variant[row])
            if count[key]:
                self.cpu_s[key] = tuple(seconds / count[key] for seconds in total[key])
            elif profiles := self._profiles(row):  # nobody used it in this run: what warming up measured
                each = fleet.scenario.workload.count
                self.cpu_s[key] = tuple(float(np.mean(p.cpu_times_s)) / each for p in profiles)

    def place(self, row: int) -> str:
        """Where a row of the table runs, as `Outcome.node` says it."""
        plans = self.fleet.plans
        stages = plans.stages.get(row)
        if stages is None:
            return self.fleet.nodes[int(plans.node[row])].name
        return NODES_JOINED.join(stage.node for stage in stages)

    def _profiles(self, row: int) -> tuple[Profile, ...]:
        plans, split = self.fleet.plans, self.fleet.split
        if row in plans.stages:
            return split.stages if split is not None and row == plans.planned else ()
        key = variant_key(self.fleet.scenario.model, plans.variant[row])
        found = self.fleet.profiles.get((self.place(row), key))
        return () if found is None else (found,)

    def candidates(self, floor: float | None) -> Iterator[tuple[int, float, float]]:
        """Node, grams and CPU seconds of one inference, for each plan that a request with this floor permits.

        A split plan counts against its busiest node only: what it takes of the others is left out, which makes the
        bound lower and keeps it a bound.
        """
        table = self.fleet.plans
        for row, variant in enumerate(table.variant):
            if table.model[row] != self.fleet.scenario.model:
                continue
            place = self.place(row)
            permitted = table.reference[row] if floor is None else table.accuracy_frac[row] >= floor
            grams = self.grams(place, variant)
            if permitted and math.isfinite(grams):
                spent = zip(self.cpu_s[place, variant], place.split(NODES_JOINED), strict=True)
                cpu_s, node = max(spent)
                yield self._index[node], grams, cpu_s

    def grams(self, place: str, variant: str) -> float:
        """Grams of one inference at pooled CPU seconds; NaN when unknown."""
        nodes = place.split(NODES_JOINED)
        spent = self.cpu_s.get((place, variant), (math.nan,) * len(nodes))
        return sum(self._grams(node, cpu_s) for node, cpu_s in zip(nodes, spent, strict=True))

    def _grams(self, node: str, cpu_s: float) -> float:
        at, grid = self.fleet.nodes[self._index[node]], self.fleet.grids[self._index[node]].intensity
        if grid is None:
            return math.nan
        return carbon_g(self.fleet.price.energy_j(node, cpu_s), grid.value, at.pue)

    def carbon_g(self, line: Line) -> float | None:
        """Grams per inference of what a policy chose, at pooled CPU seconds."""
        return line.per_inference(lambda o: self.grams(o.node, o.variant) * o.count)

    def bounds(self, floor: float | None) -> tuple[float | None, float | None]:
        """B0 and B1 in grams per inference, for the stream that the run served.

        B1 gives each node the longest window that any policy took, so it bounds every one of them.
        """
        options = list(self.candidates(floor))
        count = max((line.inferences for line in self.lines), default=0)
        if not options or not count:
            return None, None
        grams = np.array([[o[1] for o in options]])
        busy_s = np.array([[o[2] for o in options]])
        number = np.array([float(count)])
        window_s = max(line.window_s for line in self.lines)
        capacity_s = np.array([min(n.slots, n.cpu_share) * window_s for n in self.fleet.nodes])  # CPU seconds
        b0 = closed_form_bound(grams, number) / count
        try:
            b1 = capacity_bound(grams, number, busy_s, np.array([o[0] for o in options]), capacity_s)
        except (SourceUnavailable, Infeasible):
            # Without SciPy, or where a single node gave all it had and the pooled seconds are a little above its own.
            return b0, None
        return b0, b1.carbon_g / count
