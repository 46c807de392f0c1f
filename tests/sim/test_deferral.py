"""The engine puts off what can wait, and nothing else: the same code in virtual time as on real nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sim_kit import case, cost, node, traffic

from gramwise.core.decision import Decision, Request, Snapshot, Verdict
from gramwise.runtime.engine import Engine, Served
from gramwise.runtime.modelled import modelled_table
from gramwise.runtime.world import Grid, World
from gramwise.sim.loop import VirtualClock, run_virtually
from gramwise.sim.nodes import TENSOR, SimulatedNodes, SimulatedPower, simulated_input

BASE_S = 1_000.0
ASKED = Request(
    id="0",
    seq=0,
    draw=0.5,
    model="digits",
    arrival_s=BASE_S,
    deadline_s=3.0,
    deferrable_until_s=BASE_S + 100.0,
)


class Later:
    """Puts everything off to given moments, one after the other, and then runs it in the table's first row."""

    name = "later"

    def __init__(self, *starts_s: float) -> None:
        self.starts_s = starts_s

    def decide(self, request: Request, snapshot: Snapshot) -> Decision:
        start_s = next((s for s in self.starts_s if s > snapshot.at_s), None)
        return Decision(request, snapshot, self, 0, start_s)

    def verdicts(self, request: Request, snapshot: Snapshot) -> Sequence[Verdict]:
        return ()


def serve(
    folder: Path, policy: Later, request: Request, die_s: float | None = None
) -> tuple[Served, list[list[str]]]:
    """One request, and who stood in the engine's register at each tenth second."""
    scenario = case(folder, node("a", "FR"), cost("a"), cost("a", "small"), traffic())
    table = modelled_table(scenario)
    power = SimulatedPower.of(table)
    nodes = SimulatedNodes(table, power, BASE_S)
    world = World(table.nodes, [Grid(intensity=None, age_s=0.0)], table.plans)
    seen: list[list[str]] = []

    async def main() -> Served:
        loop = asyncio.get_running_loop()
        engine = Engine(policy, world, nodes, power, VirtualClock(loop, BASE_S))
        task = loop.create_task(engine.serve(request, {TENSOR: simulated_input(1, 0, 1.0)}))
        if die_s is not None:
            loop.call_later(die_s, nodes.die, "a")
        while not task.done():
            await asyncio.sleep(10.0)
            seen.append(list(engine.waiting))
            assert not engine.waiting or int(world.snapshot(BASE_S + loop.time()).queued.sum()) == 0
        return await task

    return run_virtually(main()), seen


def test_what_can_wait_starts_when_its_policy_says_and_its_latency_counts_from_there(tmp_path: Path) -> None:
    served, seen = serve(tmp_path, Later(BASE_S + 25.0, BASE_S + 45.0), ASKED)
    outcome = served.outcome
    assert outcome.status == "completed"
    assert outcome.start_s == pytest.approx(BASE_S + 45.0)
    assert outcome.deferred_s == pytest.approx(45.0)
    assert outcome.cost.latency_s == pytest.approx(1.0)
    assert not outcome.late
    assert seen == [["0"], ["0"], ["0"], ["0"], []]


def test_it_starts_at_its_limit_at_the_latest(tmp_path: Path) -> None:
    served, _ = serve(tmp_path, Later(BASE_S + 5_000.0), ASKED)
    assert served.outcome.start_s == pytest.approx(BASE_S + 100.0)
    assert served.outcome.deferred_s == pytest.approx(100.0)


def test_what_cannot_wait_starts_at_once_whatever_its_policy_says(tmp_path: Path) -> None:
    served, _ = serve(tmp_path, Later(BASE_S + 25.0), replace(ASKED, deferrable_until_s=None))
    assert served.outcome.start_s == BASE_S
    assert served.outcome.deferred_s == 0.0


def test_the_deadline_counts_from_the_start(tmp_path: Path) -> None:
    served, _ = serve(tmp_path, Later(BASE_S + 50.0), replace(ASKED, deadline_s=0.9))
    assert served.outcome.late
    assert served.outcome.cost.latency_s == pytest.approx(1.0)


def test_a_node_that_dies_under_work_that_was_put_off_loses_it_with_its_wait_on_record(
    tmp_path: Path,
) -> None:
    served, _ = serve(tmp_path, Later(BASE_S + 50.0), ASKED, die_s=50.5)
    assert served.outcome.status == "lost"
    assert served.outcome.attempts == 2
    assert served.outcome.deferred_s == pytest.approx(50.0)
