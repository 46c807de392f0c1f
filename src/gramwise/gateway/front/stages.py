"""A plan of several stages on real nodes: its pieces are models of the nodes' own, and tensors pass between them.

A piece is served under the name ``model.variant.1of3``; its tensors go from node to node through the gateway, as the
bytes that they are. The plan is one more row of the plan table, beside the whole variants.
"""

from __future__ import annotations

import logging
import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gramwise.core.decision import PlanTable, Stage, columns
from gramwise.core.errors import ConfigError, ExecutionError
from gramwise.core.machines import Node
from gramwise.core.protocols import Ran
from gramwise.fleet.scenario import Scenario
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.metadata import read_model_metadata
from gramwise.gateway.oip.paths import model_path
from gramwise.gateway.oip.tensors import Array
from gramwise.runtime.chain import Chain, Network, Route
from gramwise.runtime.engine import variant_key
from gramwise.runtime.planfile import PlanFile

from .executor import RemoteExecutor
from .negotiate import get
from .peers import Peer
from .profiling import random_inputs

_LOG = logging.getLogger("gramwise.gateway.front")
_ASK_S = 5.0


def piece_name(model: str, variant: str, number: int, count: int) -> str:
    """What a node calls a piece: a name that repositories and paths can have."""
    return f"{model}.{variant}.{number}of{count}"


class Staged:
    """A plan and what its stages take.

    Args:
        plan: of two stages or more.
        scenario: that it is for.

    Raises:
        ConfigError: a plan of one stage, or of another scenario.
    """

    def __init__(self, plan: PlanFile, scenario: Scenario) -> None:
        if not plan.split:
            raise ConfigError(
                "this plan has one stage, which every policy chooses among anyway.",
                file=plan.path,
                fix="Name a plan of several stages, or leave --plan out.",
            )
        unknown = [stage.node for stage in plan.stages if stage.node not in scenario.nodes]
        known = plan.model in scenario.models and plan.variant in scenario.models[plan.model].variants
        if unknown or not known:
            raise ConfigError(
                f"the scenario has no {f'node {unknown[0]!r}' if unknown else 'such model and variant'}.",
                file=plan.path,
                fix="Make the plan anew: gramwise plan SCENARIO.",
            )
        self.plan = plan
        count = len(plan.stages)
        self.stages = tuple(
            replace(stage, piece=piece_name(plan.model, plan.variant, i, count))
            for i, stage in enumerate(plan.stages, 1)
        )
        self.route = Route(self.stages, Network())
        self.answers: Mapping[str, Collection[str]] = {
            variant_key(plan.model, plan.variant): self.route.answers
        }
        self._timed: tuple[Stage, ...] | None = None

    async def negotiate(self, peer: Peer) -> None:
        """Find the pieces that a node serves; puts them into the peer.

        Raises:
            NodeLost: it does not answer.
        """
        for stage in self.stages:
            if stage.node != peer.name:
                continue
            status, body = await get(peer.http, model_path(stage.piece), _ASK_S)
            if status != 200:
                _LOG.error("node %s does not serve the piece %s: the plan cannot run", peer.name, stage.piece)
                continue
            peer.names[stage.piece] = stage.piece
            peer.metadata[stage.piece] = read_model_metadata(body)

    async def time(self, executor: RemoteExecutor, scenario: Scenario, runs: int) -> None:
        """Send a few requests through all stages; without every node of the plan, later."""
        peers = [executor.peers.get(stage.node) for stage in self.stages]
        there = all(
            peer is not None and peer.up and stage.piece in peer.names
            for peer, stage in zip(peers, self.stages, strict=True)
        )
        if self._timed is not None or not there:
            return
        made = {name for stage in self.stages for name in stage.outputs}
        count = scenario.workload.count
        inputs: dict[str, Array] = {}
        for stage in self.stages:
            metadata = executor.peers[stage.node].metadata[stage.piece]
            inputs |= {k: v for k, v in (random_inputs(metadata, count) or {}).items() if k not in made}
        try:
            rows = [await self._once(executor, Chain(self.route, inputs)) for _ in range(runs + 1)][1:]
        except (ExecutionError, BadRequest, KeyError) as fault:
            _LOG.error("the plan cannot run: %s", fault)
            return
        self._timed = tuple(
            _timed(stage, of_stage, count)
            for stage, of_stage in zip(self.stages, zip(*rows, strict=True), strict=True)
        )

    async def _once(self, executor: RemoteExecutor, chain: Chain) -> list[Ran]:
        rans = []
        for i, stage in enumerate(self.stages):
            ran = await executor.run(stage.node, stage.piece, chain.given(i))
            chain.took(i, ran)
            rans.append(ran)
        return rans

    def added(self, table: PlanTable, nodes: Sequence[Node], scenario: Scenario) -> PlanTable:
        """The table with the plan's row, once it has been timed."""
        stages, names = self._timed, [node.name for node in nodes]
        if stages is None or any(stage.node not in names for stage in stages):
            return table
        plan = self.plan
        model = scenario.models[plan.model]
        same = [
            i
            for i, row in enumerate(zip(table.model, table.variant, strict=True))
            if row == (plan.model, plan.variant)
        ]
        return replace(
            table,
            node=np.append(table.node, names.index(stages[0].node)),
            model=(*table.model, plan.model),
            variant=(*table.variant, plan.variant),
            reference=np.append(table.reference, plan.variant == model.reference),
            latency_s=columns([*table.latency_s, sum(stage.latency_s for stage in stages)]),
            fixed_s=columns([*table.fixed_s, 0.0]),
            energy_j=columns([*table.energy_j, sum(stage.energy_j for stage in stages)]),
            accuracy_frac=columns([*table.accuracy_frac, table.accuracy_frac[same[0]] if same else math.nan]),
            memory_bytes=columns([*table.memory_bytes, 0.0]),
            stages={**table.stages, len(table): stages},
            planned=len(table),
        )


def _timed(stage: Stage, rans: Sequence[Ran], count: int) -> Stage:
    """A stage with its measured seconds and joules of one inference."""
    joules = [math.nan if ran.energy is None else ran.energy.value for ran in rans]
    return replace(
        stage,
        latency_s=statistics.median(ran.end_s - ran.start_s for ran in rans) / count,
        energy_j=statistics.median(joules) / count,
        memory_bytes=0,
    )
