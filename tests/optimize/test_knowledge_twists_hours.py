"""Every rule that a text may add to the families over hours changes the optimum as it should."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import pytest
from scipy.optimize import linprog
from twist_kit import KWH, Pick, Values, solved

# ---------------------------------------------------------- shifting in time

CT, KW, DUR = [310, 280, 190, 160, 150, 175, 240, 330], [1.2, 2.6, 0.5], [2, 3, 1]
CHORES = {"P_job": [k * 1000 for k in KW], "dur": [h * 3600 for h in DUR], "CI_t": CT}
Starts = Callable[[Pick], bool]


def kwh(start: Pick) -> list[float]:
    """Energy of each hour for the starting hours of the three chores."""
    return [sum(KW[j] for j in range(3) if start[j] <= h < start[j] + DUR[j]) for h in range(8)]


def start_grams(start: Pick) -> float:
    return sum(e * c for e, c in zip(kwh(start), CT, strict=True))


def all_starts() -> Iterator[Pick]:
    return product(range(7), range(6), range(8))


TIME: dict[str, tuple[Values, Callable[[Pick], float], Starts]] = {
    "a chain": ({"turn": [3, 2, 1]}, start_grams, lambda s: s[1] >= s[2] + 1 and s[0] >= s[1] + 3),
    "a chain of two": ({"turn": [1, 2, 0]}, start_grams, lambda s: s[1] >= s[0] + 2),
    "a latest start": ({"start_by": [3600, 7200, 0]}, start_grams, lambda s: s[0] <= 1 and s[1] <= 2 and s[2] == 0),
    "power of other things": (
        {"P_cap": 3000, "P_bg": [0, 0, 500, 500, 2000, 0, 0, 0]},
        start_grams,
        lambda s: all(e + b <= 3.0 for e, b in zip(kwh(s), [0, 0, 0.5, 0.5, 2, 0, 0, 0], strict=True)),
    ),
    "a power limit of each hour": (
        {"P_cap_h": [5000, 5000, 5000, 1500, 1500, 5000, 5000, 5000]},
        start_grams,
        lambda s: max(kwh(s)[3:5]) <= 1.5,
    ),
    "hours in which nothing may run": (
        {"barred_jh": [[0, 0, 0, 0, 1, 0, 0, 0]] * 3},
        start_grams,
        lambda s: kwh(s)[4] == 0,
    ),
    "own generation": (
        {"sun": [x * KWH for x in (3, 3, 0, 0, 0, 0, 0, 1)]},
        lambda s: sum(max(0, e - g) * c for e, g, c in zip(kwh(s), (3, 3, 0, 0, 0, 0, 0, 1), CT, strict=True)),
        lambda s: True,
    ),
    "money": (
        {"price_t": [0.1, 0.1, 0.2, 0.4, 0.5, 0.4, 0.2, 0.1], "money": 3.0},
        start_grams,
        lambda s: sum(e * p for e, p in zip(kwh(s), (0.1, 0.1, 0.2, 0.4, 0.5, 0.4, 0.2, 0.1), strict=True))
        <= 3.0 + 1e-9,
    ),
}  # fmt: skip


@pytest.mark.parametrize("twist", TIME)
def test_shift_time(twist: str) -> None:
    more, cost, rule = TIME[twist]
    expected = min(cost(s) for s in all_starts() if rule(s))
    assert solved("shift_time", {"JOB": 3, "HOUR": 8}, {**CHORES, **more}) == pytest.approx(
        expected, rel=1e-6
    )
    assert expected != min(start_grams(s) for s in all_starts())


def test_shift_time_with_pauses_one_at_a_time() -> None:
    """Two jobs that may pause, one machine: whole hours suffice, since the limits form a network."""
    ci = [300, 100, 250, 120, 200]
    values = {"P_job": [1000, 1000], "dur": [7200, 3600], "CI_t": ci, "divisible": 1, "slots_t": 1}
    best = min(sum(ci[h] for h in hours) for hours in product(range(5), repeat=3) if len(set(hours)) == 3)
    assert solved("shift_time", {"JOB": 2, "HOUR": 5}, values) == pytest.approx(best)
    alone = {k: v for k, v in values.items() if k != "slots_t"} | {"single": 1}
    assert solved("shift_time", {"JOB": 2, "HOUR": 5}, alone) == pytest.approx(best)


def test_shift_time_with_pauses_own_generation_and_closed_hours() -> None:
    ci, sun, closed = [300, 100, 250, 120], [2, 0, 0, 0], [0, 1, 0, 0]
    values = {"E_job": 5 * KWH, "P_own": 2500, "CI_t": ci, "divisible": 1, "PUE_0": 1.25}
    values |= {"sun": [s * KWH for s in sun], "barred_jh": [closed]}
    plans = product(range(26), repeat=4)
    expected = min(
        sum(max(0.0, 1.25 * a / 10 - s) * c for a, s, c in zip(plan, sun, ci, strict=True))
        for plan in plans
        if sum(plan) == 50 and plan[1] == 0
    )
    assert solved("shift_time", {"JOB": 1, "HOUR": 4}, values) == pytest.approx(expected, rel=1e-6)


# -------------------------------------------------------------------- battery

LOADS, SUN, CB = [2, 2, 3, 3], [5, 0, 0, 0], [200, 150, 340, 400]


def level_grams(
    *,
    start: float = 0.0,
    leak: float = 0.0,
    wear: float = 0.0,
    give: float = 9.0,
    end: float = 0.0,
    gen: tuple[float, float] = (0, 0),
    money: tuple[Sequence[float], float] | None = None,
) -> float:
    """A linear programme of our own: columns are bought, charged, discharged, generated, level of each hour."""
    n = 4
    cost: list[float] = []
    upper: list[list[float]] = []
    room: list[float] = []
    equal: list[list[float]] = []
    level: list[float] = []
    for h in range(n):
        cost += [CB[h], 0, wear, gen[1], 0]
        cover = [0.0] * (5 * n)
        cover[5 * h : 5 * h + 4] = [-1, 1, -1, -1]
        upper.append(cover)
        room.append(SUN[h] - LOADS[h])
        follow = [0.0] * (5 * n)
        follow[5 * h : 5 * h + 5] = [0, -1, 1, 0, 1]
        if h:
            follow[5 * h - 1] = -(1 - leak)
        equal.append(follow)
        level.append(0.0 if h else (1 - leak) * start)
    upper.append([0, 0, 1, 0, 0] * n)
    room.append(give)
    if money:
        upper.append([x for h in range(n) for x in (money[0][h], 0, 0, 0, 0)])
        room.append(money[1])
    bounds = [(0, None), (0, 4), (0, 4), (0, gen[0]), (0, 4)] * (n - 1) + [
        (0, None),
        (0, 4),
        (0, 4),
        (0, gen[0]),
        (end, 4),
    ]
    return float(linprog(cost, A_ub=upper, b_ub=room, A_eq=equal, b_eq=level, bounds=bounds).fun)


BATTERY: dict[str, tuple[Values, float]] = {
    "self-discharge": ({"b_0": KWH, "leak": 0.1}, level_grams(start=1, leak=0.1)),
    "self-discharge and the level at the end": (
        {"b_0": KWH, "leak": 0.1, "as_before": 1},
        level_grams(start=1, leak=0.1, end=1),
    ),
    "self-discharge and a full end": ({"leak": 0.1, "ends_full": 1}, level_grams(leak=0.1, end=4)),
    "self-discharge and an end": ({"leak": 0.1, "b_end": 2 * KWH}, level_grams(leak=0.1, end=2)),
    "wear": ({"g_wear": 180}, level_grams(wear=180)),
    "full cycles": ({"n_cyc": 0.5}, level_grams(give=2)),
    "a generator": ({"P_gen": 1500, "CI_gen": 250}, level_grams(gen=(1.5, 250))),
    "money": (
        {"price_t": [0.1, 0.5, 0.2, 0.2], "money": 1.3},
        level_grams(money=([0.1, 0.5, 0.2, 0.2], 1.3)),
    ),
}


@pytest.mark.parametrize("twist", BATTERY)
def test_battery(twist: str) -> None:
    more, expected = BATTERY[twist]
    base = {"load_h": [x * KWH for x in LOADS], "sun": [x * KWH for x in SUN], "CI_t": CB, "bat_cap": 4 * KWH}
    assert solved("battery", {"HOUR": 4}, {**base, **more}) == pytest.approx(expected, rel=1e-6)
    assert expected != pytest.approx(level_grams())


# ----------------------------------------------------------------- duty cycle

HAR, CD, TAKES = [20.0, 60, 10], [3000, 2000, 4000], [10.0, 45, 50]


def sampled(
    *,
    eta: float = 1.0,
    leak: float = 0.0,
    start: float = 0.0,
    low: float = 0.0,
    end: float = 0.0,
    takes: Sequence[float] = TAKES,
) -> float:
    """A linear programme of our own: bought energy and level of each hour; a store of 40 J."""
    upper, room = [], []
    for h in range(3):
        for gain in (1.0, eta):  # a surplus is stored with its loss, a lack is taken out whole
            row = [0.0] * 6
            row[h], row[3 + h] = -gain, 1.0
            if h:
                row[2 + h] = -(1 - leak)
            upper.append(row)
            room.append(gain * (HAR[h] - takes[h]) + (0.0 if h else (1 - leak) * start))
    bounds = [(0, None)] * 3 + [(low, 40)] * 2 + [(max(low, end), 40)]
    return float(linprog([*CD, 0, 0, 0], A_ub=upper, b_ub=room, bounds=bounds).fun) / KWH


DUTY: dict[str, tuple[Values, float]] = {
    "losses of charging": ({"eta_ch": 0.5}, sampled(eta=0.5)),
    "a reserve": ({"bat_min": 10}, sampled(low=10)),
    "a full start that comes back": ({"starts_full": 1, "as_before": 1}, sampled(start=40, end=40)),
    "an end": ({"b_end": 7}, sampled(end=7)),
    "self-discharge": ({"leak": 0.5, "b_0": 20}, sampled(leak=0.5, start=20)),
    "an hour of silence": (
        {"barred_h": [0, 1, 0], "n_lo": None, "n_min": 18, "n_hi": 10},
        min(sampled(takes=[5.0 * a, 0, 5.0 * b]) for a, b in product(range(11), repeat=2) if a + b >= 18),
    ),
}


@pytest.mark.parametrize("twist", DUTY)
def test_duty(twist: str) -> None:
    more, expected = DUTY[twist]
    base = {"har": HAR, "e_smp": 5, "n_lo": [2, 9, 10], "n_hi": [2, 9, 10], "bat_cap": 40, "CI_t": CD}
    assert solved("duty", {"HOUR": 3}, {**base, **more}) == pytest.approx(expected, rel=1e-6)
    assert expected != pytest.approx(sampled())
