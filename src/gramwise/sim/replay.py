"""`gramwise replay`: a recorded run's requests again in virtual time, with its own policy, another, and all knowledge.

The recorded policy is replayed too: what it comes to beside what was recorded shows how far the simulation is to be
trusted. Regret is counted between replays, never between a measurement and a model. Perfect knowledge (B3) is the best
of policies that are told the true intensities and every request to come; whoever knows all that could also do what the
replayed policies did, so these compete as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gramwise.core.errors import ConfigError
from gramwise.core.series import percentile
from gramwise.fleet.scenario import VARIANTS_SUFFIX, load_scenario
from gramwise.sim.ahead import planning_of
from gramwise.sim.bill import Bill
from gramwise.sim.limit import bounds_of
from gramwise.sim.replay_bench import true_counts
from gramwise.sim.replay_run import PLAN, Recording, Seen, read_facts, read_recording
from gramwise.sim.signals import Signals
from gramwise.sim.simulate import checked_names
from gramwise.sim.trial import try_policy

SCHEMA = "gramwise.replay/1"

TOLD = ("fractions", "predictive", "shadow-price")
"""Policies that are told everything, for perfect knowledge: the guided ones that look at all nodes."""

Tell = Callable[[str, float], None]
"""Hears what is going on and how much of the whole is done, 0 to 1."""


def replay(
    run: str | Path,
    *,
    policy: str,
    recorded: str | None = None,
    tell: Tell = lambda _text, _done: None,
) -> dict[str, Any]:
    """Replay a run's requests with its own policy, with another one, and with perfect knowledge.

    Args:
        run: run directory of ``gramwise bench``, or of ``gramwise simulate --record``.
        policy: to compare with.
        recorded: whose requests of the run; by default those of the first policy that is no baseline.
        tell: hears how far it is.

    Returns:
        The ``gramwise.replay/1`` document; every number is finite or None (unknown).

    Raises:
        RunDirectoryError: not a run, nothing recorded, or a broken file.
        ConfigError: no such policy, or not one of the run's; names the nearest.
    """
    path = Path(run)
    facts = read_facts(path)
    scenario = load_scenario(path / "scenario.toml", environ={})  # as it was then, whatever is set now
    checked_names(scenario, [policy])
    tell("reading the run", 0.0)
    recording = read_recording(path, facts, scenario, recorded)
    own = recording.name.removesuffix(VARIANTS_SUFFIX)
    for name in (own, policy):
        _refuse_plan(recording, name)
    tell("solving the bound", 0.1)
    bounds = bounds_of(recording.scene)
    tell(f"{own} again", 0.2)
    again = _tried(recording, own)
    tell(policy, 0.4)
    other = again if policy == own else _tried(recording, policy)
    best, perfect = _perfect(recording, again, other, tell)
    figures = {
        "recorded": {**_figures(recording.seen), "wasted_g": recording.wasted_g},
        "recorded_again": _replayed(again),
        "other": _replayed(other),
        "perfect": {"policy": best, **_replayed(perfect)},
    }
    return {
        "schema": SCHEMA,
        "run_dir": str(path),
        "scenario": scenario.name,
        "simulated": facts.get("simulated") is True,
        "finished": facts.get("finished") is True,
        "policy_recorded": recording.name,
        "policy": policy,
        "requests": len(recording.scene.offered),
        "requests_planned": recording.planned,
        **figures,
        "bound_g": bounds.b1_g,
        "bound_note": bounds.note or None,
        **_regret("regret", again, other),
        **_regret("regret_perfect", again, perfect),
        "model_error_frac": _model_error(figures["recorded"], figures["recorded_again"]),
        "provenance": list(_sentences(recording, facts, best)),
    }


# --- replaying -------------------------------------------------------------------------------------------------------


def _refuse_plan(recording: Recording, name: str) -> None:
    if name == PLAN and recording.scene.table.plans.planned < 0:
        raise ConfigError(
            "the policy 'plan' serves with a plan file's plan, and the run has none that runs on one node.",
            fix="Compare other policies: split plans are not simulated.",
        )


def _tried(recording: Recording, name: str) -> Bill:
    scene = recording.scene
    planning = planning_of(scene, name, recording.scale, recording.counting)
    return Bill(scene=scene, trial=try_policy(scene, name, planning=planning))


def _perfect(recording: Recording, again: Bill, other: Bill, tell: Tell) -> tuple[str, Bill]:
    """The fewest grams of those who know everything and answer as many requests as the recorded policy.

    What they do late is the chance of service times, since each sets out to be in time. The other policy may go by
    other rules: it competes where it misses no more than the recorded one.
    """
    scene = replace(recording.scene, signals=_all_known(recording.scene.signals))
    counting = true_counts(scene.offered, scene.scenario.simulation.slot_s)
    contest = {again.trial.policy: again}
    if _missed(other) <= _missed(again) and _unserved(other) <= _unserved(again):
        contest.setdefault(other.trial.policy, other)
    for i, name in enumerate(TOLD):
        tell(f"perfect knowledge: {name}", 0.5 + 0.5 * i / len(TOLD))
        planning = planning_of(scene, name, recording.scale, counting)
        bill = Bill(scene=scene, trial=try_policy(scene, name, planning=planning))
        if _unserved(bill) <= _unserved(again):
            contest[f"{name}, told everything"] = bill
    best = min(contest, key=lambda name: _order(contest[name]))
    return best, contest[best]


def _order(bill: Bill) -> float:
    total_g = _total_g(bill)
    return math.inf if total_g is None else total_g


def _all_known(signals: Signals) -> Signals:
    """Electricity whose every hour is known from the start; after the last hour it stays as it is."""
    hours, ahead = signals.known.shape[1:]
    at = np.minimum(np.arange(hours)[:, None] + np.arange(ahead)[None, :], signals.truth.shape[1] - 1)
    known = signals.truth[:, at]
    unknown = np.full_like(known, np.nan)
    return replace(signals, known=known, low=unknown, high=unknown)


def _unserved(bill: Bill) -> int:
    return len(bill.trial.outcomes) - len(bill.done)


def _missed(bill: Bill) -> int:
    return _unserved(bill) + sum(o.late for o in bill.done)


# --- what it came to -------------------------------------------------------------------------------------------------


def _replayed(bill: Bill) -> dict[str, Any]:
    seen = [Seen(o.status, o.late, o.deferred_s, o.cost.latency_s, o.cost.carbon_g) for o in bill.outcomes()]
    return {**_figures(seen), "wasted_g": _known(bill.wasted_g)}


def _figures(seen: Sequence[Seen]) -> dict[str, Any]:
    """Grams of the answered requests and how they fared; None where nothing was recorded."""
    done = [each for each in seen if each.status == "completed"]
    latencies = [each.latency_s for each in done]
    count = len(seen)
    return {
        "requests": count,
        "carbon_g": _known(math.fsum(each.carbon_g for each in done)) if count else None,
        "late_frac": _over(sum(each.late for each in done), count),
        "refused_frac": _over(sum(each.status == "refused" for each in seen), count),
        "lost_frac": _over(sum(each.status == "lost" for each in seen), count),
        "deferred_frac": _over(sum(each.deferred_s > 0 for each in seen), count),
        "p50_s": percentile(latencies, 0.5),
        "p95_s": percentile(latencies, 0.95),
    }


def _total_g(bill: Bill) -> float | None:
    """Grams, work included that was undone by the death of a node."""
    return _known(bill.carbon_g + bill.wasted_g)


def _regret(key: str, again: Bill, other: Bill) -> dict[str, float | None]:
    """Grams that the recorded policy took more than the other; None where they did not answer the same requests."""
    more_g, less_g = _total_g(again), _total_g(other)
    same = [o.status for o in again.trial.outcomes] == [o.status for o in other.trial.outcomes]
    if more_g is None or less_g is None or not same:
        return {f"{key}_g": None, f"{key}_frac": None}
    return {f"{key}_g": more_g - less_g, f"{key}_frac": _over(more_g - less_g, more_g)}


def _model_error(recorded: Mapping[str, Any], again: Mapping[str, Any]) -> float | None:
    then_g, now_g = recorded["carbon_g"], again["carbon_g"]
    return None if then_g is None or now_g is None else _over(now_g - then_g, then_g)


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _sentences(recording: Recording, facts: Mapping[str, Any], best: str) -> Iterator[str]:
    yield from recording.notes
    replayed, planned = len(recording.scene.offered), recording.planned
    if facts.get("finished") is not True or replayed != planned:
        yield f"The run was cut short: {replayed} of {planned} requests of {recording.name} are recorded and replayed."
    if not recording.seen:
        yield "It stopped before outcomes were written, so that there are no recorded grams to compare with."
    yield (
        "All replays are simulated in virtual time, and regret is between them; model_error_frac is what divides the"
        " replay of the recorded policy from the record."
    )
    if recording.scene.scenario.failures:
        yield "Nodes are lost when the run lost them; the bound takes them for always there."
    yield (
        f"Perfect knowledge is the best of {', '.join(TOLD)}, told the true intensities and all requests, and of the"
        f" policies replayed here, if the other one misses no more deadlines than the recorded one; it was: {best}."
    )
