"""Cases of the fluid model made of random numbers, and every policy of the sweep by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from gramwise.optimize.bounds import most_that_fits
from gramwise.sim.case import Case
from gramwise.sim.fluid import Flow
from gramwise.sim.predictive import predictive
from gramwise.sim.release import by_pressure, by_reservation
from gramwise.sim.rules import RULES, view_of
from gramwise.sim.sweep import RESERVATIONS

WAITING = (*RESERVATIONS, "pressure", "predictive")
"""Policies that may put work off; ``pressure`` is what the sweep runs as ``lyapunov`` where work can wait."""

EVERY = (*RULES, *WAITING)


_PUT_OFF = {**{name: by_reservation(name) for name in RESERVATIONS}, "pressure": by_pressure}


def flows(case: Case, names: Iterable[str] = EVERY) -> dict[str, Flow]:
    """What the policies of these names do with the case; the hourly programs are solved once."""
    solved = any(name in RULES and RULES[name][1] for name in names)
    view = view_of(case, solved=solved)
    done = {name: RULES[name][0](view) for name in names if name in RULES}
    done |= {name: _PUT_OFF[name](view) for name in names if name in _PUT_OFF}
    return done | ({"predictive": predictive(case)} if "predictive" in names else {})


def flow(case: Case, name: str) -> Flow:
    """What the policy of that name does with the case."""
    return flows(case, (name,))[name]


def case_from(
    energy_j: Any,
    busy_s: Any,
    g_per_j: Any,
    capacity_s: Any,
    fixed: Any,
    *,
    node: Any = None,
    waiting: Any = None,
    window: Any = None,
    known: Any = None,
    **more: Any,
) -> Case:
    """A case of plain lists; a plan a node unless told otherwise, hours to come known as they come."""
    energy, busy, g, rate = (np.array(each, float) for each in (energy_j, busy_s, g_per_j, fixed))
    hours = rate.shape[1]
    capacity = np.broadcast_to(np.array(capacity_s, float), g.shape).copy()
    late = np.zeros_like(rate) if waiting is None else np.array(waiting, float)
    at = np.minimum(np.arange(hours)[:, None] + np.arange(hours)[None], hours - 1)
    every: dict[str, Any] = {
        "classes": tuple(f"class{k}" for k in range(len(rate))),
        "nodes": tuple(f"node{n}" for n in range(len(g))),
        "zones": tuple(f"Z{n}" for n in range(len(g))),
        "pue": (1.0,) * len(g),
        "variants": ("fp32",) * energy.shape[1],
        "energy_j": energy,
        "busy_s": busy,
        "latency_s": busy,
        "accuracy_frac": np.full(energy.shape[1], np.nan),
        "node": np.arange(energy.shape[1]) if node is None else np.array(node),
        "capacity_s": capacity,
        "g_per_j": g,
        "known_g_per_j": g[:, at] if known is None else np.array(known, float),
        "fixed": rate,
        "waiting": late,
        "fixed_foreseen": rate,
        "waiting_foreseen": late,
        "window": np.zeros(len(rate), int) if window is None else np.array(window),
        "start_s": 0.0,
        "missing": np.zeros(hours, bool),
        "forecast": "perfect" if known is None else "own",
        "provenance": (),
        "idle_g": None,
    }
    return Case(**{**every, **more})


def first_hours(case: Case, hours: int) -> Case:
    """The case cut off after so many hours."""
    columns = (
        "capacity_s",
        "g_per_j",
        "known_g_per_j",
        "fixed",
        "waiting",
        "fixed_foreseen",
        "waiting_foreseen",
    )
    cut = {name: getattr(case, name)[:, :hours] for name in columns}
    return replace(case, **cut, missing=case.missing[:hours])


def random_case(rng: np.random.Generator, *, waits: bool, gaps: bool = False) -> Case:
    """Some classes on some nodes of unlike speed, with variants, forbidden pairs, noise in all that is foreseen."""
    classes, nodes, variants, hours = (int(rng.integers(1, top)) for top in (4, 5, 3, 6))
    plans = nodes * variants
    node = np.repeat(np.arange(nodes), variants)
    kind = np.tile(np.array([1.0, 0.6])[:variants], nodes)
    busy = rng.uniform(0.5, 3.0, (classes, 1)) * rng.uniform(0.3, 3.0, nodes)[node] * kind
    busy *= rng.uniform(0.8, 1.25, busy.shape)
    energy = busy * rng.uniform(2.0, 40.0, nodes)[node]
    banned = rng.random(energy.shape) < 0.25
    banned[np.arange(classes), rng.integers(0, plans, classes)] = False
    energy[banned] = np.inf
    g = rng.uniform(20.0, 700.0, (nodes, 1)) * rng.uniform(0.5, 1.5, (nodes, hours)) / 3.6e6
    mix = rng.uniform(0.2, 2.0, classes)
    room = rng.choice([0.0, 1.0, 1.0, 2.0], nodes) * 3600.0
    room[node[np.flatnonzero(~banned[0])[0]]] = 3600.0
    reachable = room[node][None] > 0
    if not (np.isfinite(energy) & reachable).any(axis=1).all():
        room[:] = 3600.0
    load = float(rng.choice([0.0, 0.2, 0.5, 0.7]))
    most = most_that_fits(np.isfinite(energy), busy, node, room, mix)
    foreseen = load * most * mix[:, None] * rng.uniform(0.6, 1.3, (classes, hours))
    came = foreseen * rng.uniform(0.9, 1.1, foreseen.shape)
    share = rng.uniform(0.0, 0.8, (classes, 1)) * waits
    missing = rng.random(hours) < 0.25 if gaps else np.zeros(hours, bool)
    g[0, missing] = np.nan
    ahead = int(rng.integers(1, hours + 2))
    at = np.minimum(np.arange(hours)[:, None] + np.arange(ahead)[None], hours - 1)
    known = np.where(np.isnan(g), 1e-4, g)[:, at] * np.exp(rng.normal(0.0, 0.15, (nodes, hours, ahead)))
    if rng.random() < 0.5:
        known[:, 0] = np.nan  # as our own forecasts are before anything was seen
    open_hours = ~missing
    return case_from(
        energy, busy, g, room[:, None] * open_hours, came * (1.0 - share) * open_hours,
        node=node, waiting=came * share * open_hours, window=rng.integers(0, 5, classes) * waits, known=known,
        fixed_foreseen=foreseen * (1.0 - share), waiting_foreseen=foreseen * share, missing=missing,
        latency_s=busy * rng.uniform(0.9, 1.1, busy.shape), variants=tuple(np.tile(["fp32", "int8"][:variants], nodes)),
    )  # fmt: skip
