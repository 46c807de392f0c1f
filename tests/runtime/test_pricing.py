"""What a CPU second costs on each node, and that what is unknown stays unknown."""

from __future__ import annotations

import dataclasses
import math

import pytest
from runtime_kit import box, node, quantity

from gramwise.core.errors import ConfigError
from gramwise.runtime.pricing import cpu_price, needs_host_rate


def test_a_declared_factor_prices_by_dynamic_power() -> None:
    nodes = [node("a"), dataclasses.replace(node("b"), speed_factor=0.5)]
    price = cpu_price(nodes, None)
    assert price.energy_j("a", 3.0) == pytest.approx(30.0)
    assert price.energy_j("b", 3.0) == pytest.approx(15.0)
    assert price.method("a") == "assumed"
    cost = price.j_per_cpu_s["a"]
    assert cost is not None
    assert cost.low == pytest.approx(12 * 0.9 - 2 * 1.1)
    assert cost.high == pytest.approx(12 * 1.1 - 2 * 0.9)
    assert not needs_host_rate(nodes)


def test_a_measured_rate_gives_the_factor() -> None:
    fast = dataclasses.replace(node("a", device=box(rate=4e10)), speed_factor=None)
    assert needs_host_rate([fast, node("b")])
    price = cpu_price([fast], quantity(1e10, "FLOP/s"))
    assert price.energy_j("a", 2.0) == pytest.approx(2.0 * 0.25 * 10.0)
    cost = price.j_per_cpu_s["a"]
    assert cost is not None
    assert cost.low < cost.value < cost.high


def test_unknown_power_is_unknown_energy_and_unknown_idle() -> None:
    for device in (box(idle_w=None), box(busy_w=None)):
        price = cpu_price([node("a", device=device)], None)
        assert math.isnan(price.energy_j("a", 1.0))
        assert price.j_per_cpu_s["a"] is None
    assert cpu_price([node("a", device=box(idle_w=None))], None).idle_w["a"] is None
    assert math.isnan(price.energy_j("a", 0.0))  # nothing of the unknown is still unknown


def test_a_factor_that_cannot_be_worked_out_names_the_key() -> None:
    slow = dataclasses.replace(node("a"), speed_factor=None)
    for rate in (None, quantity(1e10, "FLOP/s")):
        with pytest.raises(ConfigError, match=r"nodes\.a\.speed_factor: device 'box' has no measured rate"):
            cpu_price([slow], rate)
