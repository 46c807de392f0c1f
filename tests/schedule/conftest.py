"""Small fleets written down node by node, so that a test shows every number that its answer depends on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from gramwise.core.decision import PlanTable, Request, Snapshot, columns

GIB = 2.0**30

USUAL: dict[str, Any] = {
    "name": "",
    "zone": "Z",
    "intensity": 500.0,
    "age_s": 0.0,
    "pue": 1.0,
    "alive": True,
    "cpu_share": 1.0,
    "memory": GIB,
    "slots": 1,
    "busy_w": 100.0,
    "energy_j": 1.0,
    "latency_s": 0.01,
    "fixed_s": 0.0,
    "queued": 0,
    "backlog_s": 0.0,
    "busy_frac": 0.0,
    "assigned": 0,
    "recent_s": math.nan,
    "mean_s": math.nan,
}
"""A node of which nothing is said."""

Variant = tuple[str, float, float]
"""Name, accuracy, and what it needs of time, energy and memory next to the first one."""


def fleet(
    *nodes: dict[str, Any],
    variants: Sequence[Variant] = (("fp32", 0.98, 1.0),),
    version: int = 1,
    baseline: str = "",
    max_age_s: float | None = None,
    plan_memory: float = 64 * 2.0**20,
) -> Snapshot:
    """A snapshot of the model ``"m"`` on nodes ``a``, ``b`` ... unless named; the first variant is the reference."""
    unknown = {key for node in nodes for key in node} - set(USUAL)
    if unknown:
        raise TypeError(f"nodes have no {unknown}")
    full = [USUAL | {"name": "abcdefghij"[i % 10]} | node for i, node in enumerate(nodes)]

    def column(key: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return columns([float(node[key]) for node in full])

    def per_plan(key: str, scaled: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
        return columns([float(node[key]) * (v[2] if scaled else 1.0) for node in full for v in variants])

    forms = len(variants)
    return Snapshot(
        version=version,
        at_s=0.0,
        plans=PlanTable(
            node=np.repeat(np.arange(len(full)), forms),
            model=("m",) * (len(full) * forms),
            variant=tuple(v[0] for v in variants) * len(full),
            reference=np.tile(np.arange(forms) == 0, len(full)),
            latency_s=per_plan("latency_s", True),
            fixed_s=per_plan("fixed_s", False),
            energy_j=per_plan("energy_j", True),
            accuracy_frac=columns([v[1] for _ in full for v in variants]),
            memory_bytes=columns([plan_memory * v[2] for _ in full for v in variants]),
        ),
        nodes=tuple(node["name"] for node in full),
        zone=tuple(node["zone"] for node in full),
        intensity_g_per_kwh=column("intensity"),
        intensity_age_s=column("age_s"),
        pue=column("pue"),
        alive=np.array([node["alive"] for node in full], dtype=np.bool_),
        cpu_share=column("cpu_share"),
        memory_bytes=column("memory"),
        slots=np.array([node["slots"] for node in full]),
        busy_w=column("busy_w"),
        idle_w=columns([math.nan] * len(full)),
        baseline=baseline,
        max_intensity_age_s=max_age_s,
        queued=np.array([node["queued"] for node in full]),
        backlog_s=column("backlog_s"),
        busy_frac=column("busy_frac"),
        assigned=np.array([node["assigned"] for node in full]),
        recent_s=column("recent_s"),
        mean_s=column("mean_s"),
    )


def ask(**changes: Any) -> Request:
    """A request for one inference of ``"m"`` without a deadline, unless changed."""
    usual: dict[str, Any] = {"id": "r", "seq": 0, "draw": 0.0, "model": "m", "arrival_s": 0.0}
    return Request(**usual | changes)


@pytest.fixture(name="fleet")
def _fleet() -> Callable[..., Snapshot]:
    return fleet


@pytest.fixture(name="ask")
def _ask() -> Callable[..., Request]:
    return ask
