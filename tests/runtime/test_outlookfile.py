"""Decisions that followed guidance or remembered prices come back from a run directory and are made again alike."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from gramwise.core.ahead import Guidance, class_of
from gramwise.core.decision import Request, Snapshot, columns
from gramwise.core.series import Series
from gramwise.runtime.outlookfile import recorded, restored
from gramwise.runtime.rundir import RunDirectory, read_decisions, rebuild
from gramwise.schedule import load_policy
from gramwise.testing import example_request, example_snapshot

GUIDED = ["shadow-price", "fractions", "predictive", "two-choices", "budget"]
REMEMBERING = ["threshold", "k-search", "double-threshold", "lyapunov"]


def ask(seed: int, snapshot: Snapshot) -> Request:
    return dataclasses.replace(
        example_request(seed),
        deferrable_until_s=snapshot.at_s + 7200.0,
        allowed_zones=frozenset(snapshot.zone),
    )


def outlook(snapshot: Snapshot, request: Request, seed: int) -> Snapshot:
    rng = np.random.default_rng(seed)
    share = rng.random(len(snapshot.plans))
    guidance = Guidance(
        start_s=snapshot.at_s - 60.0,
        end_s=snapshot.at_s + 3540.0,
        price_g_per_s=columns(rng.random(len(snapshot.nodes)) * 0.01),
        fractions={class_of(request): columns(share / share.sum())},
        fresh_frac={class_of(request): 0.5},
        release_before_s={class_of(request): math.inf if seed == 1 else snapshot.at_s - 900.0},
        bound_g=12.5,
    )
    values = [*rng.uniform(50, 700, 47).tolist(), math.nan]
    times = tuple(snapshot.at_s - 3600.0 * (48 - i) for i in range(48))
    recent = {
        zone: Series(
            times_s=times, values=tuple(values), end_s=snapshot.at_s, unit="g/kWh", signal="average",
            basis="lifecycle", source="made up for tests",
        )
        for zone in dict.fromkeys(snapshot.zone)
    }  # fmt: skip
    return dataclasses.replace(snapshot, guidance=guidance, recent=recent)


@pytest.mark.parametrize("name", [*GUIDED, *REMEMBERING])
def test_a_guided_decision_is_made_again_alike(name: str, tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path, "ahead", {}, "")
    decisions = []
    for seed in range(6):
        snapshot = dataclasses.replace(example_snapshot(5, seed, variants=2), max_intensity_age_s=None)
        request = ask(seed, snapshot)
        decisions.append(load_policy(name).decide(request, outlook(snapshot, request, seed)))
        directory.decision(decisions[-1], fallback=False)
    directory.close()
    for decision, (record, upper) in zip(decisions, read_decisions(directory.path), strict=True):
        again = load_policy(name).decide(*rebuild(record, upper))
        assert (again.row, again.start_s) == (decision.row, decision.start_s)
        assert again.verdicts == decision.verdicts
    blind = [
        load_policy(name).decide(d.request, dataclasses.replace(d.snapshot, guidance=None, recent={}))
        for d in decisions
    ]
    assert [(d.row, d.start_s) for d in blind] != [(d.row, d.start_s) for d in decisions]  # it did matter


def test_nothing_known_leaves_nothing() -> None:
    snapshot = example_snapshot(3, 0)
    assert recorded(snapshot) == {}
    assert restored({}) == {}


def test_it_is_json_and_comes_back_the_same() -> None:
    snapshot = example_snapshot(3, 0)
    seen = outlook(snapshot, ask(0, snapshot), 1)
    text = json.dumps(recorded(seen), allow_nan=False)
    back = restored(json.loads(text))
    assert recorded(dataclasses.replace(snapshot, **back)) == recorded(seen)
    assert next(iter(back["guidance"].release_before_s.values())) == math.inf
