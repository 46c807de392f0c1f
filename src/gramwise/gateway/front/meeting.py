"""Getting to know the nodes: what each serves, and what its variants take there."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from gramwise.core.errors import ExecutionError, Rejected
from gramwise.core.machines import Node
from gramwise.core.model import Variant
from gramwise.fleet.scenario import Scenario
from gramwise.runtime.engine import variant_key
from gramwise.runtime.pricing import cpu_price

from .executor import RemoteExecutor
from .negotiate import negotiate
from .peers import Peer
from .profiling import Taken, declared, take
from .stages import Staged

_LOG = logging.getLogger("gramwise.gateway.front")

_HISTORY = 5
"""Times of a variant on a node that policies are told as its history."""


class Acquaintance:
    """What is known of nodes.

    Args:
        executor: that reaches them.
        runs: requests by which a variant is timed.

    Attributes:
        taken: by node and executor's name of the variant.
    """

    def __init__(self, executor: RemoteExecutor, runs: int) -> None:
        self._executor, self._runs = executor, runs
        self.taken: dict[tuple[str, str], Taken] = {}

    def forget(self, name: str) -> None:
        """Another machine has the name of a node."""
        for key in [key for key in self.taken if key[0] == name]:
            del self.taken[key]

    async def meet(self, peer: Peer, scenario: Scenario, staged: Staged | None) -> bool:
        """Ask and time a node; True once it can take work. A fault leaves it out, with why."""
        references = {name: table.reference for name, table in scenario.models.items()}
        variants = variants_of(scenario)
        try:
            await negotiate(peer, variants, references)
            if staged is not None:
                await staged.negotiate(peer)
            if not peer.names:
                raise Rejected(f"it serves none of {', '.join(scenario.models)}")
            peer.back()
            if peer.node.speed_factor is not None:
                peer.price = cpu_price([peer.node], None).j_per_cpu_s[peer.name]
            for variant in variants:
                key = variant_key(variant.model, variant.name)
                if key in peer.names and (peer.name, key) not in self.taken:
                    await self._time(peer, key, variant, scenario)
        except ExecutionError as fault:
            peer.out(str(fault))
            peer.why = str(fault)
            _LOG.warning("node %s is not in service: %s", peer.name, fault)
            return False
        return True

    async def _time(self, peer: Peer, key: str, variant: Variant, scenario: Scenario) -> None:
        taken = await take(self._executor, peer, key, scenario, self._runs)
        if taken is None or taken.energy_j != taken.energy_j:
            each = await declared(scenario, peer.node, variant)
            if each is not None:
                peer.declared[key] = each
                taken = None if taken is None else replace(taken, energy_j=each.value)
        if taken is None:
            taken = _declared_time(scenario, peer.node, variant)
        if taken is not None:
            self.taken[peer.name, key] = taken

    def history(self, names: Iterable[str], scenario: Scenario) -> dict[str, list[float]]:
        """Seconds of reference variants on these nodes, for policies that learn from the past."""
        found: dict[str, list[float]] = {}
        references = {variant_key(name, table.reference) for name, table in scenario.models.items()}
        there = set(names)
        for (name, key), taken in self.taken.items():
            if name in there and key in references:
                found.setdefault(name, []).extend(taken.times_s[:_HISTORY])
        return found


def variants_of(scenario: Scenario) -> tuple[Variant, ...]:
    """Every variant of every model; its file need not be here."""
    return tuple(variant for model in scenario.models for variant in scenario.variant_records(model))


def _declared_time(scenario: Scenario, node: Node, variant: Variant) -> Taken | None:
    """What the scenario declares for a variant that cannot be timed."""
    for cost in scenario.costs:
        same = (cost.model, cost.variant) == (variant.model, variant.name)
        if same and (cost.node == node.name or cost.device == node.device.id):
            return Taken(fixed_s=0.0, latency_s=cost.latency_s, energy_j=cost.energy_j)
    _LOG.error(
        "%s/%s on %s gets no requests: it cannot be timed, so write [[costs]] for it with latency_s and energy_j",
        variant.model,
        variant.name,
        node.name,
    )
    return None
