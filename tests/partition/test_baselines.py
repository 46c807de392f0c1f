"""The rules that ours are set beside: what was published, reproduced to the letter, and what it gets wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import accumulate, pairwise, permutations

import numpy as np
import pytest

from gramwise.core import plugins
from gramwise.core.machines import Device, Link, Node
from gramwise.core.model import Layer, ModelGraph, Work
from gramwise.graph import zoo
from gramwise.graph.atoms import merge
from gramwise.graph.cuts import legal_cuts
from gramwise.graph.load import load_graph
from gramwise.graph.zoo.modules import mobilenetv2_modules
from gramwise.partition.build import OUTSIDE, Goals, Profile, problem_of
from gramwise.partition.problem import Objective, Partitioner, Problem, Split, evaluate
from gramwise.partition.published import contiguous, equation_5, fill, layer_cost, layer_costs

BASELINES = ("amp4ec", "equal", "neurosurgeon")
PARTS = {2: (116, 25), 3: (108, 16, 17), 4: (100, 16, 16, 9)}
"""Leaf modules of each part, as AMP4EC's public README lists them."""

MODULES = mobilenetv2_modules()
COSTS = tuple(equation_5(m.kernel, m.groups, m.parameters) for m in MODULES)
DEPTHWISE = tuple(m.kind == "Conv2d" and m.groups > 1 for m in MODULES)


def share(values: tuple[float, ...], chosen: tuple[bool, ...]) -> float:
    return sum(v for v, c in zip(values, chosen, strict=True) if c) / sum(values)


def macs() -> tuple[float, ...]:
    return tuple(float(m.mac) for m in MODULES)


def last_modules(parts: tuple[int, ...]) -> list[str]:
    return [MODULES[end - 1].name for end in accumulate(parts[:-1])]


class TestModules:
    def test_torchvisions_count_parameters_and_work(self) -> None:
        assert len(MODULES) == 141
        assert sum(m.parameters for m in MODULES) == 3_504_872
        assert sum(m.mac for m in MODULES) == 300_774_272

    def test_kinds_in_the_order_of_the_blocks(self) -> None:
        kinds = [m.kind for m in MODULES]
        norm = ["Conv2d", "BatchNorm2d"]
        act = [*norm, "ReLU6"]
        assert kinds == act + (act + norm) + 16 * (act + act + norm) + act + ["Dropout", "Linear"]

    def test_work_is_that_of_the_graph(self) -> None:
        graph = load_graph(zoo.path("mobilenetv2-1.0-224"))
        multiplies = {
            layer.name: layer.work.flop / 2 for layer in graph.layers if layer.op in ("Conv", "Gemm")
        }
        ours = {m.name: m.mac for m in MODULES if m.mac}
        assert ours.keys() == multiplies.keys()
        for name, mac in ours.items():  # a bias is an addition more for each output
            assert mac == pytest.approx(multiplies[name], rel=0.06), name
            assert mac <= multiplies[name]


class TestPublishedRule:
    @pytest.mark.parametrize("parts", PARTS)
    def test_parts_of_the_readme(self, parts: int) -> None:
        assert fill(COSTS, parts) == PARTS[parts]

    def test_what_equation_5_charges(self) -> None:
        assert equation_5((64, 3, 3, 5), 1, 99) == 3 * 5 * 3 * 64
        assert equation_5((960, 1, 3, 3), 960, 99) == 9 * 960 * 960, "groups are left out"
        assert equation_5((1000, 1280), 1, 99) == 1_280_000
        assert equation_5((), 1, 64) == 64
        assert equation_5((64, 3, 3), 1, 99) == 99, "a one-dimensional convolution is no Conv2d"

    def test_shares_of_the_cost_and_of_the_work(self) -> None:
        first, last = (tuple(i == at for i in range(141)) for at in (0, 140))
        assert [round(100 * share(COSTS, chosen), 3) for chosen in (DEPTHWISE, first, last)] == [
            92.191,
            0.002,
            2.906,
        ]
        assert [round(100 * share(macs(), chosen), 1) for chosen in (DEPTHWISE, first, last)] == [
            6.9,
            3.6,
            0.4,
        ]

    @pytest.mark.parametrize(
        ("parts", "shares"),
        [(2, [77.6, 22.4]), (3, [73.5, 9.3, 17.2]), (4, [66.2, 11.4, 10.3, 12.1])],
    )
    def test_true_work_of_the_balanced_parts(self, parts: int, shares: list[float]) -> None:
        ends = [0, *accumulate(fill(COSTS, parts))]
        work = macs()
        assert [round(100 * sum(work[a:b]) / sum(work), 1) for a, b in pairwise(ends)] == shares

    def test_fewer_parts_where_one_layer_outweighs_the_rest(self) -> None:
        assert fill([1, 98, 1], 4) == (2, 1)
        assert fill([98, 1, 1], 2) == (1, 2)

    def test_free_layers_at_the_end_open_no_part_too_many(self) -> None:
        assert fill([5, 5, 0], 2) == (1, 2)

    def test_placement_of_runs(self) -> None:
        assert contiguous((2, 1, 3)) == (0, 0, 1, 2, 2, 2)


