"""Equal layer counts: what one does without looking. Runs of layers in order, one a node, as the nodes are listed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gramwise.partition.problem import Split
from gramwise.partition.published import contiguous

if TYPE_CHECKING:
    from gramwise.partition.problem import Problem


class Equal:
    """Runs whose lengths differ by one at most, the longer ones first; limits are ignored."""

    name = "equal"
    exact = False

    def why_not(self, problem: Problem) -> str:
        return ""

    def split(self, problem: Problem) -> Split:
        share, longer = divmod(problem.n, problem.k)
        sizes = [share + (node < longer) for node in range(problem.k)]
        return Split(contiguous(sizes), -math.inf, False)


PLUGIN = Equal
