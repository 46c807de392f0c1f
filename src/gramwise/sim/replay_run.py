"""One policy's part of a run directory, of bench or of simulate, read so that it can be replayed."""

from __future__ import annotations

import csv
import io
import json
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gramwise.core.errors import ConfigError, RunDirectoryError, did_you_mean
from gramwise.runtime.chain import OUTSIDE
from gramwise.runtime.planfile import network_of
from gramwise.runtime.rundir import SCHEMA, read_decisions, rebuild
from gramwise.sim.ahead import Counting
from gramwise.sim.replay_bench import bench_scene, last_hours_rate, read_bench
from gramwise.sim.replay_scene import read_scene, recorded_machines
from gramwise.sim.trial import Scene, scene_of

if TYPE_CHECKING:
    from gramwise.fleet.scenario import Scenario
    from gramwise.sim.arrivals import Offered

PLAN, BASELINE = "plan", "monolithic"


class Seen(NamedTuple):
    """What became of a request; NaN is unknown."""

    status: str
    late: bool
    deferred_s: float
    latency_s: float
    carbon_g: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """A policy's part of a run, ready to be replayed.

    Attributes:
        name: of the policy as the run has it.
        scene: its requests, machines and electricity.
        seen: its recorded outcomes; empty where the run was cut short before it wrote them.
        planned: requests that the whole run would have had.
        scale: factor on all rates.
        counting: what guided policies foresee of demand; None for the operator's profile.
        wasted_g: recorded grams of work that died with a node; None where the run does not tell.
        notes: how the recording was read.
    """

    name: str
    scene: Scene
    seen: tuple[Seen, ...]
    planned: int
    scale: float
    counting: Counting | None
    wasted_g: float | None
    notes: tuple[str, ...]


def read_facts(run: Path) -> dict[str, Any]:
    """The table ``[run]`` of ``run.toml``.

    Raises:
        RunDirectoryError: not a run directory, or one that cannot be read.
    """
    file = run / "run.toml"
    if not file.is_file() or not (run / "scenario.toml").is_file():
        what = "there is no such folder" if not run.is_dir() else "it lacks run.toml or scenario.toml"
        raise RunDirectoryError(
            f"{run} is not a run directory: {what}. Name a folder that gramwise bench wrote,"
            " or simulate with --record."
        )
    try:
        facts = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise RunDirectoryError(f"{file} cannot be read: {fault}") from fault
    if facts.get("schema") != SCHEMA:
        raise RunDirectoryError(
            f"{file} has schema {facts.get('schema')!r}, and this version reads {SCHEMA}."
        )
    found: dict[str, Any] = facts.get("run", {})
    return found


def read_recording(
    run: Path, facts: Mapping[str, Any], scenario: Scenario, recorded: str | None
) -> Recording:
    """What a policy of a run met and did.

    Args:
        run: the run directory.
        facts: from `read_facts`.
        scenario: the run's.
        recorded: name of the policy; None for the first that is no baseline.

    Raises:
        RunDirectoryError: nothing is recorded, or a broken file.
        ConfigError: the run has no such policy.
    """
    read = _read_simulation if facts.get("simulated") is True else _read_bench
    return read(run, scenario, recorded)


def _read_simulation(run: Path, scenario: Scenario, wanted: str | None) -> Recording:
    first = next(iter(read_decisions(run)), None)
    if first is None:
        raise _nothing(run)
    outcomes = _outcomes(run)
    # Outcomes are written when all policies are through; of a simulation that was cut short there are decisions only.
    reached = {name: len(rows) for name, rows in outcomes.items()} or _reached(run)
    name = _chosen(scenario, list(reached), wanted, run)
    kept, nodes = read_scene(run, scenario), scenario.node_records()
    offered = kept.offered if reached[name] == len(kept.offered) else _cut(kept.offered, reached[name])
    links = network_of(scenario).links
    linked = tuple(replace(node, link=links[OUTSIDE, node.name]) for node in nodes)
    table = recorded_machines(linked, rebuild(*first)[1].plans, kept.service_s, kept.input_bytes)
    return Recording(
        name=name,
        scene=scene_of(scenario, table, kept.signals, offered),
        seen=tuple(outcomes.get(name, {}).values()),
        planned=len(kept.offered),
        scale=kept.scale,
        counting=None,
        wasted_g=_wasted_g(run, name),
        notes=("The run was simulated: its requests, chance and intensities are replayed bit by bit.",),
    )


