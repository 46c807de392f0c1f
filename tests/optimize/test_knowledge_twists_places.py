"""Every rule that a text may add to the families over regions and clients changes the optimum as it should."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

import pytest
from scipy.optimize import linprog
from twist_kit import KWH, Pick, Values, solved

# --------------------------------------------------------- shifting in space

CS, PU = [380.0, 55.0, 30.0], [1.2, 1.4, 1.1]
LOAD = {"E_load": 1200 * KWH, "CI": CS, "cap_frac": [1.0, 0.6, 0.5]}
MOVE = {"remote": [0, 1, 1]}


def shares(
    cost: Sequence[float],
    caps: Sequence[float],
    *,
    few: int = 3,
    low: Sequence[float] = (0, 0, 0),
    fixed: Sequence[float] = (0, 0, 0),
    more: tuple[Sequence[float], float] | None = None,
) -> float:
    """Least grams of shares over sites by a linear programme for each set of sites that is used."""
    best = float("inf")
    for used in product((0, 1), repeat=3):
        if not 0 < sum(used) <= few:
            continue
        bounds = [(low[s] if used[s] else 0.0, caps[s] if used[s] else 0.0) for s in range(3)]
        tighter: dict[str, Any] = {"A_ub": [more[0]], "b_ub": [more[1]]} if more else {}
        found = linprog(cost, A_eq=[[1, 1, 1]], b_eq=[1], bounds=bounds, **tighter)
        if found.status == 0:
            best = min(best, found.fun + sum(f for f, u in zip(fixed, used, strict=True) if u))
    return best


CAPS = [1.0, 0.6, 0.5]
WHOLE = [1200 * c for c in CS]
SPACE: dict[str, tuple[Values, float]] = {
    "grams of moving": (
        {**MOVE, "g_move": [0, 25, 400]},
        shares([WHOLE[0], 1200 * (55 + 25), 1200 * (30 + 400)], CAPS),
    ),
    "grams of moving with an overhead": (
        {**MOVE, "g_move": [0, 25, 400], "PUE": PU},
        shares([1200 * CS[s] * PU[s] + 1200 * (0, 25, 400)[s] for s in range(3)], CAPS),
    ),
    "energy of moving": (
        {**MOVE, "e_move": [0, 0.1, 0.9], "CI_net": 300},
        shares([WHOLE[0], WHOLE[1] + 120 * 300, WHOLE[2] + 1080 * 300], CAPS),
    ),
    "energy of moving at the site's grid": (
        {**MOVE, "e_move": [0, 0.1, 0.9]},
        shares([WHOLE[0], WHOLE[1] * 1.1, WHOLE[2] * 1.9], CAPS),
    ),
    "data over the network's grid": (
        {**MOVE, "D_0": 8e12, "e_bit": [0, 1e-5, 9e-5], "CI_net": 300},
        shares([WHOLE[0], WHOLE[1] + 8e7 / KWH * 300, WHOLE[2] + 72e7 / KWH * 300], CAPS),
    ),
    "few sites": ({"k_sites": 1}, shares(WHOLE, CAPS, few=1)),
    "energy of a site that is used": (
        {"E_on": [0, 900 * KWH, 900 * KWH]},
        shares(WHOLE, CAPS, fixed=[0, 900 * 55, 900 * 30]),
    ),
    "nothing or at least so much": (
        {"min_used": [0.6, 0.55, 0.3]},
        shares(WHOLE, CAPS, low=[0.6, 0.55, 0.3]),
    ),
    "money": (
        {"price": [0.1, 0.3, 0.4], "money": 300},
        shares(WHOLE, CAPS, more=([120, 360, 480], 300)),
    ),
    "power of a site": (
        {"cap_P": [1e6, 2e4, 1e4], "T_hor": 86400},
        shares(WHOLE, [1.0, 0.4, 0.2]),
    ),
}


@pytest.mark.parametrize("twist", SPACE)
def test_shift_space(twist: str) -> None:
    more, expected = SPACE[twist]
    assert solved("shift_space", {"SITE": 3}, {**LOAD, **more}) == pytest.approx(expected, rel=1e-6)
    assert expected != pytest.approx(shares(WHOLE, CAPS))


def test_shift_space_grams_and_energy_of_each_request() -> None:
    base = {"n_0": 1e6, "e_s": [360, 720, 540], "CI": CS, "cap_frac": CAPS, **MOVE}
    run = [1e6 * e / KWH * c for e, c in zip([360, 720, 540], CS, strict=True)]
    grams = shares([run[0], run[1] + 5e3, run[2] + 4e4], CAPS)
    assert solved("shift_space", {"SITE": 3}, {**base, "g_move_n": [0, 5e-3, 4e-2]}) == pytest.approx(grams)
    grams = shares([run[0], run[1] + 2e8 / KWH * 300, run[2] + 1e8 / KWH * 300], CAPS)
    joules = {**base, "e_move_n": [0, 200, 100], "CI_net": 300}
    assert solved("shift_space", {"SITE": 3}, joules) == pytest.approx(grams)


# ------------------------------------------------------------------- replicas

CAP, IDLE, ES, CR, MOST = (
    [150.0, 80.0, 120.0],
    [6e5, 4e5, 5e5],
    [900.0, 1200.0, 700.0],
    [400, 20, 150],
    [3, 6, 4],
)
SERVE = {"n_0": 500, "cap_rep": CAP, "E_idle": IDLE, "e_s": ES, "CI": CR, "r_max": MOST}


def routed(on: Pick, spare: float = 0.0, low: float = 0.0, cap: float = 9.0, asked: float = 500.0) -> float:
    """Grams of running these replicas: each site takes its least share, and the cleanest what is left."""
    upper = [min(max(0.0, (r - spare) * c) / asked, cap) for r, c in zip(on, CAP, strict=True)]
    if any(u < low for u in upper) or sum(upper) < 1 - 1e-9:
        return float("inf")
    left, grams = 1 - 3 * low, sum(r * i * c / KWH for r, i, c in zip(on, IDLE, CR, strict=True))
    for s in sorted(range(3), key=lambda s: ES[s] * CR[s]):
        take = min(left, upper[s] - low)
        left, grams = left - take, grams + (take + low) * asked * ES[s] * CR[s] / KWH
    return grams


def best_routing(rule: Callable[[Pick], bool] = lambda on: True, **how: Any) -> float:
    return min(routed(on, **how) for on in product(*(range(m + 1) for m in MOST)) if rule(on))


def without(on: Pick, s: int) -> float:
    return sum(r * c for k, (r, c) in enumerate(zip(on, CAP, strict=True)) if k != s)


REPLICAS: dict[str, tuple[Values, Callable[[], float]]] = {
    "one in reserve at each site that is on": ({"r_spare": 1}, lambda: best_routing(spare=1)),
    "a site may fail": (
        {"one_may_fail": 1},
        lambda: best_routing(lambda on: all(without(on, s) >= 500 for s in range(3))),
    ),
    "few sites": (
        {"k_sites": 1, "n_0": 400, "barred_s": [0, 1, 0]},
        lambda: best_routing(lambda on: sum(r > 0 for r in on) <= 1 and not on[1], asked=400),
    ),
    "enough sites": ({"k_sites_min": 3}, lambda: best_routing(lambda on: sum(r > 0 for r in on) >= 3)),
    "energy of starting": (
        {"E_start": [0, 4e7, 0]},
        lambda: min(
            routed(on) + on[1] * 4e7 * 20 / KWH for on in product(*(range(m + 1) for m in MOST))
        ),
    ),
    "a largest share": ({"cap_frac": 0.4}, lambda: best_routing(cap=0.4)),
    "a least share": ({"min_frac": 0.1}, lambda: best_routing(low=0.1)),
    "a site that may not be used": ({"barred_s": [0, 1, 0]}, lambda: best_routing(lambda on: on[1] == 0)),
}  # fmt: skip


@pytest.mark.parametrize("twist", REPLICAS)
def test_replicas(twist: str) -> None:
    more, expected = REPLICAS[twist]
    assert solved("replicas", {"SITE": 3}, {**SERVE, **more}) == pytest.approx(expected(), rel=1e-6)
    assert expected() > best_routing()


def test_replicas_keep_a_mean_delay() -> None:
    """Two sites, enough replicas on either: the share of the far one follows from the mean."""
    base = {"n_0": 100, "cap_rep": [100, 100], "E_idle": [0, 0], "e_s": [1e3, 1e3], "CI": [300, 100]}
    values = {**base, "r_max": 1, "rtt": [0.02, 0.12], "L_avg": 0.05}
    far = (0.05 - 0.02) / (0.12 - 0.02)
    expected = ((1 - far) * 300 + far * 100) * 100 * 1e3 / KWH
    assert solved("replicas", {"SITE": 2}, values) == pytest.approx(expected)


def test_replicas_energy_and_money_of_each_site() -> None:
    """One replica takes all that is asked, so that the choice is a site."""
    base = {"n_0": 100, "cap_rep": [100, 100, 100], "E_idle": [2e5, 1e5, 3e5], "e_s": [1e3, 4e3, 2e3]}
    base |= {"CI": [100, 30, 200], "r_max": 1}
    joules = [3e5, 5e5, 5e5]
    grams = [e * c / KWH for e, c in zip(joules, [100, 30, 200], strict=True)]
    assert solved("replicas", {"SITE": 3}, base) == pytest.approx(grams[1])
    within = {**base, "cap_E": [9e5, 1.8e5, 9e5]}
    assert solved("replicas", {"SITE": 3}, within) == pytest.approx(grams[0])
    paid = {**base, "price": [0.2, 0.9, 0.1], "money": 0.02}
    assert solved("replicas", {"SITE": 3}, paid) == pytest.approx(
        min(g for g, e, p in zip(grams, joules, [0.2, 0.9, 0.1], strict=True) if e * p / KWH <= 0.02)
    )


# ------------------------------------------------------- federated, caching

EC, CF, DATA = [900.0, 400.0, 700.0, 300.0, 800.0], [90, 310, 40, 200, 450], [1200, 2000, 1500, 1000, 1800]
JOIN = {"E_cl": EC, "CI": CF, "n_dat": DATA, "n_dat_min": 3000}


def joined(pick: Pick, grams: Sequence[float]) -> float:
    return sum(g for g, x in zip(grams, pick, strict=True) if x)


def least_join(grams: Sequence[float], rule: Callable[[Pick], bool] = lambda x: True) -> float:
    picks = (x for x in product((0, 1), repeat=5) if joined(x, DATA) >= 3000 and rule(x))
    return min(joined(x, grams) for x in picks)


GF = [e * c / KWH for e, c in zip(EC, CF, strict=True)]
UP, FEE, EP, TP = (
    [500.0, 100.0, 2000.0, 10.0, 90.0],
    [5.0, 9.0, 20.0, 3.0, 8.0],
    [30.0, 20, 90, 10, 60],
    [9, 4, 30, 6, 5],
)
JOINS: dict[str, tuple[Values, float]] = {
    "a client that must take part": ({"pinned_s": [0, 0, 0, 1, 1]}, least_join(GF, lambda x: x[3] and x[4])),  # type: ignore[arg-type, return-value]
    "a client that may not": ({"barred_s": [0, 0, 1, 0, 0]}, least_join(GF, lambda x: not x[2])),
    "at least one of a group": (
        {"kin": [1, 0, 0, 0, 1], "k_kin": 1},
        least_join(GF, lambda x: x[0] + x[4] >= 1),
    ),
    "not both of a group": (
        {"kin": [0, 1, 1, 0, 0], "k_kin_max": 1},
        least_join(GF, lambda x: x[1] + x[2] <= 1),
    ),
    "sending charged to the network": (
        {"E_upl": UP, "CI_net": 700},
        least_join([g + u * 700 / KWH for g, u in zip(GF, UP, strict=True)]),
    ),
    "energy of the server": ({"E_agg": 900, "CI_0": 400}, least_join([g + 900 * 400 / KWH for g in GF])),
    "energy of each client": (
        {"cap_E": [1000, 300, 1000, 500, 900]},
        least_join(GF, lambda x: not x[1]),
    ),
    "energy of all, over rounds": (
        {"rounds": 10, "E_budget": 12000, "k_min": 2},
        10 * least_join(GF, lambda x: joined(x, EC) <= 1200),
    ),
    "fees": ({"fee": FEE, "money": 18}, least_join(GF, lambda x: joined(x, FEE) <= 18)),
    "passes over the data": (
        {"E_cl": None, "E_ep": EP, "epochs": 4, "t_ep": TP, "L_0": 60},
        least_join([4 * e * c / KWH for e, c in zip(EP, CF, strict=True)], lambda x: not x[2]),
    ),
    "passes over each record": (
        {"E_cl": None, "e_dat": 0.02, "epochs": 5, "t_dat": 0.01, "L_0": 80},
        least_join(
            [5 * n * 0.02 * c / KWH for n, c in zip(DATA, CF, strict=True)],
            lambda x: all(5 * n * 0.01 <= 80 for n, k in zip(DATA, x, strict=True) if k),
        ),
    ),
    "passes by power and time": (
        {"E_cl": None, "P_cl": [3, 5, 3, 2, 9], "epochs": 4, "t_ep": TP, "L_0": 60},
        least_join(
            [4 * p * t * c / KWH for p, t, c in zip([3, 5, 3, 2, 9], TP, CF, strict=True)],
            lambda x: not x[2],
        ),
    ),
}


@pytest.mark.parametrize("twist", JOINS)
def test_federated(twist: str) -> None:
    more, expected = JOINS[twist]
    assert solved("federated", {"SITE": 5}, {**JOIN, **more}) == pytest.approx(expected, rel=1e-6)
    assert expected != pytest.approx(least_join(GF))


SIZE, ASK, FETCH, HOLD = (
    [4, 2, 9, 3, 5],
    [900, 150, 300, 2000, 250],
    [800, 400, 1800, 600, 1000],
    [6e4, 3e4, 13e4, 4e4, 7e4],
)
SHELF = {
    "mem_need": [s * 8e9 for s in SIZE],
    "mem_0": 12 * 8e9,
    "n_req": ASK,
    "E_fetch": FETCH,
    "E_hold": HOLD,
    "CI_0": 260,
}


def kept(pick: Pick, once: Sequence[float] = (0,) * 5, hold: Sequence[float] = HOLD) -> float:
    grams = [hold[j] + once[j] if x else ASK[j] * FETCH[j] for j, x in enumerate(pick)]
    return sum(grams) * 260 / KWH


def least_kept(rule: Callable[[Pick], bool] = lambda x: True, **how: Any) -> float:
    picks = product((0, 1), repeat=5)
    return min(
        kept(x, **how) for x in picks if sum(s for s, k in zip(SIZE, x, strict=True) if k) <= 12 and rule(x)
    )


def missed(pick: Pick, of: Iterable[float]) -> float:
    return sum(n * v for n, v, x in zip(ASK, of, pick, strict=True) if not x)


WAIT, DEAR = [6.0, 30.0, 2.0, 0.5, 8.0], [6e4, 3e4, 13e4, 4e4, 9e5]
CACHE: dict[str, tuple[Values, float]] = {
    "energy to bring it in": (
        {"E_first": [0, 0, 9e5, 2e6, 0]},
        least_kept(once=[0, 0, 9e5, 2e6, 0]),
    ),
    "one fetch all the same": (
        {"first_fetch": 1, "n_req": [n / 100 for n in ASK], "E_hold": [h / 100 for h in HOLD]},
        min(
            sum(HOLD[j] / 100 + FETCH[j] if k else ASK[j] * FETCH[j] / 100 for j, k in enumerate(x)) * 260 / KWH
            for x in product((0, 1), repeat=5)
            if sum(s for s, k in zip(SIZE, x, strict=True) if k) <= 12
        ),
    ),
    "at least so many": ({"k_keep_min": 4, "mem_0": 14 * 8e9}, min(
        kept(x) for x in product((0, 1), repeat=5)
        if sum(s for s, k in zip(SIZE, x, strict=True) if k) <= 14 and sum(x) >= 4
    )),
    "one that must be kept": ({"pinned_j": [0, 0, 1, 0, 0]}, least_kept(lambda x: bool(x[2]))),
    "one that may not be kept": ({"barred_j": [0, 0, 0, 1, 0]}, least_kept(lambda x: not x[3])),
    "a longest wait": ({"t_fetch": WAIT, "L_0": 10}, least_kept(lambda x: bool(x[1]))),
    "a wait by size and rate": ({"rate_0": 8e9, "L_0": 8}, least_kept(lambda x: bool(x[2]))),
    "a mean wait": ({"t_fetch": WAIT, "L_avg": 1.2}, least_kept(lambda x: missed(x, WAIT) <= 1.2 * sum(ASK))),
    "most data": (
        {"D_max": 2.6e13, "E_hold": DEAR},
        least_kept(lambda x: missed(x, SIZE) * 8e9 <= 2.6e13, hold=DEAR),
    ),
    "share of hits": (
        {"hit_min": 0.85, "E_hold": DEAR},
        least_kept(lambda x: missed(x, [1] * 5) <= 0.15 * sum(ASK), hold=DEAR),
    ),
    "holding by size": (
        {"E_hold": None, "e_mem": 1.5e-4},
        least_kept(hold=[s * 1e9 * 1.5e-4 for s in SIZE]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("twist", CACHE)
def test_cache(twist: str) -> None:
    more, expected = CACHE[twist]
    assert solved("cache", {"JOB": 5}, {**SHELF, **more}) == pytest.approx(expected, rel=1e-6)
    assert expected != pytest.approx(least_kept())
