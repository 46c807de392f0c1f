"""For those who extend gramwise: valid example records, and for each contract a check to run on your implementation.

The records are invented and reproducible: the same arguments give the same numbers, and no figure in them is a claim
about a machine or a grid. Each check raises AssertionError with a sentence that says what the contract wants; it needs
no test runner, so it may stand in any script. The contracts themselves are in `gramwise.core.protocols`.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import numpy as np

from gramwise.core.decision import Decision, PlanTable, Request, Snapshot, Stage, columns, place_of
from gramwise.core.errors import ConfigError
from gramwise.core.protocols import Executor, IntensitySource, Meter, NodeUsage, Policy, Ran, Reading
from gramwise.core.quantity import Basis, Boundary, Method, Signal
from gramwise.grid.conformance import check_forecast, check_forecaster
from gramwise.optimize.conformance import check_solver
from gramwise.partition.conformance import check_partitioner
from gramwise.schedule.filters import ELIGIBLE, of_model

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "check_executor",
    "check_forecast",
    "check_forecaster",
    "check_intensity",
    "check_meter",
    "check_partitioner",
    "check_policy",
    "check_solver",
    "example_request",
    "example_snapshot",
]

Kept = TypeVar("Kept", bound="npt.NDArray[Any]")

MODEL = "digits"
"""The model of the example records."""

_NOW_S = 1_750_000_000.0
_SPLIT_ROWS = 6
_ZONES = 24
_CPU_CLOCK_S = 0.02
"""Two ticks of a 100 Hz process clock: counters of unlike resolution may differ by that much."""


def example_request(seed: int = 0) -> Request:
    """A valid request for `MODEL`: one inference, reference variant, a deadline that most example nodes meet.

    Args:
        seed: request number; sets ``seq``, ``draw`` and ``id``.

    Returns:
        The same record for the same seed.
    """
    draw = float(np.random.default_rng([seed, 1]).random())
    return Request(
        id=f"request-{seed}", seq=seed, draw=draw, model=MODEL, arrival_s=_NOW_S, deadline_s=0.1, count=1
    )


def example_snapshot(nodes: int, seed: int = 0, *, variants: int = 1) -> Snapshot:
    """A valid snapshot of unlike nodes under some load, every node alive and every figure known.

    Args:
        nodes: how many, at least 1. The first 24 are in zones of their own; later ones share these zones.
        seed: another one gives another fleet and another ``version``.
        variants: forms of the model that each node holds, at least 1; the first is the reference, later ones are
            cheaper and less accurate.

    Returns:
        ``nodes x variants`` plans, node by node. Intensities lie between 30 and 800 g/kWh. Arrays are read-only.

    Raises:
        ValueError: fewer than one node or variant.
    """
    if nodes < 1 or variants < 1:
        raise ValueError("an example needs at least one node and one variant")
    rng = np.random.default_rng([seed, nodes, variants])
    cpu_share = rng.choice([0.4, 0.6, 1.0, 2.0, 4.0], nodes)
    busy_w = rng.uniform(5.0, 150.0, nodes)
    idle_w = busy_w * rng.uniform(0.1, 0.5, nodes)
    zone = np.arange(nodes) % _ZONES
    queued = rng.poisson(0.7, nodes)
    latency_s = 0.02 / np.minimum(cpu_share, 1.0) * rng.uniform(0.5, 2.0, nodes)
    mean_s = np.where(rng.random(nodes) < 0.9, latency_s * rng.uniform(0.9, 1.3, nodes), math.nan)
    plans = _example_plans(rng, latency_s, np.minimum(cpu_share, 1.0) * (busy_w - idle_w), variants)
    return Snapshot(
        version=1 + 1000 * (variants + 100 * (nodes + 1_000_000 * seed)),
        at_s=_NOW_S,
        plans=plans,
        nodes=tuple(f"node-{i}" for i in range(nodes)),
        zone=tuple(f"zone-{z}" for z in zone.tolist()),
        intensity_g_per_kwh=columns(rng.uniform(30.0, 800.0, _ZONES)[zone].tolist()),
        intensity_age_s=columns(rng.uniform(0.0, 1800.0, _ZONES)[zone].tolist()),
        pue=columns(rng.choice([1.0, 1.1, 1.5], nodes).tolist()),
        alive=_fixed(np.ones(nodes, dtype=np.bool_)),
        cpu_share=columns(cpu_share.tolist()),
        memory_bytes=columns((2.0 ** rng.integers(28, 34, nodes)).tolist()),
        slots=_fixed(np.maximum(1, cpu_share.astype(np.int64))),
        busy_w=columns(busy_w.tolist()),
        idle_w=columns(idle_w.tolist()),
        baseline="node-0",
        max_intensity_age_s=3600.0,
        queued=_fixed(queued),
        backlog_s=columns((queued * latency_s * rng.uniform(0.3, 1.0, nodes)).tolist()),
        busy_frac=columns(np.clip(queued * 0.3 * rng.random(nodes), 0.0, 1.0).tolist()),
        assigned=_fixed(queued + rng.integers(0, 50, nodes)),
        recent_s=columns((mean_s * rng.uniform(0.9, 1.1, nodes)).tolist()),
        mean_s=columns(mean_s.tolist()),
    )


def _example_plans(
    rng: np.random.Generator,
    latency_s: npt.NDArray[np.float64],
    dynamic_w: npt.NDArray[np.float64],
    variants: int,
) -> PlanTable:
    nodes, form = len(latency_s), np.arange(variants)
    service_s = np.outer(latency_s, 0.6**form)
    names = ("fp32", "int8", "small", *(f"v{i}" for i in range(3, variants)))[:variants]
    return PlanTable(
        node=_fixed(np.repeat(np.arange(nodes), variants)),
        model=(MODEL,) * (nodes * variants),
        variant=names * nodes,
        reference=_fixed(np.tile(form == 0, nodes)),
        latency_s=columns(service_s.ravel().tolist()),
        fixed_s=columns(np.repeat(rng.uniform(0.0005, 0.02, nodes), variants).tolist()),
        energy_j=columns((service_s * dynamic_w[:, None]).ravel().tolist()),
        accuracy_frac=columns(np.tile(0.98 - 0.02 * form / variants, nodes).tolist()),
        memory_bytes=columns(np.tile(90e6 * 0.6**form, nodes).tolist()),
    )


def _fixed(array: Kept) -> Kept:
    array.setflags(write=False)
    return array


# --- policies -------------------------------------------------------------------------------------------------------


def check_policy(policy: Policy, *, fresh: Callable[[], Policy] | None = None) -> None:
    """Check a policy against `gramwise.core.protocols.Policy` on 1, 3 and 100 nodes.

    Asked are: the same answer twice, from a fresh instance, and after other snapshots in between; inputs left as they
    were; a choice among the request's candidates that is alive, fits the memory and keeps accuracy floor and zones;
    verdicts that cover every candidate once and agree with the choice; no plan where nothing is feasible. Some of the
    candidates are split over several nodes: all of these must be alive, roomy and allowed. A policy
    whose choice depends on grid intensity must never choose a plan of unknown intensity or energy.

    Args:
        policy: the one to check.
        fresh: builds another instance; left out, a deep copy made before the first question stands in.

    Raises:
        AssertionError: what the contract wants and where the policy broke it.
    """
    pristine = copy.deepcopy(policy)
    make = fresh or (lambda: copy.deepcopy(pristine))
    assert policy.name, "a policy has a name: it stands in tables and outcomes."
    cases = list(_cases())
    # Purity comes first: what is said of a policy that contradicts itself would mislead.
    rows = [_ask(policy, request, snapshot).row for request, snapshot in cases]
    again = [policy.decide(request, snapshot).row for request, snapshot in reversed(cases)][::-1]
    for (request, snapshot), first, second in zip(cases, rows, again, strict=True):
        where = _where(policy, request, snapshot)
        assert first == second, (
            f"{where}: row {first}, and {second} after other snapshots in between. decide is a pure function:"
            " a memo may change no answer, order comes from request.seq and chance from request.draw only."
        )
        new = make().decide(request, snapshot).row
        assert first == new, (
            f"{where}: row {first}, but a fresh instance chose {new}. Keep no state of the past."
        )
    for request, snapshot in cases:
        _check_answer(policy, request, snapshot)
    _check_nothing_feasible(policy)
    if _looks_at_intensity(make(), cases):
        _check_unknown(policy)


def _cases() -> Iterator[tuple[Request, Snapshot]]:
    """Requests of several classes on fleets of several sizes, each under two loads of one version."""
    for nodes in (1, 3, 100):
        for seed in range(4):
            quiet = _with_decoy(_copied(example_snapshot(nodes, seed, variants=3)))
            alive, memory = quiet.alive.copy(), quiet.memory_bytes.copy()
            alive[seed::4], memory[1::3] = False, 60e6  # too small for the reference, enough for the others
            hurt = dataclasses.replace(quiet, version=quiet.version + 1, alive=alive, memory_bytes=memory)
            states = [quiet, dataclasses.replace(quiet, **_reversed_load(quiet)), hurt]
            if nodes > 1:
                states.append(_with_split(hurt, seed))
            for state in states:
                for request in _requests(seed, state):
                    yield request, state


def _requests(seed: int, snapshot: Snapshot) -> Iterator[Request]:
    base = example_request(seed)
    yield base
    yield dataclasses.replace(base, seq=seed + 7, draw=0.999, deadline_s=None, count=4)
    yield dataclasses.replace(base, accuracy_floor_frac=0.965, deadline_s=0.05)
    yield dataclasses.replace(base, accuracy_floor_frac=0.0, allowed_zones=frozenset(snapshot.zone[-2:]))


def _reversed_load(snapshot: Snapshot) -> dict[str, Any]:
    load = ("queued", "backlog_s", "busy_frac", "assigned", "recent_s", "mean_s")
    return {name: getattr(snapshot, name)[::-1].copy() for name in load}


def _copied(snapshot: Snapshot) -> Snapshot:
    """The same snapshot in writable arrays, so that a policy that writes is caught by its effect."""
    arrays = {k: v.copy() for k, v in _fields(snapshot).items() if isinstance(v, np.ndarray)}
    changed: dict[str, Any] = arrays
    return dataclasses.replace(snapshot, **changed)


def _with_decoy(snapshot: Snapshot) -> Snapshot:
    """Every plan a second time as another model that costs next to nothing: only the model's name forbids it."""
    table = snapshot.plans
    cheap = {"latency_s": 1e-3, "energy_j": 1e-3, "fixed_s": 1e-3, "memory_bytes": 1e-3}
    joined: dict[str, Any] = {
        name: np.concatenate([value * cheap[name] if name in cheap else value, value])
        for name, value in _fields(table).items()
        if isinstance(value, np.ndarray)
    }
    model = ("decoy",) * len(table) + table.model
    plans = dataclasses.replace(table, model=model, variant=table.variant * 2, **joined)
    return dataclasses.replace(snapshot, plans=plans)


