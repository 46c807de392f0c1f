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
from gramwise.runtime.engine import variant_key
from gramwise.runtime.tally import Line


class Pool:
    """Mean joules and CPU seconds of one inference by node and variant, pooled over all policies of the run."""

    def __init__(self, fleet: Fleet, lines: Sequence[Line]) -> None:
        self.fleet, self.lines = fleet, lines
        self.cpu_s: dict[tuple[str, str], float] = {}
        count: Counter[tuple[str, str]] = Counter()
        total: dict[tuple[str, str], float] = {}
        for line in lines:
            for o in line.done:
                key = (o.node, o.variant)
                count[key] += o.count
                total[key] = total.get(key, 0.0) + o.cpu_s
        for i, node in enumerate(fleet.plans.node.tolist()):
            name, variant = fleet.nodes[node].name, fleet.plans.variant[i]
            if fleet.plans.model[i] != fleet.scenario.model:
                continue
            profile = fleet.profiles.get((name, variant_key(fleet.scenario.model, variant)))
            if count[name, variant]:
                self.cpu_s[name, variant] = total[name, variant] / count[name, variant]
            elif profile is not None:  # nobody used it in this run: what warming up measured
                self.cpu_s[name, variant] = (
                    float(np.mean(profile.cpu_times_s)) / fleet.scenario.workload.count
                )

    def candidates(self, floor: float | None) -> Iterator[tuple[int, float, float]]:
        """Node, grams and CPU seconds of one inference, for each plan that a request with this floor permits."""
        table = self.fleet.plans
        for row, node in enumerate(table.node.tolist()):
            name, variant = self.fleet.nodes[node].name, table.variant[row]
            permitted = table.reference[row] if floor is None else table.accuracy_frac[row] >= floor
            grams = self.grams(node, variant)
            if permitted and math.isfinite(grams):
                yield node, grams, self.cpu_s[name, variant]

    def grams(self, node: int, variant: str) -> float:
        """Grams of one inference at pooled CPU seconds; NaN when unknown."""
        at, grid = self.fleet.nodes[node], self.fleet.grids[node].intensity
        cpu_s = self.cpu_s.get((at.name, variant), math.nan)
        return (
            math.nan
            if grid is None
            else carbon_g(self.fleet.price.energy_j(at.name, cpu_s), grid.value, at.pue)
        )

    def carbon_g(self, line: Line) -> float | None:
        """Grams per inference of what a policy chose, at pooled CPU seconds."""
        index = {node.name: i for i, node in enumerate(self.fleet.nodes)}
        return line.per_inference(lambda o: self.grams(index[o.node], o.variant) * o.count)

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
