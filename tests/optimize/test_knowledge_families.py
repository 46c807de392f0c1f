"""Every family, filled with a small instance, has the optimum that plain enumeration finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import pytest

from gramwise.optimize.knowledge.base import shipped
from gramwise.optimize.knowledge.entry import Worked
from gramwise.optimize.knowledge.fill import fill
from gramwise.optimize.solvers.milp import MilpSolver
from gramwise.optimize.typed.bind import bind
from gramwise.optimize.typed.validate import validate

KWH = 3.6e6
Groups = Mapping[str, Any]


def least(costs: Iterator[float]) -> float:
    """Smallest of the feasible costs."""
    return min(costs)


def solved(family: str, groups: Groups, values: Mapping[str, Any]) -> float:
    """Grams that the exact solver proves for a filled family."""
    worked = Worked.model_validate({"family": family, "groups": groups, "values": values})
    bound, findings = bind(fill(worked, source="kb:test"))
    assert bound is not None, findings
    answer = MilpSolver().solve(bound)
    assert answer.status == "optimal", answer.status
    assert answer.grams is not None
    return answer.grams


def assignment_cpu() -> tuple[Groups, Mapping[str, Any], float]:
    w, f, kap, ci = [2e9, 1e9, 3e9], [1e9, 2e9], [1e-27, 4e-27], [500, 100]
    d, rate, ptx, limit = [8e6, 4e6, 1.6e7], 1e7, 1.2, 3.0

    def costs() -> Iterator[float]:
        for places in product(range(2), repeat=3):
            times = [w[j] / f[s] + s * d[j] / rate for j, s in enumerate(places)]
            if max(times) <= limit and sum(s == 1 for s in places) <= 2:
                joule = [kap[s] * w[j] * f[s] ** 2 + s * ptx * d[j] / rate for j, s in enumerate(places)]
                yield sum(e * ci[s] / KWH for e, s in zip(joule, places, strict=True))

    values = {"W": w, "f": f, "kappa": kap, "CI": ci, "D": d, "rate": rate, "P_tx": ptx, "L": limit}
    return {"JOB": 3, "SITE": 2}, {**values, "remote": [0, 1], "cap_jobs": [3, 2]}, least(costs())


def assignment_energy() -> tuple[Groups, Mapping[str, Any], float]:
    e, ci, pue, need, room = [[420, 310], [900, 640], [150, 140]], [90, 210], [1.1, 1.4], [4, 2, 3], [5, 9]
    acc, floor = [[0.9, 0.95], [0.8, 0.9], [0.9, 0.9]], [0.9, 0.85, 0.5]

    def costs() -> Iterator[float]:
        for places in product(range(2), repeat=3):
            fits = all(sum(need[j] for j in range(3) if places[j] == s) <= room[s] for s in range(2))
            if fits and all(acc[j][s] >= floor[j] for j, s in enumerate(places)):
                yield sum(e[j][s] * pue[s] * ci[s] / KWH for j, s in enumerate(places))

    values = {"E": e, "CI": ci, "PUE": pue, "mem_need": need, "mem": room, "acc": acc, "acc_min": floor}
    return {"JOB": 3, "SITE": 2}, values, least(costs())


def split() -> tuple[Groups, Mapping[str, Any], float]:
    td, tr, d = [0, 0.9, 2.6], [0.4, 0.25, 0], [24e6, 4e6, 0]

    def costs() -> Iterator[float]:
        for o in range(3):
            if td[o] + tr[o] + d[o] / 2e7 <= 2:
                yield ((3.2 * td[o] + 1.1 * d[o] / 2e7) * 280 + 85 * tr[o] * 35) / KWH

    values = {"t_dev": td, "t_rem": tr, "D_cut": d, "rate_0": 2e7, "P_tx_0": 1.1, "P_dev": 3.2, "P_rem": 85}
    return {"OPTION": 3}, {**values, "CI_dev": 280, "CI_rem": 35, "L_0": 2}, least(costs())


def shift_time_starts() -> tuple[Groups, Mapping[str, Any], float]:
    ci, power, hours = [310, 280, 190, 160, 150, 175, 240, 330], [120, 260], [2, 3]

    def costs() -> Iterator[float]:
        for a, b in product(range(7), range(1, 6)):
            if a + 2 <= 8 and b + 3 <= 7 and (a + 2 <= b or b + 3 <= a):
                yield (
                    sum(power[0] * ci[h] for h in range(a, a + 2)) / 1000
                    + sum(power[1] * ci[h] for h in range(b, b + 3)) / 1000
                )

    values = {"P_job": power, "dur": [h * 3600 for h in hours], "CI_t": ci, "slots_t": 1}
    return (
        {"JOB": 2, "HOUR": 8},
        {**values, "ready": [0, 3600], "due": [8 * 3600, 7 * 3600]},
        least(costs()),
    )


def shift_time_fraction() -> tuple[Groups, Mapping[str, Any], float]:
    ci = [300, 100, 200, 50]
    costs = (600 * ci[h] / 1000 + 300 * ci[h + 1] / 1000 for h in range(3))
    return {"JOB": 1, "HOUR": 4}, {"E_job": 900 * 3600, "dur": 5400, "CI_t": ci}, least(costs)


def shift_time_divisible() -> tuple[Groups, Mapping[str, Any], float]:
    ci = [400, 350, 220, 180, 260, 390]

    def costs() -> Iterator[float]:
        # Whole kWh suffice: all limits are whole, and the constraints form a network.
        for a in product(range(4), repeat=4):
            if sum(a) != 6:
                continue
            full = (*a, 0, 0)
            left = 9
            grams = float(sum(q * ci[h] for h, q in enumerate(full)))
            for h in sorted(range(1, 6), key=lambda h: ci[h]):
                take = min(left, 4, 5 - full[h])
                grams, left = grams + take * ci[h], left - take
            if left == 0:
                yield grams

    values = {"E_job": [6 * KWH, 9 * KWH], "E_own": [3 * KWH, 4 * KWH], "E_cap_t": 5 * KWH, "CI_t": ci}
    return (
        {"JOB": 2, "HOUR": 6},
        {**values, "divisible": 1, "slot_from": [1, 2], "slot_to": [4, 6]},
        least(costs()),
    )


def shift_space() -> tuple[Groups, Mapping[str, Any], float]:
    ci, e, cap, rtt = (
        [40, 350, 620],
        [0.9 * 3600, 0.7 * 3600, 0.8 * 3600],
        [0.5, 0.8, 0.6],
        [0.18, 0.06, 0.22],
    )

    def costs() -> Iterator[float]:
        for a, b in product(range(101), repeat=2):
            y = [a / 100, b / 100, 1 - (a + b) / 100]
            delay = sum(q * r for q, r in zip(y, rtt, strict=True))
            fits = -1e-9 <= y[2] <= cap[2] and y[0] <= cap[0] and y[1] <= cap[1]
            if fits and delay <= 0.12 + 1e-12:
                yield sum(y[s] * 1000 * e[s] * ci[s] / KWH for s in range(3))

    values = {"n_0": 1000, "e_s": e, "CI": ci, "cap_frac": cap, "rtt": rtt, "L_avg": 0.12}
    return {"SITE": 3}, values, least(costs())


def shift_space_whole() -> tuple[Groups, Mapping[str, Any], float]:
    ci, pue = [45, 30, 300], [1.5, 1.2, 1.1]
    costs = (20 * c * p for c, p in zip(ci, pue, strict=True) if c != 30)
    return (
        {"SITE": 3},
        {"P_0": 2e4, "dur_0": 3600, "CI": ci, "PUE": pue, "whole": 1, "barred_s": [0, 1, 0]},
        least(costs),
    )


def clock_levels() -> tuple[Groups, Mapping[str, Any], float]:
    w, f = [3e9, 5e9], [0.8e9, 1.2e9, 1.6e9, 2e9]

    def costs() -> Iterator[float]:
        for levels in product(range(4), repeat=2):
            times = [w[j] / f[o] for j, o in enumerate(levels)]
            if sum(times) <= 6:
                yield sum(
                    (5e-28 * w[j] * f[o] ** 2 + 0.4 * times[j]) * 250 / KWH for j, o in enumerate(levels)
                )

    values = {"W": w, "f_o": f, "kappa_0": 5e-28, "P_stat": 0.4, "CI_0": 250, "L_all": 6}
    return {"JOB": 2, "OPTION": 4}, values, least(costs())


def clock_range() -> tuple[Groups, Mapping[str, Any], float]:
    # Without static power the slowest clock that keeps the limit is best.
    clocks = [max(5e8, 2e9 / 1.5), max(5e8, 1e9 / 4)]
    grams = sum(1e-27 * w * c**2 for w, c in zip([2e9, 1e9], clocks, strict=True)) * 300 / KWH
    values = {"W": [2e9, 1e9], "kappa_0": 1e-27, "f_lo": 5e8, "f_hi": 3e9, "L": [1.5, 4], "CI_0": 300}
    return {"JOB": 2}, values, grams


def variant() -> tuple[Groups, Mapping[str, Any], float]:
    n, e, acc, t = [400, 900, 150], [15, 60, 240], [0.78, 0.88, 0.95], [0.1, 0.4, 2.0]

    def costs() -> Iterator[float]:
        for picks in product(range(3), repeat=3):
            mean = sum(n[j] * acc[o] for j, o in enumerate(picks)) / sum(n)
            if mean >= 0.87 and acc[picks[2]] >= 0.9 and t[picks[0]] <= 0.5:
                yield sum(n[j] * e[o] * 180 / KWH for j, o in enumerate(picks))

    values = {"n_req": n, "e_o": e, "acc_o": acc, "t_o": t, "acc_min": [0, 0, 0.9], "acc_avg": 0.87}
    return {"JOB": 3, "OPTION": 3}, {**values, "L": [0.5, 9, 9], "CI_0": 180}, least(costs())


def batch() -> tuple[Groups, Mapping[str, Any], float]:
    costs = (
        500 * (12 / b + 0.8) * 220 / KWH
        for b in range(1, 33)
        if (b - 1) / 20 + 0.05 + 0.01 * b <= 0.6 and (0.05 + 0.01 * b) * 20 <= b
    )
    values = {"E_fix": 12, "e_item": 0.8, "b_max": 32, "lam_0": 20, "L_0": 0.6, "t_fix": 0.05, "t_item": 0.01}
    return {}, {**values, "n_0": 500, "CI_0": 220}, least(costs)


def replicas() -> tuple[Groups, Mapping[str, Any], float]:
    cap, idle, e, ci, most = [1500, 800], [60 * 36000, 35 * 36000], [900, 1200], [400, 20], [2, 5]

    def costs() -> Iterator[float]:
        for r in product(range(3), range(6)):
            for first in {0, 5000, min(5000, r[0] * cap[0]), max(0, 5000 - r[1] * cap[1])}:
                q = [first, 5000 - first]
                if all(q[s] <= r[s] * cap[s] for s in range(2)):
                    yield sum((r[s] * idle[s] + q[s] * e[s]) * ci[s] / KWH for s in range(2))

    values = {"n_0": 5000, "cap_rep": cap, "P_idle": [60, 35], "T_hor": 36000, "e_s": e, "CI": ci}
    return {"SITE": 2}, {**values, "r_max": most}, least(costs())


def replicas_rates() -> tuple[Groups, Mapping[str, Any], float]:
    costs = (
        (r * 80 + 40 * 3) * 3600 * 100 / KWH + (k * 50 + 0 * 3) * 3600 * 400 / KWH
        for r, k in product(range(6), range(3))
        if r * 12 >= 40
    )
    values = {
        "lam_0": 40,
        "mu": [12, 30],
        "P_idle": [80, 50],
        "e_s": [3, 30],
        "CI": [100, 400],
        "r_max": [5, 2],
    }
    return {"SITE": 2}, values, least(costs)


def duty() -> tuple[Groups, Mapping[str, Any], float]:
    har, ci, cap = [2.0, 6.0, 1.0], [300, 200, 400], 4.0

    def costs() -> Iterator[float]:
        for n in product(range(2, 11), repeat=3):
            if sum(n) < 18:
                continue
            need = [q * 0.5 + 0.4 for q in n]
            yield grid_grams(need, har, ci, cap)

    values = {
        "har": har,
        "e_smp": 0.5,
        "P_slp": 0.4 / 3600,
        "n_min": 18,
        "n_lo": 2,
        "n_hi": 10,
        "bat_cap": cap,
    }
    return {"HOUR": 3}, {**values, "CI_t": ci}, least(costs())


def grid_grams(need: Sequence[float], har: Sequence[float], ci: Sequence[float], cap: float) -> float:
    """Cheapest covering of each hour's need from harvest, store and grid, in steps of 0.1 J."""
    step = 0.1
    levels = {0: 0.0}
    for q, h, c in zip(need, har, ci, strict=True):
        after: dict[int, float] = {}
        for level, grams in levels.items():
            have = level * step + h - q
            for target in range(round(cap / step) + 1):
                bought = max(0.0, target * step - have)
                total = grams + bought * c / KWH
                if total < after.get(target, math.inf):
                    after[target] = total
        levels = after
    return min(levels.values())