def _read_bench(run: Path, scenario: Scenario, wanted: str | None) -> Recording:
    policies = read_bench(run)
    if not policies:
        raise _nothing(run)
    name = _chosen(scenario, list(policies), wanted, run)
    outcomes = _outcomes(run).get(name, {})
    if not outcomes:
        raise RunDirectoryError(
            f"{run}: no request of {name} was answered before the run stopped: nothing to replay."
        )
    # A bench that was cut short has decisions about requests that were under way.
    answered = {request for request in policies[name].requests if request in outcomes}
    scene = bench_scene(scenario, policies[name], answered)
    split = bool(policies[name].snapshot.plans.stages)
    return Recording(
        name=name,
        scene=scene,
        seen=tuple(outcomes[request.id] for request in scene.offered.requests),
        planned=scenario.workload.requests * scenario.workload.repeats,
        scale=1.0,
        counting=last_hours_rate(scene.offered, scenario.simulation.slot_s),
        wasted_g=None,
        notes=tuple(_bench_notes(scenario, scene, split)),
    )


def _bench_notes(scenario: Scenario, scene: Scene, split: bool) -> Iterable[str]:
    yield (
        "The run was measured; replays are modelled. An inference takes the seconds and joules of the run's plan table,"
        " measured when it warmed up; the recorded grams rest on the CPU seconds of each request."
    )
    yield "Requests come at their recorded moments, with the pauses in which other policies had their turn."
    if scenario.workload.arrivals == "closed":
        yield "The run's clients waited for answers before they asked again; replayed requests do not wait for them."
    yield (
        "Intensities are those that the run knew, and bills go by them: to know the future is to know the requests."
        if scene.signals.fixed
        else "Intensities are those that the run knew last in each hour, and bills go by them."
    )
    yield "Policies that plan ahead expect of the hours to come the rate of the last one, and nothing at the start."
    if split:
        yield "Plans that split the network over nodes are not simulated: they are left out for all policies."
    if any(node.link.bytes_per_s for node in scenario.node_records()):
        yield "The time in which a request is sent over a declared bandwidth holds its node's slot here."


def _nothing(run: Path) -> RunDirectoryError:
    return RunDirectoryError(
        f"{run} holds no recorded decisions, so there is nothing to replay: run gramwise simulate with --record and"
        " --out, or gramwise bench, which always records."
    )


def _chosen(scenario: Scenario, names: Sequence[str], wanted: str | None, run: Path) -> str:
    """The policy asked for, or the first that is no baseline."""
    if wanted is not None:
        if wanted in names:
            return wanted
        raise ConfigError(
            f"the run has no policy {wanted!r}.",
            file=run,
            key="--recorded",
            fix=f"{did_you_mean(wanted, names)} It has: {', '.join(names)}.",
        )
    blind = {BASELINE, PLAN, scenario.simulation.baseline}
    return next((name for name in names if name not in blind), names[0])


def _outcomes(run: Path) -> dict[str, dict[str, Seen]]:
    """By policy and request, without the line that was being written when the run stopped."""
    file = run / "outcomes.csv"
    if not file.is_file():
        return {}
    found: dict[str, dict[str, Seen]] = {}
    try:
        text = file.read_text(encoding="utf-8")
        for row in csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1])):
            found.setdefault(row["policy"], {})[row["request"]] = Seen(
                status=row["status"],
                late=bool(int(row["late"])),
                deferred_s=_float(row["deferred_s"]),
                latency_s=_float(row["latency_s"]),
                carbon_g=_float(row["carbon_g"]),
            )
    except (OSError, KeyError, ValueError, TypeError) as fault:
        raise RunDirectoryError(f"{file} cannot be read ({fault!r}).") from fault
    return found


def _reached(run: Path) -> dict[str, int]:
    """How many requests each policy of a simulation had decided on when it was cut short."""
    reached: dict[str, int] = {}
    name = ""
    for record, _ in read_decisions(run):
        if not record["fallback"]:  # that one bears the fallback's name
            name = record["policy"]
        if name:
            reached[name] = max(reached.get(name, 0), 1 + record["request"]["seq"])
    return reached


def _cut(offered: Offered, count: int) -> Offered:
    names = ("time_s", "of", "draw", "can_wait", "stretch", "requests")
    return replace(offered, **{name: getattr(offered, name)[:count] for name in names})


def _wasted_g(run: Path, name: str) -> float | None:
    file = run / "summary.json"
    if not file.is_file():
        return None
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["policies"]
        return next((row["wasted_g"] for row in rows if row["name"] == name), None)
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise RunDirectoryError(f"{file} cannot be read ({fault!r}).") from fault


def _float(text: str) -> float:
    return float(text) if text else math.nan
