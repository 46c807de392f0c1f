"""The plan table follows what requests really take, and stays as it is while they take what was predicted."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("httptools", reason="the gateway needs the serve extra")

from front_rig import FakeNode, ask, binary, run, running

from gramwise.gateway.front.learning import LEAST


def test_times_and_joules_of_a_node_that_has_changed_are_learned(tmp_path: Path) -> None:
    async def test() -> None:
        node = FakeNode()
        node.busy_s, node.joules = 0.005, 1.0
        async with running(tmp_path, {"one": node}, policy="grams") as (gateway, client, _):
            fleet, learning = gateway.fleet, gateway.learning
            world, key = fleet.now.world, ("one", "m/full")
            before = fleet.taken[key]
            version = world.version
            assert not learning.step()
            assert world.version == version, "nothing was seen"

            node.busy_s, node.joules = 0.03, 3.0
            for _ in range(LEAST):
                assert (await ask(client, binary()))[0] == 200
            learning.step()  # or the gateway's own look, which comes every two seconds
            after = fleet.taken[key]
            assert after.latency_s + after.fixed_s > 1.3 * (before.latency_s + before.fixed_s)
            assert after.energy_j == pytest.approx(3.0)
            snapshot = fleet.now.world.snapshot(gateway.clock.now_s())
            row = snapshot.plans.variant.index("full")
            assert (snapshot.plans.latency_s[row], snapshot.plans.energy_j[row]) == (
                after.latency_s,
                after.energy_j,
            )
            assert world is fleet.now.world, "what is under way stays known"
            assert world.drift[0].count < LEAST

    run(test)


def test_few_requests_teach_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        node = FakeNode()
        node.joules = 1.0
        async with running(tmp_path, {"one": node}, policy="grams") as (gateway, client, _):
            learning = gateway.learning
            node.busy_s, node.joules = 0.02, 9.0
            for _ in range(5):
                await ask(client, binary())
            before = dict(gateway.fleet.taken)
            assert not learning.step()
            assert gateway.fleet.taken == before

    run(test)
