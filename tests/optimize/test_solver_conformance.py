"""Every solver that is shipped keeps to the contract that outsiders are held to; a liar does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gramwise.core import plugins
from gramwise.core.errors import SourceUnavailable
from gramwise.optimize.compiled.solution import Solution
from gramwise.optimize.solvers.milp import MilpSolver
from gramwise.testing import check_solver


@pytest.mark.parametrize("name", sorted(set(plugins.names("solver"))))
def test_shipped_solvers(name: str) -> None:
    solver = (
        plugins.create("solver", name, rounds=4) if name == "diffusion" else plugins.create("solver", name)
    )
    try:
        check_solver(solver, seeds=2, time_limit_s=1.0)
    except SourceUnavailable as absent:
        pytest.skip(str(absent))
    except AssertionError as fault:
        if name != "convex" or "refused all" not in str(fault):  # it takes real variables only, and says so
            raise


class Liar(MilpSolver):
    """Claims what it did not find."""

    def __init__(self, **claims: Any) -> None:
        super().__init__()
        self.claims = claims

    def solve(self, *args: Any, **kwargs: Any) -> Solution:
        return replace(super().solve(*args, **kwargs), **self.claims)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"grams": 1.0}, "not the evaluator's"),
        ({"bound": 1e9}, "beats the bound"),
        ({"status": "infeasible"}, "says there is none"),
        ({"status": "optimal"}, "no decision"),
    ],
)
def test_a_liar_is_caught(claims: dict[str, Any], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_solver(Liar(**claims), seeds=1)
