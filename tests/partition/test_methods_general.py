"""The methods for any graph and any limits against enumeration; the front against every placement there is."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gramwise.core import plugins
from gramwise.core.machines import Device, Link, Node
from gramwise.core.units import carbon_g
from gramwise.graph import zoo
from gramwise.graph.atoms import merge
from gramwise.graph.load import load_graph
from gramwise.partition.build import OUTSIDE, Goals, Links, Profile, problem_of
from gramwise.partition.dominance import dominated_by, nondominated
from gramwise.partition.front import Front, contiguous_front, front
from gramwise.partition.frontier import frontier
from gramwise.partition.instances import SHAPES, Shape, random_problem
from gramwise.partition.methods.labels import LabelSetting
from gramwise.partition.methods.milp import Milp
from gramwise.partition.problem import OBJECTIVES, Evaluation, Problem, Split, evaluate

Array = npt.NDArray[Any]

SIZES = {2: 6, 3: 4, 4: 4}
"""Layers by number of nodes: some hundred placements each."""

NOISY = 2
"""Seed of a problem on which HiGHS 1.12 (in SciPy 1.17) prints a line though its display is off."""

LIMITS: tuple[dict[str, Any], ...] = (
    {},
    {"memory": True},
    {"latency": True},
    {"memory": True, "latency": True},
)
SPECIAL: tuple[dict[str, Any], ...] = (
    {"rate": True},
    {"idle": True},
    {"idle": True, "memory": True, "latency": True},
    {"line": True, "memory": True},
    {"line": True, "rate": True, "latency": True},
    {"memory": True, "shared_weights": 0.8},
    {"missing_links": 0.5},
)


@cache
def drawn(shape: Shape, seed: int, **limits: Any) -> Problem:
    """Two, three and four nodes and every objective that is a sum, in turn."""
    nodes = (2, 3, 4)[seed % 3]
    objective = OBJECTIVES[seed // 3 % 3]
    return random_problem(shape, SIZES[nodes], nodes, seed, objective=objective, **limits)


def every(problem: Problem) -> tuple[Array, Evaluation]:
    placements = np.array(list(itertools.product(range(problem.k), repeat=problem.n)))
    costs = evaluate(problem, placements)
    return placements[costs.feasible], evaluate(problem, placements[costs.feasible])


@cache
def least(problem: Problem) -> float:
    return float(every(problem)[1].value(problem.objective).min(initial=math.inf))


def holds(problem: Problem, split: Split, best: float, why: object) -> None:
    """The answer is the optimum of all placements, and claims it."""
    assert split.exact, why
    if math.isinf(best):
        assert split.placement is None, why
        return
    assert split.placement is not None, why
    costs = evaluate(problem, np.array([split.placement]))
    assert costs.feasible[0], why
    assert costs.value(problem.objective)[0] == pytest.approx(best, rel=1e-9), why
    assert split.bound == pytest.approx(best, rel=1e-9), why


class TestAgainstEnumeration:
    @pytest.mark.parametrize("limits", LIMITS, ids=str)
    @pytest.mark.parametrize("shape", SHAPES)
    def test_labels_and_milp_find_the_optimum(self, shape: Shape, limits: dict[str, Any]) -> None:
        for seed in range(40):
            problem = drawn(shape, seed, **limits)
            best = least(problem)
            for name in ("labels", "milp"):
                holds(problem, plugins.create("partitioner", name).split(problem), best, (name, seed))

    @pytest.mark.parametrize("limits", SPECIAL, ids=str)
    @pytest.mark.parametrize("shape", SHAPES)
    def test_with_rates_idle_power_lines_and_missing_links(
        self, shape: Shape, limits: dict[str, Any]
    ) -> None:
        for seed in range(100, 103):
            problem = drawn(shape, seed, **limits)
            best = least(problem)
            for name in ("labels", "milp"):
                holds(problem, plugins.create("partitioner", name).split(problem), best, (name, seed))

    @pytest.mark.parametrize("limits", [{}, {"memory": True}, {"line": True, "latency": True}], ids=str)
    @pytest.mark.parametrize("shape", SHAPES)
    def test_milp_finds_the_shortest_period(self, shape: Shape, limits: dict[str, Any]) -> None:
        for seed in range(3):
            nodes = (2, 3, 4)[seed % 3]
            problem = random_problem(shape, SIZES[nodes], nodes, seed, objective="throughput", **limits)
            holds(problem, Milp().split(problem), least(problem), seed)

    def test_some_of_these_are_infeasible_and_some_optima_are_split(self) -> None:
        # So that agreement above is agreement on something.
        problems = [
            drawn(shape, seed, **limits) for shape in SHAPES for limits in LIMITS for seed in range(40)
        ]
        bests = [least(problem) for problem in problems]
        assert any(math.isinf(best) for best in bests)
        singles = [_best_single(problem) for problem in problems]
        split = sum(best < single * (1 - 1e-9) for best, single in zip(bests, singles, strict=True))
        assert split > len(problems) / 4


def _best_single(problem: Problem) -> float:
    costs = evaluate(problem, np.array([[node] * problem.n for node in range(problem.k)]))
    return float(np.where(costs.feasible, costs.value(problem.objective), math.inf).min())


class TestMilp:
    def test_a_bound_where_time_runs_out(self) -> None:
        problem = random_problem("dag", 40, 4, 3, memory=True, latency=True)
        cut_short = Milp(time_limit_s=1e-6).split(problem)
        whole = Milp(time_limit_s=60.0).split(problem)
        assert whole.exact
        assert not cut_short.exact
        assert cut_short.bound <= whole.bound * (1 + 1e-9)

    def test_a_limit_met_exactly_is_kept_and_a_hair_below_is_not(self) -> None:
        problem = random_problem("dag", 7, 3, 1)
        placements, costs = every(problem)
        row = int(np.argsort(costs.latency_s)[len(placements) // 3])
        for limit, allowed in ((1.0, True), (1.0 - 1e-7, False)):
            limited = replace(problem, latency_limit_s=float(costs.latency_s[row]) * limit)
            only = replace(limited, allowed=np.eye(problem.k, dtype=bool)[placements[row]])
            for method in (Milp(), plugins.create("partitioner", "labels")):
                assert (method.split(only).placement is not None) == allowed
                holds(limited, method.split(limited), least(limited), limit)

    def test_grams_of_any_size_are_solved_to_the_same_digit(self) -> None:
        problem = random_problem("series-parallel", 7, 3, 5, memory=True)
        for factor in (1e-9, 1e6):
            scaled = replace(problem, g_per_j=problem.g_per_j * factor)
            holds(scaled, Milp().split(scaled), least(scaled), factor)
            holds(scaled, plugins.create("partitioner", "labels").split(scaled), least(scaled), factor)

    def test_the_solver_writes_nothing_to_standard_output(self, capfd: pytest.CaptureFixture[str]) -> None:
        Milp(60.0).split(random_problem("chain", 150, 5, NOISY, memory=True))
        assert capfd.readouterr().out == ""


class TestLabels:
    def test_says_what_it_does_not_answer(self) -> None:
        labels = plugins.create("partitioner", "labels")
        assert not labels.why_not(drawn("dag", 0, memory=True))
        period = random_problem("chain", 5, 2, 0, objective="throughput")
        assert "no sum" in labels.why_not(period)
        wide = random_problem("dag", 150, 5, 0)
        assert "alive at once" in labels.why_not(wide)
        idle = replace(random_problem("chain", 5, 8, 0), idle_w=np.ones(8))
        assert "idle power" in labels.why_not(idle)
        assert "idle power" in Milp().why_not(idle)

    def test_a_wrong_claim_is_never_made_where_labels_run_out(self) -> None:
        labels = LabelSetting(most_labels=1)
        given_up = 0
        for seed in range(8):
            problem = random_problem("chain", 7, 3, seed, memory=True, latency=True)
            split, best = labels.split(problem), least(problem)
            assert split.bound <= best * (1 + 1e-9)
            if split.exact:
                holds(problem, split, best, seed)
            given_up += not split.exact
        assert given_up


class TestPipeline:
    @pytest.mark.parametrize("limits", [{}, {"memory": True}, {"line": True, "rate": True}], ids=str)
    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_best_of_all_contiguous_stages(self, shape: Shape, limits: dict[str, Any]) -> None:
        pipeline = plugins.create("partitioner", "pipeline")
        for seed in range(3):
            nodes = (2, 3, 4)[seed % 3]
            problem = random_problem(shape, SIZES[nodes], nodes, seed, objective="throughput", **limits)
            placements, costs = every(problem)
            once = np.array([_contiguous(row) for row in placements.tolist()], dtype=bool)
            best = float(costs.period_s[once].min(initial=math.inf))
            split = pipeline.split(problem)
            assert (split.placement is None) == math.isinf(best)
            if split.placement is not None:
                found = evaluate(problem, np.array([split.placement]))
                assert found.feasible[0]
                assert found.period_s[0] == pytest.approx(best, rel=1e-8)
                assert split.bound <= least(problem) * (1 + 1e-9)
                assert not split.exact or best == pytest.approx(least(problem), rel=1e-9)

    def test_it_claims_the_optimum_only_where_a_bound_meets_it(self) -> None:
        # One node is all there is, and links are quick: its own busy time is the bound.
        alone = random_problem("chain", 6, 1, 0, objective="throughput")
        free = np.zeros_like(alone.ways.s_per_byte)
        ways = replace(alone.ways, s_per_byte=free, receive_busy_s=free, receive_busy_s_per_byte=free)
        alone = replace(alone, ways=ways)
        assert plugins.create("partitioner", "pipeline").split(alone).exact
        assert "objective is another" in plugins.create("partitioner", "pipeline").why_not(
            replace(alone, objective="carbon")
        )


def _contiguous(placement: list[int]) -> bool:
    stretches = [node for node, _ in itertools.groupby(placement)]
    return len(set(stretches)) == len(stretches)


class TestDominance:
    @pytest.mark.parametrize("figures", [1, 2, 3, 4, 6])
    def test_as_by_the_definition(self, figures: int) -> None:
        rng = np.random.default_rng(figures)
        for count in (1, 7, 60, 300):
            values = rng.integers(0, 9, (count, figures)).astype(np.float64)
            group = rng.integers(0, 3, count) * 10**12
            beats = (values[:, None] <= values[None]).all(axis=2) & (group[:, None] == group[None])
            strictly = beats & ((values[:, None] < values[None]).any(axis=2))
            first = np.tril(beats, -1).T  # an equal row with a lower position
            expected = np.flatnonzero(~(strictly | (first & ~strictly & beats)).any(axis=0))
            assert sorted(nondominated(values, group).tolist()) == expected.tolist()

    def test_of_none(self) -> None:
        assert len(nondominated(np.zeros((0, 3)))) == 0
        assert not dominated_by(np.zeros((0, 2)), np.ones((4, 2))).any()


def three(costs: Evaluation) -> Array:
    return np.stack([costs.carbon_g, costs.energy_j, costs.latency_s], axis=1)


class TestFront:
    @pytest.mark.parametrize("limits", [*LIMITS, *SPECIAL[:4]], ids=str)
    def test_every_plan_that_none_beats_and_no_other(self, limits: dict[str, Any]) -> None:
        for shape, seed in itertools.product(SHAPES, range(2)):
            problem = drawn(shape, 9 * seed, **limits)
            expected = three(every(problem)[1])
            expected = expected[nondominated(expected)]
            found = front(problem)
            assert found.complete
            assert found.space == "every placement"
            assert found.costs.feasible.all()
            assert dominated_by(three(found.costs) * (1 - 1e-9), expected).all(), seed
            assert not dominated_by(expected * (1 + 1e-9), three(found.costs)).any(), seed
            assert len(found.placements) <= len(expected)

    def test_contiguous_stages_where_labels_run_out(self) -> None:
        problem = random_problem("chain", 8, 3, 2)
        found = front(problem, most_labels=1)
        assert not found.complete
        assert found.space.startswith("contiguous stages, each node once")
        placements, costs = every(problem)
        once = np.array([_contiguous(row) for row in placements.tolist()])
        expected = three(costs)[once]
        assert dominated_by(three(found.costs) * (1 - 1e-9), expected).all()
        assert not dominated_by(expected * (1 + 1e-9), three(found.costs)).any()

    def test_the_ends_are_the_single_optima(self) -> None:
        problem = random_problem("series-parallel", 7, 3, 4, memory=True)
        found = front(problem)
        for objective in OBJECTIVES[:3]:
            aimed = replace(problem, objective=objective)
            assert found.costs.value(objective).min() == pytest.approx(least(aimed), rel=1e-9)

    def test_it_is_the_same_each_time(self) -> None:
        problem = random_problem("dag", 8, 3, 7)
        assert np.array_equal(front(problem).placements, front(problem).placements)


@cache
def mobilenet(alike: bool = True) -> Problem:
    """MobileNetV2 on three nodes of 5 to 20 GFLOP/s, the quicker the dirtier.

    Alike: every node takes the same joules for a layer, as shares of one machine do. Else nodes differ in power, and
    the times of single layers by a random factor.
    """
    graph = merge(load_graph(zoo.path("mobilenetv2-1.0-224")))
    rng = np.random.default_rng(0)
    flop = np.array([layer.work.flop for layer in graph.layers], dtype=np.float64) + 1e5
    spread = 0.0 if alike else 0.25
    latency_s = flop[:, None] / [2e10, 1e10, 5e9] * rng.uniform(1 - spread, 1 + spread, (len(flop), 3))
    names = ("quick", "frugal", "clean")
    link = Link(bytes_per_s=1e8, rtt_s=2e-4, energy_j_per_byte=2e-9, receive_j_per_byte=1e-9)
    links: Links = dict.fromkeys(itertools.permutations((*names, OUTSIDE), 2), link)
    profile = Profile(
        digest=graph.digest,
        layers=tuple(layer.name for layer in graph.layers),
        nodes=names,
        latency_s=latency_s,
        energy_j=latency_s * ([20.0, 10.0, 5.0] if alike else [15.0, 4.0, 5.0]),
        intensity_g_per_kwh=np.array([620.0, 380.0, 50.0]),
        method="assumed",
        source="round figures",
    )
    nodes = [_node(name) for name in names]
    return problem_of(graph, nodes, links, profile, goals=Goals())


def _node(name: str) -> Node:
    device = Device(id="assumed", name="assumed", device_class="sbc")
    return Node(name=name, zone="", device=device, cpu_share=1.0, memory_bytes=2**31)


@cache
def mobilenet_front(alike: bool = True) -> Front:
    return front(mobilenet(alike))


class TestMobileNet:
    @pytest.mark.parametrize("alike", [True, False])
    def test_no_point_is_beaten_by_any_of_ten_thousand_random_plans(self, alike: bool) -> None:
        problem, found = mobilenet(alike), mobilenet_front(alike)
        assert (problem.n, problem.k) == (65, 3)
        assert found.complete == alike
        rng = np.random.default_rng(1)
        anywhere = rng.integers(0, 3, (5000, 65))
        cuts = np.sort(rng.integers(0, 66, (5000, 2)), axis=1)
        stage = (np.arange(65)[None, :, None] >= cuts[:, None, :]).sum(axis=2)
        nodes = np.array([rng.permutation(3) for _ in range(5000)])
        plans = np.concatenate([anywhere, np.take_along_axis(nodes, stage, axis=1)])
        points = three(found.costs)
        assert not dominated_by(three(evaluate(problem, plans)), points * (1 - 1e-12)).any()
        # And it beats or equals each of them, which a front with gaps would not.
        reached = dominated_by(points * (1 - 1e-9), three(evaluate(problem, plans)))
        assert reached[5000:].all()
        assert reached.all() or not alike

    def test_it_reaches_further_than_contiguous_stages(self) -> None:
        near = contiguous_front(mobilenet())
        assert dominated_by(three(mobilenet_front().costs) * (1 - 1e-9), three(near.costs)).all()
        assert not dominated_by(three(near.costs) * (1 - 1e-9), three(mobilenet_front().costs)).all()

    def test_where_it_cannot_be_complete_the_ends_still_are(self) -> None:
        found = mobilenet_front(alike=False)
        assert found.space == (
            "contiguous stages, each node once, and the best of all placements for 45 weightings"
        )
        for objective in OBJECTIVES[:3]:
            split = LabelSetting().split(replace(mobilenet(alike=False), objective=objective))
            assert split.exact
            assert found.costs.value(objective).min() == pytest.approx(split.bound, rel=1e-9)

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_labels_find_points_of_the_front(self, share: float) -> None:
        costs = mobilenet_front().costs
        problem = replace(mobilenet(), latency_limit_s=float(np.quantile(costs.latency_s, share)))
        best = costs.carbon_g[costs.latency_s <= problem.latency_limit_s].min()
        holds(problem, LabelSetting().split(problem), float(best), share)

    def test_milp_finds_the_end_of_the_front(self) -> None:
        for objective in OBJECTIVES[:3]:
            problem = replace(mobilenet(alike=False), objective=objective)
            best = mobilenet_front(alike=False).costs.value(objective).min()
            holds(problem, Milp(60.0).split(problem), float(best), objective)

    def test_states_are_few(self) -> None:
        states = frontier(mobilenet())
        assert states is not None
        assert max(len(step.follow) for step in states.steps) <= 3**3

    def test_carbon_is_in_grams(self) -> None:
        node = np.array([[2] * 65])
        joules = float(mobilenet().energy_j[:, 2].sum())
        moved_j = float(evaluate(mobilenet(), node).energy_j[0]) - joules
        assert moved_j == pytest.approx((3 * 224 * 224 * 4 + 4000) * 3e-9, rel=1e-6)
        whole = float(evaluate(mobilenet(), node).carbon_g[0])
        assert whole == pytest.approx(float(carbon_g(joules + moved_j, 50.0, 1.0)), rel=1e-9)
