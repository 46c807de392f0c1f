"""``gramwise sweep``: years of traffic hour by hour, every policy on the same case, each against the limits.

A case is worked out once; bounds and policies are then independent tasks that run side by side. Grams are marginal:
what the machines draw idle is the same for all that never switch them off, and stands beside.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gramwise.core.errors import ConfigError
from gramwise.fleet.scenario import Scenario, load_scenario
from gramwise.optimize.bounds import captured_frac, gap_frac
from gramwise.optimize.slots import closed_form_slots, solve_slots
from gramwise.sim.budget import within_budget
from gramwise.sim.case import Case, case_of
from gramwise.sim.fluid import Account, account
from gramwise.sim.leavings import leave
from gramwise.sim.parallel import spread
from gramwise.sim.predictive import predictive
from gramwise.sim.release import by_pressure, by_reservation
from gramwise.sim.rules import RULES, check_rule, view_of
from gramwise.sim.switching import b2_of_case

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

SCHEMA = "gramwise.sweep/1"

PERFECT = "+perfect"
"""Behind a policy's name: it knows the true intensities of the hours to come."""

RESERVATIONS = ("threshold", "k-search", "double-threshold")
ALONE = (*RESERVATIONS, "predictive", "budget")
"""Policies that are a task of their own, since they go through the hours one after another."""

_FLUID = (
    "Simulated: no request was served. Flows of requests fill nodes hour by hour; queues inside an hour are not "
    "modelled, and a request that no node has time for counts as missed."
)

