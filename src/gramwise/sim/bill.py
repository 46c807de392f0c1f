"""What a simulated policy's work came to, at the true intensities of the hours in which it ran."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.decision import Cost, Outcome
from gramwise.core.series import percentile
from gramwise.core.units import S_PER_HOUR, carbon_g
from gramwise.optimize.bounds import captured_frac, gap_frac
from gramwise.sim.limit import Bounds
from gramwise.sim.trial import Scene, Trial

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Bill:
    """One policy's account.

    Attributes:
        scene: what it met.
        trial: what it did.
    """

    scene: Scene
    trial: Trial

    @cached_property
    def done(self) -> list[Outcome]:
        """Outcomes of the requests that were answered."""
        return [o for o in self.trial.outcomes if o.status == "completed"]

    @cached_property
    def nodes(self) -> Ints:
        """Node of each answered request, (D,)."""
        index = {node.name: i for i, node in enumerate(self.scene.table.nodes)}
        return np.array([index[o.node] for o in self.done], dtype=np.int64)

    @cached_property
    def ran_s(self) -> tuple[Floats, Floats]:
        """Start and end of each answered request on its node, Unix seconds, (D,) each."""
        return _column(o.start_s for o in self.done), _column(o.end_s for o in self.done)

    @cached_property
    def grams(self) -> Floats:
        """Of each answered request: its joules at the mean true intensity while it ran, (D,)."""
        energy_j = _column(o.cost.energy_j for o in self.done)
        pue = np.array([node.pue for node in self.scene.table.nodes])[self.nodes]
        return carbon_g(energy_j, self.scene.signals.mean_truth(self.nodes, *self.ran_s), pue)

    @cached_property
    def wasted_g(self) -> float:
        """Of work that was undone by a node's death."""
        wasted, nodes = self.trial.wasted, {n.name: i for i, n in enumerate(self.scene.table.nodes)}
        at = np.array([nodes[w.node] for w in wasted], dtype=np.int64)
        mean = self.scene.signals.mean_truth(
            at, _column(w.start_s for w in wasted), _column(w.end_s for w in wasted)
        )
        pue = np.array([node.pue for node in self.scene.table.nodes])[at]
        return math.fsum(carbon_g(_column(w.energy_j for w in wasted), mean, pue).tolist())

    @cached_property
    def carbon_g(self) -> float:
        """Of all answered requests."""
        return math.fsum(self.grams.tolist())

    @property
    def whole(self) -> bool:
        """Whether every request was answered: only then do grams compare with a bound on all of them."""
        return len(self.done) == len(self.trial.outcomes)

    def outcomes(self) -> Iterator[Outcome]:
        """Every outcome with its true grams, and without the wall clock's seconds of deciding."""
        grams = iter(self.grams.tolist())
        for o in self.trial.outcomes:
            cost = o.cost
            if o.status == "completed":
                cost = Cost(latency_s=cost.latency_s, energy_j=cost.energy_j, carbon_g=next(grams))
            yield dataclasses.replace(o, policy=self.trial.policy, cost=cost, decision_s=math.nan)

    def busy_s(self) -> Floats:
        """Slot seconds that each node's answered requests took in each hour, (N, T)."""
        signals = self.scene.signals
        busy = np.zeros((len(self.scene.table.nodes), signals.hours))
        start, end = ((edge - signals.start_s) / S_PER_HOUR for edge in self.ran_s)
        last = signals.hours - 1
        first, final = (np.clip(np.floor(edge).astype(int), 0, last) for edge in (start, end))
        inside = first == final
        np.add.at(busy, (self.nodes[inside], first[inside]), (end - start)[inside])
        for i in np.flatnonzero(~inside).tolist():
            for hour in range(first[i], final[i] + 1):
                until = end[i] if hour == final[i] else hour + 1.0
                busy[self.nodes[i], hour] += until - max(start[i], hour)
        return busy * S_PER_HOUR

    def inferences(self) -> Floats:
        """Answered inferences by node, (N,)."""
        found = np.zeros(len(self.scene.table.nodes))
        np.add.at(found, self.nodes, [o.count for o in self.done])
        return found


