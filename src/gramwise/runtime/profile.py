"""What each variant, and each piece of a plan, takes on its node, measured at the start, and the table that follows."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gramwise.core.decision import PlanTable, columns
from gramwise.core.errors import ConfigError, GramwiseError, NodeLost, Rejected
from gramwise.core.machines import Node
from gramwise.core.model import Variant
from gramwise.core.protocols import Executor, Ran
from gramwise.fleet.scenario import Scenario
from gramwise.runtime.chain import Chain, Route
from gramwise.runtime.engine import variant_key
from gramwise.runtime.inputs import Spec
from gramwise.runtime.pricing import CpuPrice
from gramwise.runtime.processes import ProcessExecutor

if TYPE_CHECKING:
    import numpy.typing as npt

    from gramwise.core.decision import Floats

PROFILE_RUNS = 5
"""Runs timed per node and variant after one to warm up; the median is taken, so two bad moments do no harm."""


class LocalExecutor(Executor, Protocol):
    """An executor that can say what its variants take."""

    caps: Any

    def inputs(self, node: str, variant: str) -> Spec:
        """Shape and NumPy type by input name."""
        ...

    async def load(self, node: str, variant: str, path: str) -> None:
        """Load a model file into a running node under this name.

        Raises:
            ModelError: the file cannot be loaded.
            ConfigError: the node was killed at its memory cap.
            NodeLost: it died for another reason.
        """
        ...

    async def drop(self, node: str, variant: str) -> None:
        """Take a variant from a running node."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one variant takes on one node, per request of ``count`` inferences.

    Attributes:
        latency_s: median execution time.
        cpu_s: median thread CPU seconds.
        times_s: every execution time, for the policies' history.
        cpu_times_s: every CPU time.
    """

    latency_s: float
    cpu_s: float
    times_s: tuple[float, ...]
    cpu_times_s: tuple[float, ...]


async def profile(
    scenario: Scenario,
    executor: LocalExecutor,
    held: Mapping[str, Mapping[str, Variant]],
    inputs: Mapping[str, npt.NDArray[Any]] | None,
) -> dict[tuple[str, str], Profile]:
    """Time each variant on each node, one node at a time: together they would slow each other down."""
    profiles = {}
    for node, loaded in held.items():
        for key, variant in loaded.items():
            given = inputs if variant.model == scenario.model else None
            tensors = given or _random(executor.inputs(node, key), scenario.workload.count)
            try:
                runs = [await executor.run(node, key, tensors) for _ in range(PROFILE_RUNS + 1)][1:]
            except NodeLost as fault:
                raise _lost_while_profiled(scenario, executor, node, fault) from fault
            except Rejected as fault:
                raise ConfigError(
                    f"{key} does not take the workload's inputs: {fault}.",
                    file=scenario.path,
                    key=f"models.{variant.model}.variants.{variant.name}.file",
                    fix="Write a file whose input has the name, shape and type of the reference variant's.",
                ) from fault
            profiles[node, key] = _profile(runs)
    return profiles


def _profile(runs: Sequence[Ran]) -> Profile:
    times = tuple(run.end_s - run.start_s for run in runs)
    cpu_times = tuple(run.cpu_s for run in runs)
    return Profile(
        latency_s=statistics.median(times),
        cpu_s=statistics.median(cpu_times),
        times_s=times,
        cpu_times_s=cpu_times,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitProfile:
    """What a split plan takes, per request of ``count`` inferences.

    Attributes:
        route: of its tensors.
        stages: what each stage takes on its node.
        nbytes: size of every tensor that one of its moves carries.
    """

    route: Route
    stages: tuple[Profile, ...]
    nbytes: Mapping[str, float]


async def profile_split(
    scenario: Scenario,
    executor: LocalExecutor,
    route: Route,
    inputs: Mapping[str, npt.NDArray[Any]] | None,
) -> SplitProfile:
    """Time each piece of a split plan on its node, in the plan's order, with tensors held as in serving.

    Raises:
        ConfigError: a node was killed at its memory cap, or the pieces do not take the workload's inputs.
        NodeLost: a node died for another reason.
    """
    given = inputs or split_inputs(executor, route, scenario.workload.count)
    runs: list[list[Ran]] = []
    chain = Chain(route, given)
    for _ in range(PROFILE_RUNS + 1):
        chain = Chain(route, given)
        runs.append(await _run_once(scenario, executor, chain))
    return SplitProfile(
        route=route,
        stages=tuple(_profile(of_stage) for of_stage in zip(*runs[1:], strict=True)),
        nbytes=dict(chain.nbytes),
    )


async def _run_once(scenario: Scenario, executor: LocalExecutor, chain: Chain) -> list[Ran]:
    rans = []
    for i, stage in enumerate(chain.route.stages):
        try:
            ran = await executor.run(stage.node, stage.piece, chain.given(i), chain.route.hold[i])
        except NodeLost as fault:
            raise _lost_while_profiled(scenario, executor, stage.node, fault) from fault
        except (Rejected, KeyError) as fault:
            raise ConfigError(
                f"{stage.piece} does not take the workload's inputs: {fault}.",
                file=scenario.path,
                key="workload.inputs",
                fix="Give what the whole model takes.",
            ) from fault
        executor.release(chain.took(i, ran))
        rans.append(ran)
    return rans


def split_inputs(executor: LocalExecutor, route: Route, count: int) -> dict[str, npt.NDArray[Any]]:
    """Random tensors for the inputs of a network that is held in pieces."""
    made = {name for stage in route.stages for name in stage.outputs}
    spec: dict[str, tuple[tuple[int | None, ...], str]] = {}
    for stage in route.stages:
        spec |= {k: v for k, v in executor.inputs(stage.node, stage.piece).items() if k not in made}
    return _random(spec, count)


def _lost_while_profiled(
    scenario: Scenario, executor: LocalExecutor, node: str, fault: NodeLost
) -> GramwiseError:
    """A node that dies on its first inference has usually outgrown its memory; say so where the kernel does."""
    cap = executor.killed_for_memory(node) if isinstance(executor, ProcessExecutor) else None
    if cap is None:
        return fault
    return ConfigError(
        f"the node was killed at its cap of {cap / 2**20:.0f} MiB on its first request"
        f" of {scenario.workload.count} inferences.",
        file=scenario.path,
        key=f"nodes.{node}.memory",
        fix="Write a larger memory, a smaller variant, or a smaller workload.count.",
    )


def _random(spec: Spec, count: int) -> dict[str, npt.NDArray[Any]]:
    rng = np.random.default_rng(0)
    return {
        name: rng.random([count if i == 0 and d is None else d or 1 for i, d in enumerate(shape)]).astype(
            dtype
        )
        for name, (shape, dtype) in spec.items()
    }


def request_bytes(
    scenario: Scenario,
    executor: LocalExecutor,
    held: Mapping[str, Mapping[str, Variant]],
    route: Route | None = None,
) -> int:
    """Bytes of one request's inputs to the workload's model; free dimensions other than the first count as one."""
    if route is not None:
        return sum(v.nbytes for v in split_inputs(executor, route, scenario.workload.count).values())
    for node, loaded in held.items():
        for key, variant in loaded.items():
            if variant.model == scenario.model:
                tensors = _random(executor.inputs(node, key), scenario.workload.count)
                return sum(v.nbytes for v in tensors.values())
    return 0


def plan_table(
    nodes: Sequence[Node],
    variants: Sequence[Variant],
    profiles: Mapping[tuple[str, str], Profile],
    price: CpuPrice,
    scenario: Scenario,
    request_bytes: int,
) -> PlanTable:
    """A row for every node and variant; what a node does not hold has unknown times and does not fit its memory."""
    count = scenario.workload.count
    rows: list[tuple[int, Variant, float, float, float, float]] = []
    for i, node in enumerate(nodes):
        for variant in variants:
            profile = profiles.get((node.name, variant_key(variant.model, variant.name)))
            per_s = node.link.bytes_per_s
            transfer_s = request_bytes / count / per_s if per_s and variant.model == scenario.model else 0.0
            latency_s = profile.latency_s / count + transfer_s if profile else math.inf
            energy_j = price.energy_j(node.name, profile.cpu_s) / count if profile else math.nan
            fits = profile is not None
            memory = variant.memory_bytes if fits else max(variant.memory_bytes, node.memory_bytes + 1)
            rows.append((i, variant, latency_s, node.link.rtt_s, energy_j, float(memory)))
    references = {(name, table.reference) for name, table in scenario.models.items()}
    return PlanTable(
        node=np.array([r[0] for r in rows]),
        model=tuple(r[1].model for r in rows),
        variant=tuple(r[1].name for r in rows),
        reference=np.array([(r[1].model, r[1].name) in references for r in rows], dtype=np.bool_),
        latency_s=columns([r[2] for r in rows]),
        fixed_s=columns([r[3] for r in rows]),
        energy_j=columns([r[4] for r in rows]),
        accuracy_frac=_accuracies([r[1] for r in rows]),
        memory_bytes=columns([r[5] for r in rows]),
    )


def with_split(
    table: PlanTable,
    nodes: Sequence[Node],
    variant: Variant,
    reference: bool,
    split: SplitProfile,
    price: CpuPrice,
    count: int,
) -> PlanTable:
    """The table with one row more, the planned one, for a split plan.

    Args:
        table: of whole variants.
        nodes: the machines.
        variant: that was split.
        reference: it is its model's reference variant.
        split: what its pieces take.
        price: of CPU seconds.
        count: inferences of a request.
    """
    route, size = split.route, {name: value / count for name, value in split.nbytes.items()}
    stages = tuple(
        replace(
            stage,
            latency_s=taken.latency_s / count + wait.transfer_s(size),
            energy_j=price.energy_j(stage.node, taken.cpu_s) / count,
        )
        for stage, taken, wait in zip(route.stages, split.stages, route.waits, strict=True)
    )
    home = sum(stage.latency_s for stage in stages) + route.wait_out.transfer_s(size)
    return replace(
        table,
        node=np.append(table.node, [node.name for node in nodes].index(stages[0].node)),
        model=(*table.model, variant.model),
        variant=(*table.variant, variant.name),
        reference=np.append(table.reference, reference),
        latency_s=columns([*table.latency_s, home]),
        fixed_s=columns([*table.fixed_s, sum(wait.fixed_s for wait in (*route.waits, route.wait_out))]),
        energy_j=columns([*table.energy_j, sum(stage.energy_j for stage in stages)]),
        accuracy_frac=columns([*table.accuracy_frac, *_accuracies([variant])]),
        memory_bytes=columns([*table.memory_bytes, float(stages[0].memory_bytes)]),
        stages={**table.stages, len(table): stages},
        planned=len(table),
    )


def _accuracies(variants: Sequence[Variant]) -> Floats:
    return columns([math.nan if v.accuracy_frac is None else v.accuracy_frac for v in variants])