def _with_split(snapshot: Snapshot, seed: int) -> Snapshot:
    """A few rows more, split over two or three nodes each, that look cheap: what is dead anywhere is dead."""
    rng, table = np.random.default_rng([seed, len(snapshot.nodes)]), snapshot.plans
    rows = {}
    for row in range(len(table), len(table) + _SPLIT_ROWS):
        nodes = rng.permutation(len(snapshot.nodes))[: rng.integers(2, 4)]
        rows[row] = tuple(
            Stage(
                node=snapshot.nodes[node],
                latency_s=float(rng.uniform(1e-3, 4e-3)),
                energy_j=float(rng.uniform(1e-3, 5e-2)),
                memory_bytes=int(rng.uniform(30e6, 90e6)),
            )
            for node in nodes.tolist()
        )
    stages = list(rows.values())
    plans = PlanTable(
        node=np.append(table.node, [snapshot.nodes.index(s[0].node) for s in stages]),
        model=(*table.model, *[MODEL] * len(rows)),
        variant=(*table.variant, *["fp32"] * len(rows)),
        reference=np.append(table.reference, np.ones(len(rows), dtype=np.bool_)),
        latency_s=columns([*table.latency_s, *(sum(s.latency_s for s in each) for each in stages)]),
        fixed_s=columns([*table.fixed_s, *[0.001] * len(rows)]),
        energy_j=columns([*table.energy_j, *(sum(s.energy_j for s in each) for each in stages)]),
        accuracy_frac=columns([*table.accuracy_frac, *[0.98] * len(rows)]),
        memory_bytes=columns([*table.memory_bytes, *(each[0].memory_bytes for each in stages)]),
        stages=rows,
    )
    return dataclasses.replace(snapshot, version=snapshot.version + 2, plans=plans)