def battery() -> tuple[Groups, Mapping[str, Any], float]:
    load, sun, ci = [2, 2, 2, 2, 2], [0, 3, 5, 1, 0], [200, 180, 170, 340, 400]

    # By tenths of a kWh in the battery: 80 % of what is charged is kept, so that a tenth takes an eighth.
    after = {0: 0.0}
    for h in range(5):
        before, after = after, {}
        for level, grams in before.items():
            for new in range(max(0, level - 20), min(40, level + 16) + 1):
                flow = (new - level) / 8 if new > level else (new - level) / 10
                total = grams + max(0.0, load[h] - sun[h] + flow) * ci[h]
                after[new] = min(total, after.get(new, math.inf))

    values = {
        "load_h": [x * KWH for x in load],
        "sun": [x * KWH for x in sun],
        "CI_t": ci,
        "bat_cap": 4 * KWH,
    }
    return {"HOUR": 5}, {**values, "P_ch": 2000, "P_dis": 2000, "eta_rt": 0.8}, least(iter(after.values()))


def federated() -> tuple[Groups, Mapping[str, Any], float]:
    p, t, ci, n = (
        [12, 25, 8, 18, 30],
        [300, 140, 650, 260, 110],
        [90, 310, 40, 200, 450],
        [1200, 2000, 1500, 1000, 1800],
    )

    def costs() -> Iterator[float]:
        for x in product(range(2), repeat=5):
            if sum(x) >= 2 and sum(a * b for a, b in zip(x, n, strict=True)) >= 3000 and not x[2]:
                yield sum(x[s] * p[s] * t[s] * ci[s] / KWH for s in range(5))

    values = {"P_cl": p, "t_cl": t, "CI": ci, "n_dat": n, "n_dat_min": 3000, "k_min": 2, "L_0": 400}
    return {"SITE": 5}, values, least(costs())


