"""Tasks side by side: the same results, in any number of processes, and faults that reach the caller."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

import numpy as np
import pytest
from fluid_kit import case_from, random_case

from gramwise.core.errors import ConfigError, SourceUnavailable
from gramwise.sim.case import Case
from gramwise.sim.parallel import spread
from gramwise.sim.sweep import ALONE, Done, Task, run_task

TASKS = (
    Task("b1"),
    Task("b1-at-once"),
    *(Task(f"alone:{name}", (name,)) for name in ALONE if name != "budget"),
    Task("alone:predictive+perfect", ("predictive+perfect",)),
    Task("alone:lyapunov", ("lyapunov",)),
    Task("rules:fractions", ("fractions", "shadow-price", "two-choices")),
    Task("rules:grams", ("grams", "fastest", "greenest-zone", "round-robin")),
)


def some_case() -> Case:
    return random_case(np.random.default_rng(35), waits=True)


def scaled(shared: int, task: int) -> tuple[int, int]:
    """A task of no interest that says where it ran."""
    return shared * task, os.getpid()


def figures(case: Case, **how: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for i, done in spread(run_task, case, TASKS, **how):
        assert isinstance(done, Done)
        found[TASKS[i].kind] = (
            repr(done.bound_g),
            done.unserved,
            {name: (a.carbon_g, a.deferred, a.booked_g.tolist()) for name, a in done.accounts.items()},
        )
    return found


def test_one_process_is_this_one() -> None:
    results = dict(spread(scaled, 3, (1, 2, 4), workers=1))
    assert results == {0: (3, os.getpid()), 1: (6, os.getpid()), 2: (12, os.getpid())}
    assert list(spread(scaled, 3, ())) == []


def test_same_figures_twice_and_in_two_processes() -> None:
    case = some_case()
    assert case.waiting.any()
    here = figures(case, workers=1)
    assert set(here) == {task.kind for task in TASKS}
    assert figures(case, workers=1) == here
    assert figures(case, workers=2) == here


def test_other_processes_do_run_and_their_faults_arrive() -> None:
    case = case_from([[1.0]], [[1.0]], [[1.0]], 9.0, [[1.0]])
    with pytest.raises(ConfigError, match="carbon_budget_g_per_day"):
        dict(spread(run_task, case, (Task("b1"), Task("alone:budget", ("budget",))), workers=2))


def test_without_ray_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SourceUnavailable, match=r"pip install 'gramwise\[ray\]'"):
        list(spread(scaled, 3, (1,), cluster="local"))


def test_an_address_without_a_cluster_is_refused_soon() -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'gramwise[ray]'")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]  # nobody listens there
        with pytest.raises(SourceUnavailable, match=f"no Ray cluster answers at 127.0.0.1:{port}"):
            list(spread(scaled, 3, (1,), cluster=f"127.0.0.1:{port}"))


@pytest.mark.filterwarnings("ignore")
def test_a_local_ray_cluster_gives_the_same_figures() -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'gramwise[ray]'")
    case = some_case()
    assert figures(case, cluster="local") == figures(case, workers=1)