def _column(values: Iterator[float]) -> Floats:
    return np.fromiter(values, dtype=np.float64)


def idle_g(scene: Scene) -> float | None:
    """Grams of all devices doing nothing, always on, over the whole simulation; None where an idle power is unknown."""
    signals, length = scene.signals, (scene.offered.end_s - scene.offered.start_s) / S_PER_HOUR
    hours = np.clip(length - np.arange(signals.hours), 0.0, 1.0)
    total = 0.0
    for i, node in enumerate(scene.table.nodes):
        if node.device.idle_w is None:
            return None
        truth = signals.truth[signals.of[i], : signals.hours]
        total += float(carbon_g(node.device.idle_w * S_PER_HOUR * hours, truth, node.pue).sum())
    return total


def policy_row(bill: Bill, baseline: Bill | None, bounds: Bounds, idle: float | None) -> dict[str, Any]:
    """One policy's line of the ``gramwise.simulate/1`` document; None is unknown."""
    outcomes, done = bill.trial.outcomes, bill.done
    count = {status: sum(o.status == status for o in outcomes) for status in ("completed", "refused", "lost")}
    late = sum(o.late for o in done)
    total_g = bill.carbon_g + bill.wasted_g
    return {
        "name": bill.trial.policy,
        "requests": len(outcomes),
        **count,
        "late": late,
        "fallback": sum(o.fallback for o in outcomes),
        "retried": sum(o.attempts > 1 for o in outcomes),
        "slo_miss_frac": (late + count["refused"] + count["lost"]) / len(outcomes) if outcomes else None,
        "deferred_frac": sum(o.deferred_s > 0 for o in outcomes) / len(outcomes) if outcomes else None,
        "deferred_mean_s": _mean([o.deferred_s for o in outcomes if o.deferred_s > 0]),
        "latency_s": _latency([o.cost.latency_s for o in done]),
        "carbon_g": bill.carbon_g,
        "wasted_g": bill.wasted_g,
        "energy_j": math.fsum(o.cost.energy_j for o in done),
        "wasted_j": math.fsum(w.energy_j for w in bill.trial.wasted),
        "idle_g": idle,
        "accuracy_frac": _accuracy(bill),
        "node_share_frac": _shares(bill),
        "gap_b1_frac": gap_frac(total_g, bounds.b1_g) if bill.whole else None,
        "captured_frac": _captured(bill, baseline, bounds),
    }


def _captured(bill: Bill, baseline: Bill | None, bounds: Bounds) -> float | None:
    if baseline is None or not bill.whole or not baseline.whole:
        return None
    return captured_frac(baseline.carbon_g + baseline.wasted_g, bill.carbon_g + bill.wasted_g, bounds.b1_g)


def _latency(latencies: Sequence[float]) -> dict[str, float | None]:
    ordered = sorted(latencies)
    quantiles = {f"p{round(100 * frac)}": percentile(ordered, frac) for frac in (0.5, 0.95, 0.99)}
    return {"mean": _mean(ordered), **quantiles}


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _accuracy(bill: Bill) -> float | None:
    """Expected share of right answers, from the variants' measured accuracies; None where one is unknown."""
    known = {(v.model, v.name): v.accuracy_frac for v in bill.scene.table.variants}
    models = [request.model for request in bill.scene.offered.requests]
    right, count = [], 0
    for model, o in zip(models, bill.trial.outcomes, strict=True):
        if o.status == "completed":
            accuracy = known[model, o.variant]
            if accuracy is None:
                return None
            right.append(accuracy * o.count)
            count += o.count
    return math.fsum(right) / count if count else None


def _shares(bill: Bill) -> dict[str, float | None]:
    found = bill.inferences()
    total = float(found.sum())
    return {
        node.name: float(each) / total if total else None
        for node, each in zip(bill.scene.table.nodes, found.tolist(), strict=True)
    }
