"""Plans over several nodes, requests that can wait, and shares that keep a herd from forming."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httptools", reason="the gateway needs the serve extra")
pytest.importorskip("sqlalchemy", reason="the gateway needs the serve extra")
pytest.importorskip("prometheus_client", reason="the gateway needs the serve extra")

from front_rig import FakeNode, as_json, ask, binary, rows_of, run, running

from gramwise.core.errors import ConfigError
from gramwise.core.series import Series
from gramwise.gateway.front.guiding import MOST_FLOWS, Demand, Guiding


def stage(node: str, first: int, inputs: list[str], outputs: list[str]) -> dict[str, Any]:
    figures = dict.fromkeys(("send_bytes", "receive_bytes", "latency_s", "energy_j", "memory_bytes"), 1.0)
    return {
        "node": node,
        "first_layer": first,
        "last_layer": first,
        "inputs": inputs,
        "outputs": outputs,
        **figures,
    }


def write_plan(folder: Path, nodes: tuple[str, str]) -> Path:
    document = {
        "schema": "gramwise.plan/1",
        "model": "m",
        "variant": "full",
        "digest": "0" * 64,
        "count": 1,
        "stages": [stage(nodes[0], 0, ["x"], ["h"]), stage(nodes[1], 1, ["h"], ["y"])],
        "cost": {"latency_s": 1.0, "energy_j": 1.0, "carbon_g": 1.0},
    }
    file = folder / "plan.json"
    file.write_text(json.dumps(document), "utf-8")
    return file


def test_a_plan_runs_node_to_node_and_costs_what_its_stages_cost(tmp_path: Path) -> None:
    async def test() -> None:
        nodes = {"clean": FakeNode(3.0), "dirty": FakeNode(3.0)}
        nodes["clean"].pieces = {"m.full.1of2": ("x", "h")}
        nodes["dirty"].pieces = {"m.full.2of2": ("h", "y")}
        plan = write_plan(tmp_path, ("clean", "dirty"))
        async with running(tmp_path, nodes, plan=plan, policy="plan") as (gateway, client, _):
            for request in (binary(2), as_json(2)):
                status, head, rest, _ = await ask(client, request)
                assert (status, head["parameters"]["gramwise_node"]) == (200, "clean > dirty")
                assert head["parameters"]["energy_joules"] == 12.0
                grams = (6.0 * 100 + 6.0 * 200) / 3.6e6
                assert head["parameters"]["carbon_grams"] == pytest.approx(grams)
                (output,) = head["outputs"]
                told = np.frombuffer(rest, "<f4").tolist() if rest else output["data"]
                assert (output["name"], told) == ("y", [0.0, 1.0, 2.0, 3.0])
            assert nodes["clean"].models == ["m.full.1of2"] * 2
            assert nodes["dirty"].models == ["m.full.2of2"] * 2
            row = rows_of(gateway)[0]
            assert (row["node"], row["zone"], row["energy_j"]) == ("clean > dirty", "FR > DE", 12.0)
            await nodes["dirty"].stop()
            status, head, _, _ = await ask(client, binary())
            assert (status, head["parameters"]["gramwise_node"]) == (200, "clean"), (
                "a whole variant stands in"
            )

    run(test)


def test_a_plan_of_another_scenario_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        plan = write_plan(tmp_path, ("clean", "elsewhere"))
        with pytest.raises(ConfigError, match="elsewhere"):
            async with running(tmp_path, {"clean": FakeNode()}, plan=plan):
                pass

    run(test)


def test_a_request_that_can_wait_waits_for_a_better_price(tmp_path: Path) -> None:
    async def test() -> None:
        node = FakeNode()
        async with running(tmp_path, {"one": node}) as (gateway, client, _):
            now_s = time.time()
            past = Series(
                times_s=tuple(now_s - 3600.0 * h for h in range(24, 0, -1)),
                values=(20.0,) * 12 + (110.0,) * 12,
                end_s=now_s,
                unit="g/kWh",
                signal="average",
                basis="lifecycle",
                source="made for this test",
            )
            gateway.fleet.now.world.renew(recent={"FR": past})
            status, _, _, _ = await ask(client, as_json())
            assert status == 200, "who does not offer to wait does not"
            begin_s = time.time()
            status, _, _, _ = await ask(client, as_json(defer_until_unix_s=begin_s + 0.6, deadline_ms=300))
            assert status == 200
            first, second = rows_of(gateway)
            assert first["deferred_s"] is None
            assert second["deferred_s"] == pytest.approx(0.6, abs=0.2), (
                "100 g/kWh is dear here: at the last moment"
            )
            assert not second["late"], "its deadline counts from its start"

    run(test)


def test_shares_fill_the_cleanest_node_and_no_more_than_that(tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="plans are solved with the plan extra")

    async def test() -> None:
        nodes = {"clean": FakeNode(), "dirty": FakeNode()}
        for node in nodes.values():
            node.busy_s = 0.05
        goals = "deadline_s = 5.0\nmax_busy_frac = 0.8"
        async with running(tmp_path, nodes, goals=goals, policy="fractions") as (gateway, client, _):
            guiding = Guiding(gateway.fleet, gateway.clock)
            assert not await guiding.plan(), "nothing came, nothing is planned"
            world = gateway.fleet.now.world
            took_s = float(world.snapshot(0.0).plans.latency_s[0])
            room_per_s = 0.8 * 4 / took_s
            gateway._desk.demand = guiding.demand
            await ask(client, binary())
            (key,) = guiding.demand.flows
            guiding.demand.flows[key].per_s = 1.5 * room_per_s
            # A fake node's hand-over is no work: what counts here are its inferences.
            gateway.fleet.peers["clean"].way_s = gateway.fleet.peers["dirty"].way_s = np.inf
            assert await guiding.plan()
            guidance = world.snapshot(gateway.clock.now_s()).guidance
            assert guidance is not None
            share = guidance.fractions[key]
            assert share[0] == pytest.approx(1 / 1.5, abs=0.02), "as much as fits"
            assert share.sum() == pytest.approx(1.0)

    run(test)


def test_demand_is_a_mean_of_what_came() -> None:
    from gramwise.core.decision import Request

    demand = Demand()
    request = Request(id="1", seq=0, draw=0.5, model="m", arrival_s=0.0, deadline_s=2.0, count=30)
    for _ in range(10):
        demand.came(request)
    assert demand.settle(10.0), "nobody had asked before"
    (stream,) = demand.streams()
    flow = demand.flows[stream.key]
    assert (stream.deadline_s, flow.per_s, demand.count) == (2.0, 30.0, pytest.approx(30.0))
    for _ in range(8):
        demand.came(request)
    assert not demand.settle(10.0), "chance"
    assert flow.per_s == pytest.approx((30.0 * np.exp(-1 / 6) + 24.0) / (np.exp(-1 / 6) + 1.0))
    for _ in range(60):
        demand.came(request)
    assert demand.settle(10.0), "that is another demand"
    assert flow.per_s == 180.0, "and what was before is forgotten"


def test_classes_that_are_not_asked_for_are_forgotten_and_a_client_cannot_make_any_number() -> None:
    from gramwise.core.decision import Request

    demand = Demand()
    for i in range(2 * MOST_FLOWS):
        demand.came(Request(id="1", seq=0, draw=0.5, model="m", arrival_s=0.0, accuracy_floor_frac=i / 1e4))
    assert len(demand.flows) == MOST_FLOWS
    demand.settle(1.0)
    for _ in range(100):
        demand.settle(60.0)
    assert not demand.flows


def test_a_provider_that_is_away_stops_no_request(tmp_path: Path) -> None:
    """Nobody listens at its address: the annual mean stands in, flagged with its age."""
    pytest.importorskip("httpx2", reason="providers are asked with the grid extra")

    async def test() -> None:
        async with running(
            tmp_path,
            {"one": FakeNode()},
            declared=False,
            intensity="electricity-maps",
            intensity_options={
                "base_url": "http://127.0.0.1:9",
                "token": "none-such-token",
                "timeout_s": 0.2,
            },
        ) as (gateway, client, _):
            status, head, _, _ = await ask(client, as_json())
            assert (status, head["parameters"]["carbon_signal"]) == (200, "average")
            (row,) = rows_of(gateway)
            assert 0.0 < row["intensity_g_per_kwh"] < 100.0, "France's annual mean"
            assert gateway.fleet.now.places.grid("one").age_s > 86_400  # type: ignore[union-attr]

    run(test)


def test_a_shape_that_lies_is_no_demand(tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="plans are solved with the plan extra")
    lie = json.dumps(
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2**60, 2], "data": [1.0]}]}
    ).encode()

    async def test() -> None:
        node = FakeNode()
        async with running(tmp_path, {"one": node}) as (gateway, client, _):
            node.mode = "status 400"
            assert (await ask(client, ([], lie)))[0] == 400
            demand = gateway._desk.demand
            assert demand is not None
            assert not sum(flow.came for flow in demand.flows.values())
            node.mode = "ok"
            assert (await ask(client, as_json(3)))[0] == 200
            assert sum(flow.came for flow in demand.flows.values()) == 3

    run(test)
