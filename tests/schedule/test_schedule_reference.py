"""The fast path against a plain loop that says what is meant, on small fleets full of ties and on 10,000 nodes."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gramwise.core.decision import Request, Snapshot
from gramwise.schedule import load_policy
from gramwise.testing import example_request, example_snapshot


def reference(name: str, request: Request, s: Snapshot) -> int:
    """Least score, then soonest, then first, among the rows that may serve."""
    best: tuple[float, float, int] | None = None
    t = s.plans
    for row in range(len(t)):
        n = int(t.node[row])
        floor, zones, limit_s = request.accuracy_floor_frac, request.allowed_zones, request.deadline_s
        finish_s = float(s.backlog_s[n] + t.fixed_s[row] + t.latency_s[row] * request.count)
        grams = float(t.energy_j[row] * (s.intensity_g_per_kwh[n] * s.pue[n] / 3.6e6))
        permitted = (
            t.model[row] == request.model
            and bool(s.alive[n])
            and (bool(t.reference[row]) if floor is None else bool(t.accuracy_frac[row] >= floor))
            and t.memory_bytes[row] <= s.memory_bytes[n]
            and (zones is None or s.zone[n] in zones)
        )
        if name == "fastest":
            score = 0.0
        else:
            score = grams if name == "grams" else float(s.intensity_g_per_kwh[n])
            fresh = s.max_intensity_age_s is None or s.intensity_age_s[n] <= s.max_intensity_age_s
            permitted = (
                permitted and fresh and not math.isnan(grams) and (limit_s is None or finish_s <= limit_s)
            )
        if permitted and (best is None or (score, finish_s, row) < best):
            best = (score, finish_s, row)
    return -1 if best is None else best[2]


def disturbed(nodes: int, seed: int, coarse: bool, variants: int = 2) -> Snapshot:
    """An example with lost nodes, gaps, stale data and, when coarse, many equal scores and equal times."""
    s = example_snapshot(nodes, seed, variants=variants)
    rng = np.random.default_rng([seed, 7])
    digits = 1 if coarse else 12

    def holes(values: np.ndarray) -> np.ndarray:
        return np.where(rng.random(len(values)) < 0.1, np.nan, values)

    intensity = np.round(s.intensity_g_per_kwh, -2) if coarse else s.intensity_g_per_kwh
    return dataclasses.replace(
        s,
        alive=rng.random(nodes) < 0.85,
        pue=np.ones(nodes) if coarse else s.pue,
        intensity_g_per_kwh=holes(intensity),
        intensity_age_s=s.intensity_age_s * rng.choice([1.0, 3.0], nodes),
        memory_bytes=np.where(rng.random(nodes) < 0.1, 60e6, s.memory_bytes),
        backlog_s=np.round(s.backlog_s, 2 if coarse else 12),
        plans=dataclasses.replace(
            s.plans,
            energy_j=holes(np.round(s.plans.energy_j, digits)),
            fixed_s=np.round(s.plans.fixed_s, 2 if coarse else 12),
            latency_s=np.round(s.plans.latency_s, 2 if coarse else 12),
        ),
    )


requests = st.builds(
    lambda seq, deadline_s, floor, count, zones: dataclasses.replace(
        example_request(seq),
        deadline_s=deadline_s,
        accuracy_floor_frac=floor,
        count=count,
        allowed_zones=zones,
    ),
    seq=st.integers(0, 50),
    deadline_s=st.sampled_from([None, 0.0, 0.02, 0.04, 0.06, 0.1, 0.5]),
    floor=st.sampled_from([None, 0.0, 0.975, 0.99]),
    count=st.integers(1, 4),
    zones=st.sampled_from([None, frozenset(f"zone-{i}" for i in range(0, 24, 2)), frozenset({"nowhere"})]),
)


@pytest.mark.parametrize("name", ["grams", "greenest-zone", "fastest"])
@settings(deadline=None, max_examples=150)
@given(nodes=st.integers(1, 40), seed=st.integers(0, 10_000), coarse=st.booleans(), request_=requests)
def test_small_fleets_equal_the_plain_loop(
    name: str, nodes: int, seed: int, coarse: bool, request_: Request
) -> None:
    snapshot = disturbed(nodes, seed, coarse)
    assert load_policy(name).decide(request_, snapshot).row == reference(name, request_, snapshot)


@pytest.mark.parametrize("name", ["grams", "greenest-zone", "fastest"])
@pytest.mark.parametrize("coarse", [False, True])
def test_ten_thousand_nodes_equal_the_plain_loop(name: str, coarse: bool) -> None:
    policy, snapshot = load_policy(name), disturbed(10_000, 3, coarse, variants=1)
    answers = set()
    for deadline_s in (None, 0.5, 0.03, 0.012, 1e-6):
        # The whole fleet is loaded a little more each time, so that the probed rows run out.
        request = dataclasses.replace(example_request(), deadline_s=deadline_s)
        loaded = dataclasses.replace(snapshot, backlog_s=snapshot.backlog_s + 0.0005)
        row = policy.decide(request, loaded).row
        assert row == reference(name, request, loaded)
        answers.add(row)
    assert name == "fastest" or (-1 in answers and len(answers) >= 2)
