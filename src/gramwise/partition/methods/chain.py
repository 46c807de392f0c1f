"""Chains: dynamic programming over (layer, node), and labels where limits bind.

In a chain each layer reads what the layer before made and nothing else of the network, so what a placement adds up is
a sum over neighbours, and a shortest path through n x k states is the optimum. Memory, time and rate limits are
resources on that path (see `gramwise.partition.sweeps`). A node may be left and come back to. Method: carbon-aware
inference, section 3.3.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gramwise.partition.paths import TIE, Group, Path, ascend
from gramwise.partition.problem import GIVEN, SLACK, Problem, Split, evaluate
from gramwise.partition.sweeps import Search

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

_EFFORTS = ((40, 64), (100, 512), (40, 1024))
"""Steps towards better prices, and labels kept at a layer: one effort after the other until nothing was left out."""


class Chain:
    """Exact on chains for any limits where costs add up, unless more labels matter than the last sweep may keep."""

    name = "chain"
    exact = True

    def why_not(self, problem: Problem) -> str:
        """Empty when the graph is a chain and there is a sum to minimise."""
        if problem.objective == "throughput":
            return "throughput is no sum over layers and transfers"
        if not problem.additive:
            return "idle power depends on the whole placement"
        for tensor in problem.tensors:
            if not _between_neighbours(tensor.producer, tensor.consumers):
                return f"the graph is no chain: {tensor.name!r} is read further on or more than once"
        return ""

    def split(self, problem: Problem) -> Split:
        """The optimum, O(n k^2) without limits; with them O(n k^2) for each label that matters."""
        path = _path(problem)
        if path is None:
            return Split(None, math.inf, exact=True)
        nodes, bound, exact = _best(path)
        if nodes is None:
            return Split(None, bound, exact)
        figure = float(evaluate(problem, nodes[None]).value(problem.objective)[0])
        return Split(tuple(nodes.tolist()), figure if exact else bound, exact)


def _best(path: Path) -> tuple[Ints | None, float, bool]:
    """The best path, what is proven about its cost, and whether nothing is better."""
    ascent, nodes, value, bound = None, None, math.inf, -math.inf
    for steps, width in _EFFORTS:
        ascent = ascend(path, steps, ascent)
        if ascent.value < value:
            nodes, value = ascent.path, ascent.value
        bound = max(bound, ascent.bound)
        if value * (1 - TIE) <= bound or math.isinf(bound):
            return nodes, bound, True
        better, left_out = Search(path, ascent).sweep(value, width)
        if better is not None:
            nodes, value = better, path.value(better)
        bound = max(bound, min(value, left_out))
        if left_out >= value * (1 - TIE):
            return nodes, value, True
    return nodes, bound, False


def _between_neighbours(producer: int, consumers: tuple[int, ...]) -> bool:
    if producer == GIVEN:
        return len(consumers) <= 1
    return all(v == producer + 1 for v in consumers)


def _path(p: Problem) -> Path | None:
    """The chain as a path under its limits; None where a layer has no node or an answer no way."""
    held = np.flatnonzero(p.memory_bytes < _whole(p)) if p.memory_binds else np.zeros(0, dtype=np.int64)
    layer, move, limit = _figures(p, held)
    own, step, always = _sums(p, layer, move)
    first, arcs = own[0] + always, step + own[1:, None]
    room = limit * (1 + SLACK)
    fits = _fits_alone(p)
    first_open = _possible(first, room) & fits[0]
    arcs_open = _possible(arcs, room) & fits[1:, None]
    if not first_open.any() or not arcs_open.any(axis=(1, 2)).all():
        return None
    return Path(
        first=np.where(first_open[..., None], first, 0.0),
        arcs=np.where(arcs_open[..., None], arcs, 0.0),
        first_open=first_open,
        arcs_open=arcs_open,
        limit=room,
        held=held,
        own_bytes=_own_bytes(p, first=False),
        groups=tuple(Group(w.bytes, w.layers) for w in p.weights if len(held) and len(w.layers) > 1),
        working_bytes=p.working_bytes,
    )


def _whole(p: Problem) -> float:
    return sum(w.bytes for w in p.weights) + float(p.working_bytes.max(initial=0.0))


def _own_bytes(p: Problem, *, first: bool) -> Floats:
    """Weights that no other layer reads, (n,); with ``first``, and those that it is the first to read."""
    own = np.zeros(p.n)
    for size, layers in p.weights:
        if first or len(layers) == 1:
            own[layers[0]] += size
    return own


def _fits_alone(p: Problem) -> Bools:
    """Whether a node has room for a layer with nothing else, (n, k)."""
    need = p.working_bytes.copy()
    for size, layers in p.weights:
        need[list(layers)] += size
    fits: Bools = need[:, None] <= p.memory_bytes * (1 + SLACK)
    return fits


def _possible(figures: Floats, limit: Floats) -> Bools:
    possible: Bools = np.isfinite(figures[..., 0]) & (figures[..., 1:] <= limit).all(axis=-1)
    return possible


def _figures(p: Problem, held: Ints) -> tuple[Floats, Floats, Floats]:
    """Cost and limited figures of layers, (n, k, F), and of transfers, (T, k + 1, k + 1, F); limits, (F - 1,)."""
    no_move = np.zeros((len(p.tensors), p.k + 1, p.k + 1))
    cost = p.layer_cost.copy()
    if p.line is not None:
        cost[:, [node for node in range(p.k) if node not in p.line]] = math.inf
    layers, moves, limits = [cost], [p.move_cost], []
    if math.isfinite(p.latency_limit_s):
        layers.append(p.latency_s)
        moves.append(p.move_s)
        limits.append(p.latency_limit_s)
    # A tensor comes to a node, or crosses a link, once; twice where it passes along a line and is an answer as well.
    taking_s = 2 * p.receive_busy_s[:, :, : p.k].max(axis=1).sum(axis=0)
    for x in np.flatnonzero(p.budget_s < p.latency_s.sum(axis=0) + taking_s).tolist():
        layers.append(_only(p.latency_s, x))
        taken = no_move.copy()
        taken[:, :, x] = p.receive_busy_s[:, :, x]
        moves.append(taken)
        limits.append(float(p.budget_s[x]))
    busy = p.move_busy_s * ~np.eye(p.k + 1, dtype=np.bool_)
    for u, v in zip(*np.nonzero(2 * busy.sum(axis=0) > p.link_budget_s), strict=True):
        one = no_move.copy()
        one[:, u, v] = busy[:, u, v]
        layers.append(np.zeros((p.n, p.k)))
        moves.append(one)
        limits.append(p.link_budget_s)
    weights = np.repeat(_own_bytes(p, first=True)[:, None], p.k, axis=1)
    for x in held.tolist():
        layers.append(_only(weights, x))
        moves.append(no_move)
        limits.append(float(p.memory_bytes[x]))
    return np.stack(layers, axis=-1), np.stack(moves, axis=-1), np.array(limits)


def _only(figures: Floats, node: int) -> Floats:
    column = np.zeros_like(figures)
    column[:, node] = figures[:, node]
    return column


def _sums(p: Problem, layer: Floats, move: Floats) -> tuple[Floats, Floats, Floats]:
    """What layers add by their node, (n, k, F), neighbours by both nodes, (n - 1, k, k, F), and every path, (F,)."""
    own, step = layer.copy(), np.zeros((p.n - 1, p.k, p.k, layer.shape[-1]))
    always = np.zeros(layer.shape[-1])
    ways = move[:, : p.k, : p.k] if p.line is None else _along(p, move)
    for i, tensor in enumerate(p.tensors):
        if tensor.producer != GIVEN:
            answers = move[i, : p.k, p.destination]
            if tensor.consumers:
                step[tensor.producer] += ways[i]
            if tensor.wanted and tensor.consumers:
                step[tensor.producer] += _unless_there(p, np.repeat(answers[:, None], p.k, axis=1))
            elif tensor.wanted:
                own[tensor.producer] += answers
            continue
        answer = move[i, p.origin, p.destination]
        if tensor.consumers:
            own[tensor.consumers[0]] += _entry(p, move[i], ways[i])
        if tensor.wanted and tensor.consumers:
            own[tensor.consumers[0]] += _unless_there(p, np.repeat(answer[None], p.k, axis=0))
        elif tensor.wanted:
            always += answer
    return own, step, always


def _unless_there(p: Problem, answers: Floats) -> Floats:
    """What sending an answer adds, by the node of its reader, (..., k, F): nothing if that is its destination."""
    if p.line is None and p.destination < p.k:
        answers[..., p.destination, :] = 0.0
    return answers


def _entry(p: Problem, move: Floats, ways: Floats) -> Floats:
    """What an input adds by its reader's node, (k, F)."""
    if p.line is None:
        return np.asarray(move[p.origin, : p.k])
    if p.origin in p.line:
        return np.asarray(ways[p.origin])
    return np.asarray(move[p.origin, p.line[0]] + ways[p.line[0]])


def _along(p: Problem, move: Floats) -> Floats:
    """Sums over the hops of the line between two nodes, (T, k, k, F); inf backwards and off the line."""
    line = list(p.line or ())
    ways = np.full((len(move), p.k, p.k, move.shape[-1]), math.inf)
    hops = move[:, line[:-1], line[1:]]
    for a, start in enumerate(line):
        for b in range(a, len(line)):
            ways[:, start, line[b]] = hops[:, a:b].sum(axis=1)
    return ways


PLUGIN = Chain
