"""Every rule that a text may add to the families variant, video and batch changes the optimum as it should."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import pytest
from twist_kit import KWH, Pick, Values, solved

Rule = Callable[[Pick], bool]


def least(cost: Callable[[Pick], float], sizes: Sequence[int], rule: Rule) -> float:
    """Least cost of the picks that keep the rule."""
    return min(cost(pick) for pick in product(*map(range, sizes)) if rule(pick))


# ------------------------------------------------------------------- variant

REQ, EO, ACC, TO = [400.0, 900.0, 150.0], [15.0, 60.0, 240.0], [0.78, 0.88, 0.95], [0.1, 0.4, 0.2]
EJO = [[15.0, 60.0, 240.0], [70.0, 50.0, 200.0], [9.0, 90.0, 100.0]]
AJO = [[0.9, 0.92, 0.95], [0.7, 0.86, 0.97], [0.5, 0.8, 0.91]]
FEED = {"n_req": REQ, "e_o": EO, "CI_0": 180}


def answer_grams(pick: Pick) -> float:
    return sum(REQ[j] * EO[o] for j, o in enumerate(pick)) * 180 / KWH


def mean(of: Sequence[float], pick: Pick) -> float:
    return sum(REQ[j] * of[o] for j, o in enumerate(pick)) / sum(REQ)


VARIANT: dict[str, tuple[Values, Callable[[Pick], float], Rule]] = {
    "energy and accuracy by class": (
        {"e_jo": EJO, "acc_jo": AJO, "acc_min": 0.85, "e_o": None},
        lambda p: sum(REQ[j] * EJO[j][o] for j, o in enumerate(p)) * 180 / KWH,
        lambda p: all(AJO[j][o] >= 0.85 for j, o in enumerate(p)),
    ),
    "accuracy by class on average": (
        {"acc_jo": AJO, "acc_avg": 0.88},
        answer_grams,
        lambda p: sum(REQ[j] * AJO[j][o] for j, o in enumerate(p)) >= 0.88 * sum(REQ),
    ),
    "errors on average": (
        {"err_o": [0.22, 0.12, 0.05], "err_avg": 0.14},
        answer_grams,
        lambda p: mean([0.22, 0.12, 0.05], p) <= 0.14,
    ),
    "a mean time with an accuracy": (
        {"acc_o": ACC, "acc_avg": 0.88, "t_o": TO, "L_avg": 0.39},
        answer_grams,
        lambda p: mean(ACC, p) >= 0.88 - 1e-9 and mean(TO, p) <= 0.39,
    ),
    "most requests of a variant": ({"cap_o": [900, 500, 2000]}, answer_grams, lambda p: all(
        sum(REQ[j] for j in range(3) if p[j] == o) <= most for o, most in enumerate([900, 500, 2000])
    )),
    "few variants in use": (
        {"acc_o": ACC, "acc_min": [0.7, 0.85, 0.9], "k_var": 2},
        answer_grams,
        lambda p: all(ACC[o] >= a for o, a in zip(p, [0.7, 0.85, 0.9], strict=True)) and len(set(p)) <= 2,
    ),
    "energy of keeping a variant": (
        {"acc_o": ACC, "acc_min": [0.7, 0.85, 0.9], "E_keep": [5e3, 5e4, 1e5]},
        lambda p: answer_grams(p) + sum([5e3, 5e4, 1e5][o] for o in set(p)) * 180 / KWH,
        lambda p: all(ACC[o] >= a for o, a in zip(p, [0.7, 0.85, 0.9], strict=True)),
    ),
    "a variant that a class may not use": (
        {"barred_jo": [[1, 0, 0], [0, 0, 0], [1, 1, 0]]},
        answer_grams,
        lambda p: p[0] != 0 and p[2] == 2,
    ),
    "one variant for all": (
        {"acc_o": ACC, "acc_min": [0.7, 0.85, 0.8], "one_for_all": 1},
        answer_grams,
        lambda p: p == (1, 1, 1),
    ),
    "shares of all requests": (
        {"n_req": None, "frac_j": [0.5, 0.3, 0.2], "n_0": 2000, "acc_o": ACC, "acc_avg": 0.86},
        lambda p: sum([1000, 600, 400][j] * EO[o] for j, o in enumerate(p)) * 180 / KWH,
        lambda p: sum([0.5, 0.3, 0.2][j] * ACC[o] for j, o in enumerate(p)) >= 0.86,
    ),
}  # fmt: skip


@pytest.mark.parametrize("twist", VARIANT)
def test_variant(twist: str) -> None:
    more, cost, rule = VARIANT[twist]
    values = {k: v for k, v in {**FEED, **more}.items() if v is not None}
    expected = least(cost, [3] * 3, rule)
    assert solved("variant", {"JOB": 3, "OPTION": 3}, values) == pytest.approx(expected, rel=1e-6)


# ------------------------------------------------------------ video and batch

PS, RS = [[4.0, 7.0, 11.0], [3.0, 6.0, 12.0]], [[1e6, 3e6, 6e6], [1e6, 6e6, 9e6]]
SHARP = [[0.7, 0.82, 0.9], [0.75, 0.85, 0.93]]
USE = [[0.1, 0.3, 0.4], [0.1, 0.5, 0.6]]
CAMERAS = {"P_set": PS, "r_set": RS, "T_hor": 3600, "CI_0": 310, "acc_set": SHARP, "acc_avg_set": 0.83}


def film(pick: Pick) -> float:
    return sum(PS[j][o] for j, o in enumerate(pick)) * 3600 * 310 / KWH


def sharp(pick: Pick, floor: float = 0.83) -> bool:
    return sum(SHARP[j][o] for j, o in enumerate(pick)) / 2 >= floor


def rates(pick: Pick) -> float:
    return sum(RS[j][o] for j, o in enumerate(pick))


VIDEO: dict[str, tuple[Values, Callable[[Pick], float], Rule]] = {
    "energy of sending": (
        {"e_bit_0": 4e-7, "CI_net": 200},
        lambda p: film(p) + 4e-7 * rates(p) * 3600 * 200 / KWH,
        sharp,
    ),
    "a grid of each camera": (
        {"CI_0": None, "CI_j": [400, 30]},
        lambda p: sum(PS[j][o] * [400, 30][j] for j, o in enumerate(p)) * 3600 / KWH,
        sharp,
    ),
    "a common computer": (
        {"use_set": USE, "use_max": 0.6, "acc_avg_set": 0.82},
        film,
        lambda p: sharp(p, 0.82) and sum(USE[j][o] for j, o in enumerate(p)) <= 0.6 + 1e-9,
    ),
    "power of all": (
        {"acc_avg_set": None, "acc_min": [0.8, 0.7], "P_cap": 15, "one_for_all": 1},
        film,
        lambda p: p == (1, 1),
    ),
    "data in all": (
        {"D_max": 8e6 * 3600, "acc_avg_set": 0.82},
        film,
        lambda p: sharp(p, 0.82) and rates(p) <= 8e6,
    ),
    "a setting that a camera may not use": (
        {"barred_jo": [[0, 1, 0], [0, 0, 0]]},
        film,
        lambda p: sharp(p) and p[0] != 1,
    ),
}


@pytest.mark.parametrize("twist", VIDEO)
def test_video(twist: str) -> None:
    more, cost, rule = VIDEO[twist]
    values = {k: v for k, v in {**CAMERAS, **more}.items() if v is not None}
    expected = least(cost, [3] * 2, rule)
    assert solved("video", {"JOB": 2, "OPTION": 3}, values) == pytest.approx(expected, rel=1e-6)


RUNS = {"E_fix": 12, "e_item": 0.8, "b_max": 32, "lam_0": 20, "t_fix": 0.05, "t_item": 0.01, "CI_0": 220}


def in_one_go(b: int) -> float:
    return (12 / b + 0.8) * 220 / KWH


BATCH: dict[str, tuple[Values, Iterator[float]]] = {
    "room for the items": (
        {"mem_0": 8e9, "mem_item": 4e8, "mem_fix": 3e9},
        (in_one_go(b) for b in range(1, 33) if 3e9 + 4e8 * b <= 8e9),
    ),
    "a mean wait": (
        {"L_avg": 0.5},
        (in_one_go(b) for b in range(1, 33) if (b - 1) / 40 + 0.05 + 0.01 * b <= 0.5),
    ),
    "power between batches": (
        {"P_rest": 3, "L_0": 0.9},
        (
            in_one_go(b) + 3 * (1 / 20 - (0.05 + 0.01 * b) / b) * 220 / KWH
            for b in range(1, 33)
            if (b - 1) / 20 + 0.05 + 0.01 * b <= 0.9 and (0.05 + 0.01 * b) * 20 <= b
        ),
    ),
    "power while it runs": (
        {"P_0": 40, "L_0": 0.9, "E_fix": None, "e_item": None},
        (
            40 * (0.05 / b + 0.01) * 220 / KWH
            for b in range(1, 33)
            if (b - 1) / 20 + 0.05 + 0.01 * b <= 0.9 and (0.05 + 0.01 * b) * 20 <= b
        ),
    ),
}


@pytest.mark.parametrize("twist", BATCH)
def test_batch(twist: str) -> None:
    more, costs = BATCH[twist]
    values = {k: v for k, v in {**RUNS, **more}.items() if v is not None}
    assert solved("batch", {}, values) == pytest.approx(min(costs), rel=1e-6)


def test_listed_batches_rest_and_have_room() -> None:
    sizes, power = [4, 8, 16], [(12 + 0.8 * b) for b in (4, 8, 16)]
    values = {"b_o": sizes, "E_b": power, "t_b": [0.1, 0.15, 0.3], "lam_0": 20, "P_rest": 3, "CI_0": 220}
    values |= {"mem_0": 6e9, "mem_item": 4e8, "mem_fix": 1e9, "L_avg": 0.5}
    costs = (
        (power[k] / b + 3 * (1 / 20 - [0.1, 0.15, 0.3][k] / b)) * 220 / KWH
        for k, b in enumerate(sizes)
        if 1e9 + 4e8 * b <= 6e9 and (b - 1) / 40 + [0.1, 0.15, 0.3][k] <= 0.5
    )
    assert solved("batch", {"OPTION": 3}, values) == pytest.approx(min(costs), rel=1e-6)
