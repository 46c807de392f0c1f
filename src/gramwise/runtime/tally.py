"""What each policy did, counted block by block: outcomes, CPU seconds by their own clocks, and their joules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from gramwise.core.decision import Outcome
from gramwise.core.protocols import NodeUsage
from gramwise.power.model import Balance, idle_energy_j
from gramwise.runtime.assembly import Fleet
from gramwise.runtime.engine import Part

Kept = tuple[int, int, int, Outcome]
"""Repeat, block, position and what happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBlock:
    """One node over one block: CPU seconds by their own clocks and counters, and the joules they stand for."""

    node: str
    attributed_s: float
    overhead_s: float | None
    metered_s: float | None
    balance: Balance


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """All nodes over one block of one policy."""

    policy: str
    repeat: int
    block: int
    window_s: float
    nodes: tuple[NodeBlock, ...]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows of ``nodes.csv``."""
        for n in self.nodes:
            yield {
                "policy": self.policy,
                "repeat": self.repeat,
                "block": self.block,
                "node": n.node,
                "window_s": self.window_s,
                **asdict(n.balance),
                "attributed_s": n.attributed_s,
                "overhead_s": n.overhead_s,
                "metered_s": n.metered_s,
            }


def block(
    fleet: Fleet,
    policy: str,
    repeat: int,
    number: int,
    window_s: float,
    before: Mapping[str, NodeUsage],
    after: Mapping[str, NodeUsage],
) -> Block:
    """Account one block: each part from its own clock, all through the same power model."""
    nodes = tuple(
        _node_block(fleet, node.name, window_s, before[node.name], after[node.name]) for node in fleet.nodes
    )
    return Block(policy=policy, repeat=repeat, block=number, window_s=window_s, nodes=nodes)


def _node_block(fleet: Fleet, node: str, window_s: float, before: NodeUsage, after: NodeUsage) -> NodeBlock:
    idle_w = fleet.price.idle_w[node]
    idle_j = math.nan if idle_w is None else idle_energy_j(window_s, idle_w.value)
    known = before.metered_s is not None and after.metered_s is not None
    metered_s = (after.metered_s or 0.0) - (before.metered_s or 0.0) if known else None
    attributed_s = after.attributed_s - before.attributed_s
    counted = before.overhead_s is not None and after.overhead_s is not None
    overhead_s = (after.overhead_s or 0.0) - (before.overhead_s or 0.0) if counted else None
    balance = Balance(
        attributed_j=fleet.price.energy_j(node, attributed_s),
        idle_j=idle_j,
        overhead_j=math.nan if overhead_s is None else fleet.price.energy_j(node, overhead_s),
        metered_j=None if metered_s is None else fleet.price.energy_j(node, metered_s) + idle_j,
    )
    return NodeBlock(
        node=node, attributed_s=attributed_s, overhead_s=overhead_s, metered_s=metered_s, balance=balance
    )


@dataclass(frozen=True, slots=True)
class Line:
    """What one policy did: accuracy floor of its requests, outcomes, blocks, and how long its snapshots took.

    ``split`` holds what each stage took of the requests that ran on several nodes, by request.
    """

    name: str
    floor: float | None
    kept: Sequence[Kept]
    blocks: Sequence[Block]
    snapshot_times_s: Sequence[float]
    split: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)

    @property
    def done(self) -> list[Outcome]:
        return [o for *_, o in self.kept if o.status == "completed"]

    def parts(self, outcome: Outcome) -> tuple[Part, ...]:
        """What an outcome took, node by node."""
        return self.split.get(outcome.request) or (Part(outcome.node, outcome.cpu_s),)

    @property
    def inferences(self) -> int:
        return sum(o.count for o in self.done)

    @property
    def window_s(self) -> float:
        return sum(b.window_s for b in self.blocks)

    def per_inference(self, what: Callable[[Outcome], float]) -> float | None:
        """Sum over outcomes per inference; None when unknown or nothing was completed."""
        total = sum(what(o) for o in self.done)
        return known(total / self.inferences) if self.inferences else None

    def carbon(self) -> float | None:
        return self.per_inference(lambda o: o.cost.carbon_g)

    def pairs(self) -> dict[tuple[int, int], tuple[int, float]]:
        """Block and grams per inference by (repeat, position), for pairing."""
        return {
            (repeat, seq): (number, o.cost.carbon_g / o.count)
            for repeat, number, seq, o in self.kept
            if o.status == "completed" and math.isfinite(o.cost.carbon_g)
        }


def known(value: float | None) -> float | None:
    """A finite number, or None: what is not known is not NaN in a document."""
    return None if value is None or not math.isfinite(value) else value
