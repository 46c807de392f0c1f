"""Whole plans on small networks worked out by hand: stages, their sums, the reasons, the price of goals, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gramwise.core.errors import ConfigError, Infeasible
from gramwise.core.machines import Device, Link, Node
from gramwise.core.model import Layer, ModelGraph, Work
from gramwise.core.units import carbon_g
from gramwise.partition import OUTSIDE, Goals, PartitionResult, Profile, problem_of, solve
from gramwise.partition.solver import solve_problem
from gramwise.partition.verdict import Verdict, judge

SIZES = (1000, 400, 10, 300, 4)
"""Bytes of the input and of what each of four layers makes: the narrow place is after the second."""


def chain(weights: tuple[int, ...] = (100, 100, 100, 100)) -> ModelGraph:
    names = ["input", "a", "b", "c", "d"]
    layers = tuple(
        Layer(
            name=names[i + 1],
            op="Conv",
            work=Work(flop=1.0),
            weight_bytes=weights[i],
            inputs=(names[i],),
            outputs=(names[i + 1],),
            precision="fp32",
            constants=(f"w{i}",),
        )
        for i in range(4)
    )
    return ModelGraph(
        name="chain",
        layers=layers,
        tensor_bytes=dict(zip(names, SIZES, strict=True)),
        inputs=("input",),
        outputs=("d",),
        weight_bytes=sum(weights),
        digest="d" * 64,
        constant_bytes={f"w{i}": size for i, size in enumerate(weights)},
    )


def node(name: str, memory_bytes: int = 10**9) -> Node:
    return Node(
        name=name,
        zone="X",
        device=Device(id=name, name=name, device_class="test", idle_w=1.0),
        cpu_share=1.0,
        memory_bytes=memory_bytes,
    )


NODES = (node("green"), node("brown"))


def links(*names: str, bytes_per_s: float = 1e6, joules: float = 0.0) -> dict[tuple[str, str], Link]:
    link = Link(bytes_per_s=bytes_per_s, rtt_s=0.002, energy_j_per_byte=joules, source="test")
    return {(a, b): link for a in names for b in names if a != b}


EVERYWHERE = links(OUTSIDE, "green", "brown")


def profile(
    graph: ModelGraph, latency_s: list[list[float]], energy_j: list[list[float]], intensity: tuple[float, ...]
) -> Profile:
    return Profile(
        digest=graph.digest,
        layers=tuple(layer.name for layer in graph.layers),
        nodes=("green", "brown")[: len(intensity)],
        latency_s=np.array(latency_s),
        energy_j=np.array(energy_j),
        intensity_g_per_kwh=np.array(intensity),
        method="assumed",
        source="by hand",
    )


SLOW_AND_FAST = [[0.4, 0.1]] * 4
"""Seconds of each layer: green is four times as slow."""


def plain(graph: ModelGraph) -> Profile:
    """The same joules everywhere, so that grams follow the grid: green is the cheapest for every layer."""
    return profile(graph, SLOW_AND_FAST, [[1.0, 1.0]] * 4, (100.0, 400.0))


def judged(
    graph: ModelGraph, costs: Profile, goals: Goals, nodes: tuple[Node, ...] = NODES
) -> tuple[PartitionResult, Verdict]:
    found = solve(graph, nodes, EVERYWHERE, costs, goals=goals)
    return found, judge(found, nodes, goals)


def test_the_cheapest_node_for_every_layer_takes_all_and_the_verdict_says_that_no_split_can() -> None:
    found, verdict = judged(chain(), plain(chain()), Goals())
    assert [stage.node for stage in found.stages] == ["green"]
    assert found.exact
    assert not found.split
    assert verdict.reasons == ()
    assert "No split can lower carbon: green is the cheapest for every one of the 4 layers" in verdict.reason
    # four layers of 0.4 s, half a round trip each way, input of 1000 B and answer of 4 B over 1 MB/s
    assert found.cost.latency_s == pytest.approx(1.6 + 0.002 + 0.001004)
    assert found.cost.carbon_g == pytest.approx(carbon_g(4.0, 100.0, 1.0))


def test_a_latency_limit_splits_at_the_narrow_place_and_has_its_price() -> None:
    found, verdict = judged(chain(), plain(chain()), Goals(latency_limit_s=1.4))
    assert found.split
    assert verdict.reasons == ("latency goal",)
    price = next(p for p in verdict.prices if p.goal == "latency goal")
    # one layer of four moves from 100 to 400 g/kWh
    assert price.carbon_g == pytest.approx(carbon_g(1.0, 300.0, 1.0))
    assert price.exact
    assert not price.splits_without
    assert "The best single node, brown" in verdict.reason


def test_memory_splits_what_does_not_fit() -> None:
    nodes = (node("green", 2200), node("brown", 10**9))
    graph = chain((500, 500, 500, 500))
    found, verdict = judged(graph, plain(graph), Goals(), nodes)
    assert found.split
    assert verdict.reasons == ("memory",)
    green = next(stage for stage in found.stages if stage.node == "green")
    assert green.memory_bytes <= 2200


def test_affinity_splits_without_any_goal() -> None:
    graph = chain()
    costs = profile(graph, SLOW_AND_FAST, [[1.0, 9.0], [1.0, 9.0], [9.0, 1.0], [9.0, 1.0]], (100.0, 100.0))
    found, verdict = judged(graph, costs, Goals())
    assert [(stage.node, stage.layers) for stage in found.stages] == [("green", (0, 2)), ("brown", (2, 4))]
    assert verdict.reasons == ("operator affinity",)
    assert found.stages[0].outputs == ("b",)
    assert found.stages[1].inputs == ("b",)
    assert found.stages[0].send_bytes == 10
    assert found.stages[1].receive_bytes == 10


def test_a_full_node_and_a_rate_are_told_apart() -> None:
    graph = chain()
    rate = Goals(rate_per_s=1.0)  # green needs 1.6 s for one
    found, verdict = judged(graph, plain(graph), rate)
    assert found.split
    assert verdict.reasons == ("throughput goal",)
    full = Goals(rate_per_s=0.6, taken_frac={"green": 0.5})  # 1.67 s for one, half of it taken
    found, verdict = judged(graph, plain(graph), full)
    assert found.split
    assert "full node" in verdict.reasons
    assert {p.goal for p in verdict.prices} == {"throughput goal", "full node"}


def test_data_location_splits_where_an_inner_tensor_is_cheaper_to_move() -> None:
    graph = chain()
    near = profile(graph, SLOW_AND_FAST, [[1.0, 1.1]] * 4, (100.0, 100.0))
    dear = links("green", "brown", OUTSIDE, joules=1e-3)  # a byte costs a millijoule
    goals = Goals(origin="brown", destination="brown")
    found = solve(graph, NODES, dear, near, objective="energy", goals=goals)
    verdict = judge(found, NODES, goals)
    # brown: 4.4 J. green for all: 4 + 1.004. cut after b: 2.2 + 0.01 + 2.0 + 0.004.
    assert [(stage.node, stage.layers) for stage in found.stages] == [("brown", (0, 2)), ("green", (2, 4))]
    assert found.cost.energy_j == pytest.approx(4.214)
    assert verdict.reasons == ("data location",)


def test_input_that_must_stay_keeps_the_first_layer() -> None:
    graph = chain()
    goals = Goals(origin="brown", destination="brown", input_stays=True)
    found = solve(graph, NODES, EVERYWHERE, plain(graph), goals=goals)
    assert found.placement[0] == 1
    assert "data location" in judge(found, NODES, goals).reasons


def test_stages_add_up_to_the_cost() -> None:
    graph = chain()
    costs = profile(graph, SLOW_AND_FAST, [[1.0, 9.0], [9.0, 1.0], [1.0, 9.0], [9.0, 1.0]], (100.0, 150.0))
    dear = links("green", "brown", OUTSIDE, joules=1e-5)
    found = solve(graph, NODES, dear, costs)
    assert [stage.node for stage in found.stages] == ["green", "brown", "green", "brown"]
    assert sum(stage.latency_s for stage in found.stages) == pytest.approx(found.cost.latency_s)
    assert sum(stage.energy_j for stage in found.stages) == pytest.approx(found.cost.energy_j)
    assert sum(found.carbon_g) == pytest.approx(found.cost.carbon_g)


def test_waiting_powered_is_charged_when_asked() -> None:
    graph = chain()
    costs = profile(graph, SLOW_AND_FAST, [[1.0, 9.0], [1.0, 9.0], [9.0, 1.0], [9.0, 1.0]], (100.0, 100.0))
    sunk = solve(graph, NODES, EVERYWHERE, costs, objective="energy")
    charged = solve(graph, NODES, EVERYWHERE, costs, objective="energy", goals=Goals(charge_idle=True))
    assert sunk.split
    # each of the two waits powered, at 1 W, while the other computes and while tensors travel
    waited_s = 2 * charged.cost.latency_s - 0.8 - 0.2
    assert charged.cost.energy_j == pytest.approx(sunk.cost.energy_j + waited_s)
    assert sum(stage.energy_j for stage in charged.stages) == pytest.approx(charged.cost.energy_j)


@pytest.mark.parametrize("objective", ["carbon", "energy", "latency", "throughput"])
def test_each_objective_is_the_least_of_all_placements(objective: str) -> None:
    graph = chain()
    costs = profile(graph, [[0.4, 0.1], [0.1, 0.4], [0.2, 0.3], [0.3, 0.2]], [[1.0, 2.0]] * 4, (100.0, 60.0))
    found = solve(graph, NODES, EVERYWHERE, costs, objective=objective)  # type: ignore[arg-type]
    reference = solve(graph, NODES, EVERYWHERE, costs, objective=objective, method="enumeration")  # type: ignore[arg-type]
    assert found.exact or objective == "throughput"
    assert found.value == pytest.approx(reference.value, rel=1e-9 if found.exact else 0.05)
    assert found.bound <= reference.value * (1 + 1e-9)


def test_a_profile_of_another_model_is_refused_by_digest() -> None:
    graph = chain()
    with pytest.raises(
        ConfigError, match=r"profile: the profile is of another model: its digest begins with eeee"
    ):
        solve(graph, NODES, EVERYWHERE, replace(plain(graph), digest="e" * 64))


def test_a_model_that_fits_nowhere_even_split_is_refused_with_the_sizes() -> None:
    nodes = (node("green", 2000), node("brown", 2000))
    graph = chain((10**6, 10**6, 10**6, 10**6))
    with pytest.raises(Infeasible, match=r"not even split.*weights take 3.8 MiB.*room for 0.0 MiB"):
        solve(graph, nodes, EVERYWHERE, plain(graph))


def test_without_a_link_between_them_two_nodes_share_nothing() -> None:
    graph = chain()
    costs = profile(graph, SLOW_AND_FAST, [[1.0, 9.0], [1.0, 9.0], [9.0, 1.0], [9.0, 1.0]], (100.0, 100.0))
    apart = {pair: link for pair, link in EVERYWHERE.items() if OUTSIDE in pair}
    found = solve(graph, NODES, apart, costs)
    assert not found.split
    tight = (node("green", 1900), node("brown", 1900))
    heavy = chain((300, 300, 300, 300))
    with pytest.raises(Infeasible):
        solve(heavy, tight, apart, profile(heavy, SLOW_AND_FAST, [[1.0, 1.0]] * 4, (100.0, 100.0)))


def test_what_is_unknown_is_never_chosen() -> None:
    graph = chain()
    costs = profile(graph, SLOW_AND_FAST, [[float("nan"), 5.0]] * 4, (1.0, 900.0))
    assert {stage.node for stage in solve(graph, NODES, EVERYWHERE, costs).stages} == {"brown"}
    dark = profile(graph, SLOW_AND_FAST, [[1.0, 5.0]] * 4, (float("nan"), 900.0))
    assert {stage.node for stage in solve(graph, NODES, EVERYWHERE, dark).stages} == {"brown"}
    assert {stage.node for stage in solve(graph, NODES, EVERYWHERE, dark, objective="energy").stages} == {
        "green"
    }


def test_names_that_are_not_there_are_refused_with_the_nearest() -> None:
    graph = chain()
    with pytest.raises(ConfigError, match="Did you mean 'green'"):
        solve(graph, NODES, EVERYWHERE, plain(graph), goals=Goals(origin="gren"))
    with pytest.raises(ConfigError, match="no partitioner called 'mincutt'"):
        solve(graph, NODES, EVERYWHERE, plain(graph), method="mincutt")
    with pytest.raises(ConfigError, match="there is no objective 'speed'"):
        solve(graph, NODES, EVERYWHERE, plain(graph), objective="speed")  # type: ignore[arg-type]
    limited = problem_of(graph, NODES, EVERYWHERE, plain(graph), goals=Goals(latency_limit_s=1.0))
    with pytest.raises(ConfigError, match="cannot answer this"):
        solve_problem(limited, "mincut")


def test_scaling_every_intensity_changes_no_placement() -> None:
    graph = chain()
    costs = profile(graph, SLOW_AND_FAST, [[1.0, 0.3], [1.0, 2.0], [3.0, 1.0], [1.0, 1.0]], (120.0, 90.0))
    twice = replace(costs, intensity_g_per_kwh=costs.intensity_g_per_kwh * 2)
    goals = Goals(latency_limit_s=1.2)
    first = solve(graph, NODES, EVERYWHERE, costs, goals=goals)
    second = solve(graph, NODES, EVERYWHERE, twice, goals=goals)
    assert first.placement == second.placement
    assert second.cost.carbon_g == pytest.approx(2 * first.cost.carbon_g)
