"""What a request of each class of traffic takes on each plan, and how much traffic the fleet could serve at most.

The event simulation, the fluid sweep and their bounds all ask here, so that they speak of the same machines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import ConfigError, Infeasible
from gramwise.fleet.scenario import Scenario
from gramwise.fleet.traffic import TrafficTable
from gramwise.optimize.bounds import most_that_fits
from gramwise.runtime.modelled import Modelled
from gramwise.sim.arrivals import limits

if TYPE_CHECKING:
    from gramwise.core.decision import Floats


def request_costs(
    scenario: Scenario, table: Modelled, rows: Sequence[TrafficTable]
) -> tuple[Floats, Floats, Floats]:
    """Joules, slot seconds and latency of one request of each class by each plan.

    Args:
        scenario: goals.
        table: P plans.
        rows: K classes.

    Returns:
        (K, P) joules, inf where the plan does not hold the model, is not accurate enough, stands where the data may not
        go, does not fit its node or could not be in time on an idle one; (K, P) seconds that it holds a slot; (K, P)
        seconds from being sent to being answered where nobody waits.
    """
    plans, nodes = table.plans, table.nodes
    zones = np.array([n.zone for n in nodes])[plans.node]
    fits = plans.memory_bytes <= np.array([n.memory_bytes for n in nodes])[plans.node]
    held = np.isfinite(table.service_s) & np.isfinite(plans.energy_j) & fits
    energy_j, busy_s, latency_s = [], [], []
    for row in rows:
        deadline_s, allowed = limits(scenario, row)
        floor = row.accuracy_floor_frac
        good = plans.reference if floor is None else plans.accuracy_frac >= floor
        model = np.array([name == row.model for name in plans.model])
        there = np.ones(len(plans), bool) if allowed is None else np.isin(zones, list(allowed))
        total_s = plans.fixed_s + plans.latency_s * row.count
        in_time = total_s <= (math.inf if deadline_s is None else deadline_s)
        keep = model & good & there & in_time & held
        energy_j.append(np.where(keep, plans.energy_j * row.count, np.inf))
        busy_s.append(np.where(np.isfinite(table.service_s), table.service_s, 1.0) * row.count)
        latency_s.append(total_s)
    return np.array(energy_j), np.array(busy_s), np.array(latency_s)


def refuse_hopeless(
    scenario: Scenario, table: Modelled, rows: Sequence[TrafficTable], energy_j: Floats
) -> None:
    """Raise `Infeasible` for the first class that no plan may serve, with how many plans failed at what."""
    plans = table.plans
    for i, row in enumerate(rows):
        if np.isfinite(energy_j[i]).any():
            continue
        deadline_s, _ = limits(scenario, row)
        floor = row.accuracy_floor_frac
        model = np.array([name == row.model for name in plans.model])
        good = model & (plans.reference if floor is None else plans.accuracy_frac >= floor)
        limit_s = math.inf if deadline_s is None else deadline_s
        quick = good & (plans.fixed_s + plans.latency_s * row.count <= limit_s)
        raise Infeasible(
            f"{scenario.path}: traffic.{i}: no node can serve class {row.name!r}: of {int(model.sum())} plans of "
            f"{row.model}, {int(good.sum())} are accurate enough and {int(quick.sum())} of these quick enough "
            f"({limit_s:g} s)."
        )


def load_scale(scenario: Scenario, table: Modelled, rows: Sequence[TrafficTable]) -> float:
    """Factor on all rates that makes mean demand the share ``simulation.load_frac`` of what fits; 1 without one.

    Raises:
        ConfigError: a class comes from a file, whose rate cannot be scaled.
        Infeasible: a class that no node can serve in time.
        SourceUnavailable: SciPy is not installed.
    """
    load = scenario.simulation.load_frac
    if load is None:
        return 1.0
    rates = [row.rate_per_s for row in rows]
    if None in rates:
        raise ConfigError(
            "a load can be set only where every class has a rate; one comes from a file.",
            file=scenario.path,
            key="simulation.load_frac",
            fix="Leave load_frac out, or write rate_per_s for every class.",
        )
    energy_j, busy_s, _ = request_costs(scenario, table, rows)
    # The share that other work takes is not there for us.
    free = [n.slots * (1.0 - scenario.nodes[n.name].taken_frac) for n in table.nodes]
    capacity_s = np.array(free) * scenario.goals.max_busy_frac
    mix = np.array([rate or 0.0 for rate in rates])
    return load * most_that_fits(np.isfinite(energy_j), busy_s, np.asarray(table.plans.node), capacity_s, mix)
