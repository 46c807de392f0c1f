"""Laws of choice: free of scale, blind to the irrelevant, reproducible, and explained by its own scores."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gramwise.core.decision import PlanTable, Request, Snapshot
from gramwise.schedule import load_policy, policy_names
from gramwise.testing import example_request, example_snapshot

FLEETS = [(1, 0), (2, 1), (3, 2), (5, 3), (20, 4), (100, 5)]
FREE_OF_SCALE = ["grams", "greenest-zone", "fastest", "round-robin", "monolithic", "amp4ec"]
FACTORS = [0.1, 0.5, 2.0, 10.0, 1000.0]


def requests(seed: int) -> list[Request]:
    base = example_request(seed)
    return [
        dataclasses.replace(base, seq=seq, deadline_s=deadline_s, accuracy_floor_frac=floor, count=count)
        for seq, deadline_s, floor, count in (
            (0, None, None, 1),
            (1, 0.1, None, 1),
            (2, 0.05, 0.0, 1),
            (3, 0.04, 0.965, 1),
            (4, 0.2, 0.0, 3),
        )
    ]


def energies(snapshot: Snapshot, factor: float) -> Snapshot:
    plans = dataclasses.replace(snapshot.plans, energy_j=snapshot.plans.energy_j * factor)
    return dataclasses.replace(snapshot, plans=plans)


def intensities(snapshot: Snapshot, factor: float) -> Snapshot:
    return dataclasses.replace(snapshot, intensity_g_per_kwh=snapshot.intensity_g_per_kwh * factor)


@pytest.mark.parametrize("scale", [energies, intensities])
@pytest.mark.parametrize("name", FREE_OF_SCALE)
def test_scaling_all_energies_or_intensities_changes_no_choice(
    name: str, scale: Callable[[Snapshot, float], Snapshot]
) -> None:
    policy = load_policy(name)
    for nodes, seed in FLEETS:
        snapshot = example_snapshot(nodes, seed, variants=3)
        for request in requests(seed):
            row = policy.decide(request, snapshot).row
            assert all(policy.decide(request, scale(snapshot, f)).row == row for f in FACTORS)


def test_scaling_one_energy_does_change_the_choice() -> None:
    # Or else the law above would hold for a policy that looks at nothing.
    snapshot = example_snapshot(20, 4)
    row = load_policy("grams").decide(example_request(), snapshot).row
    energy_j = snapshot.plans.energy_j.copy()
    energy_j[row] *= 1000.0
    dearer = dataclasses.replace(snapshot, plans=dataclasses.replace(snapshot.plans, energy_j=energy_j))
    assert load_policy("grams").decide(example_request(), dearer).row != row


def with_node(snapshot: Snapshot, like: int, at: int, worse: float) -> Snapshot:
    """One more node, a copy of ``like`` put before position ``at``, its energy, times and grid worse by a factor."""

    def grown(column: np.ndarray) -> np.ndarray:
        return np.insert(column, at, column[like])

    table = snapshot.plans
    forms = len(table) // len(snapshot.nodes)
    rows = np.arange(len(table)).reshape(-1, forms)
    order = np.insert(rows, at, rows[like], axis=0).ravel()
    factor = np.where(np.arange(len(order)) // forms == at, worse, 1.0)
    plans = PlanTable(
        node=np.repeat(np.arange(len(snapshot.nodes) + 1), forms),
        model=(table.model[0],) * len(order),
        variant=tuple(table.variant[i] for i in order),
        reference=table.reference[order],
        latency_s=table.latency_s[order] * factor,
        fixed_s=table.fixed_s[order] * factor,
        energy_j=table.energy_j[order] * factor,
        accuracy_frac=table.accuracy_frac[order],
        memory_bytes=table.memory_bytes[order],
    )
    columns: dict[str, Any] = {
        name: grown(value)
        for name in Snapshot.__dataclass_fields__
        if isinstance(value := getattr(snapshot, name), np.ndarray)
    }
    columns["intensity_g_per_kwh"][at] *= worse
    return dataclasses.replace(
        snapshot,
        version=snapshot.version + 1,
        plans=plans,
        nodes=(*snapshot.nodes[:at], "dominated", *snapshot.nodes[at:]),
        zone=(*snapshot.zone[:at], "elsewhere", *snapshot.zone[at:]),
        **columns,
    )


@pytest.mark.parametrize("name", ["grams", "greenest-zone", "fastest"])
@pytest.mark.parametrize(("nodes", "seed"), FLEETS)
def test_adding_a_dominated_node_changes_no_choice(name: str, nodes: int, seed: int) -> None:
    policy, snapshot = load_policy(name), example_snapshot(nodes, seed, variants=3)
    for request in requests(seed):
        before = policy.decide(request, snapshot)
        for at in {0, nodes // 2, nodes}:
            for like in {0, nodes - 1, int(snapshot.plans.node[max(before.row, 0)])}:
                after = policy.decide(request, with_node(snapshot, like, at, 1.01))
                assert (after.node, after.variant) == (before.node, before.variant)


def test_a_node_that_is_better_in_everything_is_taken() -> None:
    snapshot, policy = example_snapshot(20, 4), load_policy("grams")
    like = int(snapshot.plans.node[policy.decide(example_request(), snapshot).row])
    assert policy.decide(example_request(), with_node(snapshot, like, 3, 0.99)).node == "dominated"


@pytest.mark.parametrize(
    ("name", "score", "sign"),
    [
        ("grams", "carbon_g", 1.0),
        ("greenest-zone", "intensity_g_per_kwh", 1.0),
        ("fastest", "finish_s", 1.0),
        ("carbonedge-green", "score", -1.0),
        ("carbonedge-balanced-corrected", "score", -1.0),
        ("amp4ec", "score", -1.0),
    ],
)
@pytest.mark.parametrize(("nodes", "seed"), FLEETS)
def test_the_chosen_has_the_best_score_among_the_not_rejected(
    name: str, score: str, sign: float, nodes: int, seed: int
) -> None:
    policy, snapshot = load_policy(name), example_snapshot(nodes, seed, variants=3)
    for request in requests(seed):
        decision = policy.decide(request, snapshot)
        kept = [v for v in decision.verdicts if not v.rejected_by]
        chosen = [v for v in kept if v.chosen]
        assert len(chosen) == (decision.row >= 0) == bool(kept)
        if chosen:
            best = min(sign * v.scores[score] for v in kept)
            assert sign * chosen[0].scores[score] == pytest.approx(best, rel=1e-12)


ROWS = """
from gramwise.schedule import load_policy, policy_names
from gramwise.testing import example_request, example_snapshot
for name in policy_names():
    policy = load_policy(name)
    print(name, [policy.decide(example_request(i), example_snapshot(30, i % 5)).row for i in range(60)])
"""


def test_same_seed_same_decisions_in_another_process() -> None:
    def told(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        ran = subprocess.run(
            [sys.executable, "-c", ROWS], check=True, capture_output=True, text=True, env=environment
        )
        return ran.stdout

    first = told("1")
    assert len(first.splitlines()) == len(policy_names())
    assert first == told("2")


def test_another_seed_is_another_fleet() -> None:
    one, other = example_snapshot(30, 0), example_snapshot(30, 1)
    assert one.version != other.version
    assert not np.array_equal(one.intensity_g_per_kwh, other.intensity_g_per_kwh)
    assert np.array_equal(one.intensity_g_per_kwh, example_snapshot(30, 0).intensity_g_per_kwh)
