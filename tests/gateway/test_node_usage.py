"""Joules that a node sums: each part at the price of its time, and never those of unlike boundaries together."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

pytest.importorskip("httptools", reason="the node needs the serve extra")
pytest.importorskip("prometheus_client", reason="the node needs the serve extra")

from gramwise.core.quantity import Quantity
from gramwise.gateway.node.batching import Slots
from gramwise.gateway.node.measures import Measures
from gramwise.gateway.node.tariff import Tariff
from gramwise.gateway.node.usage import Usage


def at(value: float, method: Any, boundary: Any = "chip", unit: str = "J") -> Quantity:
    ends = {"value": value, "low": 0.5 * value, "high": 2.0 * value}
    return Quantity(**ends, unit=unit, method=method, boundary=boundary, source="chosen for the test")


def test_sums_take_each_part_at_the_price_of_its_time() -> None:
    spent = {"s": 5.0}
    tariff = Tariff()
    usage = Usage("n", tariff, lambda: spent["s"])

    def told() -> Any:
        return usage.read(queued=0, running=0, ready=True).energy

    spent["s"] += 1.0
    usage.settle()
    assert told() is None
    tariff.j_per_cpu_s = at(6.0, "measured")
    assert told().value == pytest.approx(6.0), "the first price also prices what came before it"
    assert told().method == "measured"
    spent["s"] += 2.0
    usage.settle()
    tariff.j_per_cpu_s = at(2.0, "modelled")
    spent["s"] += 1.0
    energy = told()
    assert (energy.value, energy.low, energy.high) == pytest.approx((20.0, 10.0, 40.0))
    assert energy.method == "modelled"
    tariff.j_per_cpu_s = None
    assert told().value == pytest.approx(20.0), "nothing has been spent since"
    spent["s"] += 0.1
    assert told() is None, "a sum of which a part is unknown is unknown"


def test_joules_of_unlike_boundaries_are_not_added_and_the_window_begins_anew() -> None:
    spent = {"s": 5.0}
    tariff = Tariff(at(10.0, "modelled", "wall"), at(7.0, "modelled", "wall", "W"))
    usage = Usage("n", tariff, lambda: spent["s"])

    def told() -> Any:
        return usage.read(queued=0, running=0, ready=True)

    spent["s"] += 1.0
    time.sleep(0.05)
    first = told()
    assert (first.energy.value, first.energy.boundary) == (pytest.approx(10.0), "wall")
    spent["s"] += 1.0
    usage.settle()  # as metering does before a change
    tariff.j_per_cpu_s, tariff.idle_w = at(2.0, "measured"), at(3.0, "measured", unit="W")
    spent["s"] += 4.0
    second = told()
    assert (second.energy.value, second.energy.boundary) == (pytest.approx(8.0), "chip")
    assert second.energy.method == "measured", "nothing modelled is in this sum"
    assert second.attributed_s == pytest.approx(4.0)
    assert 0.0 < second.window_s < first.window_s, "who takes differences sees a restart"
    assert second.idle_energy.value == pytest.approx(3.0 * second.window_s)
    usage.settle()
    tariff.j_per_cpu_s, tariff.idle_w = at(3.0, "measured"), None
    spent["s"] += 1.0
    third = told()
    assert third.energy.value == pytest.approx(11.0), "another price of the same boundary goes on"
    assert third.window_s > second.window_s
    assert (third.idle_energy, third.idle_w) == (None, None)
    usage.settle()
    tariff.j_per_cpu_s, tariff.idle_w = at(10.0, "modelled", "wall"), at(7.0, "modelled", "wall", "W")
    spent["s"] += 0.5
    fourth = told()
    assert (fourth.energy.value, fourth.energy.boundary) == (pytest.approx(5.0), "wall")
    assert fourth.idle_energy.value == pytest.approx(7.0 * fourth.window_s)
    assert usage.windows == 3


def test_counters_of_joules_begin_anew_with_the_window_and_those_of_seconds_go_on() -> None:
    async def go() -> None:
        tariff = Tariff(at(1e6, "modelled", "wall"), at(1e6, "modelled", "wall", "W"))
        usage, measures, slots = Usage("n", tariff, lambda: 0.0), Measures("n", tariff), Slots(1)

        def counted(name: str) -> float:
            lines = measures.text(usage, slots).decode().splitlines()
            return float(next(line for line in lines if line.startswith(name)).rsplit(" ", 1)[1])

        def spend() -> None:
            until_s = time.thread_time() + 0.03
            while time.thread_time() < until_s:
                pass

        idle = 'gramwise_unattributed_energy_joules_total{node="n",reason="idle"}'
        spend()
        before = [counted(each) for each in ("gramwise_self_energy", idle, "gramwise_self_cpu")]
        assert before[0] > 1e4 < before[1]
        usage.settle()
        tariff.j_per_cpu_s, tariff.idle_w = at(1.0, "measured"), at(1.0, "measured", unit="W")
        spend()
        after = [counted(each) for each in ("gramwise_self_energy", idle, "gramwise_self_cpu")]
        assert after[0] < 1e3 > after[1], "joules of the wall are no part of it"
        assert after[2] >= before[2] + 0.02
        slots.close()

    asyncio.run(go())