def cache() -> tuple[Groups, Mapping[str, Any], float]:
    size, n, fetch, hold = (
        [4, 2, 9, 3, 5],
        [900, 150, 300, 2000, 250],
        [800, 400, 1800, 600, 1000],
        [60, 30, 130, 45, 70],
    )

    def costs() -> Iterator[float]:
        for x in product(range(2), repeat=5):
            if sum(a * b for a, b in zip(x, size, strict=True)) <= 12 and sum(x) <= 2:
                yield sum(hold[j] / 1000 * 260 if x[j] else n[j] * fetch[j] / KWH * 190 for j in range(5))

    values = {
        "mem_need": [s * 8e9 for s in size],
        "mem_0": 12 * 8e9,
        "n_req": n,
        "E_fetch": fetch,
        "k_keep": 2,
    }
    return (
        {"JOB": 5},
        {**values, "E_hold": [h * 3600 for h in hold], "CI_0": 260, "CI_rem": 190},
        least(costs()),
    )


def power() -> tuple[Groups, Mapping[str, Any], float]:
    rates, gain = [2e6, 5e6], [1e-8, 4e-8]
    need = [(2 ** (r / 1e6) - 1) * 1e-10 / g for r, g in zip(rates, gain, strict=True)]
    values = {"R_min": rates, "Bw": 1e6, "gain_db": [-80, 10 * math.log10(4e-8)], "noise_db": -70, "P_max": 2}
    return {"JOB": 2}, {**values, "CI_0": 400, "T_hor": 7200}, sum(need) * 7200 * 400 / KWH


