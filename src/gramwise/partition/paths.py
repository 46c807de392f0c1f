"""Shortest paths through layers under limits: what a path adds up to, and Lagrangian bounds on what it can cost.

A path picks a node for each layer in turn. It adds up figures: cost first, then whatever is limited: seconds, busy
time, bytes held. Memory is not quite a sum, as the largest working set counts once and shared weights are held once;
`Path.values` counts both truly, while bounds use sums that are never above it. Method: carbon-aware inference,
section 3.3, constrained shortest path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

TIE = 1e-10
"""Relative improvement that is not searched for."""

_PATIENCE = 3
"""Steps without a better bound until they are halved."""


class Group(NamedTuple):
    """Weights that several layers share: held once by a node that runs any of them."""

    bytes: float
    layers: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Path:
    """What a choice of one of k nodes for each of n layers adds up to: F figures, the first is the cost.

    Attributes:
        first: figures of the first layer by its node, with what every path has, (k, F).
        arcs: figures of going from layer v on one node to layer v + 1 on another, (n - 1, k, k, F). Of memory, these
            are the weights that no earlier layer reads: never more than what is held.
        first_open, arcs_open: which of these exist, (k,) and (n - 1, k, k); figures of the others are 0.
        limit: of every figure but the cost, (F - 1,).
        held: nodes of limited memory, (H,); their figures are the last H, in this order.
        own_bytes: weights of each layer that no other reads, (n,).
        groups: weights that several read; none where no memory is limited.
        working_bytes: activations alive while each layer runs, (n,).
    """

    first: Floats
    arcs: Floats
    first_open: Bools
    arcs_open: Bools
    limit: Floats
    held: Ints
    own_bytes: Floats
    groups: tuple[Group, ...]
    working_bytes: Floats

    @property
    def n(self) -> int:
        """Number of layers."""
        return len(self.arcs) + 1

    @property
    def memory(self) -> slice:
        """Where the figures of memory are."""
        return slice(self.first.shape[1] - len(self.held), None)

    def rows(self, weights: Floats, shares: Floats | None = None) -> tuple[Floats, Floats]:
        """Weighted sums of the figures, (k, W) and (n - 1, k, k, W), inf where closed.

        Args:
            weights: of the figures, (W, F).
            shares: part of each layer's working set that counts where it runs, (n, H); adds up to at most 1 for a
                node, so that together they stay below the largest. None for none.
        """
        first = np.where(self.first_open[:, None], self.first @ weights.T, math.inf)
        arcs = np.where(self.arcs_open[..., None], self.arcs @ weights.T, math.inf)
        if shares is not None and len(self.held):
            # (n, H, W)
            extra = (shares * self.working_bytes[:, None])[..., None] * weights.T[self.memory]
            first[self.held] += extra[0]
            arcs[:, :, self.held] += extra[1:, None]
        return first, arcs

    def figures(self, path: Ints, shares: Floats) -> Floats:
        """What one path of (n,) nodes adds up to, (F,), with these shares of working sets."""
        total = self.first[path[0]] + self.arcs[np.arange(self.n - 1), path[:-1], path[1:]].sum(axis=0)
        here = path[:, None] == self.held
        total[self.memory] += (here * shares * self.working_bytes[:, None]).sum(axis=0)
        return np.asarray(total)

    def value(self, path: Ints) -> float:
        """Cost of one path of open arcs; inf if it breaks a limit."""
        figures = self.figures(path, np.zeros((self.n, len(self.held))))
        here = path[:, None] == self.held
        memory = self.own_bytes @ here + (here * self.working_bytes[:, None]).max(axis=0, initial=0.0)
        for size, layers in self.groups:
            memory += size * here[list(layers)].any(axis=0)
        figures[self.memory] = memory
        return float(figures[0]) if (figures[1:] <= self.limit).all() else math.inf


def to_go(arcs: Floats) -> Floats:
    """Least sums from each layer on each node to the end, (n, k, W) for arcs (n - 1, k, k, W); W may be missing."""
    left = np.zeros((len(arcs) + 1, *arcs.shape[2:]))
    both = np.empty(arcs.shape[1:])
    for arc, after, before in zip(arcs[::-1], left[:0:-1], left[-2::-1], strict=True):
        np.add(arc, after, both)
        np.minimum.reduce(both, 1, None, before)
    return left


def cheapest(first: Floats, arcs: Floats) -> tuple[float, Ints]:
    """The least sum of one weighting, (k,) and (n - 1, k, k), and a path that has it; inf where nothing is open."""
    left = to_go(arcs)
    whole = first + left[0]
    nodes = [int(whole.argmin())]
    for choice in (arcs + left[1:, None]).argmin(axis=2).tolist():
        nodes.append(choice[nodes[-1]])
    return float(whole[nodes[0]]), np.array(nodes)


class Ascent(NamedTuple):
    """What the search for prices found.

    Attributes:
        price: what a unit of each limited figure costs in the best bound, (F - 1,), not negative.
        shares: how working sets count there, (n, H), see `Path.rows`.
        bound: proven least cost; inf where there is no path.
        value: cost of the best path seen that keeps the limits; inf if none.
        path: that path.
    """

    price: Floats
    shares: Floats
    bound: float
    value: float
    path: Ints | None


def ascend(path: Path, steps: int, start: Ascent | None = None) -> Ascent:
    """Raise the Lagrangian bound step by step; paths on the way that keep the limits are answers.

    For any prices the least of cost + price x (figures - limits) over all paths is a bound. Prices move along the
    subgradient and half of the last move, by steps after B. Polyak, Minimization of unsmooth functionals, USSR
    Computational Mathematics 9, 1969. The largest working set of a node is at least any average of working sets of its
    layers; the average moves towards the layer that is the largest on the path, a little less each time, as in
    fictitious play.

    Args:
        path: with its limits.
        steps: how many at most, O(n k^2) each.
        start: what an earlier search found.
    """
    unit = np.where(path.limit > 0, path.limit, 1.0)
    best = start or Ascent(np.zeros(len(unit)), _busiest(path), -math.inf, math.inf, None)
    best = best._replace(bound=-math.inf)
    price, shares = best.price, best.shares
    pace, stale = (0.1 if start else 1.0), 0
    slope, turn = np.zeros(len(unit)), np.zeros(len(unit))
    for step in range(steps):
        first, arcs = path.rows(np.append(1.0, price)[None], shares)
        least, nodes = cheapest(first[:, 0], arcs[..., 0])
        if math.isinf(least):
            return best._replace(bound=math.inf)
        bound = least - float(price @ path.limit)
        over = (path.figures(nodes, shares)[1:] - path.limit) / unit
        if (value := path.value(nodes)) < best.value:
            best = best._replace(value=value, path=nodes)
        if bound > best.bound:
            best, stale, turn = best._replace(price=price, shares=shares, bound=bound), 0, over
        elif (stale := stale + 1) >= _PATIENCE:
            # Too far: from the best again, with shorter steps.
            pace, stale, price, shares = pace / 2, 0, best.price, best.shares
            bound, over, slope = best.bound, turn, np.zeros(len(unit))
        slope = np.where(price > 0, over + slope / 2, np.maximum(over + slope / 2, 0.0))
        if not slope.any() or best.value * (1 - TIE) <= best.bound:
            break
        # An answer far off, or none, says little about how far the bound can rise.
        aim = min(best.value, 2 * best.bound)
        price = np.maximum(0.0, price + pace * (aim - bound) / float(slope @ slope) * slope / unit)
        shares = _towards_largest(path, nodes, shares, 2.0 / (step + (40 if start else 3)))
    return best


def _busiest(path: Path) -> Floats:
    shares = np.zeros((path.n, len(path.held)))
    shares[path.working_bytes.argmax()] = 1.0
    return shares


def _towards_largest(path: Path, nodes: Ints, shares: Floats, part: float) -> Floats:
    """Shares moved by ``part`` to the largest working set of each node on the path; those of other nodes stay."""
    used = np.flatnonzero((nodes[:, None] == path.held).any(axis=0))
    largest = ((nodes[:, None] == path.held[used]) * path.working_bytes[:, None]).argmax(axis=0)
    moved = shares.copy()
    moved[:, used] *= 1 - part
    moved[largest, used] += part
    return moved
