"""The bill of a scenario: serving, idling, networks, phases, measured runs, devices in the field, and all that was
made.

`footprint` puts the accounts of `gramwise.footprint` together, evaluates them once, and adds what a reader asks next:
the price of an inference, scores, when serving overtakes training, whether a newer machine repays its making. What is
not known is named and left out; nothing is guessed at 0.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor, Footprint, Phase, factor_of
from gramwise.core.machines import Node
from gramwise.core.phase import PhaseRun
from gramwise.core.quantity import Basis, Signal
from gramwise.core.series import Series
from gramwise.core.units import J_PER_KWH, S_PER_DAY, S_PER_YEAR
from gramwise.fleet.catalogue import half_width_frac
from gramwise.fleet.scenario import Scenario
from gramwise.fleet.traffic import unix_s
from gramwise.footprint.bill import Line, Value, Values, bill
from gramwise.footprint.document import as_document
from gramwise.footprint.operational.declared import duty_from_mapping
from gramwise.footprint.operational.duty import lines as duty_lines
from gramwise.footprint.operational.duty import not_included
from gramwise.footprint.scaling.account import Account, merge
from gramwise.footprint.scaling.declared import Table
from gramwise.footprint.scaling.intensity import G_PER_KWH, Intensity, find, of_zone
from gramwise.footprint.scaling.scenario import NO_HARDWARE, Scaling
from gramwise.runtime.chain import OUTSIDE
from gramwise.runtime.ecalaccount import ecal, one_kind
from gramwise.runtime.gathered import Gathered, as_inputs, from_inputs, gather, measured
from gramwise.runtime.made import made, made_lines
from gramwise.runtime.planfile import network_of
from gramwise.runtime.questions import assumptions, inferences_of, questions
from gramwise.runtime.served import Served

Tell = Callable[[str, float], None]
BOUNDARY = "what the scenario declares of the model's life, cradle to grave; location-based electricity"
_KIND: Mapping[str, tuple[str, ...]] = {"signal": get_args(Signal), "basis": get_args(Basis)}
"""Of a declared intensity in a duty; left out, it is average and life-cycle, as the zones' means are."""
UNTOLD: Mapping[Phase, str] = {
    "data": "collecting data",
    "experimentation": "experiments before the training",
    "training": "training",
    "tuning": "tuning",
    "client": "the clients' own devices",
    "storage": "storing data and models",
}
"""Phases that are named as left out when no line tells of them."""


def footprint(
    scenario: Scenario,
    tell: Tell = lambda _text, _done: None,
    *,
    zones: Sequence[str] = (),
    hours: Mapping[str, Series] | None = None,
) -> dict[str, Any]:
    """The ``gramwise.footprint/1`` document of a scenario.

    Args:
        scenario: as `gramwise.runtime.assembly.read_scenario` gives it.
        zones: where else the life of ``[footprint.ecal]`` is to be told, beside the zones of the nodes.
        hours: as of `gramwise.runtime.ecalaccount.ecal`.
        tell: hears how far it is.

    Raises:
        ConfigError: a table of ``[footprint]`` that cannot be; with file, key and what to write.
        MixedKinds: intensities of two kinds.
        RunDirectoryError, DataError: a run or a ledger that cannot be read.
    """
    tell("reading runs, ledgers and parts", 0.1)
    gathered = gather(scenario)
    tell("drawing", 0.4)
    account, evaluated = evaluate(scenario, gathered)
    tell("scores", 0.8)
    start_s = _start_s(scenario)
    return {
        **as_document(evaluated),
        "scenario": scenario.name,
        "years": scenario.footprint.years,
        "start": datetime.fromtimestamp(start_s, UTC).isoformat(timespec="seconds"),
        "assumptions": assumptions(scenario, gathered),
        **questions(scenario, account, evaluated, scaling_of(scenario).renewal, start_s),
        "ecal": ecal(scenario, _elsewhere(scenario, zones), hours),
        "inputs": as_inputs(scenario, gathered),
    }


