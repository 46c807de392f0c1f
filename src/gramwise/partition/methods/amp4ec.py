"""AMP4EC's partitioner (arXiv 2504.00407, first public code), the rule that the published framework splits by.

Layers in order are cut into as many runs as there are nodes, each filled to its equal share of Equation 5, and given to
the nodes as they are listed. Capability, links, memory and what travels at a cut do not enter: the public code accepts
resource weights and does not use them. See docs/method/partition-baselines.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gramwise.partition.problem import Split
from gramwise.partition.published import contiguous, fill

if TYPE_CHECKING:
    from gramwise.partition.problem import Problem


class Amp4ec:
    """Greedy fill by the published layer cost; limits are ignored, as published."""

    name = "amp4ec"
    exact = False

    def why_not(self, problem: Problem) -> str:
        cost = problem.published_cost
        if cost is None or not cost.any():
            return (
                "the published rule needs its layer costs, and no layer has a kernel or parameters to count"
            )
        return ""

    def split(self, problem: Problem) -> Split:
        assert problem.published_cost is not None, "see why_not"
        sizes = fill(problem.published_cost.tolist(), problem.k)
        return Split(contiguous(sizes), -math.inf, False)


PLUGIN = Amp4ec
