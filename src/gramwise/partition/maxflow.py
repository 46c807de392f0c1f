"""Minimum cuts on floats: what a minimum-cut method builds, and Dinic's algorithm to solve it.

Costs are grams, joules or seconds, and infinite where something is forbidden, so capacities are floats: scaled to
integers they would lose the ninth digit. Dinic's bound (at most V phases of at most E augmentations) counts arcs and
holds for any numbers, because the arc that limits an augmentation is left with exactly nothing. Source: Y. Dinitz,
Algorithm for solution of a problem of maximum flow in networks with power estimation, Soviet Math. Doklady 11, 1970.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

SOURCE, SINK = 0, 1


class CutNetwork:
    """A directed network whose cut is to be made cheapest; vertices are whole numbers, two of them given.

    An arc costs its capacity when its tail ends on the source's side and its head on the sink's.
    """

    def __init__(self) -> None:
        self._count = 2
        self._capacity: dict[tuple[int, int], float] = {}

    def vertices(self, count: int) -> range:
        """That many new vertices."""
        self._count += count
        return range(self._count - count, self._count)

    def arc(self, tail: int, head: int, capacity: float) -> None:
        """Charge ``capacity`` for tail with the source and head with the sink; adds to what is charged already."""
        if tail != head and tail != SINK and head != SOURCE and capacity > 0:
            self._capacity[tail, head] = self._capacity.get((tail, head), 0.0) + capacity

    def choose(self, vertex: int, with_source: float, with_sink: float) -> None:
        """Charge one vertex by its side; at most one of the two may be infinite."""
        least = min(with_source, with_sink)
        self.arc(vertex, SINK, with_source - least)
        self.arc(SOURCE, vertex, with_sink - least)

    def once_ahead(self, maker: int, readers: Iterable[int], cost: float) -> None:
        """Charge ``cost`` once if the maker is with the source and any reader with the sink."""
        for tail, head, capacity in self._fan(maker, readers, cost):
            self.arc(tail, head, capacity)

    def once_back(self, maker: int, readers: Iterable[int], cost: float) -> None:
        """Charge ``cost`` once if the maker is with the sink and any reader with the source."""
        for tail, head, capacity in self._fan(maker, readers, cost):
            self.arc(head, tail, capacity)

    def _fan(self, maker: int, readers: Iterable[int], cost: float) -> list[tuple[int, int, float]]:
        """Arcs from maker to readers; a vertex between them where several share the charge."""
        each = tuple(readers)
        if cost <= 0 or not each:
            return []
        if len(each) == 1 or math.isinf(cost):
            return [(maker, reader, cost) for reader in each]
        (gate,) = self.vertices(1)
        return [(maker, gate, cost), *((gate, reader, math.inf) for reader in each)]

    def with_sink(self) -> list[bool] | None:
        """Which vertices a cheapest cut leaves with the sink; None where every cut is infinite."""
        head, room, out = self._residual()
        level = _levels(head, room, out)
        while level[SOURCE] >= 0:
            if not _block(head, room, out, level):
                return None
            level = _levels(head, room, out)
        return [distance >= 0 for distance in level]

    def _residual(self) -> tuple[list[int], list[float], list[list[int]]]:
        """Arcs in pairs, so that the reverse of arc e is e ^ 1: heads, room left, and arcs that leave each vertex."""
        head: list[int] = []
        room: list[float] = []
        out: list[list[int]] = [[] for _ in range(self._count)]
        for (u, v), capacity in self._capacity.items():
            back = self._capacity.get((v, u), 0.0)
            if back and u > v:
                continue
            out[u].append(len(head))
            out[v].append(len(head) + 1)
            head += (v, u)
            room += (capacity, back)
        return head, room, out


def _levels(head: list[int], room: list[float], out: list[list[int]]) -> list[int]:
    """Arcs from each vertex to the sink on a shortest path with room; -1 where there is none."""
    level = [-1] * len(out)
    level[SINK] = 0
    reached = [SINK]
    for v in reached:
        further = level[v] + 1
        for e in out[v]:
            u = head[e]
            if level[u] < 0 and room[e ^ 1] > 0:
                level[u] = further
                reached.append(u)
    return level


def _block(head: list[int], room: list[float], out: list[list[int]], level: list[int]) -> bool:
    """Push flow along shortest paths until none is left; False where a path has room without end."""
    left = [list(arcs) for arcs in out]
    path: list[int] = []
    u = SOURCE
    while True:
        if u == SINK:
            push = min(room[e] for e in path)
            if push == math.inf:
                return False
            for e in path:
                room[e] -= push
                room[e ^ 1] += push
            full = next(i for i, e in enumerate(path) if room[e] <= 0)
            u = head[path[full] ^ 1]
            del path[full:]
            continue
        arcs, nearer = left[u], level[u] - 1
        while arcs and (room[arcs[-1]] <= 0 or level[head[arcs[-1]]] != nearer):
            arcs.pop()
        if arcs:
            path.append(arcs[-1])
            u = head[arcs[-1]]
        elif path:
            # A dead end: nothing of this phase comes through here any more.
            u = head[path.pop() ^ 1]
            left[u].pop()
        else:
            return True