def _elsewhere(scenario: Scenario, zones: Sequence[str]) -> dict[str, Intensity]:
    """The nodes' grids and annual means of other zones, where the eCAL account is told once more."""
    grids = _grids(scenario)
    own = {
        f"{node.zone} ({name})" if node.intensity_g_per_kwh is not None else node.zone: grids[name]
        for name, node in scenario.nodes.items()
    }
    return {**own, **{zone: of_zone(zone) for zone in zones}}


def _start_s(scenario: Scenario) -> float:
    """The declared start, or midnight (UTC) of today: the same document all day."""
    start = scenario.footprint.start
    return unix_s(start) if start else time.time() // S_PER_DAY * S_PER_DAY


def again(inputs: Mapping[str, Any]) -> Footprint:
    """The bill of a receipt's inputs, evaluated anew.

    Raises:
        DataError: they are no inputs of a footprint.
        GramwiseError: as of `footprint`.
    """
    return evaluate(*from_inputs(inputs))[1]


def evaluate(scenario: Scenario, gathered: Gathered) -> tuple[Account, Footprint]:
    """The account of a scenario and its bill, with the draws that the scenario asks for."""
    table = scenario.footprint
    units, _ = inferences_of(scenario)
    account = account_of(scenario, gathered, units)
    # Machines that were made for a phase tell nothing of its electricity.
    told = {line.phase for line in account.lines}
    told |= {run.phase for runs in gathered.runs.values() for run in runs}
    untold = [f"{words}: no table tells of it" for phase, words in UNTOLD.items() if phase not in told]
    return account, bill(
        account.lines,
        account.factors,
        functional_unit=table.functional_unit,
        units=units,
        boundary=BOUNDARY,
        not_included=[*account.not_included, *untold],
        draws=table.draws,
        seed=table.seed,
    )


def account_of(scenario: Scenario, gathered: Gathered, units: float) -> Account:
    """Every line of the scenario's bill.

    Raises:
        ConfigError, MixedKinds, DataError: see `footprint`.
    """
    table, places = scenario.footprint, gathered.served.places
    nodes = {node.name: node for node in scenario.node_records()}
    grids, scaling = _grids(scenario), scaling_of(scenario)
    owed = merge(
        [
            *(_serving(place, units, nodes, grids) for place in places),
            *(_network(scenario, place, units, gathered.message_bytes, grids) for place in places),
            *(_idle(scenario, node, grids[name]) for name, node in nodes.items()),
            *(
                made_lines(made(scenario, node, gathered.boms), table.years, table.reserved_frac)
                for node in nodes.values()
            ),
            *(_duty(scenario, name) for name in table.duty),
            scaling.account(),
        ]
    )
    spent, runs = measured(gathered, owed.factors)
    if runs and not scaling.hardware:
        spent.not_included.append(NO_HARDWARE)
    one_kind(_kinds(scenario, gathered.served.kind, grids, scaling, runs))
    return merge([owed, spent])


def _kinds(
    scenario: Scenario,
    run: str | None,
    grids: Mapping[str, Intensity],
    scaling: Scaling,
    measured_runs: Sequence[PhaseRun],
) -> Iterator[tuple[str, str]]:
    """Everything whose grams are in the bill, and of which kind its intensity is."""
    yield from ((f"nodes.{name}", grid.kind) for name, grid in grids.items())
    if run is not None:
        yield "footprint.run", run
    for phase in scaling.phases:
        yield phase.name, (phase.intensity or find(phase.zone or "", {})).kind
    for name, raw in scenario.footprint.duty.items():
        yield f"footprint.duty.{name}", f"{raw.get('signal', 'average')}/{raw.get('basis', 'lifecycle')}"
    yield from ((f"{one.name} ({one.id[:8]})", f"{one.signal}/{one.basis}") for one in measured_runs)


def scaling_of(scenario: Scenario) -> Scaling:
    """The tables of phases, hardware, sites and renewals.

    Raises:
        ConfigError: with file, key and what to write.
    """
    table = scenario.footprint
    raw = {key: getattr(table, key) for key in ("phases", "hardware", "sites", "renewal")}
    return Scaling.from_mapping(raw, scenario.path)


