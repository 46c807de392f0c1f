"""The composition root: a scenario becomes nodes that run, prices, intensities and a plan table.

The one place where the layers meet. Every number that a decision will rest on is measured or looked up here, once:
what each variant takes on each node, what a CPU second costs there, how clean its grid is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gramwise.core import plugins
from gramwise.core.clock import Clock, SystemClock
from gramwise.core.decision import PlanTable
from gramwise.core.errors import (
    ConfigError,
    Infeasible,
    MeterError,
    SourceUnavailable,
)
from gramwise.core.machines import Node
from gramwise.core.model import Variant
from gramwise.core.protocols import Meter, Policy
from gramwise.core.quantity import Quantity
from gramwise.fleet.scenario import Scenario, check_floor, check_memory, load_scenario
from gramwise.power.model import host_rate_flop_per_s
from gramwise.runtime import models
from gramwise.runtime.chain import OUTSIDE, Network, Route
from gramwise.runtime.engine import Engine, variant_key
from gramwise.runtime.pieces import pieces_of
from gramwise.runtime.planfile import PlanFile, check_plan, network_of
from gramwise.runtime.pricing import CpuPrice, cpu_price, needs_host_rate
from gramwise.runtime.processes import ProcessExecutor
from gramwise.runtime.profile import (
    LocalExecutor,
    Profile,
    SplitProfile,
    plan_table,
    profile,
    profile_split,
    request_bytes,
    with_split,
)
from gramwise.runtime.session import Session
from gramwise.runtime.start import held_by, start
from gramwise.runtime.world import Grid, World
from gramwise.schedule import load_policy

if TYPE_CHECKING:
    import numpy.typing as npt


Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A scenario brought to life. Close the executor when done.

    ``plan`` is what was asked for with a plan file; ``split`` is what its pieces take, where it has several;
    ``answers`` are the outputs of whole networks, by the executor's name, where pieces leave that open.
    """

    scenario: Scenario
    nodes: tuple[Node, ...]
    variants: tuple[Variant, ...]
    executor: LocalExecutor
    price: CpuPrice
    grids: tuple[Grid, ...]
    plans: PlanTable
    profiles: Mapping[tuple[str, str], Profile]
    host_flop_per_s: Quantity | None
    request_bytes: int = 0
    network: Network = field(default_factory=Network)
    plan: PlanFile | None = None
    split: SplitProfile | None = None
    answers: Mapping[str, Collection[str]] = field(default_factory=dict)
    meter: Meter | None = None
    clock: Clock = field(default_factory=SystemClock)

    def world(self) -> World:
        """A fresh world: nobody queued, history as the warm-up left it."""
        reference = {v.model: v.name for v in reversed(self.variants)}
        key = variant_key(self.scenario.model, reference[self.scenario.model])
        history = {node: list(p.times_s) for (node, variant), p in self.profiles.items() if variant == key}
        return World(
            self.nodes,
            self.grids,
            self.plans,
            baseline=self.scenario.baseline_node,
            max_intensity_age_s=self.scenario.goals.max_intensity_age_s,
            history=history,
        )

    def engine(self, policy: Policy, world: World | None = None, **hooks: Any) -> Engine:
        """An engine with this policy; where it finds no plan, the soonest one serves."""
        return Engine(
            policy,
            world or self.world(),
            self.executor,
            self.price,
            self.clock,
            soonest=load_policy("soonest" if self.plans.stages else "fastest"),
            network=self.network,
            answers=self.answers,
            **hooks,
        )


