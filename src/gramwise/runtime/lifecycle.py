"""The bill of a scenario: serving, idling, networks, phases, measured runs, devices in the field, and all that was
made.

`footprint` puts the accounts of `gramwise.footprint` together, evaluates them once, and adds what a reader asks next:
the price of an inference, scores, when serving overtakes training, whether a newer machine repays its making. What is
not known is named and left out; nothing is guessed at 0.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor, Footprint, Phase, factor_of
from gramwise.core.machines import Node
from gramwise.core.phase import PhaseRun
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
from gramwise.footprint.phaselines import ledger_lines, left_out
from gramwise.footprint.scaling.account import Account, merge
from gramwise.footprint.scaling.intensity import G_PER_KWH, Intensity, find, of_zone, one_kind
from gramwise.footprint.scaling.scenario import Scaling
from gramwise.runtime.chain import OUTSIDE
from gramwise.runtime.ecalaccount import ecal
from gramwise.runtime.gathered import Gathered, as_inputs, from_inputs, gather
from gramwise.runtime.made import made, made_lines
from gramwise.runtime.planfile import network_of
from gramwise.runtime.questions import questions
from gramwise.runtime.served import Served

Tell = Callable[[str, float], None]
BOUNDARY = "what the scenario declares of the model's life, cradle to grave; location-based electricity"
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
    _, said = inferences_of(scenario)
    start_s = _start_s(scenario)
    return {
        **as_document(evaluated),
        "scenario": scenario.name,
        "years": scenario.footprint.years,
        "start": datetime.fromtimestamp(start_s, UTC).isoformat(timespec="seconds"),
        "assumptions": [said, gathered.served.said],
        **questions(scenario, account, evaluated, scaling_of(scenario).renewal, start_s),
        "ecal": ecal(scenario, _elsewhere(scenario, zones), hours),
        "inputs": as_inputs(scenario, gathered),
    }


def _elsewhere(scenario: Scenario, zones: Sequence[str]) -> dict[str, float]:
    """Annual means of the nodes' zones and of others, g/kWh."""
    every = dict.fromkeys([*(node.zone for node in scenario.node_records()), *zones])
    return {zone: _rate(of_zone(zone)).value for zone in every}


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
    told = set(account.serves.values()) | {line.phase for line in account.lines}
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


def inferences_of(scenario: Scenario) -> tuple[float, str]:
    """Inferences over the account, and in a sentence where the number comes from."""
    table = scenario.footprint
    span_s = table.years * S_PER_YEAR
    if table.inferences is not None:
        return table.inferences, f"{table.inferences:.4g} inferences over {table.years:g} years, as declared."
    if table.inferences_per_day is not None:
        units = table.inferences_per_day * span_s / S_PER_DAY
        return units, f"{units:.4g} inferences: {table.inferences_per_day:g} a day for {table.years:g} years."
    rates = [row.rate_per_s * row.count for row in scenario.traffic if row.rate_per_s is not None]
    where = "[[traffic]]"
    if not rates and scenario.workload.rate_per_s is not None:
        rates, where = [scenario.workload.rate_per_s * scenario.workload.count], "[workload]"
    if not rates:
        raise ConfigError(
            "nothing says how many inferences there are.",
            file=scenario.path,
            key="footprint.inferences_per_day",
            fix="Write inferences_per_day or inferences.",
        )
    units = math.fsum(rates) * span_s
    return (
        units,
        f"{units:.4g} inferences: the mean rate of {where}, all hours of {table.years:g} years (assumed).",
    )