def _fields(record: Snapshot | PlanTable) -> dict[str, Any]:
    return {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}


def _fingerprint(snapshot: Snapshot) -> list[object]:
    both = [*_fields(snapshot.plans).values(), *_fields(snapshot).values()]
    return [v.tobytes() if isinstance(v, np.ndarray) else repr(v) for v in both if v is not snapshot.plans]


def _where(policy: Policy, request: Request, snapshot: Snapshot) -> str:
    return f"{policy.name}, {len(snapshot.nodes)} nodes, request {request.id} (seq {request.seq})"


def _ask(policy: Policy, request: Request, snapshot: Snapshot) -> Decision:
    """The decision, asked for twice, of a policy that only reads."""
    where, before = _where(policy, request, snapshot), _fingerprint(snapshot)
    decision = policy.decide(request, snapshot)
    row, twice = decision.row, policy.decide(request, snapshot).row
    assert row == twice, f"{where}: row {row}, then {twice} for the same question. decide is a pure function."
    assert decision.request is request, f"{where}: the decision does not hold the request it answers."
    assert decision.snapshot is snapshot, (
        f"{where}: the decision does not hold the snapshot it was made from."
    )
    assert before == _fingerprint(snapshot), f"{where}: the snapshot was changed. A decision only reads."
    return decision


