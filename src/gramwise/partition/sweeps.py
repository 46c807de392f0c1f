"""Label setting: beginnings of paths, kept while they may still be the best, pruned by bounds and by dominance.

A label is what one beginning has used up. It is dropped when no ending can keep the limits at a lower cost than the
best path known (a sum for each of several weightings, so that one Lagrangian bound or another tells), or when another
label at the same place has used no more of anything that can still run short. Source: S. Irnich and G. Desaulniers,
Shortest path problems with resource constraints, in Column Generation, Springer 2005.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from .paths import TIE, Ascent, Path, to_go

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

_PIVOTS = 24
"""Labels that the others of a node are compared with at a time, and how often at most."""
_ROUNDS = 3

_OFF = (0.7, 1.4)
"""Factors on one price at a time for further bounds."""

_FEW = 96
"""Labels that are simply all compared with each other."""


@dataclass(frozen=True, eq=False)
class _Labels:
    """Beginnings of paths that end at one layer, L of them.

    Attributes:
        node: where they end, (L,).
        sums: of every weighting, (L, W).
        memory: weights held on each limited node, (L, H).
        peak: largest working set there so far, (L, H).
        has: whether each group of weights is held there, (L, G, H).
        parent: label of the layer before, (L,).
    """

    node: Ints
    sums: Floats
    memory: Floats
    peak: Floats
    has: Bools
    parent: Ints

    def take(self, rows: Ints | Bools) -> _Labels:
        return _Labels(
            self.node[rows],
            self.sums[rows],
            self.memory[rows],
            self.peak[rows],
            self.has[rows],
            self.parent[rows],
        )


class Search:
    """Sweeps over the layers of a path with limits; what they share."""

    def __init__(self, path: Path, ascent: Ascent) -> None:
        self._path = path
        figures, held = path.first.shape[1], len(path.held)
        # Each figure alone, then Lagrangian sums; the best bound is the last.
        weights = np.vstack([np.eye(figures), _near(ascent.price), np.append(1.0, ascent.price)])
        self._first, self._arcs = path.rows(weights)
        self._left = to_go(path.rows(weights, ascent.shares)[1])
        self._within = weights[:, 1:] @ path.limit
        self._costly = weights[:, 0] > 0
        # What a byte of a label's own peak adds to each sum, by layer, (n, H, W); the rest of it is still to go.
        self._peak_price = np.cumsum(ascent.shares, axis=0)[..., None] * weights[:, path.memory].T
        self._memory_price = weights[:, path.memory].T
        self._column = np.full(path.first.shape[0], -1)
        self._column[path.held] = np.arange(held)
        self._plain = figures - held
        self._room = path.limit[self._plain - 1 :]
        self._most, self._most_peak = _most_to_come(path)
        self._ceilings, self._unshared = _Ceilings(path, ascent), _unshared(path)

    def sweep(self, value: float, width: int) -> tuple[Ints | None, float]:
        """The best path found that is cheaper than ``value``, and a bound on those that were not followed.

        Args:
            value: cost of the best path known, inf for none.
            width: labels kept at a layer.

        Returns:
            The path, or None; and the least cost that a label left out for want of width could have led to, inf if
            none was: then nothing else is cheaper.
        """
        self._cap = self._within * (1 + 1e-12) + np.where(self._costly, value * (1 - TIE), 0.0)
        left_out = math.inf
        layers: list[_Labels] = []
        for v in range(self._path.n):
            labels, bound = self._extend(layers[-1], v) if layers else self._begin()
            keep = self._undominated(labels, v)
            if len(keep) > width:
                keep = keep[np.argpartition(bound[keep], width)]
                left_out = min(left_out, float(bound[keep[width]]))
                keep = keep[:width]
            if not len(keep):
                return None, left_out
            layers.append(labels.take(keep))
        return _trace(layers), left_out

    def _begin(self) -> tuple[_Labels, Floats]:
        nodes = np.flatnonzero((self._first + self._left[0] <= self._cap).all(axis=1))
        count, held = len(nodes), len(self._path.held)
        has = np.zeros((count, len(self._path.groups), held), dtype=np.bool_)
        none = np.zeros((count, held))
        return self._hold(_Labels(nodes, self._first[nodes], none, none.copy(), has, nodes), 0)

    def _extend(self, labels: _Labels, v: int) -> tuple[_Labels, Floats]:
        """Labels one layer longer that still fit, by node and bound; and the least cost each can lead to."""
        reach = self._arcs[v - 1] + self._left[v]
        parent, node = np.nonzero((labels.sums[:, None] + reach[labels.node] <= self._cap).all(axis=2))
        grown = labels.take(parent)
        sums = grown.sums + self._arcs[v - 1][grown.node, node]
        return self._hold(_Labels(node, sums, grown.memory, grown.peak, grown.has, parent), v)

    def _hold(self, labels: _Labels, v: int) -> tuple[_Labels, Floats]:
        """Let the last node of each label hold layer v; those that have the room, sorted, with their bounds."""
        path = self._path
        least = labels.sums + self._left[v][labels.node]
        fits = np.ones(len(labels.node), dtype=np.bool_)
        if len(path.held):
            column = self._column[labels.node]
            rows = np.flatnonzero(column >= 0)
            at = (rows, column[rows])
            labels.memory[at] += path.own_bytes[v]
            for g, (size, layers) in enumerate(path.groups):
                if v in layers:
                    labels.memory[at] += size * ~labels.has[rows, g, at[1]]
                    labels.has[rows, g, at[1]] = True
            labels.peak[at] = np.maximum(labels.peak[at], path.working_bytes[v])
            # What is known counts in full: a group may be held more than once, and the peak may be another's.
            more = labels.memory - labels.sums[:, self._plain : self._plain + len(path.held)]
            least += labels.peak @ self._peak_price[v] + more @ self._memory_price
            fits = (labels.memory + labels.peak <= self._room).all(axis=1) & (least <= self._cap).all(axis=1)
        bound = (least - self._within)[:, self._costly].max(axis=1)
        order = np.lexsort((bound, labels.node))
        order = order[fits[order]]
        return labels.take(order), bound[order]

    def _undominated(self, labels: _Labels, v: int) -> Ints:
        """Labels that no other of the same node undercuts in cost and in all that can still run short."""
        count = len(labels.node)
        used, spared = self._used(labels, v)
        groups = [g for g, (_, layers) in enumerate(self._path.groups) if layers[-1] > v]
        if not groups:
            tells = used.max(axis=0, initial=0.0) > spared.min(axis=0, initial=math.inf)
            used, spared = used[:, tells], spared[:, tells]
        sizes = np.array([self._path.groups[g].bytes for g in groups])
        keep = np.ones(count, dtype=np.bool_)
        for by, rest in self._spans(labels.node):
            if groups:
                room = spared[rest, None] - used[None, by]
                missing = _missing(labels.has[rest, groups], labels.has[by, groups], sizes)
                room[..., self._plain :] -= np.concatenate([missing, missing], axis=2)
                worse = (room >= 0).all(axis=2)
            else:
                worse = (spared[rest, None] >= used[None, by]).all(axis=2)
            worse &= labels.node[rest, None] == labels.node[None, by]
            worse &= np.tri(worse.shape[0], worse.shape[1], -1, dtype=np.bool_)
            keep[rest] &= ~worse.any(axis=1)
        return np.flatnonzero(keep)

    def _spans(self, node: Ints) -> list[tuple[slice, slice]]:
        """Which labels are compared with which: (pivots, those from the first pivot on); labels are sorted by node."""
        if len(node) <= _FEW:
            return [(slice(0, len(node)), slice(0, len(node)))]
        starts = np.searchsorted(node, np.arange(len(self._column) + 1)).tolist()
        return [
            (slice(pivot, min(end, pivot + _PIVOTS)), slice(pivot, end))
            for begin, end in pairwise(starts)
            for pivot in range(begin, min(end - 1, begin + _PIVOTS * _ROUNDS), _PIVOTS)
        ]

    def _used(self, labels: _Labels, v: int) -> tuple[Floats, Floats]:
        """What labels have used, and what they could have used without harm to any ending of theirs, (L, 1 + D).

        Memory counts twice: with no further working set, and with the largest that can come; between those the better
        of two labels does not change.
        """
        sums = labels.sums[:, : self._plain]
        now = labels.memory + labels.peak
        then = labels.memory + np.maximum(labels.peak, self._most_peak[v])
        ceiling = self._ceilings.to_come(labels.node, labels.sums[:, -1], self._cap[-1], v)
        harmless = self._path.limit - np.minimum(self._most[v], ceiling)
        plain, memory = harmless[:, : self._plain - 1], harmless[:, self._plain - 1 :]
        memory = memory - self._unshared[v]
        spared = [
            sums[:, :1],
            np.maximum(sums[:, 1:], plain),
            np.maximum(now, memory),
            np.maximum(then, memory),
        ]
        return np.concatenate([sums, now, then], axis=1), np.concatenate(spared, axis=1)


class _Ceilings:
    """How much of a limited figure any ending can still use that is good enough: a limit out of reach is none.

    An ending of price-weighted cost c that uses f costs c - t f at a price lowered by t, which is at least what is to
    go at that price. With what is left of the best known cost for c, that is a ceiling on f.
    """

    _GRID = np.array([0.01, 0.03, 0.1, 0.3, 1.0])

    def __init__(self, path: Path, ascent: Ascent) -> None:
        count = len(path.limit)
        scale = abs(ascent.bound) / np.where(path.limit > 0, path.limit, 1.0)
        lower = (self._GRID[:, None, None] * scale[:, None] * np.eye(count)).reshape(-1, count)
        price = ascent.price
        first, arcs = path.rows(np.column_stack([np.ones(len(lower)), price - lower]))
        left = to_go(arcs)
        # The best reduction is the one that shows most clearly that reaching the limit is too dear.
        proof = (first + left[0]).min(axis=0) + lower @ path.limit
        chosen = proof.reshape(len(self._GRID), count).argmax(axis=0) * count + np.arange(count)
        self._left, self._lowered = left[..., chosen], lower[chosen].sum(axis=1)

    def to_come(self, node: Ints, sums: Floats, cap: float, v: int) -> Floats:
        """The most of each limited figure that endings can use, (L, F - 1).

        Args:
            node: where labels end, (L,).
            sums: of labels at the best prices, without working sets, (L,).
            cap: of sums of whole paths at those prices.
            v: the labels' layer.
        """
        return np.asarray((cap - sums[:, None] - self._left[v][node]) / self._lowered)


def _near(price: Floats) -> Floats:
    """Weights of sums at prices of which one is lower or higher: better bounds for labels that used little or much."""
    prices = [
        price * np.where(np.arange(len(price)) == r, factor, 1.0)
        for r in np.flatnonzero(price)
        for factor in _OFF
    ]
    return np.column_stack([np.ones(len(prices)), np.array(prices).reshape(-1, len(price))])


def _most_to_come(path: Path) -> tuple[Floats, Floats]:
    """The most that the layers after each one can use, whatever it costs: figures (n, F - 1), working sets (n,)."""
    most = path.arcs[..., 1:].max(axis=(1, 2))
    most = np.concatenate([np.cumsum(most[::-1], axis=0)[::-1], np.zeros((1, most.shape[1]))])
    peak = np.maximum.accumulate(path.working_bytes[::-1])[::-1]
    return most, np.append(peak[1:], 0.0)


def _unshared(path: Path) -> Floats:
    """Bytes of shared weights that the layers after each one may load although they are not the first to, (n,)."""
    extra = np.zeros(path.n)
    for size, layers in path.groups:
        extra[: layers[-1]] += size
    return extra


def _missing(has: Bools, by: Bools, sizes: Floats) -> Floats:
    """Bytes of shared weights that L labels hold and P pivots would still have to load, (L, P, H)."""
    loads = (has * sizes[:, None]).transpose(2, 0, 1) @ (~by).transpose(2, 1, 0).astype(np.float64)
    return loads.transpose(1, 2, 0)


def _trace(layers: list[_Labels]) -> Ints:
    """The path behind the cheapest label of the last layer."""
    row = int(layers[-1].sums[:, 0].argmin())
    nodes = []
    for labels in reversed(layers):
        nodes.append(int(labels.node[row]))
        row = int(labels.parent[row])
    return np.array(nodes[::-1])