def _grids(scenario: Scenario) -> dict[str, Intensity]:
    """Electricity by node: as declared, else the zone's annual mean.

    Nodes of one zone that declare one figure from one source share its factor, as those that declare none do.
    """
    first: dict[tuple[str, float, str | None], str] = {}
    grids = {}
    for name, row in scenario.nodes.items():
        value = row.intensity_g_per_kwh
        if value is None:
            grids[name] = of_zone(row.zone)
            continue
        half, rule = half_width_frac("declared")
        rate = Factor(
            key=f"grid.{row.zone}.{first.setdefault((row.zone, value, row.intensity_source), name)}",
            value=value,
            low=value * (1.0 - half),
            high=value * (1.0 + half),
            unit=G_PER_KWH,
            method="assumed",
            source=f"{row.intensity_source}; interval by rule declared, {rule}",
        )
        grids[name] = Intensity(rate=rate, signal="average", basis="lifecycle")
    return grids


def _rate(intensity: Intensity) -> Factor:
    """The one factor of a node's intensity; series are of phases only."""
    assert isinstance(intensity.rate, Factor)
    return intensity.rate


def _pue(node: Node) -> Factor:
    return _exact(f"pue.{node.name}", node.pue, "1", f"nodes.{node.name}.pue of the scenario")


def _exact(key: str, value: float, unit: str, source: str) -> Factor:
    return Factor(
        key=key,
        value=value,
        low=value,
        high=value,
        unit=unit,
        method="assumed",
        source=source,
        spread="exact",
    )


def _line(name: str, phase: Phase, factors: Sequence[Factor], joules: Callable[[Values], Value]) -> Account:
    """A line of electricity: joules that a formula gives, times all factors but the first, in kWh."""
    others = tuple(factor.key for factor in factors[1:])

    def grams(v: Values) -> Value:
        return joules(v) * math.prod((v[key] for key in others), start=1.0 / J_PER_KWH)

    line = Line(
        name=name,
        phase=phase,
        factors=tuple(factor.key for factor in factors),
        carbon_g=grams,
        energy_j=joules,
        boundary="site",
    )
    return Account([line], list(factors), [], {name: phase})


def _left_out(sentence: str) -> Account:
    return Account([], [], [sentence], {})


def _serving(
    place: Served, units: float, nodes: Mapping[str, Node], grids: Mapping[str, Intensity]
) -> Account:
    if place.energy is None:
        return _left_out(place.why_unknown)
    energy, count, price = place.energy, units * place.share_frac, _price(place, nodes, grids)
    if not price:
        return _left_out(f"inference on {place.place}: the run does not know the grams of its split plan")
    return _line(
        f"{place.place}, inference",
        "inference",
        [energy, *price],
        lambda v: count * v[energy.key],
    )


def _price(place: Served, nodes: Mapping[str, Node], grids: Mapping[str, Intensity]) -> list[Factor]:
    """Factors whose product is g/kWh at a place; empty where it is not known.

    A run's own hours weigh the zone's mean, whose error stays shared. A split plan has the grids of several nodes in
    shares that the run does not tell apart; what it was billed at is then a factor of its own.
    """
    rates = {_rate(grids[name]).key: _rate(grids[name]) for name in place.nodes}
    rate = next(iter(rates.values()))
    if len(place.nodes) == 1 and place.g_per_kwh is None:
        return [rate, _pue(nodes[place.place])]
    if place.g_per_kwh is None:
        return []
    if len(rates) == 1 and rate.value > 0.0:
        pue = [_pue(nodes[place.place])] if len(place.nodes) == 1 else []
        ratio = place.g_per_kwh / math.prod((f.value for f in pue), start=rate.value)
        why = "intensity that the run billed its hours at, over the zone's mean"
        why += "" if pue else ", PUE included"
        return [rate, *pue, _exact(f"run.{place.place}.hours_over_mean", ratio, "1", why)]
    half, rule = half_width_frac("national")
    value = place.g_per_kwh
    return [
        Factor(
            key=f"run.{place.place}.g_per_kwh",
            value=value,
            low=value * (1.0 - half),
            high=value * (1.0 + half),
            unit=G_PER_KWH,
            method="modelled",
            source=f"grams over joules of the run, PUE included; interval by rule national, {rule}",
        )
    ]


