"""One decision of each policy that looks ahead at 3, 100 and 1,000 nodes: steady state, as in `decision`.

Guidance, plans and intensities as they were, queues and draws different at every decision. Fractions are spread over
every node, which is the worst case for the table's size. Reported as well: the first decision after new guidance, where
tables are built, and the case in which the drawn node is full and the request spills.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
from typing import Any

import numpy as np

from decision import LOADS, generous, timed, with_load
from gramwise import load_policy
from gramwise.core.ahead import Guidance, class_of
from gramwise.core.decision import Snapshot
from gramwise.testing import example_request, example_snapshot
from record import finish, row

SIZES = (3, 100, 1_000)
POLICIES = ("fractions", "predictive", "shadow-price", "two-choices", "grams", "lyapunov", "threshold")
LIMIT_US = 3.0


def main() -> None:
    """Measure and print."""
    rows, details = [], {}
    for nodes in SIZES:
        for name in POLICIES:
            figures = details[f"{name} {nodes}"] = measure(name, nodes)
            wanted = name == "fractions" and nodes == SIZES[-1]
            p50_us = figures["steady_p50_us"]
            rows.append(
                row(
                    f"{name}, {nodes} nodes, p50 (us)",
                    f"<= {LIMIT_US:g}" if wanted else "reported",
                    p50_us,
                    p50_us <= LIMIT_US if wanted else None,
                )
            )
            if name == "fractions":
                for key in ("steady_p99_us", "spilling_p50_us", "first_of_guidance_us"):
                    rows.append(row(f"  {nodes} nodes, {key}", "reported", figures[key], None))
    finish("decision_ahead", rows, details=details)


def measure(name: str, nodes: int) -> dict[str, float]:
    """Microseconds per decision, by case."""
    base = guided(example_snapshot(nodes, 0))
    asked = [
        dataclasses.replace(
            example_request(i), deadline_s=generous(base), deferrable_until_s=until_s(name, base)
        )
        for i in range(LOADS)
    ]
    policy = load_policy(name)
    loads = [(r, with_load(base, seed)) for seed, r in enumerate(asked)]
    assert all(policy.decide(r, s).row >= 0 for r, s in loads)
    steady = timed(lambda case: policy.decide(*case), loads)
    # The drawn node and all but a few others are full.
    full = np.where(np.arange(nodes) % 50 == 0, 0.0, 1e6)
    spilling = timed(lambda case: policy.decide(*case), [(r, at(s, full)) for r, s in loads], rounds=3)
    new = [(r, guided(s, seed)) for seed, (r, s) in enumerate(loads)]
    first = timed(lambda case: policy.decide(*case), new, rounds=1)
    return {
        "steady_p50_us": statistics.median(steady),
        "steady_p99_us": float(np.quantile(steady, 0.99)),
        "spilling_p50_us": statistics.median(spilling),
        "first_of_guidance_us": statistics.median(first),
    }


def until_s(name: str, snapshot: Snapshot) -> float | None:
    """Requests that can wait where the policy asks."""
    return snapshot.at_s + 7200.0 if name in ("predictive", "threshold") else None


def at(snapshot: Snapshot, backlog_s: Any) -> Snapshot:
    """The same version under another backlog."""
    return dataclasses.replace(snapshot, backlog_s=backlog_s)


def guided(snapshot: Snapshot, seed: int = 0) -> Snapshot:
    """With guidance that gives every row of the example's class a share."""
    rng = np.random.default_rng(seed)
    share = rng.random(len(snapshot.plans)) + 0.01
    key = class_of(example_request())
    guidance = Guidance(
        start_s=snapshot.at_s - 60.0,
        end_s=snapshot.at_s + 3540.0,
        price_g_per_s=rng.random(len(snapshot.nodes)) * 1e-3,
        fractions={key: share / share.sum()},
        fresh_frac={key: 0.5},
    )
    return dataclasses.replace(snapshot, guidance=guidance)


if __name__ == "__main__":
    sys.exit(main())
