"""Starting the nodes of a scenario with what each can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gramwise.core.errors import ConfigError, ModelError
from gramwise.core.machines import Node
from gramwise.core.model import Variant
from gramwise.fleet.scenario import Scenario
from gramwise.runtime import caps, models
from gramwise.runtime.engine import variant_key
from gramwise.runtime.inprocess import InlineExecutor, InProcessExecutor
from gramwise.runtime.pieces import Pieces
from gramwise.runtime.processes import ProcessExecutor
from gramwise.runtime.profile import LocalExecutor


def held_by(
    scenario: Scenario, nodes: Sequence[Node], variants: Sequence[Variant], pieces: Pieces | None
) -> dict[str, dict[str, Variant]]:
    """The whole variants that each node loads, references first, as far as memory goes beside the pieces of a plan.

    Raises:
        ConfigError: a node cannot hold its pieces.
    """
    held: dict[str, dict[str, Variant]] = {}
    for node in nodes:
        used = models.RUNTIME_BYTES
        if pieces is not None:
            used = max(used, pieces.memory_bytes(node.name))
            _check_room(scenario, node, used)
        held[node.name] = {}
        for variant in variants:
            own = variant.memory_bytes - models.RUNTIME_BYTES
            if used + own <= node.memory_bytes:
                held[node.name][variant_key(variant.model, variant.name)] = variant
                used += own
    return held


def _check_room(scenario: Scenario, node: Node, needed_bytes: int) -> None:
    if needed_bytes > node.memory_bytes:
        raise ConfigError(
            f"the plan's pieces need {needed_bytes / 2**20:.0f} MiB on {node.name}, which has"
            f" {node.memory_bytes / 2**20:.0f} MiB.",
            file=scenario.path,
            key=f"nodes.{node.name}.memory",
            fix="Plan anew for this memory, or give the node more.",
        )


async def start(
    scenario: Scenario,
    nodes: Sequence[Node],
    held: Mapping[str, Mapping[str, Variant]],
    *,
    inline: bool = False,
    pieces: Pieces | None = None,
) -> LocalExecutor:
    """Start nodes as the scenario's executor says, each with the variants and pieces that it holds.

    Args:
        scenario: as loaded.
        nodes: what to start.
        held: whole variants by node, by the name that the executor is to call them.
        inline: run in-process nodes in the calling thread.
        pieces: of a split plan.

    Raises:
        ConfigError: caps that cannot be set here, or a node that was killed at its memory cap.
        ModelError: a model file cannot be loaded; with file and key.
        ExecutionError: a node cannot be started.
    """
    files = {
        node: {**(pieces.loads(node) if pieces else {}), **{key: v.path for key, v in loaded.items()}}
        for node, loaded in held.items()
    }
    try:
        if scenario.executor.kind == "in-process":
            return (InlineExecutor if inline else InProcessExecutor)(nodes, files)
        maker = caps.find(scenario.executor.caps, scenario.executor.period_s)
        return await ProcessExecutor.start(nodes, files, maker)
    except ConfigError as fault:
        raise ConfigError(fault.message, file=scenario.path, key=fault.key, fix=fault.fix) from fault
    except ModelError as fault:
        raise ModelError(f"{scenario.path}: {_key_of_file(held, fault)}: {fault}") from fault


def _key_of_file(held: Mapping[str, Mapping[str, Variant]], fault: ModelError) -> str:
    for loaded in held.values():
        for variant in loaded.values():
            if variant.path in str(fault):
                return f"models.{variant.model}.variants.{variant.name}.file"
    return "models"
