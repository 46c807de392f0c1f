"""From a profile to costs: borders are found, pieces add up to the whole, and what does not belong is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from runtime_kit import quantity

from gramwise.core.errors import ConfigError
from gramwise.core.model import Layer, ModelGraph, Work
from gramwise.core.quantity import Quantity
from gramwise.fleet.scenario import Scenario, links_of, load_scenario
from gramwise.partition.build import Goals, problem_of
from gramwise.partition.problem import evaluate
from gramwise.power.roofline import Roof
from gramwise.runtime.layercosts import Border, borders, costs_of, goals_of, piece_cpu_s, rested_s
from gramwise.runtime.pricing import CpuPrice
from gramwise.runtime.profilefile import (
    SCHEMA,
    Hop,
    NodeTimes,
    Part,
    ProfileFile,
    Rates,
    Spread,
    Timed,
)
from gramwise.runtime.world import Grid

SCENARIO = """
schema = 1
name = "two"
baseline_node = "a"
[models.net]
reference = "v"
[models.net.variants.v]
file = "net.onnx"
[nodes.a]
device = "pi4"
zone = "FR"
cpu_share = 1.0
memory = "512 MiB"
speed_factor = 1.0
[nodes.b]
device = "pi5"
zone = "NO"
cpu_share = 0.5
memory = "512 MiB"
speed_factor = 1.0
"""

BYTES = (600_000, 1_000_000, 400_000, 100_000, 50_000, 4_000)
"""Of the tensors before, between and after five pieces."""

LAYERS_S = (2e-3, 5e-3, 1e-3, 3e-3, 0.5e-3)
BORDER = Border(120e-6, 0.4e-9)
MS = Spread(1e-3, 1e-3, 1e-3)
STRETCH = {"a": 1.02, "b": 2.05}


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., Scenario]:
    def scenario(**overrides: Any) -> Scenario:
        file = tmp_path / "two.toml"
        file.write_text(SCENARIO, "utf-8")
        return load_scenario(file, {k.replace("__", "."): v for k, v in overrides.items()}, environ={})

    return scenario


def rate(value: float, unit: str) -> Quantity:
    return Quantity(
        value=value, low=value, high=value, unit=unit, method="measured", boundary="chip", source="made up"
    )


ROOF = Roof(flop_per_s={"fp32": rate(10e9, "FLOP/s")}, bytes_per_s=rate(2e9, "byte/s"))
PRICE = CpuPrice(
    j_per_cpu_s={"a": quantity(5.0, "J"), "b": quantity(8.0, "J")}, idle_w=dict.fromkeys(("a", "b"))
)
GRIDS = [Grid(intensity=quantity(g, "g/kWh"), age_s=0.0) for g in (50.0, 30.0)]


def graph() -> ModelGraph:
    """Five pieces; the second has two layers, of which one does three times the work."""
    flops = {"p0": 2e7, "p1": 6e7, "p1b": 2e7, "p2": 1e7, "p3": 3e7, "p4": 5e6}
    tensors = dict(zip(("x", "t1", "t2", "t3", "t4", "y"), BYTES, strict=True)) | {"inner": 8}
    ends = [
        ("p0", "x", "t1"),
        ("p1", "t1", "inner"),
        ("p1b", "inner", "t2"),
        ("p2", "t2", "t3"),
        ("p3", "t3", "t4"),
        ("p4", "t4", "y"),
    ]
    layers = tuple(
        Layer(
            name=name,
            op="Conv+Relu",
            work=Work(flop=flops[name]),
            weight_bytes=0,
            inputs=(start,),
            outputs=(end,),
            precision="fp32",
        )
        for name, start, end in ends
    )
    return ModelGraph(
        name="net",
        layers=layers,
        tensor_bytes=tensors,
        inputs=("x",),
        outputs=("y",),
        weight_bytes=0,
        digest="d" * 64,
    )


def timed(first: int, last: int, noise: float = 1.0) -> Timed:
    """A run as the model of borders has it."""
    inside_s = sum(LAYERS_S[first : last + 1])
    ends_s = BORDER.fixed_s + BORDER.s_per_byte * (BYTES[first] + BYTES[last + 1]) / 2
    seconds = noise * (inside_s + ends_s)
    spread = Spread(seconds, seconds, seconds)
    return Timed(first, last, spread, spread, 9)


def node(name: str, noise: Sequence[float] = (1.0,) * 5, **changes: Any) -> NodeTimes:
    facts: dict[str, Any] = {
        "cpu_share": {"a": 1.0, "b": 0.5}[name],
        "caps": "virtual",
        "pieces": [timed(i, i, noise[i]) for i in range(5)],
        "longest": [timed(0, 4)],
        "between": [[timed(0, 1), timed(2, 4)], [timed(0, 0), timed(1, 3), timed(4, 4)]],
        "stretch": STRETCH[name],
        "stretch_of": "the whole model, 20 runs",
        "rested": timed(0, 4),
    }
    return NodeTimes(**(facts | changes))


def profile(**changes: Any) -> ProfileFile:
    names = [["p0"], ["p1", "p1b"], ["p2"], ["p3"], ["p4"]]
    tensors = ("x", "t1", "t2", "t3", "t4", "y")
    facts: dict[str, Any] = {
        "schema": SCHEMA,
        "model": "net",
        "variant": "v",
        "digest": "d" * 64,
        "count": 1,
        "level": "all",
        "machine": "a machine",
        "onnxruntime": "1.0",
        "gramwise": "0",
        "made": "2026-05-01T00:00:00+00:00",
        "rates": Rates({"fp32": 10e9}, 2e9),
        "pieces": [Part(names[i], [tensors[i]], [tensors[i + 1]], BYTES[i], BYTES[i + 1]) for i in range(5)],
        "nodes": {"a": node("a"), "b": node("b")},
        "hop": Hop("a", "b", [4096, 2**20], [MS] * 2, [MS] * 2, [3e-4, 4e-4], 9, 3e-4, 1e-10),
    }
    return ProfileFile(**(facts | changes))


def test_borders_are_found_from_the_network_cut_in_several_ways() -> None:
    found = borders(profile())
    assert found.fixed_s == pytest.approx(BORDER.fixed_s)
    assert found.s_per_byte == pytest.approx(BORDER.s_per_byte)


def test_borders_never_earn_time() -> None:
    """A whole that was timed in a slow moment makes its pieces look cheaper than itself."""
    slow = node("a", longest=[timed(0, 4, noise=1.5)])
    found = borders(profile(nodes={"a": slow, "b": slow}))
    assert found == Border(0.0, 0.0)


def test_one_model_alone_says_nothing_of_borders() -> None:
    alone = node("a", pieces=[timed(0, 4), None, None, None, None], longest=[timed(0, 4)], between=[])
    assert borders(profile(nodes={"a": alone})) == Border(0.0, 0.0)


def test_pieces_get_back_the_time_of_their_layers() -> None:
    seconds = piece_cpu_s(profile(), ["a", "b"], BORDER)
    assert seconds == pytest.approx(np.array([LAYERS_S, LAYERS_S]).T)


def test_noise_of_one_node_in_one_piece_makes_no_difference_between_nodes() -> None:
    noisy = node("b", noise=(1.0, 1.3, 1.0, 0.8, 1.0))
    seconds = piece_cpu_s(profile(nodes={"a": node("a"), "b": noisy}), ["a", "b"], BORDER)
    assert seconds[:, 0] == pytest.approx(seconds[:, 1])
    assert seconds.sum(axis=0) == pytest.approx([sum(LAYERS_S)] * 2)


def test_a_node_that_is_slower_as_a_whole_stays_slower() -> None:
    slow = node("b", noise=(1.2,) * 5, longest=[timed(0, 4, noise=1.2)])
    seconds = piece_cpu_s(profile(nodes={"a": node("a"), "b": slow}), ["a", "b"], Border(0.0, 0.0))
    assert seconds[:, 1] / seconds[:, 0] == pytest.approx([1.2] * 5)


def test_a_piece_that_fits_one_node_only_is_known_for_both_and_one_that_fits_none_is_unknown() -> None:
    half = node("b", pieces=[timed(i, i) if i > 1 else None for i in range(5)], longest=[timed(2, 4)])
    seconds = piece_cpu_s(profile(nodes={"a": node("a"), "b": half}), ["a", "b"], BORDER)
    assert seconds[0] == pytest.approx([LAYERS_S[0]] * 2)
    seconds = piece_cpu_s(profile(nodes={"b": half}), ["b"], BORDER)
    assert np.isnan(seconds[:2]).all()
    assert seconds[2:, 0] == pytest.approx(LAYERS_S[2:])


def test_layers_of_a_piece_share_its_time_by_the_roofline(scenario: Callable[..., Scenario]) -> None:
    costs = costs_of(scenario(), graph(), PRICE, GRIDS, profile())
    assert costs.layers == ("p0", "p1", "p1b", "p2", "p3", "p4")
    assert costs.latency_s[1:3, 0] == pytest.approx(
        STRETCH["a"] * LAYERS_S[1] * np.array([0.75, 0.25]), rel=1e-9
    )
    assert costs.latency_s[:, 1] / costs.latency_s[:, 0] == pytest.approx([2.05 / 1.02] * 6)
    assert costs.energy_j[0] == pytest.approx([LAYERS_S[0] * 5.0, LAYERS_S[0] * 8.0])
    assert (costs.method, costs.base_bytes, costs.bytes_per_weight_byte) == ("measured", 80 * 2**20, 3)
    assert "onnxruntime 1.0" in costs.source
    assert "2026-05-01" in costs.source
    assert "shared out by the roofline" in costs.source
    assert costs.intensity_g_per_kwh == pytest.approx([50.0, 30.0])


def test_a_network_on_one_node_is_predicted_to_cost_the_energy_that_was_timed(
    scenario: Callable[..., Scenario],
) -> None:
    """One message arrives and its answer leaves: with what those cost, the layers are the measured whole again."""
    read = scenario()
    costs = costs_of(read, graph(), PRICE, GRIDS, profile())
    problem = problem_of(graph(), read.node_records(), links_of(read), costs, goals=goals_of(read))
    found = evaluate(problem, np.array([[0] * 6, [1] * 6]))
    whole_s = timed(0, 4).cpu_s.median
    assert found.energy_j == pytest.approx([whole_s * 5.0, whole_s * 8.0])


def test_a_network_in_two_is_predicted_to_cost_what_its_pieces_were_timed_at(
    scenario: Callable[..., Scenario],
) -> None:
    read = scenario()
    costs = costs_of(read, graph(), PRICE, GRIDS, profile())
    problem = problem_of(graph(), read.node_records(), links_of(read), costs, goals=goals_of(read))
    found = evaluate(problem, np.array([[0, 0, 0, 1, 1, 1]]))
    head_s, tail_s = timed(0, 1).cpu_s.median, timed(2, 4).cpu_s.median
    assert found.energy_j == pytest.approx([head_s * 5.0 + tail_s * 8.0])
    assert costs.handover_s == pytest.approx(3e-4 + BORDER.fixed_s * (1.02 + 2.05) / 2)
    assert costs.handover_s_per_byte == pytest.approx(1e-10 + BORDER.s_per_byte * (1.02 + 2.05) / 2)


def test_unknown_power_and_unknown_intensity_stay_unknown(scenario: Callable[..., Scenario]) -> None:
    price = CpuPrice(j_per_cpu_s={"a": None, "b": quantity(8.0, "J")}, idle_w=dict.fromkeys(("a", "b")))
    grids = [GRIDS[0], Grid(intensity=None, age_s=math.nan)]
    for measured in (profile(), None):
        costs = costs_of(scenario(), graph(), price, grids, measured, roof=ROOF)
        assert np.isnan(costs.energy_j[:, 0]).all()
        assert np.isfinite(costs.energy_j[:, 1]).all()
        assert np.isnan(costs.intensity_g_per_kwh[1])
        assert costs.handover_j_per_byte is not None
        assert np.isfinite(costs.handover_j_per_byte).all()


def test_nothing_runs_where_the_data_may_not_go(scenario: Callable[..., Scenario]) -> None:
    read = scenario(goals__allowed_zones=["NO"])
    for measured in (profile(), None):
        costs = costs_of(read, graph(), PRICE, GRIDS, measured, roof=ROOF)
        assert np.isnan(costs.latency_s[:, 0]).all()
        assert np.isfinite(costs.latency_s[:, 1]).all()
        problem = problem_of(graph(), read.node_records(), links_of(read), costs)
        assert problem.allowed.tolist() == [[False, True]] * 6


def test_without_a_profile_the_roofline_answers_and_says_so(scenario: Callable[..., Scenario]) -> None:
    costs = costs_of(scenario(), graph(), PRICE, GRIDS, roof=ROOF)
    assert costs.latency_s[0] == pytest.approx([2e-3, 4e-3])
    assert costs.energy_j[0] == pytest.approx([2e-3 * 5.0, 2e-3 * 8.0])
    assert costs.method == "assumed"  # the powers of runtime_kit are
    assert "roofline of one CPU of this host" in costs.source
    assert "fixed part unknown" in costs.source
    measured_power = {name: known_as(q, "modelled") for name, q in PRICE.j_per_cpu_s.items() if q}
    price = CpuPrice(j_per_cpu_s=measured_power, idle_w={})
    assert costs_of(scenario(), graph(), price, GRIDS, roof=ROOF).method == "modelled"


def known_as(q: Quantity, method: Any) -> Quantity:
    return Quantity(
        value=q.value,
        low=q.low,
        high=q.high,
        unit=q.unit,
        method=method,
        boundary=q.boundary,
        source=q.source,
    )


def test_a_stage_on_a_rested_node_is_shorter_by_what_the_quota_saved_and_never_below_its_cpu_seconds() -> (
    None
):
    cpu_s, wall_s = 12e-3, 18e-3
    rested = Timed(0, 4, Spread(cpu_s, cpu_s, cpu_s), Spread(wall_s, wall_s, wall_s), 9)
    measured = profile(nodes={"a": node("a"), "b": node("b", rested=rested, caps="cgroup-v2")})
    # 12 ms of CPU would take 24.6 ms without a pause, and took 18: 6.6 ms were saved up.
    assert rested_s(measured, "b", 20e-3) == pytest.approx(20e-3 - 6.6e-3)
    assert rested_s(measured, "b", 8e-3) == pytest.approx(8e-3 / 2.05)
    virtual = profile(nodes={"a": node("a"), "b": node("b", rested=rested)})
    assert rested_s(virtual, "b", 20e-3) == 20e-3


@pytest.mark.parametrize(
    ("change", "overrides", "key", "says"),
    [
        ({"digest": "e" * 64}, {}, "profile", "digest eeeeeeeeeeee"),
        ({"count": 4}, {}, "workload.count", "with 4 inferences a request, not with 1"),
        ({}, {"workload__count": 2}, "workload.count", "with 1 inferences a request, not with 2"),
        ({}, {"nodes__b__cpu_share": 0.7}, "nodes.b.cpu_share", "with 0.5 of a CPU, not with 0.7"),
        ({"pieces": profile().pieces[::-1]}, {}, "profile", "fuses this model in another way"),
    ],
)
def test_a_profile_that_does_not_belong_is_refused(
    scenario: Callable[..., Scenario],
    change: dict[str, Any],
    overrides: dict[str, Any],
    key: str,
    says: str,
) -> None:
    measured = msgspec.structs.replace(profile(), **change)
    with pytest.raises(ConfigError) as caught:
        costs_of(scenario(**overrides), graph(), PRICE, GRIDS, measured)
    assert caught.value.key == key
    assert says in str(caught.value)
    assert "gramwise profile" in str(caught.value)


def test_goals_are_what_the_scenario_says(scenario: Callable[..., Scenario]) -> None:
    plain = goals_of(scenario())
    assert plain == Goals(taken_frac={"a": 0.0, "b": 0.0}, may_run={})
    full = goals_of(
        scenario(
            goals__deadline_s=0.25,
            split__origin="a",
            split__destination="client",
            split__input_stays=True,
            split__charge_idle=True,
            split__line=["a", "b"],
            split__rate_per_s=4.0,
            nodes__b__taken_frac=0.3,
            split__may_run={"Conv": ["b"]},
        )
    )
    assert (full.latency_limit_s, full.rate_per_s, full.line) == (0.25, 4.0, ("a", "b"))
    assert (full.origin, full.destination, full.input_stays, full.charge_idle) == ("a", "", True, True)
    assert full.taken_frac == {"a": 0.0, "b": 0.3}
    assert full.may_run == {"Conv": ("b",)}


def test_an_operator_in_other_letters_is_refused(scenario: Callable[..., Scenario]) -> None:
    goals_of(scenario(split__may_run={"Conv": ["b"], "Gemm": ["a"]}), graph())
    with pytest.raises(ConfigError, match="Did you mean 'Conv'") as caught:
        goals_of(scenario(split__may_run={"conv": ["b"]}), graph())
    assert caught.value.key == "split.may_run.conv"
