"""A request that is split: its bill, its links, its overlap with others, and what becomes of it when a node dies."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from runtime_kit import Mortal, Prices, node, plans, request, world
from split_kit import pieces_between, stages_of

from gramwise.core.clock import ManualClock
from gramwise.core.decision import PlanTable, Stage, columns, place_of
from gramwise.core.machines import Link
from gramwise.core.protocols import Held, Ran
from gramwise.runtime.chain import Network
from gramwise.runtime.engine import Engine, Part
from gramwise.runtime.world import World
from gramwise.schedule import load_policy

INPUTS = {"input": np.zeros((2, 3), np.float32)}

THREE = stages_of("abc", pieces_between(("h2",), ("h4",)))


def split(table: PlanTable, stages: Sequence[Stage], latency_s: float = 0.01) -> PlanTable:
    """The table with a planned row more, whose stages take as much as a whole variant each."""
    full = tuple(
        dataclasses.replace(s, latency_s=latency_s, energy_j=0.05, memory_bytes=1000) for s in stages
    )
    return dataclasses.replace(
        table,
        node=np.append(table.node, 0),
        model=(*table.model, table.model[0]),
        variant=(*table.variant, table.variant[0]),
        reference=np.append(table.reference, True),
        latency_s=columns([*table.latency_s, latency_s * len(full)]),
        fixed_s=columns([*table.fixed_s, 0.0]),
        energy_j=columns([*table.energy_j, 0.05 * len(full)]),
        accuracy_frac=columns([*table.accuracy_frac, 0.9]),
        memory_bytes=columns([*table.memory_bytes, 1000.0]),
        stages={len(table): full},
        planned=len(table),
    )


def three(**options: Any) -> World:
    nodes = [node("a"), dataclasses.replace(node("b"), pue=1.5), node("c"), node("d")]
    return world(nodes, split(plans(4), THREE), **options)


def engine(w: World, executor: Any, policy: str = "plan", **options: Any) -> Engine:
    return Engine(load_policy(policy), w, executor, Prices(), options.pop("clock", ManualClock()), **options)


class Chained(Mortal):
    """A mortal fleet whose last piece answers."""

    async def run(self, node: str, variant: str, inputs: Mapping[str, Any], hold: Any = ()) -> Ran:
        ran = await super().run(node, variant, inputs, hold)
        outputs = ran.outputs if hold else {"logits": np.ones((2, 4))}
        return dataclasses.replace(ran, outputs=outputs)


def test_each_stage_is_priced_on_its_own_node_and_grid() -> None:
    w, executor = three(), Chained("abcd", cpu_s=0.004)
    served = asyncio.run(engine(w, executor).serve(request(count=2), INPUTS))
    o = served.outcome
    assert (o.status, o.node, o.variant, o.attempts) == ("completed", "a>b>c", "v0", 1)
    assert served.parts == (Part("a", 0.004), Part("b", 0.004), Part("c", 0.004))
    assert o.cpu_s == pytest.approx(0.012)
    assert o.cost.energy_j == pytest.approx(0.12)
    assert o.cost.carbon_g == pytest.approx(0.04 * (100.0 + 200.0 * 1.5 + 300.0) / 3.6e6)
    assert served.outputs is not None
    assert list(served.outputs) == ["logits"]
    assert executor.asked == ["a", "b", "c"]
    assert [list(given) for given in executor.given] == [["input"], ["h2"], ["input", "h4"]]
    assert all(isinstance(executor.given[i][name], Held) for i, name in ((1, "h2"), (2, "h4")))
    assert executor.holding == set()
    plan = served.decision.plan
    assert plan is not None
    assert [stage.node for stage in plan.stages] == ["a", "b", "c"]
    assert plan.cost.energy_j == pytest.approx(0.3)
    assert plan.cost.carbon_g == pytest.approx(0.1 * (100.0 + 200.0 * 1.5 + 300.0) / 3.6e6)
    assert place_of(served.decision.snapshot, served.decision.row) == "a > b > c"


def test_the_world_counts_every_stage_and_is_as_before_afterwards() -> None:
    w = three()
    seen: list[list[int]] = []
    backlogs: list[list[float]] = []

    class Watching(Chained):
        async def run(self, node: str, variant: str, inputs: Mapping[str, Any], hold: Any = ()) -> Ran:
            snapshot = w.snapshot(0.0)
            seen.append(snapshot.queued.tolist())
            backlogs.append(snapshot.backlog_s.tolist())
            return await super().run(node, variant, inputs, hold)

    asyncio.run(engine(w, Watching("abcd")).serve(request(count=3), INPUTS))
    assert seen == [[1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0]]
    assert backlogs[0] == pytest.approx([0.03, 0.03, 0.03, 0.0])
    snapshot = w.snapshot(0.0)
    assert snapshot.queued.tolist() == [0, 0, 0, 0]
    assert snapshot.assigned.tolist() == [1, 1, 1, 0]


def test_two_stages_on_one_node_are_two_tasks() -> None:
    again = stages_of("aba", pieces_between(("h2",), ("h4",)))
    w = world([node("a"), node("b")], split(plans(2), again))
    executor = Chained("ab")
    served = asyncio.run(engine(w, executor).serve(request(), INPUTS))
    assert served.outcome.node == "a>b>a"
    assert w.snapshot(0.0).queued.tolist() == [0, 0]
    assert w.snapshot(0.0).assigned.tolist() == [2, 1]


def test_declared_links_are_waited_out_hop_by_hop() -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    links = {
        ("", "a"): Link(rtt_s=0.2, bytes_per_s=240.0),  # 24 bytes of input
        ("a", "b"): Link(rtt_s=0.4, bytes_per_s=1e5),  # 4000 bytes held
        ("", "c"): Link(rtt_s=0.6),
        ("c", ""): Link(rtt_s=1.0),
    }
    of = engine(three(), Chained("abcd"), sleep=sleep, network=Network(links=links))
    asyncio.run(of.serve(request(), INPUTS))
    assert waited == pytest.approx([0.1 + 0.1, 0.2 + 0.04, 0.3, 0.5])  # b to c has no link: nothing extra


def test_a_stage_that_dies_gives_the_whole_request_one_more_try() -> None:
    for dying, asked in (("b", ["a", "b"]), ("c", ["a", "b", "c"]), ("a", ["a"])):
        w, executor = three(), Chained("abcd")
        executor.doomed = {dying}
        heard: list[str] = []
        of = engine(
            w,
            executor,
            "grams",
            on_decision=lambda decision, _, heard=heard: heard.append(
                place_of(decision.snapshot, decision.row)
            ),
        )
        of.policy = load_policy("plan")
        of.soonest = load_policy("soonest")
        served = asyncio.run(of.serve(request(), INPUTS))
        assert (served.outcome.status, served.outcome.attempts) == ("completed", 2)
        assert served.outcome.fallback
        assert executor.asked[:-1] == asked
        assert heard[0] == "a > b > c"
        assert " > " not in heard[1]
        assert heard[1] != dying
        assert executor.holding == set()
        assert w.snapshot(0.0).queued.tolist() == [0] * 4
        assert w.snapshot(0.0).alive.tolist() == [n != dying for n in "abcd"]


def test_a_caller_who_gives_up_leaves_nothing_behind() -> None:
    w = three()

    class Slow(Chained):
        async def run(self, node: str, variant: str, inputs: Mapping[str, Any], hold: Any = ()) -> Ran:
            if node == "b":
                await asyncio.sleep(60)
            return await super().run(node, variant, inputs, hold)

    executor = Slow("abcd")

    async def scene() -> None:
        running = asyncio.ensure_future(engine(w, executor).serve(request(), INPUTS))
        await asyncio.sleep(0.05)
        assert len(executor.holding) == 1
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(scene())
    assert executor.holding == set()
    assert w.snapshot(0.0).queued.tolist() == [0] * 4


def test_unknown_intensity_of_one_stage_makes_the_grams_unknown() -> None:
    w = three()
    w.renew(grids=[dataclasses.replace(g, intensity=None) if i == 1 else g for i, g in enumerate(w._grids)])
    served = asyncio.run(engine(w, Chained("abcd")).serve(request(), INPUTS))
    assert served.outcome.status == "completed"
    assert math.isnan(served.outcome.cost.carbon_g)
    assert served.outcome.cost.energy_j > 0


def test_stages_of_different_requests_overlap() -> None:
    """The second stage of one request ends only once the first stage of another has begun: alone it would not end."""
    begun = asyncio.Event()

    class Meeting(Chained):
        async def run(self, node: str, variant: str, inputs: Mapping[str, Any], hold: Any = ()) -> Ran:
            if node == "a" and "a" in self.asked:
                begun.set()
            if node == "b" and "b" not in self.asked:
                self.asked.append("b")
                await begun.wait()
            return await super().run(node, variant, inputs, hold)

    async def scene() -> list[Any]:
        of = engine(three(), Meeting("abcd"))

        async def client(number: int) -> Any:
            if number:
                while "b" not in of.executor.asked:  # type: ignore[attr-defined]
                    await asyncio.sleep(0.001)
            return await of.serve(request(number), INPUTS)

        async with asyncio.timeout(10):
            return list(await asyncio.gather(client(0), client(1)))

    assert [served.outcome.node for served in asyncio.run(scene())] == ["a>b>c"] * 2


class Jumping(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer, so that waiting takes no time and its sum is exact."""

    now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def _run_once(self) -> None:
        scheduled: list[Any] = self._scheduled  # type: ignore[attr-defined]
        if not self._ready and scheduled:  # type: ignore[attr-defined]
            self.now_s = max(self.now_s, scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


class Queues(Chained):
    """Nodes that take one second a stage and serve one at a time."""

    def __init__(self, names: str, service_s: float) -> None:
        super().__init__(names)
        self.turns, self.service_s = {name: asyncio.Lock() for name in names}, service_s

    async def run(self, node: str, variant: str, inputs: Mapping[str, Any], hold: Any = ()) -> Ran:
        async with self.turns[node]:
            await asyncio.sleep(self.service_s)
            return await super().run(node, variant, inputs, hold)


def test_two_nodes_in_a_row_give_more_throughput_than_one() -> None:
    """Halves of a second each on two nodes against the whole second on one, always two clients, on a virtual clock."""
    pieces = pieces_between(("h4",))
    requests = 10

    def took_s(policy: str, service_s: float) -> tuple[set[str], float]:
        loop = Jumping()
        w = world([node("a"), node("b")], split(plans(2), stages_of("ab", pieces)))
        of = engine(w, Queues("ab", service_s), policy)
        numbers = iter(range(requests))

        async def client() -> list[str]:
            return [(await of.serve(request(i), INPUTS)).outcome.node for i in numbers]

        async def both() -> set[str]:
            return {place for places in await asyncio.gather(client(), client()) for place in places}

        try:
            return loop.run_until_complete(both()), loop.time()
        finally:
            loop.close()

    places, alone_s = took_s("monolithic", 1.0)
    assert places == {"b"}
    places, row_s = took_s("plan", 0.5)
    assert places == {"a>b"}
    assert alone_s == pytest.approx(requests * 1.0, rel=0.01)
    assert row_s == pytest.approx((requests + 1) * 0.5, rel=0.01)