def _check_answer(policy: Policy, request: Request, snapshot: Snapshot) -> int:
    """One question from every side; returns the chosen row."""
    where, before = _where(policy, request, snapshot), _fingerprint(snapshot)
    decision = _ask(policy, request, snapshot)
    candidates = of_model(request, snapshot).tolist()
    if decision.row >= 0:
        _check_choice(where, decision.row, candidates, request, snapshot)
    _check_verdicts(where, decision, candidates)
    assert before == _fingerprint(snapshot), (
        f"{where}: verdicts changed the snapshot. An explanation only reads."
    )
    return decision.row


def _check_choice(where: str, row: int, candidates: list[int], request: Request, snapshot: Snapshot) -> None:
    assert row in candidates, f"{where}: row {row} is not a candidate of the model {request.model!r}."
    for rule in ELIGIBLE:
        kept = bool(rule.keep(request, snapshot)[row])
        assert kept, (
            f"{where}: chose a plan that no policy may choose: {rule.reason(request, snapshot, row)}."
        )


def _check_verdicts(where: str, decision: Decision, candidates: list[int]) -> None:
    snapshot, verdicts = decision.snapshot, decision.verdicts
    wanted = [(place_of(snapshot, row), snapshot.plans.variant[row]) for row in candidates]
    told = [(v.node, v.variant) for v in verdicts]
    assert told == wanted, (
        f"{where}: verdicts tell of {len(told)} candidates, the table has {len(wanted)} of this model."
        " Give one verdict for each, in the table's order."
    )
    chosen = [row for row, verdict in zip(candidates, verdicts, strict=True) if verdict.chosen]
    expected = [decision.row] if decision.row >= 0 else []
    assert chosen == expected, (
        f"{where}: verdicts mark rows {chosen} as chosen, the decision says {expected}."
    )
    for verdict in verdicts:
        what = f"{where}, {verdict.node}/{verdict.variant}"
        if verdict.rejected_by:
            assert not verdict.chosen, f"{what}: chosen and rejected by {verdict.rejected_by!r} at once."
            assert verdict.reason, f"{what}: rejected by {verdict.rejected_by!r} without a reason in words."
        else:
            assert verdict.scores, f"{what}: not rejected, so its scores must say how it ranked."


def _check_nothing_feasible(policy: Policy) -> None:
    request = example_request(0)
    for nodes in (1, 3, 100):
        snapshot = example_snapshot(nodes, 0, variants=2)
        dead = dataclasses.replace(
            snapshot, version=snapshot.version + 1, alive=np.zeros(nodes, dtype=np.bool_)
        )
        for why, asked, state in (
            ("every node is lost", request, dead),
            ("no node has the model", dataclasses.replace(request, model="unheard-of"), snapshot),
            ("no variant is that accurate", dataclasses.replace(request, accuracy_floor_frac=1.0), snapshot),
        ):
            row = _check_answer(policy, asked, state)
            assert row == -1, (
                f"{_where(policy, asked, state)}: {why}, yet row {row} was chosen; answer row -1."
            )


