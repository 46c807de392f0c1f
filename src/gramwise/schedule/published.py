"""The published node score (AMP4EC, arXiv 2504.00407; CarbonEdge, arXiv 2603.27420), kept as it is, slip included.

``score = wR S_R + wL S_L + wP S_P + wB S_B + wC S_C``, best score wins, starting from 0, first of equals. Each term is
one function here, on scalars. What the papers leave open is settled by the named constants
below, and every choice is argued in docs/method/carbonedge.md.
These formulas exist to be compared with, not to be built upon.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.decision import Request, Snapshot

from .filters import ALIVE, MEMORY, VARIANT, WHOLE, ZONE, Filter
from .pipeline import TablePolicy

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Ints

LOAD_LIMIT_FRAC = 0.8
"""Nodes above this load are skipped (CarbonEdge, section on node selection)."""

NETWORK_LIMIT_S = 0.1
"""Nodes farther than this are skipped. The papers name a threshold without a value; 100 ms is that of TRACE, a
reimplementation (github.com/ebaadraheem/trans-edge)."""

TASK_CPU = 0.3
TASK_MEMORY_BYTES = 256 * 2**20
"""Demand of a task, CPU cores and bytes: the smallest of the three in AMP4EC's public scheduler test."""

NO_HISTORY_PERFORMANCE = 0.5
"""S_P of a node without history (AMP4EC's public code)."""

TIE_BREAK_FRAC = 0.05
"""AMP4EC multiplies the score by a random factor of up to 5 % (public code)."""

_GOLDEN = 0.6180339887498949
"""Spreads one draw per request over the nodes: fractional parts of multiples of 1/phi are equidistributed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Weights of the five terms; each published set sums to 1."""

    resource: float
    load: float
    performance: float
    balance: float
    carbon: float = 0.0


def resource_score(
    cpu_available: float, cpu_needed: float, memory_available: float, memory_needed: float, *, clamp: bool
) -> float:
    """S_R: mean of available over needed for CPU (cores) and memory (bytes); AMP4EC does not clamp to 1."""
    ratios = (cpu_available / cpu_needed, memory_available / memory_needed)
    return sum(min(r, 1.0) if clamp else r for r in ratios) / 2


def load_score(load_frac: float) -> float:
    """S_L = 1 - load."""
    return 1.0 - load_frac


def performance_score(mean_time_s: float) -> float:
    """S_P = 1 / (1 + mean time). The published range of 0.166 fits seconds: 1/1.2 - 1/1.5 (method audit, 1.7)."""
    if mean_time_s != mean_time_s:
        return NO_HISTORY_PERFORMANCE
    return 1.0 / (1.0 + mean_time_s)


def balance_score(tasks: float) -> float:
    """S_B = 1 / (1 + 2 x tasks)."""
    return 1.0 / (1.0 + 2.0 * tasks)


def energy_estimate_as_published(power_w: float, mean_time_s: float) -> float:
    """E_est of Equation 4: W x ms / 3 600 000, there called kWh. It is Wh: a thousand times too large for kWh."""
    return power_w * (mean_time_s * 1e3) / 3_600_000.0


def energy_estimate_corrected(power_w: float, mean_time_s: float) -> float:
    """E_est in true kWh: W x s / 3 600 000."""
    return power_w * mean_time_s / 3_600_000.0


def carbon_score(intensity_g_per_kwh: float, energy_estimate: float) -> float:
    """S_C = 1 / (1 + I x E_est): not free of scale, so the unit of E_est decides what the weight means."""
    return 1.0 / (1.0 + intensity_g_per_kwh * energy_estimate)


