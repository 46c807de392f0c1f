"""Every rule that a text may add to the families assignment, split and clock changes the optimum as it should."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import pytest
from twist_kit import KWH, Pick, Values, solved

Rule = Callable[[Pick], bool]


def least(cost: Callable[[Pick], float], sizes: Sequence[int], rule: Rule) -> float:
    """Least cost of the picks that keep the rule."""
    return min(cost(pick) for pick in product(*map(range, sizes)) if rule(pick))


# ---------------------------------------------------------------- assignment

E = [[500.0, 300.0, 350.0], [900.0, 640.0, 600.0], [150.0, 140.0, 300.0], [700.0, 200.0, 260.0]]
CI = [90.0, 210.0, 120.0]
ASSIGN: dict[str, tuple[Values, Callable[[Pick], float], Rule]] = {}
BASE = {"E": E, "CI": CI}


def run_grams(pick: Pick) -> float:
    return sum(E[j][s] * CI[s] / KWH for j, s in enumerate(pick))


def always(_: Pick) -> bool:
    return True


def joules(pick: Pick) -> float:
    return sum(E[j][s] for j, s in enumerate(pick))


T = [[3.0, 1.0, 2.0], [5.0, 2.0, 4.0], [1.0, 1.0, 2.0], [4.0, 2.0, 3.0]]
ON, PRICE = [400.0, 100.0, 900.0], [0.30, 0.10, 0.25]
REF, REL, FAST, N = [400.0, 900.0, 150.0, 700.0], [1.0, 0.6, 0.8], [1.0, 4.0, 2.0], [3.0, 1.0, 9.0, 2.0]

ASSIGN["least jobs of each site"] = (
    {**BASE, "min_jobs": [1, 1, 2]},
    run_grams,
    lambda p: p.count(0) >= 1 and p.count(1) >= 1 and p.count(2) >= 2,
)
ASSIGN["exactly two at a site"] = (
    {**BASE, "min_jobs": [0, 2, 0], "cap_jobs": [4, 2, 4]},
    run_grams,
    lambda p: p.count(1) == 2,
)
ASSIGN["a job that must run at a site"] = (
    {**BASE, "pinned": [[0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]},
    run_grams,
    lambda p: p[1] == 1,
)
ASSIGN["jobs that belong together"] = (
    {**BASE, "linked": [1, 0, 1, 1]},
    run_grams,
    lambda p: p[0] == p[2] == p[3],
)
ASSIGN["jobs that must be apart"] = (
    {**BASE, "apart": [1, 1, 0, 1]},
    run_grams,
    lambda p: len({p[0], p[1], p[3]}) == 3,
)
ASSIGN["a mean time"] = (
    {**BASE, "t_run": T, "L_avg": 1.75},
    run_grams,
    lambda p: sum(T[j][s] for j, s in enumerate(p)) <= 7.0,
)
ASSIGN["power of a site"] = (
    {"P": [[100, 60, 80]] * 4, "t_run": T, "CI": CI, "cap_P": [200, 60, 80]},
    lambda p: sum([100, 60, 80][s] * T[j][s] * CI[s] / KWH for j, s in enumerate(p)),
    lambda p: p.count(0) <= 2 and p.count(1) <= 1 and p.count(2) <= 1,
)
ASSIGN["data to a site"] = (
    {**BASE, "D": [8e6, 4e6, 9e6, 2e6], "cap_D": [9e6, 4e7, 1.1e7]},
    run_grams,
    lambda p: all(
        sum([8, 4, 9, 2][j] for j in range(4) if p[j] == s) <= most for s, most in ((0, 9), (2, 11))
    ),
)
ASSIGN["energy in all"] = ({**BASE, "E_budget": 1300}, run_grams, lambda p: joules(p) <= 1300)
ASSIGN["few sites"] = (
    {**BASE, "k_sites": 1, "acc": [[1, 0, 1]] * 4, "acc_min": 0.5},
    run_grams,
    lambda p: len(set(p)) == 1 and 1 not in p,
)
ASSIGN["energy of a site that is used at all"] = (
    {**BASE, "E_on": ON},
    lambda p: run_grams(p) + sum(ON[s] * CI[s] / KWH for s in set(p)),
    always,
)
ASSIGN["money"] = (
    {**BASE, "price": PRICE, "money": 9e-5},
    run_grams,
    lambda p: sum(E[j][s] * PRICE[s] / KWH for j, s in enumerate(p)) <= 9e-5,
)
ASSIGN["sending charged to the network"] = (
    {**BASE, "E_tx": [[0, 100, 90]] * 4, "CI_net": 400},
    lambda p: run_grams(p) + sum([0, 100, 90][s] * 400 / KWH for s in p),
    always,
)
ASSIGN["a factor of each site"] = (
    {"E_ref": REF, "rel_s": REL, "t_ref": [8, 6, 4, 2], "fast_s": FAST, "CI": CI, "L": [4, 4, 3, 2]},
    lambda p: sum(REF[j] * REL[s] * CI[s] / KWH for j, s in enumerate(p)),
    lambda p: all([8, 6, 4, 2][j] / FAST[s] <= [4, 4, 3, 2][j] for j, s in enumerate(p)),
)
ASSIGN["a job many times by power and time"] = (
    {"P": [[100, 60, 80]] * 4, "t_run": T, "CI": CI, "n_req": N, "cap_jobs": [4, 1, 4]},
    lambda p: sum(N[j] * [100, 60, 80][s] * T[j][s] * CI[s] / KWH for j, s in enumerate(p)),
    lambda p: p.count(1) <= 1,
)


@pytest.mark.parametrize("twist", ASSIGN)
def test_assignment(twist: str) -> None:
    values, cost, rule = ASSIGN[twist]
    expected = least(cost, [3] * 4, rule)
    assert solved("assignment", {"JOB": 4, "SITE": 3}, values) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("twist", [t for t in ASSIGN if ASSIGN[t][1] is run_grams])
def test_each_rule_of_assignment_binds(twist: str) -> None:
    """A rule that changes nothing would prove nothing."""
    _, cost, rule = ASSIGN[twist]
    assert least(cost, [3] * 4, rule) > least(cost, [3] * 4, always)


# --------------------------------------------------------------------- split

ED, ER, D = [0.0, 0.4, 0.9, 1.3], [0.95, 0.7, 0.4, 0.0], [9.6e6, 6.4e6, 0.8e6, 0.0]
CUT = {"E_dev": ED, "E_rem": ER, "D_cut": D, "CI_dev": 520, "CI_rem": 60}
TD, TR = [0.0, 0.05, 0.3, 0.6], [0.1, 0.08, 0.04, 0.0]


def cut_grams(o: int, per_bit: float = 0.0, net: float = 520.0) -> float:
    return (ED[o] * 520 + ER[o] * 60 + per_bit * D[o] * net) / KWH


SPLIT: dict[str, tuple[Values, Iterator[float]]] = {
    "a grid of the network": (
        {**CUT, "e_bit_0": 1e-7, "CI_net": 90},
        (cut_grams(o, 1e-7, 90.0) for o in range(4)),
    ),
    "most data": ({**CUT, "D_max": 8e6}, (cut_grams(o) for o in range(4) if D[o] <= 8e6)),
    "most energy of the device": (
        {**CUT, "e_bit_0": 1e-7, "E_dev_max": 0.99},
        (cut_grams(o, 1e-7) for o in range(4) if ED[o] + 1e-7 * D[o] <= 0.99),
    ),
    "a cut that is ruled out": ({**CUT, "barred_o": [1, 0, 0, 0]}, (cut_grams(o) for o in range(1, 4))),
    "accuracy": (
        {**CUT, "acc_o": [0.99, 0.97, 0.93, 0.9], "acc_floor": 0.9, "barred_o": [1, 0, 0, 0]},
        (cut_grams(o) for o in range(1, 4)),
    ),
    "too small an accuracy": (
        {**CUT, "acc_o": [0.8, 0.85, 0.93, 0.95], "acc_floor": 0.9},
        (cut_grams(o) for o in range(2, 4)),
    ),
    "waiting for the answer": (
        {**CUT, "P_dev": 2, "t_dev": TD, "t_rem": TR, "P_wait": 9, "E_dev": None},
        (((2 * TD[o] + 9 * TR[o]) * 520 + ER[o] * 60) / KWH for o in range(4)),
    ),
    "delay of the network": (
        {**CUT, "t_dev": TD, "t_rem": TR, "rate_0": 1e8, "rtt_0": 0.45, "L_0": 0.64},
        (cut_grams(o) for o in range(4) if TD[o] + TR[o] + D[o] / 1e8 + 0.45 * (D[o] > 0) <= 0.64),
    ),
}


@pytest.mark.parametrize("twist", SPLIT)
def test_split(twist: str) -> None:
    values, costs = SPLIT[twist]
    told = {k: v for k, v in values.items() if v is not None}
    assert solved("split", {"OPTION": 4}, told) == pytest.approx(min(costs), rel=1e-6)


# --------------------------------------------------------------------- clock

W, F, P = [3e9, 5e9, 2e9], [0.8e9, 1.2e9, 2e9], [1.0, 1.9, 5.5]
LEVELS = {"W": W, "f_o": F, "P_o": P, "CI_0": 250, "L_all": 9.0}


def busy(pick: Pick) -> float:
    return sum(W[j] / F[o] for j, o in enumerate(pick))


def in_time(pick: Pick) -> bool:
    return busy(pick) <= 9.0


def level_grams(pick: Pick, times: Sequence[float] = (1, 1, 1)) -> float:
    return sum(times[j] * P[o] * W[j] / F[o] for j, o in enumerate(pick)) * 250 / KWH


CLOCK: dict[str, tuple[Values, Callable[[Pick], float], Rule]] = {
    "tasks that are done many times": (
        {"n_req": [900, 20, 300]},
        lambda p: level_grams(p, [900, 20, 300]),
        in_time,
    ),
    "power while nothing runs": (
        {"P_rest": 0.9},
        lambda p: level_grams(p) + 0.9 * (9.0 - busy(p)) * 250 / KWH,
        in_time,
    ),
    "most power": ({"P_cap": 2.0}, level_grams, lambda p: in_time(p) and 2 not in p),
    "a level that a task may not use": (
        {"barred_jo": [[0, 1, 0], [0, 1, 0], [0, 0, 0]]},
        level_grams,
        lambda p: in_time(p) and p[0] != 1 and p[1] != 1,
    ),
    "one level for all": ({"one_for_all": 1}, level_grams, lambda p: in_time(p) and len(set(p)) == 1),
}


@pytest.mark.parametrize("twist", CLOCK)
def test_clock(twist: str) -> None:
    more, cost, rule = CLOCK[twist]
    expected = least(cost, [3] * 3, rule)
    assert solved("clock", {"JOB": 3, "OPTION": 3}, {**LEVELS, **more}) == pytest.approx(expected, rel=1e-6)