class TestWhereTheCutLands:
    def test_two_parts_are_cut_behind_a_depthwise_layer_inside_a_residual_block(self) -> None:
        assert last_modules(PARTS[2]) == ["block15.depthwise"]
        assert last_modules(PARTS[3]) == ["block14.depthwise", "block16.depthwise"]
        assert last_modules(PARTS[4]) == ["block13.depthwise", "block15.depthwise", "block17.depthwise"]

    def test_what_travels_there_and_at_the_border_of_the_block(self) -> None:
        graph = load_graph(zoo.path("mobilenetv2-1.0-224"))
        cuts = {cut.after: cut for cut in legal_cuts(graph)}
        inside, border = cuts["block15.depthwise"], cuts["block15.add"]
        assert inside.tensors == ("block14.project", "block15.depthwise")
        sizes = [graph.tensor_bytes[name] / 1024 for name in inside.tensors]
        assert sizes == [30.625, 183.75]
        assert inside.bytes == sum(sizes) * 1024
        assert border.tensors == ("block15.add",)
        assert border.bytes == 30.625 * 1024


def node(name: str, memory_bytes: int = 2**30) -> Node:
    device = Device(id="d", name="d", device_class="sbc")
    return Node(name=name, zone="z", device=device, cpu_share=1.0, memory_bytes=memory_bytes)


def links(names: tuple[str, ...], *, bytes_per_s: float = 1e6) -> dict[tuple[str, str], Link]:
    link = Link(bytes_per_s=bytes_per_s, rtt_s=1e-3, energy_j_per_byte=1e-7)
    return dict.fromkeys(permutations((*names, OUTSIDE), 2), link)


def problem(
    graph: ModelGraph, k: int, *, seed: int = 0, goals: Goals | None = None, **others: float
) -> Problem:
    """Random times and joules on k nodes that can all speak."""
    rng = np.random.default_rng(seed)
    nodes = [node(f"n{i}", int(others.get("memory_bytes", 2**30))) for i in range(k)]
    names = tuple(n.name for n in nodes)
    profile = Profile(
        digest=graph.digest,
        layers=tuple(layer.name for layer in graph.layers),
        nodes=names,
        latency_s=rng.uniform(1e-3, 1e-1, (len(graph.layers), k)),
        energy_j=rng.uniform(1e-3, 1.0, (len(graph.layers), k)),
        intensity_g_per_kwh=rng.uniform(50, 600, k),
        method="assumed",
        source="random numbers",
    )
    between = links(names, bytes_per_s=others.get("bytes_per_s", 1e6))
    return problem_of(graph, nodes, between, profile, goals=goals)


def chain_with_a_skip(n: int) -> ModelGraph:
    """n layers, each of which reads the one before; the last one reads the first as well."""
    layers = tuple(
        Layer(
            name=f"l{v}",
            op="Conv",
            work=Work(flop=1.0),
            weight_bytes=1000,
            inputs=("x" if v == 0 else f"t{v - 1}", *(("t0",) if v == n - 1 else ())),
            outputs=(f"t{v}",),
            precision="fp32",
            constants=(f"w{v}",),
        )
        for v in range(n)
    )
    rng = np.random.default_rng(n)
    sizes = {name: int(rng.integers(10, 50_000)) for name in ("x", *(f"t{v}" for v in range(n)))}
    return ModelGraph(
        name="chain",
        layers=layers,
        tensor_bytes=sizes,
        inputs=("x",),
        outputs=(f"t{n - 1}",),
        weight_bytes=1000 * n,
        digest="d",
        constant_bytes={f"w{v}": 1000 for v in range(n)},
    )


