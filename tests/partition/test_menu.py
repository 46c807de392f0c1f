"""The menu: computed once, then for any grids and any latency limit as good as solving its space anew."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gramwise.core.errors import Infeasible
from gramwise.partition.instances import SHAPES, random_problem
from gramwise.partition.menu import Menu, menu_of
from gramwise.partition.problem import Problem, evaluate
from gramwise.partition.stages import contiguous, count, most_stages

LIMITS: tuple[dict[str, Any], ...] = ({}, {"memory": True}, {"rate": True}, {"idle": True}, {"line": True})


def best_anew(problem: Problem) -> float:
    """The fewest grams over contiguous stages, by listing them all as the problem stands now."""
    best = math.inf
    for placements in contiguous(problem, problem.k):
        costs = evaluate(problem, placements)
        best = min(best, float(costs.carbon_g[costs.feasible].min(initial=math.inf)))
    return best


class TestChoice:
    @pytest.mark.parametrize("limits", LIMITS, ids=str)
    @pytest.mark.parametrize("shape", SHAPES)
    def test_for_any_grids_and_any_latency_as_solving_anew(self, shape: Any, limits: dict[str, Any]) -> None:
        chosen = 0
        for seed in range(5):
            problem = random_problem(shape, 8, 3, seed, **limits)
            menu = menu_of(problem)
            rng = np.random.default_rng(seed)
            for _ in range(6):
                g_per_j = np.append(10 ** rng.uniform(-5.5, -3.0, 3), 0.0)
                fastest = menu.latency_s.min(initial=0.05)
                limit_s = float(rng.choice([math.inf, fastest * rng.uniform(0.9, 2.0)]))
                now = replace(problem, g_per_j=g_per_j, latency_limit_s=limit_s)
                best = best_anew(now)
                if math.isinf(best):
                    with pytest.raises(Infeasible):
                        menu.choose(g_per_j, limit_s)
                    continue
                row = menu.choose(g_per_j, limit_s)
                costs = evaluate(now, menu.placements[row : row + 1])
                assert costs.feasible[0]
                assert costs.carbon_g[0] == pytest.approx(best, rel=1e-9)
                chosen += 1
        assert chosen > 5

    def test_a_limit_met_exactly_is_met(self) -> None:
        menu = menu_of(random_problem("chain", 8, 3, 0))
        quickest = float(menu.latency_s[0])
        assert menu.latency_s[menu.choose(np.zeros(4), quickest)] == quickest
        with pytest.raises(Infeasible, match="in time"):
            menu.choose(np.zeros(4), quickest * (1 - 1e-6))

    def test_unknown_grams_are_never_the_best(self) -> None:
        problem = random_problem("chain", 8, 3, 3)
        menu = menu_of(problem)
        usual = menu.choose(problem.g_per_j)
        used = int(menu.node_energy_j[usual, :3].argmax())
        g_per_j = problem.g_per_j.copy()
        g_per_j[used] = math.nan
        row = menu.choose(g_per_j)
        assert menu.node_energy_j[row, used] == 0.0
        assert not (menu.placements[row] == used).any()
        with pytest.raises(Infeasible, match="unknown"):
            menu.choose(np.full(4, math.nan))

    def test_figures_are_those_of_the_plans(self) -> None:
        problem = random_problem("dag", 8, 3, 1, idle=True)
        menu = menu_of(problem)
        costs = evaluate(problem, menu.placements)
        assert np.array_equal(menu.node_energy_j, costs.node_energy_j)
        assert np.array_equal(menu.period_s, costs.period_s)
        assert (np.diff(menu.latency_s) >= 0).all()

    def test_the_problems_own_grids_and_latency_limit_do_not_matter(self) -> None:
        problem = random_problem("chain", 8, 3, 4)
        other = replace(problem, g_per_j=problem.g_per_j[::-1].copy(), latency_limit_s=1e-9)
        assert np.array_equal(menu_of(problem).placements, menu_of(other).placements)


class TestListing:
    def test_every_contiguous_placement_once(self) -> None:
        problem = replace(random_problem("chain", 6, 3, 0), allowed=np.ones((6, 3), dtype=np.bool_))
        listed = np.concatenate(list(contiguous(problem, 3)))
        by_hand = {
            row
            for row in itertools.product(range(3), repeat=6)
            if len(stretches := [node for node, _ in itertools.groupby(row)]) == len(set(stretches))
        }
        assert {tuple(row) for row in listed.tolist()} == by_hand
        assert len(listed) == len(by_hand) == count(6, 3, 3)

    def test_of_fewer_stages_where_there_are_too_many(self) -> None:
        assert count(65, 3, 3) == 3 + 64 * 6 + 2016 * 6
        assert most_stages(65, 3, 12_483) == 3
        assert most_stages(65, 3, 12_482) == 2
        assert most_stages(65, 3, 1) == 1

    def test_the_menu_says_so(self) -> None:
        menu: Menu = menu_of(random_problem("chain", 70, 5, 0))
        assert menu.space == "contiguous stages of at most 2, each node once"
        assert max(len(set(row)) for row in menu.placements.tolist()) == 2