def power_channels() -> tuple[Groups, Mapping[str, Any], float]:
    gain = [[2e-9, 5e-9, 1e-9], [3e-9, 9e-9, 2e-9]]

    def costs() -> Iterator[float]:
        for a, b in product(range(3), repeat=2):
            if a != b:
                p = [3e-10 / gain[0][a], 7e-10 / gain[1][b]]
                if sum(p) <= 0.35:
                    yield sum(p) * 3600 * 400 / KWH

    values = {"R_min": [2e6, 3e6], "Bw": 1e6, "gain_c": gain, "noise": 1e-10, "P_tot": 0.35, "CI_0": 400}
    return {"JOB": 2, "OPTION": 3}, values, least(costs())


def uav() -> tuple[Groups, Mapping[str, Any], float]:
    dist, e, ci = [[50, 300], [80, 90], [400, 60]], [[5e3, 4e3], [6e3, 3e3], [9e3, 4e3]], [350, 120]

    def costs() -> Iterator[float]:
        for x in product(range(2), repeat=3):
            if (
                all(dist[j][s] <= [100, 310][s] for j, s in enumerate(x))
                and x.count(0) <= 2
                and x.count(1) <= 2
            ):
                flown = sum(200 * 600 * ci[s] / KWH for s in set(x))
                yield flown + sum(e[j][s] * ci[s] / KWH for j, s in enumerate(x))

    values = {
        "P_hov": 200,
        "T_hov": 600,
        "E": e,
        "dist": dist,
        "reach_s": [100, 310],
        "CI": ci,
        "cap_jobs": 2,
    }
    return {"JOB": 3, "SITE": 2}, values, least(costs())


