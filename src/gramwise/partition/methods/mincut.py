"""Two nodes, any graph: one minimum cut.

Layers with the source run on the first node, layers with the sink on the second; a layer's arc to the other side is
what it costs where it is. A tensor that several layers read gets a vertex for each direction, so that crossing is paid
once however many read it. Method: carbon-aware inference, section 3.3, first row; unlike there, tensors may also come
back where there is a link for them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gramwise.partition.maxflow import SINK, SOURCE, CutNetwork
from gramwise.partition.problem import GIVEN, Problem, Split, evaluate

if TYPE_CHECKING:
    from gramwise.core.decision import Floats


class MinimumCut:
    """Exact for two nodes where costs add up and no limit binds the placement as a whole."""

    name = "mincut"
    exact = True

    def why_not(self, problem: Problem) -> str:
        """Empty when there are two nodes, a sum to minimise and no limits."""
        if problem.k != 2:
            return f"it is for two nodes, and there are {problem.k}"
        if problem.line is not None:
            return "it sends tensors directly, not along a line, which is for the method layered"
        return why_no_cut(problem)

    def split(self, problem: Problem) -> Split:
        """The optimum, by one maximum flow on at most n + 2 T vertices."""
        network = CutNetwork()
        layers = network.vertices(problem.n)
        cost = problem.layer_cost.copy()
        for i in range(len(problem.tensors)):
            _charge(problem, i, network, layers, cost)
        if np.isinf(cost).all(axis=1).any():
            return Split(None, math.inf, exact=True)
        for v, (first, second) in zip(layers, cost.tolist(), strict=True):
            network.choose(v, first, second)
        sides = network.with_sink()
        return settled(problem, None if sides is None else tuple(int(sides[v]) for v in layers))


def why_no_cut(problem: Problem) -> str:
    """Why no cut of a network of this kind answers the problem; empty when the objective is a sum without limits."""
    if problem.objective == "throughput":
        return "throughput is no sum over layers and transfers"
    if not problem.additive:
        return "idle power depends on the whole placement"
    if problem.remembers:
        return "it keeps no limits on memory, time or rate"
    return ""


def settled(problem: Problem, placement: tuple[int, ...] | None) -> Split:
    """The placement of a cheapest cut as an answer: none where every cut is infinite or the answer cannot be sent."""
    if placement is None:
        return Split(None, math.inf, exact=True)
    costs = evaluate(problem, np.array([placement]))
    if not costs.feasible[0]:
        return Split(None, math.inf, exact=True)
    return Split(placement, float(costs.value(problem.objective)[0]), exact=True)


def _charge(problem: Problem, i: int, network: CutNetwork, layers: range, cost: Floats) -> None:
    """Arcs for one tensor; what depends on its maker's side alone goes to ``cost``, (n, 2).

    A tensor that goes from outside to outside costs the same in every placement and is left out.
    """
    tensor, move = problem.tensors[i], problem.move_cost[i]
    outside, sides = problem.k, (SOURCE, SINK)
    readers = [layers[v] for v in tensor.consumers]
    if tensor.wanted and problem.destination != outside:
        readers.append(sides[problem.destination])
    elif tensor.wanted and tensor.producer != GIVEN:
        cost[tensor.producer] += move[:outside, outside]
    if tensor.producer == GIVEN and problem.origin == outside:
        network.once_ahead(SOURCE, readers, float(move[outside, 1]))
        network.once_back(SINK, readers, float(move[outside, 0]))
    else:
        maker = sides[problem.origin] if tensor.producer == GIVEN else layers[tensor.producer]
        network.once_ahead(maker, readers, float(move[0, 1]))
        network.once_back(maker, readers, float(move[1, 0]))


PLUGIN = MinimumCut
