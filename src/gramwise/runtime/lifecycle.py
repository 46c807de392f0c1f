"""The bill of a scenario: serving, idling, networks, phases, measured runs, devices in the field, and all that was
made.

`footprint` puts the accounts of `gramwise.footprint` together, evaluates them once, and adds what a reader asks next:
the price of an inference, scores, when serving overtakes training, whether a newer machine repays its making. What is
not known is named and left out; nothing is guessed at 0.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Footprint, Phase
from gramwise.core.phase import PhaseRun
from gramwise.core.quantity import Basis, Signal
from gramwise.core.series import Series
from gramwise.core.units import S_PER_DAY, S_PER_YEAR
from gramwise.fleet.scenario import Scenario
from gramwise.fleet.traffic import unix_s
from gramwise.footprint.bill import bill
from gramwise.footprint.document import as_document
from gramwise.footprint.operational.declared import duty_from_mapping
from gramwise.footprint.operational.duty import lines as duty_lines
from gramwise.footprint.operational.duty import not_included
from gramwise.footprint.reading import Table
from gramwise.footprint.scaling.account import Account, merge
from gramwise.footprint.scaling.intensity import Intensity, find, of_zone
from gramwise.footprint.scaling.scenario import NO_HARDWARE, Scaling
from gramwise.runtime.ecalaccount import ecal, one_kind
from gramwise.runtime.gathered import Gathered, as_inputs, from_inputs, gather, measured
from gramwise.runtime.made import made, made_lines
from gramwise.runtime.nodelines import grids_by_node, idle_line, network_line, rate_of, serving_line
from gramwise.runtime.questions import assumptions, inferences_of, questions

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
    grids = grids_by_node(scenario)
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
    grids, scaling = grids_by_node(scenario), scaling_of(scenario)
    owed = merge(
        [
            *(serving_line(place, units, nodes, grids) for place in places),
            *(network_line(scenario, place, units, gathered.message_bytes, grids) for place in places),
            *(idle_line(scenario, node, grids[name]) for name, node in nodes.items()),
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
    scaling = Scaling.from_mapping(raw, scenario.path)
    for i, phase in enumerate(scaling.phases):
        try:
            if phase.zone:
                find(phase.zone, {})
        except ConfigError as fault:
            raise fault.inside(scenario.path, f"footprint.phases[{i}].zone") from fault
    return scaling


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
    return {**raw, "intensity": rate_of(of_zone(zone))}