def _idle(scenario: Scenario, node: Node, intensity: Intensity) -> Account:
    """What a node draws for being on, in proportion to the time that is reserved for this model."""
    table, known = scenario.footprint, node.device.facts.get("idle_w")
    if known is None:
        return _left_out(
            f"idle power of {node.name}: the catalogue does not know it for {node.device.id}; write "
            "[devices.NAME] with idle_w"
        )
    idle = factor_of(f"device.{node.device.id}.idle_w", known)
    span_s = table.years * S_PER_YEAR * table.reserved_frac
    return _line(
        f"{node.name}, idle", "idle", [idle, _rate(intensity), _pue(node)], lambda v: span_s * v[idle.key]
    )


def _network(
    scenario: Scenario, place: Served, units: float, size: int | None, grids: Mapping[str, Intensity]
) -> Account:
    """Sending an inference to a node and its answer back, on the node's grid."""
    if len(place.nodes) > 1:
        return _left_out(f"network of {place.place}: the run does not tell the joules of moving tensors")
    link = network_of(scenario).links[OUTSIDE, place.place]
    if link.energy_j_per_byte is None:
        return _left_out(f"network to {place.place}: no link of it declares energy_j_per_byte")
    if size is None:
        return _left_out(f"network to {place.place}: the model leaves the size of what is sent open")
    half, rule = half_width_frac("declared")
    each = link.energy_j_per_byte + (link.receive_j_per_byte or 0.0)
    energy = Factor(
        key=f"link.{place.place}.j_per_byte",
        value=each,
        low=each * (1.0 - half),
        high=each * (1.0 + half),
        unit="J/byte",
        method="assumed",
        source=f"{link.source or 'declared in the scenario'}; interval by rule declared, {rule}",
    )
    sent = units * place.share_frac * size
    return _line(
        f"{place.place}, network",
        "network",
        [energy, _rate(grids[place.place])],
        lambda v: sent * v[energy.key],
    )


def _duty(scenario: Scenario, name: str) -> Account:
    """A device in the field: its electricity, and the batteries that it wears out. Its making is hardware's to tell."""
    raw = dict(scenario.footprint.duty[name])
    told = {key: raw.pop(key) for key in _KIND if key in raw}
    kind = Table(told, f"footprint.duty.{name}", _KIND, scenario.path)
    for key, options in _KIND.items():
        if kind.has(key):
            kind.choice(key, options)
    try:
        if "zone" in raw:
            raw = _charged_in(raw)
        duty = duty_from_mapping({"name": name, **raw})
        lines, factors = duty_lines(duty, scenario.footprint.years * S_PER_YEAR / S_PER_DAY)
    except ConfigError as fault:
        raise fault.inside(scenario.path, f"footprint.duty.{name}") from fault
    serves: dict[str, Phase] = {line.name: "inference" for line in lines}
    omitted = list(not_included(duty))
    if all(row.get("name") != name for row in scenario.footprint.hardware):
        omitted.append(f"{name}: making, bringing and scrapping of it ([[footprint.hardware]] of that name)")
    return Account(lines, factors, omitted, serves)


def _charged_in(raw: dict[str, Any]) -> dict[str, Any]:
    """The table with the annual mean of its zone, the factor that nodes and phases there share."""
    if "intensity" in raw:
        raise ConfigError("intensity says the same.", key="zone", fix="Keep one of the two.")
    zone = raw.pop("zone")
    if not isinstance(zone, str):
        raise ConfigError("this must be text.", key="zone", fix='Write for instance "DE".')
    return {**raw, "intensity": _rate(of_zone(zone))}
