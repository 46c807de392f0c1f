"""What a policy remembers changes no answer: whatever is new in a snapshot is seen, whatever its version says."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ahead_kit import guide, remember

from gramwise.core.decision import Request, Snapshot
from gramwise.core.protocols import Policy
from gramwise.schedule import load_policy, policy_names
from gramwise.testing import check_policy, example_request, example_snapshot

Fleet = Callable[..., Snapshot]
Ask = Callable[..., Request]


def test_new_intensities_under_the_same_version(fleet: Fleet, ask: Ask) -> None:
    policy, before = load_policy("grams"), fleet({"intensity": 100.0}, {"intensity": 200.0})
    assert policy.decide(ask(), before).node == "a"
    after = dataclasses.replace(before, intensity_g_per_kwh=before.intensity_g_per_kwh[::-1].copy())
    assert after.version == before.version
    assert policy.decide(ask(), after).node == "b"
    assert policy.decide(ask(), before).node == "a"


def test_the_same_arrays_under_another_version_and_baseline(fleet: Fleet, ask: Ask) -> None:
    policy, snapshot = load_policy("monolithic"), fleet({}, {}, baseline="a")
    assert policy.decide(ask(), snapshot).node == "a"
    assert policy.decide(ask(), dataclasses.replace(snapshot, baseline="b")).node == "b"
    assert policy.decide(ask(), dataclasses.replace(snapshot, baseline="a", version=9)).node == "a"


def test_the_same_arrays_under_other_names(fleet: Fleet, ask: Ask) -> None:
    policy, snapshot = load_policy("monolithic"), fleet({}, {}, baseline="a")
    assert policy.decide(ask(), snapshot).row == 0
    renamed = dataclasses.replace(snapshot, nodes=("b", "a"))
    assert policy.decide(ask(), renamed).row == 1


def test_an_array_written_to_under_a_new_version(fleet: Fleet, ask: Ask) -> None:
    policy, snapshot = load_policy("grams"), fleet({"intensity": 100.0}, {"intensity": 200.0})
    intensity = snapshot.intensity_g_per_kwh.copy()
    live = dataclasses.replace(snapshot, intensity_g_per_kwh=intensity)
    assert policy.decide(ask(), live).node == "a"
    intensity[0] = 300.0
    assert policy.decide(ask(), dataclasses.replace(live, version=2)).node == "b"


def _odd(s: Snapshot) -> np.ndarray[Any, np.dtype[np.bool_]]:
    odd: np.ndarray[Any, np.dtype[np.bool_]] = np.arange(len(s.nodes)) % 2 == 1
    return odd


CHANGES: dict[str, Callable[[Snapshot], dict[str, Any]]] = {
    "alive": lambda s: {"alive": _odd(s)},
    "intensity": lambda s: {"intensity_g_per_kwh": s.intensity_g_per_kwh[::-1].copy()},
    "age": lambda s: {"intensity_age_s": np.where(_odd(s), 0.0, 1e4)},
    "age limit": lambda s: {"max_intensity_age_s": 600.0},
    "memory": lambda s: {"memory_bytes": np.where(_odd(s), 2.0**30, 5e7)},
    "pue": lambda s: {"pue": s.pue[::-1] ** 3},
    "zone": lambda s: {"zone": s.zone[::-1]},
    "names": lambda s: {"nodes": s.nodes[::-1]},
    "baseline": lambda s: {"baseline": s.nodes[-1]},
    "busy_w": lambda s: {"busy_w": np.where(_odd(s), s.busy_w, np.nan)},
    "cpu_share": lambda s: {"cpu_share": s.cpu_share[::-1].copy()},
    "energy": lambda s: {"plans": dataclasses.replace(s.plans, energy_j=s.plans.energy_j[::-1].copy())},
    "backlog": lambda s: {"backlog_s": s.backlog_s[::-1].copy()},
    "busy_frac": lambda s: {"busy_frac": np.where(_odd(s), 0.99, 0.0)},
    "queued": lambda s: {"queued": s.queued[::-1].copy()},
    "mean_s": lambda s: {"mean_s": s.mean_s[::-1].copy()},
    "guidance": lambda s: {"guidance": guide(s, asked(s), 3)},
    "recent": lambda s: {"recent": remember(s, 3)},
}
"""One column at a time, under the same version number."""


def asked(snapshot: Snapshot) -> list[Request]:
    return [
        dataclasses.replace(
            example_request(i),
            accuracy_floor_frac=floor,
            allowed_zones=zones,
            deferrable_until_s=snapshot.at_s + 1e4 if i else None,
        )
        for i in range(2)
        for floor in (None, 0.965)
        for zones in (None, frozenset(snapshot.zone[:7]))
    ]


def answer(policy: Policy, request: Request, snapshot: Snapshot) -> tuple[int, float | None]:
    decision = policy.decide(request, snapshot)
    return decision.row, decision.start_s


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", policy_names())
def test_any_column_may_change_under_the_same_version(name: str, change: str) -> None:
    unused, before = load_policy(name), example_snapshot(20, 1, variants=2)
    after = dataclasses.replace(before, **CHANGES[change](before))
    for order in ((before, after, before), (after, before)):
        used = copy.deepcopy(unused)
        for snapshot in order:
            for request in asked(before):
                assert answer(used, request, snapshot) == answer(copy.deepcopy(unused), request, snapshot)


@pytest.mark.parametrize("change", CHANGES)
def test_each_of_these_changes_turns_somebodys_choice(change: str) -> None:
    # Or else the test above could not fail.
    for seed in range(1, 6):
        before = example_snapshot(20, seed, variants=2)
        after = dataclasses.replace(before, **CHANGES[change](before))
        for name in policy_names():
            policy = load_policy(name)
            if any(answer(policy, r, before) != answer(load_policy(name), r, after) for r in asked(before)):
                return
    pytest.fail(f"{change} turns no choice")


def test_more_request_classes_than_the_memo_holds() -> None:
    used, snapshot = load_policy("grams"), example_snapshot(10, 0, variants=3)
    floors = [0.9 + i / 1000 for i in range(90)]
    for _ in range(2):
        for floor in floors:
            request = dataclasses.replace(example_request(), accuracy_floor_frac=floor)
            assert used.decide(request, snapshot).row == load_policy("grams").decide(request, snapshot).row


@pytest.mark.parametrize("name", policy_names())
def test_every_policy_passes_the_conformance_kit(name: str) -> None:
    check_policy(load_policy(name))
    check_policy(load_policy(name), fresh=lambda: load_policy(name))
