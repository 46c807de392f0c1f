"""Simulated nodes: first come first served, as long as the table says, and gone when they die."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sim_kit import case, cost, node, traffic

from gramwise.core.errors import NodeLost, Rejected
from gramwise.core.protocols import Executor, Ran
from gramwise.runtime.modelled import modelled_table
from gramwise.sim.loop import run_virtually
from gramwise.sim.nodes import TENSOR, SimulatedNodes, SimulatedPower, simulated_input

BASE_S = 1_000_000.0


def nodes_of(folder: Path, slots: int = 1) -> tuple[SimulatedNodes, SimulatedPower]:
    scenario = case(folder, node("a", "FR", slots=slots), cost("a"), cost("a", "small", 0.25, 7.0), traffic())
    table = modelled_table(scenario)
    power = SimulatedPower.of(table)
    return SimulatedNodes(table, power, BASE_S), power


async def ask(nodes: Executor, variant: str = "fp32", count: int = 1, stretch: float = 1.0) -> Ran:
    return await nodes.run("a", f"digits/{variant}", {TENSOR: simulated_input(count, 100, stretch)})


def test_an_input_is_as_large_as_a_real_one_and_takes_no_memory() -> None:
    tensor = simulated_input(1000, 800, 1.25)
    assert tensor.nbytes == 1000 * 800
    assert tensor.base is not None
    assert tensor.strides == (0, 0)
    assert tensor.item(0) == 1.25


def test_one_slot_serves_in_the_order_of_coming(tmp_path: Path) -> None:
    nodes, _ = nodes_of(tmp_path)

    async def main() -> list[Ran]:
        return list(await asyncio.gather(ask(nodes, count=2), ask(nodes, "small"), ask(nodes)))

    spans = [(ran.start_s - BASE_S, ran.end_s - BASE_S) for ran in run_virtually(main())]
    assert spans == [(0.0, 2.0), (2.0, 2.25), (2.25, 3.25)]


def test_slots_serve_side_by_side_and_the_next_takes_the_first_free_one(tmp_path: Path) -> None:
    nodes, _ = nodes_of(tmp_path, slots=2)

    async def main() -> list[Ran]:
        return list(
            await asyncio.gather(ask(nodes, count=3), ask(nodes), ask(nodes), ask(nodes, stretch=0.5))
        )

    ends = [ran.end_s - BASE_S for ran in run_virtually(main())]
    assert ends == pytest.approx([3.0, 1.0, 2.0, 2.5])


def test_energy_is_the_tables_whatever_the_stretch_and_usage_is_its_sum(tmp_path: Path) -> None:
    nodes, power = nodes_of(tmp_path)

    async def main() -> tuple[list[Ran], float, float | None]:
        rans = [await ask(nodes, count=3), await ask(nodes, "small", stretch=2.0)]
        usage = await nodes.usage("a")
        return rans, usage.attributed_s, usage.metered_s

    rans, attributed_s, metered_s = run_virtually(main())
    joules = [power.energy_j("a", ran.cpu_s) for ran in rans]
    assert joules == pytest.approx([3 * 36.0, 7.0], rel=1e-15)
    assert rans[1].end_s - rans[1].start_s == pytest.approx(0.5)
    assert attributed_s == metered_s == pytest.approx(sum(ran.cpu_s for ran in rans))
    assert power.method("a") == "assumed"


def test_a_death_loses_what_runs_and_what_waits_and_counts_what_was_burnt(tmp_path: Path) -> None:
    nodes, _ = nodes_of(tmp_path)

    async def main() -> list[Ran | BaseException]:
        work = asyncio.gather(ask(nodes), ask(nodes, count=4), ask(nodes), return_exceptions=True)
        await asyncio.sleep(2.0)
        nodes.die("a")
        assert nodes.alive() == {"a": False}
        with pytest.raises(NodeLost):
            await ask(nodes)
        return await work

    first, second, third = run_virtually(main())
    assert isinstance(first, Ran)
    assert isinstance(second, NodeLost)
    assert isinstance(third, NodeLost)
    (wasted,) = nodes.wasted()  # the third had not begun
    assert (wasted.start_s - BASE_S, wasted.end_s - BASE_S) == pytest.approx((1.0, 2.0))
    assert wasted.energy_j == pytest.approx(36.0)  # one of its four seconds


def test_a_node_that_comes_back_begins_with_empty_slots(tmp_path: Path) -> None:
    nodes, _ = nodes_of(tmp_path)

    async def main() -> Ran:
        lost = asyncio.gather(ask(nodes, count=100), return_exceptions=True)
        await asyncio.sleep(1.0)
        nodes.die("a")
        await lost
        await asyncio.sleep(4.0)
        nodes.come_back("a")
        return await ask(nodes)

    ran = run_virtually(main())
    assert (ran.start_s - BASE_S, ran.end_s - BASE_S) == pytest.approx((5.0, 6.0))


def test_what_a_node_does_not_hold_is_rejected(tmp_path: Path) -> None:
    nodes, _ = nodes_of(tmp_path)
    with pytest.raises(Rejected, match="does not hold"):
        run_virtually(ask(nodes, "int8"))