def split(name: str, p: Problem) -> Split:
    method = plugins.create("partitioner", name)
    assert method.why_not(p) == ""
    answer = method.split(p)
    assert isinstance(answer, Split)
    return answer


class TestPlugins:
    @pytest.mark.parametrize("name", BASELINES)
    def test_each_is_found_claims_nothing_and_answers_alike_twice(self, name: str) -> None:
        method = plugins.create("partitioner", name)
        assert isinstance(method, Partitioner)
        assert (method.name, method.exact) == (name, False)
        p = problem(chain_with_a_skip(7), 3)
        first, second = method.split(p), method.split(p)
        assert first == second
        assert (first.exact, first.bound) == (False, -math.inf)
        assert first.placement is not None
        assert len(first.placement) == 7

    def test_equal_counts(self) -> None:
        assert split("equal", problem(chain_with_a_skip(7), 3)).placement == (0, 0, 0, 1, 1, 2, 2)
        assert split("equal", problem(chain_with_a_skip(2), 4)).placement == (0, 1)

    def test_limits_do_not_stop_a_baseline(self) -> None:
        p = problem(chain_with_a_skip(6), 2, memory_bytes=100)
        for name in BASELINES:
            placement = split(name, p).placement
            assert placement is not None
            assert not evaluate(p, np.array([placement])).feasible[0]


class TestAmp4ec:
    @pytest.mark.parametrize("parts", PARTS)
    def test_borders_on_our_graph_are_those_of_the_modules(self, parts: int) -> None:
        graph = load_graph(zoo.path("mobilenetv2-1.0-224"))
        placement = split("amp4ec", problem(graph, parts)).placement
        assert placement is not None
        borders = [
            graph.layers[v].name for v in range(len(graph.layers) - 1) if placement[v] != placement[v + 1]
        ]
        assert borders == last_modules(PARTS[parts])
        assert list(placement) == sorted(placement)

    @pytest.mark.parametrize("parts", PARTS)
    def test_merging_layers_moves_no_border_but_behind_the_activation(self, parts: int) -> None:
        atoms = merge(load_graph(zoo.path("mobilenetv2-1.0-224")))
        sizes = fill(layer_costs(atoms), parts)
        last = [atoms.layers[end - 1] for end in accumulate(sizes[:-1])]
        assert [atom.members[0] for atom in last] == last_modules(PARTS[parts])
        assert all(len(atom.members) == 2 for atom in last)

    def test_our_layers_are_charged_as_their_modules_are(self) -> None:
        graph = load_graph(zoo.path("mobilenetv2-1.0-224"))
        ours = {
            layer.name: cost for layer, cost in zip(graph.layers, layer_costs(graph), strict=True) if cost
        }
        theirs = {m.name: c for m, c in zip(MODULES, COSTS, strict=True) if m.kind in ("Conv2d", "Linear")}
        assert ours == theirs

    def test_parameters_of_other_layers(self) -> None:
        base = chain_with_a_skip(2).layers[0]
        size = {"w0": 4000}
        assert layer_cost(replace(base, op="BatchNormalization"), size) == 500, "buffers are no parameters"
        assert layer_cost(replace(base, op="LayerNormalization"), size) == 1000
        assert layer_cost(replace(base, op="Clip"), size) == 0
        assert layer_cost(replace(base, op="Gather", precision="int8"), size) == 4000
        assert layer_cost(replace(base, op="Conv+Clip", kernel=(8, 1, 3, 3), groups=8), size) == 9 * 64
        assert layer_cost(replace(base, op="ConvTranspose", kernel=(8, 1, 3, 3), groups=8), size) == 1000
        assert layer_cost(replace(base, op="MatMul+Add", kernel=(20, 50)), size) == 1000

    def test_nothing_to_count_is_said(self) -> None:
        p = problem(chain_with_a_skip(5), 2)
        method = plugins.create("partitioner", "amp4ec")
        assert method.why_not(p) == ""
        for missing in (None, np.zeros(5)):
            assert "kernel" in method.why_not(replace(p, published_cost=missing))


