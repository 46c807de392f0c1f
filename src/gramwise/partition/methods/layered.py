"""Nodes in a line, any graph: one minimum cut of a layered network.

For each of the m - 1 hops of the line a layer has a vertex: with the source if it runs before the hop, with the sink
if beyond. A tensor crosses the hops from its maker to its furthest reader, each charged once, so a placement costs a
sum over hops of what two nodes would cost: exact. Source of the construction: H. Ishikawa, Exact optimization for
Markov random fields with convex priors, IEEE TPAMI 25(10), 2003. Method: carbon-aware inference, section 3.3.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gramwise.partition.maxflow import SINK, SOURCE, CutNetwork
from gramwise.partition.methods.mincut import settled, why_no_cut
from gramwise.partition.problem import GIVEN, Problem, Split

if TYPE_CHECKING:
    from gramwise.core.decision import Floats


class Layered:
    """Exact for nodes in a line where costs add up and no limit binds the placement as a whole."""

    name = "layered"
    exact = True

    def why_not(self, problem: Problem) -> str:
        """Empty when the nodes form a line, there is a sum to minimise and there are no limits."""
        if not problem.line:
            return "it is for nodes in a line, and tensors may move in any direction"
        return why_no_cut(problem)

    def split(self, problem: Problem) -> Split:
        """The optimum, by one maximum flow on at most (m - 1) (n + T) vertices; m nodes on the line."""
        line = list(problem.line or ())
        cost = problem.layer_cost[:, line] + _answers(problem)[:, line]
        cost[_before_the_origin(problem)] = math.inf
        if np.isinf(cost).all(axis=1).any():
            return Split(None, math.inf, exact=True)
        network = CutNetwork()
        hops = len(line) - 1
        layers = [network.vertices(hops) for _ in range(problem.n)]
        for vertices, figures in zip(layers, cost.tolist(), strict=True):
            _choose(network, vertices, figures)
        for i in range(len(problem.tensors)):
            _charge(problem, i, network, layers)
        beyond = network.with_sink()
        if beyond is None:
            return settled(problem, None)
        return settled(problem, tuple(line[sum(beyond[x] for x in vertices)] for vertices in layers))


def _answers(problem: Problem) -> Floats:
    """What sending answers to the destination adds to the layer that makes them, (n, k)."""
    cost = np.zeros((problem.n, problem.k))
    for i, tensor in enumerate(problem.tensors):
        if tensor.wanted and tensor.producer != GIVEN:
            cost[tensor.producer] += problem.move_cost[i, : problem.k, problem.destination]
    return cost


def _before_the_origin(problem: Problem) -> tuple[list[int], list[int]]:
    """Places that readers of an input cannot have: (layers, places)."""
    reach = _start(problem)
    readers = {v for t in problem.tensors if t.producer == GIVEN for v in t.consumers}
    pairs = [(v, place) for v in sorted(readers) for place in range(reach)]
    return [v for v, _ in pairs], [place for _, place in pairs]


def _start(problem: Problem) -> int:
    """Place at which inputs enter the line: the origin's, or the first for what comes from elsewhere."""
    line = problem.line or ()
    return line.index(problem.origin) if problem.origin in line else 0


def _choose(network: CutNetwork, vertices: range, cost: list[float]) -> None:
    """Charge a layer by its place: its vertices go over to the sink one hop after the other."""
    chain = [SINK, *vertices, SOURCE]
    # Nearer hops are crossed first: a vertex with the source has every later one there too.
    for near, far in pairwise(vertices):
        network.arc(near, far, math.inf)
    least = min(cost)
    for (near, far), figure in zip(pairwise(chain), cost, strict=True):
        network.arc(far, near, figure - least)


def _charge(problem: Problem, i: int, network: CutNetwork, layers: list[range]) -> None:
    """Arcs for one tensor: each hop once, and no reader before the maker.

    What comes from elsewhere enters at the line's first node in every placement and is left out, as is an input that
    is an answer.
    """
    tensor, line = problem.tensors[i], problem.line or ()
    start = _start(problem)
    for hop, (here, there) in enumerate(pairwise(line)):
        readers = [layers[v][hop] for v in tensor.consumers]
        if tensor.producer == GIVEN:
            maker = SINK if hop < start else SOURCE
        else:
            maker = layers[tensor.producer][hop]
            for reader in readers:
                network.arc(reader, maker, math.inf)
        network.once_ahead(maker, readers, float(problem.move_cost[i, here, there]))


PLUGIN = Layered