def _looks_at_intensity(policy: Policy, cases: list[tuple[Request, Snapshot]]) -> bool:
    """Whether turning the intensities round, and nothing else, changes any choice."""
    return any(
        policy.decide(request, snapshot).row != policy.decide(request, _turned(snapshot)).row
        for request, snapshot in cases
    )


def _turned(snapshot: Snapshot) -> Snapshot:
    turned = (830.0 - snapshot.intensity_g_per_kwh).copy()
    return dataclasses.replace(snapshot, version=snapshot.version + 10, intensity_g_per_kwh=turned)


def _check_unknown(policy: Policy) -> None:
    """Take away what is known about the plan that wins, until nothing is left to choose."""
    for unknown, versions in (("intensity_g_per_kwh", 100), ("energy_j", 200)):
        request = dataclasses.replace(example_request(0), deadline_s=None)
        snapshot = _copied(example_snapshot(3, 0))
        for step in range(4):
            row = policy.decide(request, snapshot).row
            if row < 0:
                break
            holder = snapshot.plans if unknown == "energy_j" else snapshot
            column = getattr(holder, unknown).copy()
            at = row if unknown == "energy_j" else int(snapshot.plans.node[row])
            assert not math.isnan(column[at]), (
                f"{policy.name}: chose row {row} although its {unknown} is unknown (NaN). A policy that looks at"
                " carbon rejects such a plan and says so: what is unknown is never the best score."
            )
            column[at] = math.nan
            changed: dict[str, Any] = {unknown: column}
            if holder is snapshot.plans:
                changed = {"plans": dataclasses.replace(snapshot.plans, **changed)}
            snapshot = dataclasses.replace(snapshot, version=snapshot.version + versions + step, **changed)


# --- meters and intensity sources -----------------------------------------------------------------------------------


def check_meter(meter: Meter, *, reads: int = 5, pause_s: float = 0.01) -> None:
    """Check an open meter against `gramwise.core.protocols.Meter`: a few reads while this process works.

    Args:
        meter: an open meter; opening it is your test's part.
        reads: how often to read, at least 2.
        pause_s: seconds of work between two reads; make it longer for a counter that seldom moves.

    Raises:
        AssertionError: what the contract wants.
    """
    name = meter.name
    assert name, "a meter has a name."
    assert meter.method in get_args(Method), (
        f"{name}: method is one of {get_args(Method)}, not {meter.method!r}."
    )
    assert meter.boundary in get_args(Boundary), (
        f"{name}: boundary is one of {get_args(Boundary)}, not {meter.boundary!r}."
    )
    last = meter.read()
    assert last.joules, (
        f"{name}: a reading lists at least one root domain; with none, raise MeterAbsent on opening."
    )
    for _ in range(reads - 1):
        _work(pause_s)
        now = meter.read()
        _check_reading(name, last, now)
        last = now


def _check_reading(name: str, last: Reading, now: Reading) -> None:
    assert now.at_s >= last.at_s, f"{name}: at_s went back by {last.at_s - now.at_s:g} s; use one clock."
    assert set(now.joules) == set(last.joules), f"{name}: the domains changed between two reads."
    for domain, joules in now.joules.items():
        assert math.isfinite(joules), f"{name}, {domain}: {joules} J; what cannot be read raises MeterError."
        assert joules >= last.joules[domain] >= 0.0, (
            f"{name}, {domain}: {last.joules[domain]:g} J, then {joules:g} J. Joules count up from the opening"
            " of the meter; undo the wrap-around of the counter."
        )


def _work(seconds: float) -> None:
    end_s = time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        pass


def check_intensity(
    source: IntensitySource, zone: str, *, start_s: float = 1_654_041_600.0, end_s: float = 1_654_128_000.0
) -> None:
    """Check a source against `gramwise.core.protocols.IntensitySource`.

    Args:
        source: the one to check.
        zone: one that it knows.
        start_s, end_s: Unix seconds of an interval it has values for; left out, 1 June 2022 (UTC).

    Raises:
        AssertionError: what the contract wants.
    """
    series = source.history(zone, start_s, end_s)
    assert series.times_s[0] <= start_s, (
        f"{zone}: the series begins after the start of the interval asked for."
    )
    assert series.end_s >= end_s, f"{zone}: the series ends before the end of the interval asked for."
    assert series.unit == "g/kWh", f"{zone}: unit is 'g/kWh', not {series.unit!r}; convert where you read it."
    assert series.signal in get_args(Signal), f"{zone}: signal is one of {get_args(Signal)}."
    assert series.basis in get_args(Basis), f"{zone}: basis is one of {get_args(Basis)}."
    known = [value for value in series.values if not math.isnan(value)]
    assert all(0.0 <= value < math.inf for value in known), (
        f"{zone}: intensities are finite and not negative."
    )
    assert known, f"{zone}: every value is missing; raise DataGap instead."
    twice = source.history(zone, start_s, end_s)
    assert repr(series) == repr(twice), f"{zone}: asked twice for the same past, the source gave two answers."
    try:
        source.history("no-such-zone", start_s, end_s)
    except ConfigError:
        return
    raise AssertionError("an unknown zone raises ConfigError that names it; it never gets a value.")