def best_single_cut(p: Problem) -> float:
    """By the definition, one placement at a time."""
    free = replace(
        p,
        memory_bytes=np.full(p.k, math.inf),
        budget_s=np.full(p.k, math.inf),
        latency_limit_s=math.inf,
    )
    least = math.inf
    for a, b in permutations(range(p.k), 2):
        for at in range(p.n + 1):
            found = evaluate(free, np.array([[a] * at + [b] * (p.n - at)]))
            if found.feasible[0]:
                least = min(least, float(found.value(p.objective)[0]))
    return least


class TestNeurosurgeon:
    @pytest.mark.parametrize("objective", ["latency", "energy", "carbon"])
    @pytest.mark.parametrize("seed", range(8))
    def test_best_of_every_cut_and_pair(self, objective: Objective, seed: int) -> None:
        graph = chain_with_a_skip(4 + seed)
        p = problem(graph, 2 + seed % 3, seed=seed, bytes_per_s=1e6 * 10 ** (seed % 3))
        p = replace(p, objective=objective)
        placement = split("neurosurgeon", p).placement
        assert placement is not None
        got = float(evaluate(p, np.array([placement])).value(p.objective)[0])
        assert got == pytest.approx(best_single_cut(p), rel=1e-12)
        assert sum(a != b for a, b in pairwise(placement)) <= 1

    def test_blocks_do_not_change_the_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        p = problem(chain_with_a_skip(9), 4, seed=3)
        whole = split("neurosurgeon", p)
        monkeypatch.setattr("gramwise.partition.methods.neurosurgeon._BLOCK", 20)
        assert split("neurosurgeon", p) == whole

    def test_some_cut_is_really_chosen(self) -> None:
        p = problem(chain_with_a_skip(8), 2, bytes_per_s=1e9)
        slow = np.full((8, 2), 1.0)
        slow[:4, 0] = slow[4:, 1] = 0.1
        p = replace(p, objective="latency", latency_s=slow)
        assert split("neurosurgeon", p).placement == (0, 0, 0, 0, 1, 1, 1, 1)

    def test_of_equals_an_unsplit_one_on_the_first_node(self) -> None:
        p = problem(chain_with_a_skip(5), 3)
        p = replace(p, objective="energy", energy_j=np.zeros((5, 3)), tensors=p.tensors[1:-1])
        assert split("neurosurgeon", p).placement == (0,) * 5

    def test_an_unknown_cost_is_never_the_best(self) -> None:
        p = problem(chain_with_a_skip(5), 2)
        allowed = np.ones((5, 2), dtype=np.bool_)
        allowed[2, 0] = False
        energy_j = p.energy_j.copy()
        energy_j[:, 0] = 0.0
        placement = split("neurosurgeon", replace(p, allowed=allowed, energy_j=energy_j)).placement
        assert placement is not None
        assert placement[2] == 1

    def test_nowhere_to_run_is_no_placement(self) -> None:
        p = problem(chain_with_a_skip(5), 2)
        nowhere = replace(p, allowed=np.zeros((5, 2), dtype=np.bool_))
        assert split("neurosurgeon", nowhere).placement is None

    def test_along_a_line_only_forwards(self) -> None:
        p = problem(chain_with_a_skip(6), 3, goals=Goals(line=("n2", "n1", "n0")))
        cheap = np.full((6, 3), 1.0)
        cheap[:3, 0] = cheap[3:, 2] = 0.0
        placement = split("neurosurgeon", replace(p, energy_j=cheap)).placement
        assert placement is not None
        assert evaluate(p, np.array([placement])).feasible[0]

    def test_not_for_throughput(self) -> None:
        p = replace(problem(chain_with_a_skip(5), 2), objective="throughput")
        assert "slowest" in plugins.create("partitioner", "neurosurgeon").why_not(p)