class PublishedScore(TablePolicy["list[tuple[int, int]]"]):
    """The node selection algorithm. Subclasses set the weights and `terms`."""

    filters: tuple[Filter, ...] = (WHOLE, ALIVE, VARIANT, MEMORY, ZONE)
    weights: Weights

    def prepare(self, request: Request, snapshot: Snapshot, rows: Ints) -> list[tuple[int, int]]:
        return [(row, int(snapshot.plans.node[row])) for row in rows.tolist()]

    def choose(self, ready: list[tuple[int, int]], request: Request, snapshot: Snapshot) -> int:
        best, best_score = -1, 0.0
        for row, node in ready:
            if skipped(self, request, snapshot, row, node):
                continue
            score = self.total(request, snapshot, row, node)
            if score > best_score:
                best, best_score = row, score
        return best

    def total(self, request: Request, snapshot: Snapshot, row: int, node: int) -> float:
        """The weighted sum."""
        t, w = self.terms(request, snapshot, row, node), self.weights
        return (
            w.resource * t["S_R"]
            + w.load * t["S_L"]
            + w.performance * t["S_P"]
            + w.balance * t["S_B"]
            + w.carbon * t["S_C"]
        )

    def terms(self, request: Request, snapshot: Snapshot, row: int, node: int) -> Mapping[str, float]:
        """The five terms of one node, ``S_R S_L S_P S_B S_C``."""
        raise NotImplementedError

    def load_frac(self, snapshot: Snapshot, node: int) -> float:
        """What this system calls the load of a node, 0 to 1."""
        raise NotImplementedError

    def scores(self, request: Request, snapshot: Snapshot, row: int) -> Mapping[str, float]:
        node = int(snapshot.plans.node[row])
        terms = self.terms(request, snapshot, row, node)
        return {"score": self.total(request, snapshot, row, node), **terms}


def skipped(policy: PublishedScore, request: Request, snapshot: Snapshot, row: int, node: int) -> str:
    """Why the published algorithm skips a node, or an empty string."""
    if policy.load_frac(snapshot, node) > LOAD_LIMIT_FRAC:
        return f"load {policy.load_frac(snapshot, node):.0%} is above {LOAD_LIMIT_FRAC:.0%}"
    if snapshot.plans.fixed_s[row] > NETWORK_LIMIT_S:
        return f"network latency is above {NETWORK_LIMIT_S * 1e3:.0f} ms"
    if snapshot.memory_bytes[node] < TASK_MEMORY_BYTES:
        return f"memory is below the assumed demand of {TASK_MEMORY_BYTES / 2**20:.0f} MiB"
    return ""


def free_cpu(snapshot: Snapshot, node: int) -> float:
    """CPU cores of a node that were not busy lately."""
    return float(snapshot.cpu_share[node]) * (1.0 - float(snapshot.busy_frac[node]))


def mean_time_s(request: Request, snapshot: Snapshot, row: int, node: int) -> float:
    """Mean execution time of the last hundred, or the predicted one where there is no history yet."""
    mean_s = float(snapshot.mean_s[node])
    if mean_s == mean_s:
        return mean_s
    return float(snapshot.plans.fixed_s[row]) + float(snapshot.plans.latency_s[row]) * request.count


def tie_break(draw: float, node: int) -> float:
    """AMP4EC's random factor in [1, 1.05], from the request's one draw."""
    return 1.0 + TIE_BREAK_FRAC * ((draw + node * _GOLDEN) % 1.0)


def _skip_mask(policy: PublishedScore, request: Request, snapshot: Snapshot) -> Iterator[bool]:
    for row, node in enumerate(snapshot.plans.node.tolist()):
        yield not skipped(policy, request, snapshot, row, node)


def skip_filter(policy: PublishedScore) -> Filter:
    """The skips as a filter, so that explanations name them."""

    def keep(request: Request, snapshot: Snapshot) -> Bools:
        return np.fromiter(_skip_mask(policy, request, snapshot), dtype=np.bool_, count=len(snapshot.plans))

    return Filter(
        "skip",
        keep,
        lambda request, s, row: skipped(policy, request, s, row, int(s.plans.node[row])),
    )