def account_of(scenario: Scenario, gathered: Gathered, units: float) -> Account:
    """Every line of the scenario's bill.

    Raises:
        ConfigError, MixedKinds, DataError: see `footprint`.
    """
    table, places = scenario.footprint, gathered.served.places
    nodes = {node.name: node for node in scenario.node_records()}
    grids = {name: _grid(scenario, node) for name, node in nodes.items()}
    scaling = scaling_of(scenario)
    one_kind([*grids.items(), *((p.name, p.intensity or find(p.zone or "", {})) for p in scaling.phases)])
    return merge(
        [
            *(_serving(place, units, nodes, grids) for place in places),
            *(_network(scenario, place, units, gathered.message_bytes, grids) for place in places),
            *(_idle(scenario, node, grids[name]) for name, node in nodes.items()),
            *(
                made_lines(made(scenario, node, gathered.boms), table.years, table.reserved_frac)
                for node in nodes.values()
            ),
            *(_ledger(runs) for runs in gathered.runs.values()),
            *(_duty(scenario, name) for name in table.duty),
            scaling.account(),
        ]
    )


def scaling_of(scenario: Scenario) -> Scaling:
    """The tables of phases, hardware, sites and renewals.

    Raises:
        ConfigError: with file, key and what to write.
    """
    table = scenario.footprint
    raw = {key: getattr(table, key) for key in ("phases", "hardware", "sites", "renewal")}
    return Scaling.from_mapping(raw, scenario.path)


def _grid(scenario: Scenario, node: Node) -> Intensity:
    """The node's electricity: as declared, else the zone's annual mean."""
    row = scenario.nodes[node.name]
    if row.intensity_g_per_kwh is None:
        return of_zone(node.zone)
    half, rule = half_width_frac("declared")
    value = row.intensity_g_per_kwh
    rate = Factor(
        key=f"grid.{node.zone}.{node.name}",
        value=value,
        low=value * (1.0 - half),
        high=value * (1.0 + half),
        unit=G_PER_KWH,
        method="assumed",
        source=f"{row.intensity_source}; interval by rule declared, {rule}",
    )
    return Intensity(rate=rate, signal="average", basis="lifecycle")


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
    energy, count = place.energy, units * place.share_frac
    return _line(
        f"{place.place}, inference",
        "inference",
        [energy, *_price(place, nodes, grids)],
        lambda v: count * v[energy.key],
    )


def _price(place: Served, nodes: Mapping[str, Node], grids: Mapping[str, Intensity]) -> list[Factor]:
    """Factors whose product is g/kWh at a place. A run's own hours weigh the zone's mean, whose error stays shared."""
    node = nodes.get(place.place)
    if node is None:
        if place.g_per_kwh is None:
            raise ConfigError(
                f"the run was served by {place.place!r}, which is no node of this scenario, and its grams are unknown.",
                key="footprint.run",
                fix="Name a run of this scenario.",
            )
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
    rate, pue = _rate(grids[node.name]), _pue(node)
    if place.g_per_kwh is None or rate.value <= 0.0:
        return [rate, pue]
    ratio = place.g_per_kwh / (rate.value * pue.value)
    why = "intensity that the run billed its hours at, over the zone's mean"
    return [rate, pue, _exact(f"run.{node.name}.hours_over_mean", ratio, "1", why)]


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
    known = place.place in scenario.nodes
    link = network_of(scenario).links[OUTSIDE, place.place] if known else None
    if link is None or link.energy_j_per_byte is None or size is None:
        return _left_out(f"network to {place.place}: no link of it declares energy_j_per_byte")
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
    """A device in the field: its electricity, and the batteries that it wears out."""
    raw = scenario.footprint.duty[name]
    try:
        duty = duty_from_mapping({"name": name, **raw})
    except ConfigError as fault:
        raise fault.inside(scenario.path, f"footprint.duty.{name}") from fault
    lines, factors = duty_lines(duty, scenario.footprint.years * S_PER_YEAR / S_PER_DAY)
    serves: dict[str, Phase] = {line.name: "inference" for line in lines}
    return Account(lines, factors, list(not_included(duty)), serves)


def _ledger(runs: Sequence[PhaseRun]) -> Account:
    lines, factors = ledger_lines(runs)
    return Account(lines, factors, list(left_out(runs)), _serves(lines))


def _serves(lines: Sequence[Line]) -> dict[str, Phase]:
    """What each line of a ledger was spent for: the idle part of a run goes with the run."""
    phases = {line.name: line.phase for line in lines}
    return {name: phases.get(name.removesuffix(", idle"), phase) for name, phase in phases.items()}
