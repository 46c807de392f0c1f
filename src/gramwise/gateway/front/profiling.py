"""What each variant takes on each node, by sending it a few requests; what a node does not tell is declared or unknown.

Times are the gateway's own, over the real network: a fixed part and one that grows with the inferences of a request,
from requests of one inference and of as many as the workload's have.
"""

from __future__ import annotations

import asyncio
import logging
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gramwise.core.decision import PlanTable, columns
from gramwise.core.errors import ExecutionError, GramwiseError
from gramwise.core.machines import Node
from gramwise.core.model import Variant
from gramwise.core.quantity import Quantity
from gramwise.fleet.scenario import Scenario
from gramwise.gateway.oip.datatypes import DATATYPES
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.head import read_request_head
from gramwise.gateway.oip.metadata import ModelMetadata
from gramwise.gateway.oip.tensors import Array, write_request
from gramwise.runtime import models
from gramwise.runtime.engine import variant_key
from gramwise.runtime.modelled import modelled_cost

from .asked import Asked
from .executor import RemoteExecutor
from .negotiate import batched
from .peers import Peer

_LOG = logging.getLogger("gramwise.gateway.front")

LONGEST_S = 5.0
"""A variant that has been timed for so long on a node is timed no further; one run is always made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one variant takes on one node.

    Attributes:
        fixed_s: of a request, besides its inferences.
        latency_s: of an inference.
        energy_j: marginal joules of an inference; NaN where nobody knows.
        times_s: of every request, for the policies' history.
    """

    fixed_s: float
    latency_s: float
    energy_j: float
    times_s: tuple[float, ...] = ()


async def take(executor: RemoteExecutor, peer: Peer, key: str, scenario: Scenario, runs: int) -> Taken | None:
    """Time a variant on a node.

    Args:
        executor: that reaches it.
        peer: the node, which has been asked what it serves.
        key: the executor's name of the variant.
        scenario: whose workload says how many inferences requests have.
        runs: requests of each size.

    Returns:
        None where no request can be made up, or the node refuses it.

    Raises:
        NodeLost: the node died.
    """
    metadata = peer.metadata[peer.names[key]]
    many = scenario.workload.count if batched(metadata) else 1
    by_count: dict[int, list[tuple[float, float]]] = {}
    for count in dict.fromkeys((1, many)):
        inputs = random_inputs(metadata, count)
        if inputs is None:
            return None
        json, tail = write_request(inputs)
        whole = b"".join((json, *tail))
        try:
            by_count[count] = await _runs(executor, peer.name, key, json, whole, count, runs)
        except (BadRequest, ExecutionError) as fault:
            if not peer.up:
                raise
            _LOG.warning("node %s cannot be timed with %s: %s", peer.name, key, fault)
            return None
    return _fitted(by_count)


async def _runs(
    executor: RemoteExecutor, node: str, key: str, json: bytes, whole: bytes, count: int, runs: int
) -> list[tuple[float, float]]:
    """Seconds and joules of each request, the first left out where there are others."""
    found, spent_s = [], 0.0
    head = read_request_head(json, len(json))  # for nodes that do not speak HTTP with binary tensors
    for _ in range(runs + 1):
        asked = Asked(head=head, json=json, binary=True, whole=whole, nbytes=len(whole))
        asked.count = count
        ran = await executor.run(node, key, {"": asked})
        found.append((ran.end_s - ran.start_s, math.nan if ran.energy is None else ran.energy.value))
        spent_s += found[-1][0]
        if spent_s > LONGEST_S:
            break
    return found[1:] or found


def _fitted(by_count: dict[int, list[tuple[float, float]]]) -> Taken:
    least, most = min(by_count), max(by_count)
    times = {count: statistics.median(time_s for time_s, _ in rows) for count, rows in by_count.items()}
    if most > least:
        each_s = max(0.0, (times[most] - times[least]) / (most - least))
    else:
        each_s = times[most] / most
    return Taken(
        fixed_s=max(0.0, times[most] - most * each_s),
        latency_s=each_s,
        energy_j=statistics.median(energy_j for _, energy_j in by_count[most]) / most,
        times_s=tuple(time_s for time_s, _ in by_count[most]),
    )


def random_inputs(metadata: ModelMetadata, count: int) -> dict[str, Array] | None:
    """Random tensors for a model: its free dimensions are one, the first ``count``; None for types without numbers."""
    rng, made = np.random.default_rng(0), {}
    for each in metadata.inputs:
        kind = DATATYPES.get(each.datatype)
        if kind is None or kind.item_bytes is None or kind.numpy is None:
            return None
        shape = [
            (count if i == 0 and size == -1 else 1 if size < 0 else size) for i, size in enumerate(each.shape)
        ]
        made[each.name] = rng.random(shape).astype(kind.numpy)
    return made or None


async def declared(scenario: Scenario, node: Node, variant: Variant) -> Quantity | None:
    """Marginal joules of an inference where the node tells none: as declared, else as modelled; None where neither is.

    Args:
        scenario: with ``[[costs]]``.
        node: of it.
        variant: of it; its file is analysed where nothing is declared and the file is here.
    """
    try:
        return await asyncio.to_thread(modelled_cost, scenario, node, _resolved(scenario, variant))
    except (GramwiseError, OSError) as fault:
        _LOG.warning(
            "the joules of %s/%s on %s are unknown: %s", variant.model, variant.name, node.name, fault
        )
        return None


def _resolved(scenario: Scenario, variant: Variant) -> Variant:
    table = scenario.models[variant.model].variants[variant.name]
    try:
        path = models.resolve(table.file, scenario.path.parent, source=scenario.path, key="models")
    except GramwiseError:
        return variant  # declared costs need no file
    return replace(variant, path=str(path))


def table_of(
    scenario: Scenario,
    nodes: Sequence[Node],
    variants: Sequence[Variant],
    taken: dict[tuple[str, str], Taken],
) -> PlanTable:
    """A row for every node and variant. One that a node does not serve, or that nothing is known of, takes for ever.

    A node that serves a variant has room for it, so that its memory rejects only what it does not serve.
    """
    rows: list[tuple[int, Variant, Any]] = [
        (i, variant, taken.get((node.name, variant_key(variant.model, variant.name))))
        for i, node in enumerate(nodes)
        for variant in variants
    ]
    references = {(name, table.reference) for name, table in scenario.models.items()}
    return PlanTable(
        node=np.array([i for i, _, _ in rows], dtype=np.int64),
        model=tuple(variant.model for _, variant, _ in rows),
        variant=tuple(variant.name for _, variant, _ in rows),
        reference=np.array([(v.model, v.name) in references for _, v, _ in rows], dtype=np.bool_),
        latency_s=columns([t.latency_s if t else math.inf for _, _, t in rows]),
        fixed_s=columns([t.fixed_s if t else 0.0 for _, _, t in rows]),
        energy_j=columns([t.energy_j if t else math.nan for _, _, t in rows]),
        accuracy_frac=columns([math.nan if v.accuracy_frac is None else v.accuracy_frac for _, v, _ in rows]),
        memory_bytes=columns([float(nodes[i].memory_bytes) if t else math.inf for i, _, t in rows]),
    )