def read_scenario(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Load a scenario and check what needs no model: its zones against the grid data, its floor, its policies.

    Raises:
        ConfigError, Infeasible: with file, key and what to write.
    """
    source = plugins.create("intensity", "annual")
    scenario = load_scenario(path, overrides, known_zones=source.check)
    check_floor(scenario)
    for name in scenario.bench.policies:
        try:
            load_policy(name.removesuffix("+variants"))
        except ConfigError as fault:
            raise ConfigError(fault.message, file=path, key="bench.policies", fix=fault.fix) from fault
    return scenario


def read_simulated(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Load a scenario for a simulation: its zones may be of traces that the annual table does not know.

    Raises:
        ConfigError, Infeasible: with file, key and what to write.
    """
    scenario = load_scenario(path, overrides)
    check_floor(scenario)
    return scenario


def resolve_variants(scenario: Scenario, *, whole: bool = True) -> tuple[Variant, ...]:
    """Every variant of every model with its file found and its memory known, references first.

    Args:
        scenario: as loaded.
        whole: every node must be able to hold a whole variant; not so where a plan splits it.

    Raises:
        ConfigError, ModelError: a model that does not exist; a node that can hold no variant.
    """
    found = []
    for model in scenario.models:
        for variant in scenario.variant_records(model):
            key = f"models.{model}.variants.{variant.name}.file"
            path = models.resolve(
                scenario.models[model].variants[variant.name].file,
                scenario.path.parent,
                source=scenario.path,
                key=key,
            )
            found.append(replace(variant, path=str(path), memory_bytes=models.memory_bytes(path)))
    if whole:
        check_memory(scenario, {v.name: v.memory_bytes for v in found if v.model == scenario.model})
    return tuple(found)


def grids_of(scenario: Scenario, now_s: float) -> tuple[Grid, ...]:
    """The electricity of each node: what the scenario declares, or the zone's annual value."""
    source = plugins.create("intensity", "annual")
    grids = []
    for row in scenario.nodes.values():
        if row.intensity_g_per_kwh is not None:
            value = row.intensity_g_per_kwh
            declared = Quantity(
                value=value,
                low=value,
                high=value,
                unit="g/kWh",
                method="assumed",
                boundary="site",
                source=row.intensity_source or "declared in the scenario",
            )
            grids.append(Grid(intensity=declared, age_s=math.nan))  # nobody said of when it is
        else:
            annual = source.intensity(row.zone)
            grids.append(
                Grid(
                    intensity=annual.quantity,
                    age_s=annual.age_s(now_s),
                    signal=annual.signal,
                    basis=annual.basis,
                )
            )
    _one_kind(scenario, grids)
    return tuple(grids)


def _one_kind(scenario: Scenario, grids: Sequence[Grid]) -> None:
    kinds = {(g.signal, g.basis) for g in grids}
    if len(kinds) > 1:
        raise ConfigError(
            f"the zones have intensities of different kinds: {sorted(kinds)}.",
            file=scenario.path,
            key="nodes",
            fix="Use zones of one kind, or declare intensity_g_per_kwh with its source.",
        )


async def assemble(
    scenario: Scenario,
    *,
    inputs: Mapping[str, npt.NDArray[Any]] | None = None,
    inline: bool = False,
    plan: PlanFile | None = None,
    tell: Tell = lambda _: None,
) -> Fleet:
    """Start the nodes, measure them, price them.

    Args:
        scenario: as `read_scenario` gives it.
        inputs: tensors of one request for the workload's model; None makes random ones of the model's shape.
        inline: run in-process nodes in the calling thread; this coroutine then never waits for an event loop.
        plan: what to run beside whole variants, from `gramwise.runtime.planfile.read_plan`.
        tell: hears what is going on.

    Raises:
        GramwiseError: with file and key for what the user can mend; nothing is left running.
    """
    network = network_of(scenario)
    nodes = tuple(replace(n, link=network.links[OUTSIDE, n.name]) for n in scenario.node_records())
    variants = resolve_variants(scenario, whole=plan is None or not plan.split)
    planned = check_plan(plan, scenario, variants) if plan else None
    pieces = pieces_of(plan, planned, tell) if plan and planned and plan.split else None
    held = held_by(scenario, nodes, variants, pieces)
    tell("starting the nodes")
    executor = await start(scenario, nodes, held, inline=inline, pieces=pieces)
    try:
        host = None
        if needs_host_rate(nodes):
            tell("measuring this host's arithmetic")
            host = host_rate_flop_per_s()
        price = priced(scenario, nodes, host)
        tell("measuring each variant on each node")
        profiles = await profile(scenario, executor, held, inputs)
        clock = SystemClock()
        grids = grids_of(scenario, clock.now_s())
        split, answers = None, {}
        if planned and pieces:
            tell("measuring the pieces of the plan")
            names = Session(planned.path).outputs
            answers = {variant_key(planned.model, planned.name): names}
            split = await profile_split(scenario, executor, Route(pieces.stages, network, names), inputs)
        size = request_bytes(scenario, executor, held, split.route if split else None)
        plans = plan_table(nodes, variants, profiles, price, scenario, size)
        if planned:
            plans = _planned(scenario, nodes, plans, planned, plan, split, price)
    except BaseException:
        await executor.close()
        raise
    return Fleet(
        scenario=scenario,
        nodes=nodes,
        variants=variants,
        executor=executor,
        price=price,
        grids=grids,
        plans=plans,
        profiles=profiles,
        host_flop_per_s=host,
        request_bytes=size,
        network=network,
        plan=plan,
        split=split,
        answers=answers,
        meter=_host_meter(),
        clock=clock,
    )


def _planned(
    scenario: Scenario,
    nodes: Sequence[Node],
    table: PlanTable,
    variant: Variant,
    plan: PlanFile | None,
    split: SplitProfile | None,
    price: CpuPrice,
) -> PlanTable:
    """The table with the planned row marked: one more for a split plan, a node's own for a plan of one stage."""
    if split is not None:
        reference = variant.name == scenario.models[variant.model].reference
        return with_split(table, nodes, variant, reference, split, price, scenario.workload.count)
    names = [nodes[i].name for i in table.node.tolist()]
    rows = zip(names, table.model, table.variant, strict=True)
    wanted = (plan.stages[0].node if plan else "", variant.model, variant.name)
    return replace(table, planned=list(rows).index(wanted))


def _host_meter() -> Meter | None:
    """This machine's own energy counters, where there are any and this user may read them."""
    try:
        meter: Meter = plugins.create("meter", "rapl")
    except (MeterError, SourceUnavailable):
        return None
    return meter


def priced(scenario: Scenario, nodes: Sequence[Node], host: Quantity | None) -> CpuPrice:
    """What a CPU second costs on each node.

    Raises:
        ConfigError: a node needs a speed factor that cannot be worked out; with file and key.
    """
    try:
        return cpu_price(nodes, host)
    except ConfigError as fault:
        raise ConfigError(fault.message, file=scenario.path, key=fault.key, fix=fault.fix) from fault


def nothing_alive(fleet: Fleet) -> Infeasible | None:
    """The error for a fleet without a living node, or None."""
    alive = fleet.executor.alive()
    if any(alive.values()):
        return None
    return Infeasible(
        f"{fleet.scenario.path}: nodes: no node is alive ({', '.join(alive)} have died), so nothing can be served."
        f"{_memory_hint(fleet, alive)} Add a node, or give them more memory or CPU."
    )


def _memory_hint(fleet: Fleet, names: Iterable[str]) -> str:
    if not isinstance(fleet.executor, ProcessExecutor):
        return ""
    killed = [name for name in names if fleet.executor.killed_for_memory(name) is not None]
    return f" The kernel killed {', '.join(killed)} at the memory cap." if killed else ""
