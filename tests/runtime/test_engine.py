"""Decide, wait, run, account, and what becomes of a request whose nodes die."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import time
from typing import Any

import numpy as np
import pytest
from runtime_kit import Mortal, Prices, box, node, plans, request, world

from gramwise.core.clock import ManualClock, SystemClock
from gramwise.core.decision import Decision, Outcome
from gramwise.core.errors import Rejected
from gramwise.core.machines import Link
from gramwise.runtime.engine import Engine, Served, link_delay_s, refusal
from gramwise.runtime.world import World
from gramwise.schedule import load_policy

INPUTS = {"input": np.zeros((2, 3), np.float32)}


def engine(w: World, executor: Any, policy: str = "grams", clock: Any = None, **options: Any) -> Engine:
    return Engine(load_policy(policy), w, executor, Prices(), clock or ManualClock(), **options)


def serve(of: Engine, *requests: Any) -> list[Served]:
    async def all_of() -> list[Served]:
        return list(await asyncio.gather(*(of.serve(r, INPUTS) for r in requests)))

    return asyncio.run(all_of())


def test_the_bill_is_cpu_seconds_times_price_times_intensity() -> None:
    w = world([node("a"), dataclasses.replace(node("b"), pue=1.5)])
    executor = Mortal(["a", "b"], cpu_s=0.004)
    (clean,) = serve(engine(w, executor), request(count=3))
    assert (clean.outcome.status, clean.outcome.node, clean.outcome.variant) == ("completed", "a", "v0")
    assert clean.outcome.cost.energy_j == pytest.approx(0.04)
    assert clean.outcome.cost.carbon_g == pytest.approx(0.04 * 100.0 / 3.6e6)
    (base,) = serve(engine(w, executor, "monolithic"), request(1))
    assert base.outcome.node == "b"
    assert base.outcome.cost.carbon_g == pytest.approx(0.04 * 200.0 * 1.5 / 3.6e6)
    assert (clean.outcome.attempts, clean.outcome.fallback, clean.outcome.late) == (1, False, False)
    assert clean.outcome.count == 3
    assert clean.outcome.method == "modelled"
    assert 0 < clean.outcome.decision_s < 1


def test_the_world_is_as_before_when_all_is_done() -> None:
    w = world([node("a")])
    of = engine(w, Mortal(["a"]), clock=SystemClock())
    serve(of, *(request(i) for i in range(5)))
    snapshot = w.snapshot(of.clock.now_s())
    assert snapshot.queued.tolist() == [0]
    assert snapshot.assigned.tolist() == [5]
    assert snapshot.mean_s.tolist() == [pytest.approx(0.002)]


def test_a_node_that_dies_is_retried_once_elsewhere_and_counted_once() -> None:
    w = world([node("a"), node("b")])
    executor = Mortal(["a", "b"])
    executor.doomed = {"a"}
    heard: list[str | None] = []
    of = engine(w, executor, on_decision=lambda decision, _: heard.append(decision.node))
    served = serve(of, *(request(i) for i in range(4)))
    assert [s.outcome.status for s in served] == ["completed"] * 4
    assert [s.outcome.node for s in served] == ["b"] * 4
    assert [s.outcome.attempts for s in served] == [2] * 4
    assert sorted(s.outcome.request for s in served) == ["r0", "r1", "r2", "r3"]
    assert heard == ["a"] * 4 + ["b"] * 4
    (later,) = serve(of, request(9))
    assert later.outcome.attempts == 1  # it is known to be dead now
    assert w.snapshot(0.0).queued.tolist() == [0, 0]
    assert w.snapshot(0.0).alive.tolist() == [False, True]


def test_the_second_attempt_has_only_what_is_left_of_the_deadline() -> None:
    w = world([node("a"), node("b")])
    executor = Mortal(["a", "b"])
    executor.doomed = {"a"}
    heard: list[float | None] = []
    of = engine(w, executor, on_decision=lambda decision, _: heard.append(decision.request.deadline_s))
    (served,) = serve(of, request(deadline_s=5.0, arrival_s=of.clock.now_s() - 2.0))
    assert served.outcome.attempts == 2
    assert heard == [5.0, 3.0]
    assert not served.outcome.late


def test_the_second_attempt_avoids_a_node_that_another_engine_saw_die() -> None:
    executor = Mortal(["a", "b", "c"])
    executor.doomed = {"b"}
    executor.state["b"] = False
    executor.doomed.add("a")
    (served,) = serve(engine(world([node("a"), node("b"), node("c")]), executor), request())
    assert (served.outcome.status, served.outcome.node, served.outcome.attempts) == ("completed", "c", 2)
    assert executor.asked == ["a", "c"]


def test_two_deaths_lose_the_request_and_say_so() -> None:
    w = world([node("a"), node("b"), node("c")])
    executor = Mortal(["a", "b", "c"])
    executor.doomed = {"a", "b"}
    (served,) = serve(engine(w, executor), request())
    assert (served.outcome.status, served.outcome.attempts, served.outputs) == ("lost", 2, None)
    assert served.outcome.node == ""
    assert all(math.isnan(x) for x in dataclasses.astuple(served.outcome.cost))
    assert math.isnan(served.outcome.cpu_s)  # unknown, not 0


def test_the_last_node_dying_is_a_loss_not_a_refusal() -> None:
    executor = Mortal(["a"])
    executor.doomed = {"a"}
    of = engine(world([node("a")]), executor)
    (served,) = serve(of, request())
    assert (served.outcome.status, served.outcome.attempts) == ("lost", 1)
    (after,) = serve(of, request(1))
    assert (after.outcome.status, after.outcome.attempts) == ("refused", 0)


def test_no_plan_in_time_falls_back_to_the_soonest_and_is_marked() -> None:
    w = world([node("a"), node("b")], plans(2, latency_s=0.01))
    for i in range(3):
        w.begin("a", f"before{i}", 0.5, 0.0)
    w.begin("b", "before", 0.4, 0.0)
    hurried = request(deadline_s=0.001)
    (served,) = serve(engine(w, Mortal(["a", "b"]), soonest=load_policy("fastest")), hurried)
    assert (served.outcome.status, served.outcome.fallback, served.outcome.node) == ("completed", True, "b")
    assert served.outcome.policy == "grams"
    assert served.decision.policy.name == "fastest"
    (refused,) = serve(engine(w, Mortal(["a", "b"])), hurried)
    assert (refused.outcome.status, refused.outputs, refused.outcome.fallback) == ("refused", None, False)


def test_a_refusal_explains_every_candidate() -> None:
    w = world([node("a"), node("b")])
    (served,) = serve(
        engine(w, Mortal(["a", "b"]), soonest=load_policy("fastest")),
        request(allowed_zones=frozenset({"ELSEWHERE"})),
    )
    assert served.outcome.status == "refused"
    assert served.decision.policy.name == "grams"  # its own reasons, not the fallback's
    fault = refusal(served.decision)
    assert "r0: a/v0: zone A is not among the allowed ones; b/v0: zone B" in str(fault)
    assert len(fault.verdicts) == 2
    unknown = refusal(serve(engine(w, Mortal(["a", "b"])), request(model="other"))[0].decision)
    assert "no node serves the model 'other'" in str(unknown)


def test_late_is_after_the_deadline() -> None:
    clock = SystemClock()
    of = engine(world([node("a")]), Mortal(["a"]), "monolithic", clock)
    now_s = clock.now_s()
    late, timely, never = serve(
        of,
        request(0, arrival_s=now_s - 1.0, deadline_s=0.9),
        request(1, arrival_s=now_s, deadline_s=60.0),
        request(2, arrival_s=now_s - 1.0),
    )
    assert [s.outcome.late for s in (late, timely, never)] == [True, False, False]
    assert late.outcome.cost.latency_s == pytest.approx(late.outcome.end_s - now_s + 1.0)


def test_unknown_power_gives_unknown_grams() -> None:
    nowhere = world([node("a", device=box(idle_w=None, busy_w=None))])
    nowhere.renew(grids=[dataclasses.replace(nowhere._grids[0], intensity=None)])
    (served,) = serve(engine(nowhere, Mortal(["a"]), "monolithic"), request())
    assert served.outcome.status == "completed"
    assert math.isnan(served.outcome.cost.carbon_g)


def test_a_link_delays_by_its_round_trip_and_its_bytes() -> None:
    far = node("a", link=Link(rtt_s=0.03, bytes_per_s=24_000.0))
    assert link_delay_s(far, 2400) == pytest.approx(0.13)
    assert link_delay_s(node("b"), 10**9) == 0.0
    assert link_delay_s(node("c", link=Link(rtt_s=0.5)), 10**9) == 0.5
    clock = SystemClock()
    begin_s = time.perf_counter()
    (served,) = serve(engine(world([far]), Mortal(["a"]), clock=clock), request(arrival_s=clock.now_s()))
    assert 0.031 <= served.outcome.cost.latency_s <= time.perf_counter() - begin_s + 1.0


def test_a_refusal_of_the_node_is_raised_and_leaves_no_queue() -> None:
    class Picky(Mortal):
        async def run(self, node: str, variant: str, inputs: Any) -> Any:
            raise Rejected("not that")

    w = world([node("a")])
    with pytest.raises(Rejected, match="not that"):
        serve(engine(w, Picky(["a"])), request())
    assert w.snapshot(0.0).queued.tolist() == [0]


def test_the_recorder_hears_every_decision() -> None:
    heard: list[tuple[Decision, bool]] = []
    of = engine(
        world([node("a")]),
        Mortal(["a"]),
        soonest=load_policy("fastest"),
        on_decision=lambda decision, fallback: heard.append((decision, fallback)),
    )
    serve(of, request(0), request(1, deadline_s=1e-6))
    assert [(d.request.id, f) for d, f in heard] == [("r0", False), ("r1", True)]
    assert isinstance(serve(of, request(2))[0].outcome, Outcome)


@pytest.mark.parametrize("name", ["grams", "fastest", "monolithic"])
def test_the_policies_an_engine_always_needs_keep_the_contract(name: str) -> None:
    from gramwise.testing import check_policy

    check_policy(load_policy(name), fresh=lambda: load_policy(name))