def video() -> tuple[Groups, Mapping[str, Any], float]:
    p, acc, r = [[4, 7, 11], [3, 6, 12]], [[0.7, 0.82, 0.9], [0.75, 0.85, 0.93]], [1e6, 3e6, 6e6]

    def costs() -> Iterator[float]:
        for x in product(range(3), repeat=2):
            if (
                r[x[0]] + r[x[1]] <= 7e6
                and all(acc[j][o] >= 0.8 for j, o in enumerate(x))
                and sum(acc[j][o] for j, o in enumerate(x)) / 2 >= 0.83
            ):
                yield sum(p[j][o] * 86400 * 310 / KWH for j, o in enumerate(x))

    values = {"P_set": p, "acc_set": acc, "acc_min": 0.8, "acc_avg_set": 0.83, "r_set": [r, r], "B_up": 7e6}
    return {"JOB": 2, "OPTION": 3}, {**values, "T_hor": 86400, "CI_0": 310}, least(costs())


CASES: dict[str, tuple[str, Callable[[], tuple[Groups, Mapping[str, Any], float]]]] = {
    case.__name__: (family, case)
    for family, case in (
        ("family.assignment", assignment_cpu),
        ("family.assignment", assignment_energy),
        ("family.split", split),
        ("family.shift_time", shift_time_starts),
        ("family.shift_time", shift_time_fraction),
        ("family.shift_time", shift_time_divisible),
        ("family.shift_space", shift_space),
        ("family.shift_space", shift_space_whole),
        ("family.clock", clock_levels),
        ("family.clock", clock_range),
        ("family.variant", variant),
        ("family.batch", batch),
        ("family.replicas", replicas),
        ("family.replicas", replicas_rates),
        ("family.duty", duty),
        ("family.battery", battery),
        ("family.federated", federated),
        ("family.cache", cache),
        ("family.power", power),
        ("family.power", power_channels),
        ("family.uav", uav),
        ("family.video", video),
    )
}


@pytest.mark.parametrize("name", CASES)
def test_a_filled_family_has_the_optimum_of_enumeration(name: str) -> None:
    family, case = CASES[name]
    groups, values, expected = case()
    assert solved(family, groups, values) == pytest.approx(expected, rel=1e-6)


def test_every_family_is_tested() -> None:
    assert {family for family, _ in CASES.values()} == {e.id for e in shipped().of("family")}


@pytest.mark.parametrize("name", CASES)
def test_a_filled_family_passes_the_validator(name: str) -> None:
    family, case = CASES[name]
    groups, values, _ = case()
    worked = Worked.model_validate({"family": family, "groups": groups, "values": values})
    report = validate(fill(worked, source="kb:worked.cache"))
    assert [str(f) for f in report.findings if f.blocks] == []
    assert "W304" not in {f.code for f in report.findings}
