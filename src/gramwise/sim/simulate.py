"""`gramwise simulate`: every policy serves the same requests with the very engine, in virtual time, and is billed.

Nothing is run or measured: machines come from declared costs or the catalogue, traffic from the scenario's tables and a
seed, electricity from traces or annual means. Equal scenario and seed give equal bytes, but for the ``timing`` key and
the run directory's name.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gramwise.core.errors import ConfigError, DataError
from gramwise.core.series import percentile
from gramwise.core.units import S_PER_HOUR
from gramwise.fleet.scenario import Scenario
from gramwise.fleet.traffic import unix_s
from gramwise.runtime.engine import variant_key
from gramwise.runtime.modelled import Modelled, modelled_table
from gramwise.runtime.rundir import RunDirectory
from gramwise.schedule import load_policy
from gramwise.sim.ahead import planning_of
from gramwise.sim.arrivals import classes_of, offered
from gramwise.sim.bill import Bill, idle_g, policy_row
from gramwise.sim.costs import load_scale
from gramwise.sim.limit import Bounds, bounds_of
from gramwise.sim.nodes import Measured
from gramwise.sim.replay_scene import keep_scene
from gramwise.sim.rows import write_rows
from gramwise.sim.signals import signals_of
from gramwise.sim.trial import Scene, Trial, scene_of, try_policy

SCHEMA = "gramwise.simulate/1"

Tell = Callable[[str, float], None]
"""Hears what is going on and how much of the whole is done, 0 to 1."""


def simulate(
    scenario: Scenario,
    *,
    traces: Path | None = None,
    year: int | None = None,
    policies: Sequence[str] | None = None,
    out: Path | None = None,
    record: bool = False,
    timing: bool = True,
    measured: Measured | None = None,
    command: str = "",
    tell: Tell = lambda _text, _done: None,
) -> dict[str, Any]:
    """Simulate a scenario's hours and compare its policies.

    Args:
        scenario: from `gramwise.runtime.assembly.read_scenario`.
        traces: folder of ``ZONE_YEAR.csv``; None takes ``simulation.traces``, and without that annual means.
        year: instead of the year of ``simulation.start``.
        policies: by name; by default ``simulation.policies``.
        out: directory in which a run directory is made; None writes nothing.
        record: with ``out``, keep every decision with what it knew, and the scene, so that it can be replayed.
        timing: say how long things took on the wall clock, under the key of that name: the only one that differs
            between two equal simulations.
        measured: service times of a real fleet's requests, which stand in for declared or modelled ones; decisions
            go by the plan table as ever. A run with them is not kept for replay: leave ``record`` out.
        command: what the user typed, for the record.
        tell: hears how far it is.

    Returns:
        The ``gramwise.simulate/1`` document; every number is finite or None (unknown).

    Raises:
        ConfigError, DataError, ModelError, SourceUnavailable: with file and key for what the user can mend; of
            ``measured`` with node and variant.
        NotVirtual: a policy reached for a thread, a socket or a subprocess.
    """
    names = checked_names(scenario, policies)
    if record and measured:
        raise DataError(
            "a simulation with measured service times cannot be recorded: a replay would lack them."
        )
    tell("modelling the machines", 0.0)
    scene, scale = _scene(scenario, traces, year, measured or {})
    tell("solving the bounds", 0.05)
    bounds = bounds_of(scene)
    directory = _directory(scenario, out, command) if out is not None else None
    try:
        if directory is not None and record:
            keep_scene(directory.path, scene, scale)
        trials = []
        for i, name in enumerate(names):
            tell(name, 0.1 + 0.9 * i / len(names))
            recorder = directory.decision if directory is not None and record else None
            planning = planning_of(scene, name, scale)
            trials.append(try_policy(scene, name, planning=planning, recorder=recorder))
        document = _document(scene, trials, bounds, timing)
        if directory is not None:
            write_rows(directory, [Bill(scene=scene, trial=trial) for trial in trials])
            document["run_dir"] = str(directory.path)
            directory.finish(document)
    finally:
        if directory is not None:
            directory.close()
    return document


def checked_names(scenario: Scenario, policies: Sequence[str] | None) -> list[str]:
    """The policies asked for, or the scenario's, each once.

    Raises:
        ConfigError: no such policy, or a budget that nobody set.
    """
    names = list(dict.fromkeys(policies or scenario.simulation.policies))
    for name in names:
        try:
            load_policy(name)
        except ConfigError as fault:
            key = "--policy" if policies else "simulation.policies"
            raise ConfigError(fault.message, file=scenario.path, key=key, fix=fault.fix) from fault
    budget = scenario.goals.carbon_budget_g_per_day
    if "budget" in names and budget is None:
        raise ConfigError(
            "the policy 'budget' needs a budget.",
            file=scenario.path,
            key="goals.carbon_budget_g_per_day",
            fix="Write for instance carbon_budget_g_per_day = 500.0.",
        )
    return names


def _scene(
    scenario: Scenario, traces: Path | None, year: int | None, measured: Measured
) -> tuple[Scene, float]:
    simulation = scenario.simulation
    start_s = _start_s(scenario, year)
    if traces is None and simulation.traces is not None:
        traces = scenario.path.parent / simulation.traces
    table = modelled_table(scenario)
    _check(measured, table)
    rows = classes_of(scenario)
    scale = load_scale(scenario, table, rows)
    hours = math.ceil(simulation.hours)
    signals = signals_of(scenario, traces, year, start_s, hours)
    requests = offered(scenario, rows, start_s, simulation.hours, scale)
    return scene_of(scenario, table, signals, requests, measured), scale


def _check(measured: Measured, table: Modelled) -> None:
    """Refuse measured times of nobody, and times that are none."""
    plans = table.plans
    held = {
        (table.nodes[i].name, variant_key(plans.model[row], plans.variant[row]))
        for row, i in enumerate(plans.node.tolist())
        if math.isfinite(table.service_s.item(row))
    }
    for (node, variant), times_s in measured.items():
        if (node, variant) not in held:
            raise DataError(f"service times were measured of {variant} on {node}, which does not hold it.")
        if not len(times_s) or not all(0.0 < time_s < math.inf for time_s in times_s):
            raise DataError(
                f"measured service times of {variant} on {node} must be seconds above 0, one at least."
            )


def _start_s(scenario: Scenario, year: int | None) -> float:
    """The first moment, in the year that was asked for.

    Raises:
        ConfigError: not a whole hour, or a 29 February that the year has not.
    """
    start_s = unix_s(scenario.simulation.start)
    if year is not None:
        try:
            start_s = datetime.fromtimestamp(start_s, UTC).replace(year=year).timestamp()
        except ValueError as fault:
            raise ConfigError(
                f"{scenario.simulation.start} is no day of {year}.",
                file=scenario.path,
                key="simulation.start",
                fix="Write another day, or another --year.",
            ) from fault
    if start_s % S_PER_HOUR:
        raise ConfigError(
            "intensities and forecasts are hourly, so a simulation starts on a full hour (UTC).",
            file=scenario.path,
            key="simulation.start",
            fix='Write for instance "2022-06-01T00:00:00Z".',
        )
    return start_s


def _document(scene: Scene, trials: Sequence[Trial], bounds: Bounds, timing: bool) -> dict[str, Any]:
    simulation, offered_ = scene.scenario.simulation, scene.offered
    bills = {trial.policy: Bill(scene=scene, trial=trial) for trial in trials}
    baseline, idle = bills.get(simulation.baseline), idle_g(scene)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "scenario": scene.scenario.name,
        "simulated": True,
        "start": _iso(offered_.start_s),
        "hours": simulation.hours,
        "seed": simulation.seed,
        "requests": len(offered_),
        "inferences": sum(request.count for request in offered_.requests),
        "forecast": scene.signals.forecast,
        "baseline": simulation.baseline if baseline else None,
        "bounds": {"b0_g": bounds.b0_g, "b1_g": bounds.b1_g, "note": bounds.note or None},
        "policies": [policy_row(bill, baseline, bounds, idle) for bill in bills.values()],
        "provenance": list(_sentences(scene)),
    }
    if timing:
        document["timing"] = [_timing(trial) for trial in trials]
    return document


def _timing(trial: Trial) -> dict[str, Any]:
    decided = [outcome.decision_s for outcome in trial.outcomes]
    return {
        "name": trial.policy,
        "wall_s": trial.wall_s,
        "decision_s": {"p50": percentile(decided, 0.5), "p99": percentile(decided, 0.99)},
        "snapshot_s": {"p50": percentile(trial.snapshot_s, 0.5), "p99": percentile(trial.snapshot_s, 0.99)},
    }


def _sentences(scene: Scene) -> list[str]:
    scenario, signals = scene.scenario, scene.signals
    simulation = scenario.simulation
    said = [
        "Everything here is simulated: nodes are timers, nothing was run"
        + (" here." if scene.measured else " and nothing was measured."),
        *(f"Times and joules are {sentence}." for sentence in scene.table.provenance),
        f"Traffic is simulated: {', '.join(row.name for row in scene.offered.rows)}; seed {simulation.seed}.",
        *(
            f"Intensity of {grid}: {source}."
            for grid, source in zip(signals.grids, signals.sources, strict=True)
        ),
        f"Decisions knew of intensities: {signals.forecast}; grams are billed at the true ones.",
        "Grams and joules of requests are marginal; idle_g is what the devices draw when always on.",
    ]
    if simulation.forecast_error_frac and not signals.fixed:
        said.append(f"A random factor of {simulation.forecast_error_frac:g} was put on what was foreseen.")
    for (node, variant), times_s in scene.measured.items():
        said.append(
            f"Service times of {variant} on {node} are those of {len(times_s)} real requests, in turn."
        )
    if simulation.service_noise_frac:
        said.append(f"Service times vary by {simulation.service_noise_frac:g}; joules do not.")
    if scenario.failures:
        said.append("Nodes fail as the scenario says; the bounds take them for always there.")
    return said


def _directory(scenario: Scenario, out: Path, command: str) -> RunDirectory:
    simulation = scenario.simulation
    facts = {
        "scenario": scenario.name,
        "scenario_file": scenario.path.name,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "gramwise": version("gramwise"),
        "command": command,
        "simulated": True,
        "seed": simulation.seed,
        "start": simulation.start,
        "hours": simulation.hours,
        "python": platform.python_version(),
        "numpy": version("numpy"),
    }
    return RunDirectory(out, scenario.name, facts, scenario.toml())


def _iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
