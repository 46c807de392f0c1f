"""Cuts computed once, chosen from as grids change: no new solving, one product of a matrix with the intensities.

What a plan costs in joules on each node does not depend on the grids, its grams are those joules times the grams of a
joule there and then. So the plans that may ever be best are those that no other beats in the joules of every node and
in latency together. For any intensities (none negative) and any latency limit the best of all listed plans is among
them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import Infeasible

from .problem import SLACK, Evaluation, Problem, evaluate
from .stages import most_stages, survivors

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints

MOST_PLACEMENTS = 30_000
"""Contiguous placements that are listed; more stages than fit into it are left out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Menu:
    """M plans, the quickest first.

    Attributes:
        placements: node of each layer, (M, n).
        node_energy_j: joules of one inference on each node and outside, (M, k + 1).
        latency_s: of one inference, (M,), rising.
        period_s: seconds between two inferences of a full pipeline, (M,).
        space: which plans were compared, in words.
    """

    placements: Ints
    node_energy_j: Floats
    latency_s: Floats
    period_s: Floats
    space: str

    def __len__(self) -> int:
        return len(self.latency_s)

    def choose(self, g_per_j: Floats, latency_limit_s: float = math.inf) -> int:
        """The row of the fewest grams among those in time.

        Args:
            g_per_j: grams of a joule on each node and outside now, (k + 1,), none negative. Where one is unknown (NaN)
                no plan that spends joules there is chosen.
            latency_limit_s: seconds of one inference.

        Raises:
            Infeasible: no plan is in time, or every plan in time spends joules where their grams are unknown.
        """
        in_time = int(self.latency_s.searchsorted(latency_limit_s * (1 + SLACK), "right"))
        carbon_g = self.node_energy_j[:in_time] @ g_per_j
        row = int(carbon_g.argmin()) if in_time else -1
        if row < 0 or math.isnan(carbon_g[row]):
            row = self._among_known(g_per_j, in_time)
        return row

    def _among_known(self, g_per_j: Floats, in_time: int) -> int:
        """As `choose`, where a plan may spend joules at unknown grams; such a plan is never the best."""
        if not in_time:
            raise Infeasible("no plan of the menu is in time.")
        unknown = np.isnan(g_per_j)
        joules = self.node_energy_j[:in_time]
        carbon_g = joules @ np.where(unknown, 0.0, g_per_j)
        carbon_g[(joules[:, unknown] > 0).any(axis=1)] = math.inf
        row = int(carbon_g.argmin())
        if math.isinf(carbon_g[row]):
            raise Infeasible("every plan in time runs on a node whose intensity is unknown.")
        return row


def menu_of(problem: Problem) -> Menu:
    """The contiguous plans, each node once, that are the best for some intensities and some latency limit.

    Args:
        problem: limits on memory and rate and ``allowed`` are kept. Its objective and ``g_per_j`` are not looked at,
            nor its latency limit: those are asked for at each choice.

    Returns:
        The menu; empty where nothing keeps the limits.
    """
    p = replace(problem, latency_limit_s=math.inf)
    most = most_stages(p.n, p.k, MOST_PLACEMENTS)
    placements = survivors(p, most, _figures)
    placements = placements[np.argsort(evaluate(p, placements).latency_s, kind="stable")]
    costs = evaluate(p, placements)
    limit = "" if most >= min(p.k, p.n) else f" of at most {most}"
    return Menu(
        placements=placements,
        node_energy_j=np.ascontiguousarray(costs.node_energy_j),
        latency_s=costs.latency_s,
        period_s=costs.period_s,
        space=f"contiguous stages{limit}, each node once",
    )


def _figures(costs: Evaluation) -> Floats:
    return np.concatenate([costs.node_energy_j, costs.latency_s[:, None]], axis=1)
