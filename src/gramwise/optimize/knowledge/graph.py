"""The graph leg: what a hit leads to along typed edges, two hops with halved weight each.

Edges come from the cards' own fields: ``requires`` (a card needs a symbol), ``defines`` (a formula gives one),
``uses`` (a card speaks of one), ``bounds`` (a constraint limits a family), ``trap-of`` (a trap threatens a card).
They are walked in both directions: a text that speaks of replicas' idle power hits formulas whose symbols lead to the
family that needs them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .base import Base

Relation = Literal["requires", "defines", "uses", "bounds", "trap-of"]
DECAY = 0.5
HOPS = 2


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """``start`` and ``end`` are ids of cards, or symbols written as ``symbol:CI``."""

    start: str
    relation: Relation
    end: str


class Graph:
    """Edges of a base, both ways.

    Args:
        base: cards.
    """

    def __init__(self, base: Base) -> None:
        self.edges = tuple(sorted(set(_edges(base))))
        near: dict[str, set[str]] = defaultdict(set)
        for edge in self.edges:
            near[edge.start].add(edge.end)
            near[edge.end].add(edge.start)
        self._near = {node: tuple(sorted(ends)) for node, ends in near.items()}

    def near(self, node: str) -> tuple[str, ...]:
        """Neighbours of a card or of a symbol, in order of name."""
        return self._near.get(node, ())

    def spread(self, seeds: Mapping[str, float]) -> dict[str, float]:
        """Weight that reaches each node from seeds: a hop halves it and shares it among the neighbours.

        Args:
            seeds: weight of each seed, 0 or more.
        """
        total: dict[str, float] = defaultdict(float, seeds)
        wave = dict(seeds)
        for _ in range(HOPS):
            coming: dict[str, float] = defaultdict(float)
            for node, weight in wave.items():
                ends = self.near(node)
                for end in ends:
                    # Shared, or a symbol of every family would pull all of them alike.
                    coming[end] += DECAY * weight / len(ends)
            for node, weight in coming.items():
                total[node] += weight
            wave = coming
        return dict(total)


def _edges(base: Base) -> list[Edge]:
    found: list[Edge] = []
    for e in base.entries.values():
        if e.kind == "parameter" and e.facts:
            continue
        found += (Edge(e.id, "uses", f"symbol:{s}") for s in e.symbols)
        found += (Edge(trap, "trap-of", e.id) for trap in e.traps)
        found += (Edge(e.id, "bounds", family) for family in e.applies_to)
        if e.defines is not None:
            found.append(Edge(e.id, "defines", f"symbol:{e.defines}"))
        needs = e.model.requires + e.model.optional if e.model else e.requires
        found += (Edge(e.id, "requires", f"symbol:{n}" if n in base.symbols else n) for n in needs)
    return found
