"""Events make the lower block of a snapshot, and only what changes per minute makes a new version."""

from __future__ import annotations

import math

import numpy as np
import pytest
from runtime_kit import node, plans, quantity, request, world

from gramwise.runtime.world import BUSY_MEMORY_S, Grid, World
from gramwise.schedule import load_policy


def test_a_fresh_world_knows_nothing_of_the_past() -> None:
    snapshot = world([node("a"), node("b")]).snapshot(10.0)
    assert snapshot.queued.tolist() == [0, 0]
    assert snapshot.backlog_s.tolist() == [0.0, 0.0]
    assert np.isnan(snapshot.recent_s).all()
    assert np.isnan(snapshot.mean_s).all()
    assert snapshot.nodes == ("a", "b")
    assert snapshot.intensity_g_per_kwh.tolist() == [100.0, 200.0]
    assert snapshot.at_s == 10.0


def test_a_request_is_queued_until_it_ends() -> None:
    w = world([node("a"), node("b")])
    w.begin("a", "r1", 0.5, 10.0)
    assert w.snapshot(10.0).queued.tolist() == [1, 0]
    assert w.snapshot(10.0).assigned.tolist() == [1, 0]
    assert w.snapshot(10.2).backlog_s.tolist() == [pytest.approx(0.3), 0.0]
    assert w.snapshot(11.0).backlog_s.tolist() == [0.0, 0.0]  # it is late, but not of negative length
    w.end("a", "r1", 10.4, 0.35)
    after = w.snapshot(10.4)
    assert (after.queued.tolist(), after.backlog_s.tolist()) == ([0, 0], [0.0, 0.0])
    assert after.assigned.tolist() == [1, 0]
    assert after.recent_s[0] == 0.35


def test_backlog_is_the_sum_of_what_waits_and_what_is_left() -> None:
    w = world([node("a")])
    w.begin("a", "r1", 0.5, 10.0)
    w.begin("a", "r2", 0.2, 10.1)
    w.begin("a", "r3", 0.3, 10.1)
    assert w.snapshot(10.1).backlog_s[0] == pytest.approx(0.9)
    w.end("a", "r1", 10.4, 0.4)  # sooner than predicted: the others move up
    assert w.snapshot(10.4).backlog_s[0] == pytest.approx(0.5)


def test_a_free_slot_is_no_backlog() -> None:
    w = world([node("a", slots=2)])
    w.begin("a", "r1", 0.5, 10.0)
    assert w.snapshot(10.0).backlog_s[0] == 0.0
    w.begin("a", "r2", 0.5, 10.0)
    assert w.snapshot(10.0).backlog_s[0] == pytest.approx(0.5)


def test_busy_is_an_exponential_mean_of_the_slots_in_use() -> None:
    w = world([node("a", slots=2)])
    w.begin("a", "r1", 1.0, 100.0)
    assert w.snapshot(100.0).busy_frac[0] == pytest.approx(0.0, abs=1e-9)
    half = 0.5 * (1 - math.exp(-2.0 / BUSY_MEMORY_S))
    assert w.snapshot(102.0).busy_frac[0] == pytest.approx(half)
    w.end("a", "r1", 102.0, 2.0)
    assert w.snapshot(105.0).busy_frac[0] == pytest.approx(half * math.exp(-3.0 / BUSY_MEMORY_S))


def test_history_keeps_five_and_a_hundred() -> None:
    w = world([node("a"), node("b")], history={"b": [9.0]})
    for i in range(120):
        w.begin("a", f"r{i}", 0.1, float(i))
        w.end("a", f"r{i}", i + 0.1, float(i))
    snapshot = w.snapshot(120.0)
    assert snapshot.recent_s.tolist() == [117.0, 9.0]  # mean of 115 .. 119
    assert snapshot.mean_s.tolist() == [69.5, 9.0]  # mean of 20 .. 119


def test_a_run_without_a_time_leaves_no_history() -> None:
    w = world([node("a")])
    w.begin("a", "r1", 0.1, 0.0)
    w.end("a", "r1", 0.1, None)
    assert math.isnan(w.snapshot(1.0).mean_s[0])


def test_load_changes_no_version_and_loss_does() -> None:
    w = world([node("a"), node("b")])
    first = w.snapshot(0.0)
    w.begin("a", "r1", 0.1, 0.0)
    second = w.snapshot(0.1)
    assert second.version == first.version
    assert second.intensity_g_per_kwh is first.intensity_g_per_kwh
    w.lost("a")
    third = w.snapshot(0.2)
    assert third.version > first.version
    assert third.alive.tolist() == [False, True]
    assert first.alive.tolist() == [True, True]  # what was handed out stays as it was
    w.lost("a")
    assert w.snapshot(0.3).version == third.version


def test_intensities_grow_older_where_an_age_limit_is_set() -> None:
    nodes = [node("a"), node("b")]
    grids = [
        Grid(intensity=quantity(100.0, "g/kWh"), age_s=60.0),
        Grid(intensity=quantity(200.0, "g/kWh"), age_s=math.nan),
    ]
    w = World(nodes, grids, plans(2), max_intensity_age_s=600.0)
    first = w.snapshot(1000.0)
    assert first.intensity_age_s[0] == 60.0
    soon = w.snapshot(1030.0)
    assert soon.version == first.version  # not every second is a new version
    later = w.snapshot(1000.0 + 700.0)
    assert later.version > first.version
    assert later.intensity_age_s[0] == 760.0
    asked = request(arrival_s=1700.0)
    assert load_policy("grams").decide(asked, first).node == "a"
    assert load_policy("grams").decide(asked, later).plan is None  # both are stale by now, one of unknown age
    reasons = [v.reason for v in load_policy("grams").decide(asked, later).verdicts]
    assert "760 s old" in reasons[0]
    assert "of unknown age" in reasons[1]


def test_two_worlds_share_no_version() -> None:
    assert world([node("a")]).snapshot(0.0).version != world([node("a")]).snapshot(0.0).version


def test_renewing_brings_new_intensities_and_plans() -> None:
    w = world([node("a")])
    before = w.snapshot(0.0)
    table = plans(1, latency_s=0.5)
    w.renew(table, [Grid(intensity=None, age_s=5.0)])
    after = w.snapshot(0.0)
    assert after.version > before.version
    assert after.plans is table
    assert math.isnan(after.intensity_g_per_kwh[0])  # unknown is not 0
    assert w.intensity("a") is None
    w.renew(grids=[Grid(intensity=quantity(50.0, "g/kWh"), age_s=0.0)])
    assert w.snapshot(0.0).plans is table
    assert w.snapshot(0.0).intensity_g_per_kwh.tolist() == [50.0]