_SWITCHED = (
    "B2 lets nodes be switched off and on again for nothing, and counts what they draw idle: it compares with a "
    "policy's grams and idle_g together. Where work can wait it is relaxed, which makes it lower still."
)

Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Task:
    """A piece of a sweep: ``b1``, ``b1-at-once``, or policies that share what they need."""

    kind: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What a task found: grams and unserved of a bound, or an account for each policy."""

    bound_g: float = math.nan
    unserved: float = 0.0
    accounts: Mapping[str, Account] = field(default_factory=dict)


def sweep(
    scenarios: Sequence[tuple[Mapping[str, Any], Scenario]],
    *,
    traces: Path | None = None,
    year: int | None = None,
    policies: Sequence[str] = (),
    b2: bool = False,
    workers: int | None = None,
    cluster: str | None = None,
    out: Path | None = None,
    command: str = "",
    tell: Tell = lambda _text, _done: None,
) -> dict[str, Any]:
    """The ``gramwise.sweep/1`` document.

    Args:
        scenarios: at least one, each with the parameters that make it differ from the file; see `variations`.
        traces: folder of ``ZONE_YEAR.csv``; by default the scenario's, and without one the annual means.
        year: of the traces; by default the newest that all zones have.
        policies: by name; by default the scenario's.
        b2: also the bound with nodes that may be switched off.
        workers, cluster: see `gramwise.sim.parallel.spread`.
        out: directory in which a run directory of the first case is made; None writes nothing.
        command: what the user typed, for the record.
        tell: hears how far it is.

    Returns:
        Bounds and policies of the first case, and where there are several, all of them under ``cases``.

    Raises:
        ConfigError, DataError, Infeasible, SolverError, SourceUnavailable: with file and key where a user can mend it.
    """
    start = time.perf_counter()
    documents = []
    for i, (parameters, scenario) in enumerate(scenarios):
        begun, share = time.perf_counter(), (i / len(scenarios), 1.0 / len(scenarios))

        def part(text: str, done: float, share: tuple[float, float] = share) -> None:
            tell(text, share[0] + share[1] * done)

        names = tuple(dict.fromkeys(policies or scenario.simulation.policies))
        for name in names:
            _check(name, scenario, "simulation.policies")
        _check(scenario.simulation.baseline, scenario, "simulation.baseline")
        case = case_of(scenario, traces=traces, year=year, tell=part)
        document, accounts = _case_document(
            case, scenario, names, b2=b2, workers=workers, cluster=cluster, tell=part
        )
        document = {"schema": SCHEMA, **document, "seconds": time.perf_counter() - begun}
        if out is not None and not i:
            best = min(names, key=lambda name: (accounts[name].unserved, accounts[name].carbon_g))
            leave(out, scenario, case, best, accounts[best], document, command)
        documents.append({"parameters": dict(parameters), **document})
    first = {key: value for key, value in documents[0].items() if key != "parameters"}
    several = {"cases": documents} if len(documents) > 1 else {}
    return {**first, "seconds": time.perf_counter() - start, **several}


def variations(path: Path, settings: Sequence[str]) -> list[tuple[dict[str, Any], Scenario]]:
    """A scenario for every combination of settings.

    Args:
        path: the scenario file.
        settings: each ``key=value`` or ``key=value,value``; ``traffic.*.KEY`` sets every class of traffic.

    Raises:
        ConfigError: a setting that is none, or a scenario that is wrong.
    """
    choices = [_setting(text) for text in settings]
    found = []
    for combination in itertools.product(*(values for _, values in choices)):
        parameters = dict(zip((key for key, _ in choices), combination, strict=True))
        plain = {key: value for key, value in parameters.items() if not key.startswith("traffic.*.")}
        scenario = load_scenario(path, plain)
        found.append((parameters, _every_class(scenario, parameters)))
    return found


def _setting(text: str) -> tuple[str, list[Any]]:
    key, sign, values = text.partition("=")
    if not sign or not key.strip() or not values.strip():
        raise ConfigError(
            f"{text!r} sets nothing.",
            key="--set",
            fix="Write key=value, for instance simulation.load_frac=0.5.",
        )
    try:
        return key.strip(), json.loads(f"[{values}]")  # numbers, texts in quotes, lists
    except ValueError:
        return key.strip(), [_value(value) for value in values.split(",")]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


def _every_class(scenario: Scenario, parameters: Mapping[str, Any]) -> Scenario:
    """``traffic.*.key``: the same value for every class."""
    wanted = {
        key.removeprefix("traffic.*."): v for key, v in parameters.items() if key.startswith("traffic.*.")
    }
    if not wanted:
        return scenario
    if not scenario.traffic:
        raise ConfigError(
            "there is no class of traffic whose key could be set.",
            file=scenario.path,
            key=f"traffic.*.{next(iter(wanted))}",
            fix="Write a [[traffic]] table, or set workload's keys.",
        )
    rows = [{**row.model_dump(exclude_none=True), **wanted} for row in scenario.traffic]
    return load_scenario(scenario.path, {**_plain(parameters), "traffic": rows})


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parameters.items() if not key.startswith("traffic.*.")}


def _case_document(
    case: Case,
    scenario: Scenario,
    names: Sequence[str],
    *,
    b2: bool,
    workers: int | None,
    cluster: str | None,
    tell: Tell,
) -> tuple[dict[str, Any], Mapping[str, Account]]:
    baseline = scenario.simulation.baseline
    tasks = [*([Task("b2")] if b2 else []), *_tasks(case, dict.fromkeys((*names, baseline)))]
    found: dict[str, Done] = {}
    accounts: dict[str, Account] = {}
    for number, (i, done) in enumerate(spread(run_task, case, tasks, workers=workers, cluster=cluster), 1):
        tell(", ".join(tasks[i].names) or tasks[i].kind, 0.2 + 0.8 * number / len(tasks))
        found[tasks[i].kind] = done
        accounts |= done.accounts
    b1 = found["b1"]
    base = accounts[baseline]
    at_once = found.get("b1-at-once", b1)
    document = {
        "scenario": scenario.name,
        "simulated": True,
        "model": "fluid, hour by hour",
        "start_s": case.start_s,
        "hours": case.hours,
        "hours_left_out": int(case.missing.sum()),
        "requests": case.requests,
        "forecast": case.forecast,
        "baseline": baseline,
        "bounds": {
            "b0_g": closed_form_slots(case.problem()),
            "b1_g": b1.bound_g,
            "b1_at_once_g": at_once.bound_g,
            **({"b2_g": found["b2"].bound_g} if b2 and math.isfinite(found["b2"].bound_g) else {}),
            **_replayed(names, accounts, b1, case.requests),
            "unserved_frac": b1.unserved / case.requests if case.requests else 0.0,
        },
        "idle_g": case.idle_g,
        "policies": [_policy(name, accounts[name], b1, base) for name in names],
        "provenance": list(_provenance(case, b2)),
    }
    return document, accounts


def _replayed(
    names: Sequence[str], accounts: Mapping[str, Account], b1: Done, requests: float
) -> dict[str, float]:
    """B3 where it was asked for: what the best policy with perfect knowledge did; the optimum is not above it."""
    done = [accounts[name] for name in names if name.endswith(PERFECT)]
    whole = [each.carbon_g for each in done if each.unserved <= b1.unserved + 1e-9 * max(requests, 1.0)]
    return {"b3_g": min(whole)} if whole else {}


def _check(name: str, scenario: Scenario, key: str) -> None:
    try:
        check_rule(name.removesuffix(PERFECT), ALONE)
    except ConfigError as fault:
        raise ConfigError(fault.message, file=scenario.path, key=key, fix=fault.fix) from fault


def _tasks(case: Case, names: Mapping[str, None]) -> list[Task]:
    """Longest first, so that two cores end at about the same time."""
    waits = bool(case.window.any() and case.waiting.any())
    tasks = [Task("alone", (name,)) for name in names if _stem(name) == "predictive"]
    tasks += [Task("b1")] + ([Task("b1-at-once")] if waits else [])
    tasks += [Task("alone", (name,)) for name in names if _stem(name) == "budget"]
    slow = {*RESERVATIONS, *(("lyapunov",) if waits else ())}
    tasks += [Task("alone", (name,)) for name in names if _stem(name) in slow]
    rest = [name for name in names if _stem(name) not in {*ALONE, *slow}]
    for perfect in (False, True):
        here = [name for name in rest if name.endswith(PERFECT) == perfect]
        for solved in (True, False):
            group = tuple(name for name in here if RULES[_stem(name)][1] == solved)
            tasks += [Task("rules", group)] if group else []
    return [replace(task, kind=f"{task.kind}:{task.names[0]}") if task.names else task for task in tasks]


def _stem(name: str) -> str:
    return name.removesuffix(PERFECT)


def run_task(case: Case, task: Task) -> Done:
    """One task of a sweep; importable, so that other processes and machines can run it."""
    if task.kind == "b2":
        bound_g = b2_of_case(case)
        return Done(bound_g=math.nan if bound_g is None else bound_g)
    if task.kind in ("b1", "b1-at-once"):
        solution = solve_slots(case.problem(waits=task.kind == "b1"), shed=True)
        return Done(bound_g=solution.carbon_g, unserved=float(solution.unserved.sum()))
    seen = case.known_perfectly() if task.names[0].endswith(PERFECT) else case
    if task.kind.startswith("alone"):
        return Done(accounts={task.names[0]: account(case, _alone(seen, _stem(task.names[0])))})
    view = view_of(seen, solved=RULES[_stem(task.names[0])][1])
    return Done(accounts={name: account(case, RULES[_stem(name)][0](view)) for name in task.names})


def _alone(case: Case, name: str) -> Any:
    if name == "predictive":
        return predictive(case)
    if name == "budget":
        return within_budget(case)
    view = view_of(case, solved=False)
    return by_pressure(view) if name == "lyapunov" else by_reservation(name)(view)


def _policy(name: str, done: Account, b1: Done, base: Account) -> dict[str, Any]:
    # Requests that were dropped are no saving: without the same work there is nothing to compare.
    same = done.unserved <= b1.unserved + 1e-9 * max(done.requests, 1.0)
    alike = done.unserved <= base.unserved + 1e-9 * max(done.requests, 1.0)
    bound_g = b1.bound_g if same else None
    gap = gap_frac(done.carbon_g, bound_g)
    return {
        "name": name,
        "carbon_g": done.carbon_g,
        "gap_b1_frac": gap,
        "captured_frac": captured_frac(base.carbon_g, done.carbon_g, bound_g) if same and alike else None,
        "slo_miss_frac": done.late_frac,
        "deferred_frac": done.deferred / done.requests if done.requests else 0.0,
        "accuracy_frac": done.accuracy_frac,
        "accuracy_by_class_frac": dict(done.accuracy_by_class),
    }


def _provenance(case: Case, b2: bool) -> Sequence[str]:
    said = [
        _FLUID,
        *case.provenance,
        "Policies know the hour's intensity and those after it "
        + (
            "as they came true."
            if case.forecast == "perfect"
            else f"from the {case.forecast} forecast of past hours."
        ),
        "Bounds: B0 forgets capacity, B1 keeps it and knows everything; grams are marginal, idle power stands apart.",
    ]
    if b2:
        said.append(
            _SWITCHED if case.idle_g is not None else "B2 is unknown: so is the idle power of some node."
        )
    left_out = int(case.missing.sum())
    if left_out:
        said.append(
            f"{left_out} of {case.hours} hours were left out for every policy and bound: the intensity of some zone is "
            "missing there."
        )
    return said


def weekly(done: Account) -> Floats:
    """Grams by the week in which the work arrived; the odd days at the end are left out."""
    weeks = len(done.booked_g) // 168
    by_week: Floats = done.booked_g[: weeks * 168].reshape(weeks, 168).sum(axis=1)
    return by_week
