"""A plan as ``gramwise plan`` writes it, read back and held against the scenario that is to run it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from gramwise.core.decision import Cost, Stage
from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.model import Variant
from gramwise.fleet.scenario import Scenario, links_of
from gramwise.runtime.chain import OUTSIDE, Network, Route

SCHEMA = "gramwise.plan/1"

_REMAKE = "Make it anew: gramwise plan SCENARIO."


@dataclass(frozen=True, kw_only=True)
class PlanFile:
    """A plan for one variant of one model.

    Attributes:
        path: where it was read.
        model, variant: names in the scenario.
        digest: SHA-256 of the model file that was planned.
        count: inferences of the request that was planned.
        stages: what runs where, in order; times, joules and bytes of one inference, memory beside the runtime's own.
        cost: predicted for a request of ``count`` inferences.
    """

    path: Path
    model: str
    variant: str
    digest: str
    count: int
    stages: tuple[Stage, ...]
    cost: Cost

    @property
    def split(self) -> bool:
        """Whether it has more than one stage; a plan of one stage asks for a node, not for pieces."""
        return len(self.stages) > 1


def read_plan(path: str | Path) -> PlanFile:
    """Read a ``gramwise.plan/1`` document.

    Raises:
        ConfigError: missing or unreadable file, another schema, a key that is missing or makes no sense; with file, key
            and what to do.
    """
    file = Path(path)
    document = _document(file)
    stages = _value(document, "stages", list, file)
    count = document.get("count", 1)
    if not isinstance(count, int) or count < 1:
        raise _fault(file, "count", f"a plan is for 1 inference or more, not {count!r}.")
    if not stages:
        raise _fault(file, "stages", "a plan has at least one stage.")
    read = tuple(_stage(row, i, count, file) for i, row in enumerate(stages))
    _check_order(read, file)
    cost = _value(document, "cost", dict, file)
    return PlanFile(
        path=file,
        model=_value(document, "model", str, file),
        variant=_value(document, "variant", str, file),
        digest=_value(document, "digest", str, file),
        count=count,
        stages=read,
        cost=Cost(
            latency_s=_number(cost, "latency_s", file, "cost."),
            energy_j=_number(cost, "energy_j", file, "cost."),
            carbon_g=_number(cost, "carbon_g", file, "cost."),
        ),
    )


def network_of(scenario: Scenario) -> Network:
    """How tensors travel between the nodes of a scenario."""
    split = scenario.split
    origin, destination = (
        OUTSIDE if name not in scenario.nodes else name for name in (split.origin, split.destination)
    )
    return Network(links=links_of(scenario), origin=origin, destination=destination, line=split.line)


def check_plan(plan: PlanFile, scenario: Scenario, variants: Sequence[Variant]) -> Variant:
    """Hold a plan against the scenario that is to run it.

    Args:
        plan: from `read_plan`.
        scenario: as loaded.
        variants: of the scenario, with their files.

    Returns:
        The variant that was planned.

    Raises:
        ConfigError: a node, model or variant that the scenario lacks, a model file that is not the one that was
            planned, or no link between two nodes that must speak to each other.
    """
    for i, stage in enumerate(plan.stages):
        if stage.node not in scenario.nodes:
            raise ConfigError(
                f"the scenario has no node {stage.node!r}.",
                file=plan.path,
                key=f"stages.{i}.node",
                fix=did_you_mean(stage.node, scenario.nodes),
            )
    if plan.model != scenario.model:
        raise ConfigError(
            f"the plan is for the model {plan.model!r}, and the workload asks for {scenario.model!r}.",
            file=plan.path,
            key="model",
            fix=_REMAKE,
        )
    named = {variant.name: variant for variant in variants if variant.model == plan.model}
    if plan.variant not in named:
        raise ConfigError(
            f"the model {plan.model!r} has no variant {plan.variant!r}.",
            file=plan.path,
            key="variant",
            fix=did_you_mean(plan.variant, named),
        )
    variant = named[plan.variant]
    with Path(variant.path).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != plan.digest:
        raise ConfigError(
            f"the plan is for another model file: its digest begins with {plan.digest[:12]}, that of"
            f" {Path(variant.path).name} with {found[:12]}.",
            file=plan.path,
            key="digest",
            fix=_REMAKE,
        )
    if plan.split:
        _check_links(plan, network_of(scenario))
    return variant


def _check_links(plan: PlanFile, network: Network) -> None:
    for move in Route(plan.stages, network).moves:
        if (move.start, move.end) not in network.links:
            ends = [repr(name) if name else "the client" for name in (move.start, move.end)]
            raise ConfigError(
                f"no link leads from {ends[0]} to {ends[1]}, and the plan sends {move.tensor!r} that way.",
                file=plan.path,
                key="stages",
                fix=f"Declare the link under [[links]] in the scenario, or {_REMAKE[0].lower()}{_REMAKE[1:]}",
            )


def _document(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as fault:
        raise ConfigError(
            "there is no such file.", file=file, fix="Write one: gramwise plan SCENARIO."
        ) from fault
    except (OSError, ValueError) as fault:
        raise ConfigError(f"this is not a plan: {str(fault).rstrip('.')}.", file=file, fix=_REMAKE) from fault
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise _fault(file, "schema", f"a plan says {SCHEMA!r} there, and this file says {schema!r}.")
    return dict(document)


def _stage(row: Any, i: int, count: int, file: Path) -> Stage:
    at = f"stages.{i}."
    if not isinstance(row, dict):
        raise _fault(file, at[:-1], "a stage is a table.")
    first, last = (_value(row, key, int, file, at) for key in ("first_layer", "last_layer"))
    return Stage(
        node=_value(row, "node", str, file, at),
        layers=(first, last + 1),
        send_bytes=round(_number(row, "send_bytes", file, at) / count),
        receive_bytes=round(_number(row, "receive_bytes", file, at) / count),
        inputs=_names(row, "inputs", file, at),
        outputs=_names(row, "outputs", file, at),
        latency_s=_number(row, "latency_s", file, at) / count,
        energy_j=_number(row, "energy_j", file, at) / count,
        memory_bytes=round(_number(row, "memory_bytes", file, at)),
    )


def _check_order(stages: Sequence[Stage], file: Path) -> None:
    """Stages follow one another without a gap, and read only what was made before."""
    begin = 0
    made: set[str] = set()
    later = {name: i for i, stage in enumerate(stages) for name in stage.outputs}
    for i, stage in enumerate(stages):
        first, after = stage.layers or (0, 0)
        if first != begin or after <= first:
            why = f"it holds the layers {first} to {after - 1}, and layer {begin} comes next."
            raise _fault(file, f"stages.{i}.first_layer", why)
        begin = after
        early = [name for name in stage.inputs if later.get(name, -1) >= i and name not in made]
        if early:
            raise _fault(file, f"stages.{i}.inputs", f"{early[0]!r} is made only later.")
        made |= set(stage.outputs)
    for i, (a, b) in enumerate(pairwise(stages)):
        if a.node == b.node:
            raise _fault(file, f"stages.{i + 1}.node", "two stages in a row on one node are one stage.")
    for i, stage in enumerate(stages):
        if len(stages) > 1 and not stage.outputs:
            raise _fault(file, f"stages.{i}.outputs", "a stage that makes nothing for others serves nothing.")


def _value(table: Mapping[str, Any], key: str, kind: type, file: Path, at: str = "") -> Any:
    if key not in table:
        raise _fault(file, at + key, "the plan lacks this key.")
    value = table[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _fault(file, at + key, f"{value!r} is not what stands there in a plan.")
    return value


def _number(table: Mapping[str, Any], key: str, file: Path, at: str) -> float:
    value = _value(table, key, (int, float), file, at)  # type: ignore[arg-type]  # isinstance takes both
    if not 0 <= value < float("inf"):
        raise _fault(file, at + key, f"{value!r} is not a figure of 0 or more.")
    return float(value)


def _names(table: Mapping[str, Any], key: str, file: Path, at: str) -> tuple[str, ...]:
    names = _value(table, key, list, file, at)
    if not all(isinstance(name, str) and name for name in names):
        raise _fault(file, at + key, "names of tensors stand there.")
    return tuple(names)


def _fault(file: Path, key: str, why: str) -> ConfigError:
    return ConfigError(why, file=file, key=key, fix=_REMAKE)