# --- executors ------------------------------------------------------------------------------------------------------


async def check_executor(
    executor: Executor, node: str, variant: str, inputs: Mapping[str, npt.NDArray[np.generic]]
) -> None:
    """Check a started executor against `gramwise.core.protocols.Executor` with a few real runs on one node.

    Asked are also outputs that stay at the node: they come back as handles with the size and shape that they have, and
    giving their room back twice does no harm.

    Args:
        executor: started, with nothing else running on the node; it is left open.
        node: name of a node that is alive.
        variant: what the executor calls a variant that the node holds.
        inputs: arrays that the variant takes, by input name.

    Raises:
        AssertionError: what the contract wants.
    """
    assert executor.alive().get(node), f"{node}: alive() must list it as True before it can be asked."
    before = await executor.usage(node)
    runs = [await executor.run(node, variant, inputs) for _ in range(2)]
    runs += await asyncio.gather(*(executor.run(node, variant, inputs) for _ in range(2)))
    after = await executor.usage(node)
    for ran in runs:
        _check_ran(node, ran, set(runs[0].outputs))
    _check_usage(node, before, after, sum(ran.cpu_s for ran in runs))
    kept = await executor.run(node, variant, inputs, hold=tuple(runs[0].outputs))
    _check_held(node, runs[0], kept)
    executor.release(kept.held.values())
    executor.release(kept.held.values())


def _check_held(node: str, ran: Ran, kept: Ran) -> None:
    assert not kept.outputs, f"{node}: what is asked to stay at the node comes back as a handle only."
    assert set(kept.held) == set(ran.outputs), f"{node}: every output that is asked to stay is held."
    for name, held in kept.held.items():
        value = ran.outputs[name]
        told, is_ = (held.name, held.shape, held.nbytes), (name, value.shape, value.nbytes)
        assert told == is_, f"{node}: held tensor {told}, but the output is {is_}."
        assert np.dtype(held.dtype) == value.dtype, f"{node}: {name!r} is of type {value.dtype}."


def _check_ran(node: str, ran: Ran, outputs: set[str]) -> None:
    assert ran.outputs, f"{node}: a run gives at least one output."
    assert set(ran.outputs) == outputs, f"{node}: the same variant gave other outputs in another run."
    for name, value in ran.outputs.items():
        assert isinstance(value, np.ndarray), (
            f"{node}: output {name!r} is a {type(value).__name__}, not an array."
        )
    assert ran.cpu_s > 0.0, (
        f"{node}: cpu_s is {ran.cpu_s}; the thread CPU clock around the run gives more than 0."
    )
    assert ran.end_s >= ran.start_s, f"{node}: the run ended {ran.start_s - ran.end_s:g} s before it began."


def _check_usage(node: str, before: NodeUsage, after: NodeUsage, cpu_s: float) -> None:
    grown_s = after.attributed_s - before.attributed_s
    assert math.isclose(grown_s, cpu_s, rel_tol=1e-3, abs_tol=1e-4), (
        f"{node}: attributed_s grew by {grown_s:g} s while the runs reported {cpu_s:g} s. It is their sum."
    )
    if before.overhead_s is not None and after.overhead_s is not None:
        assert after.overhead_s >= before.overhead_s, f"{node}: overhead_s went back."
    if before.metered_s is None or after.metered_s is None:
        return
    metered_s = after.metered_s - before.metered_s
    assert grown_s <= metered_s * 1.01 + _CPU_CLOCK_S, (
        f"{node}: {grown_s:g} s attributed, but only {metered_s:g} s metered. The meter covers all of the node."
    )
