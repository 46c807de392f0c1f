"""Descriptions in three registers, formulated offline and solved; the optimum is computed apart, by brute force."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest

from gramwise.optimize.compiled import highs
from gramwise.optimize.compiled.milp import compile_milp
from gramwise.optimize.typed.bind import bind
from gramwise.optimize.typed.record import Problem, flat
from gramwise.optimize.words.formulator import Draft
from gramwise.optimize.words.offline import OfflineFormulator

KWH = 3.6e6


def least_grams(problem: Problem) -> float:
    bound, findings = bind(problem)
    assert bound is not None, findings
    form = compile_milp(bound)
    for _ in range(40):
        answer = highs.solve(form, time_limit_s=5.0)
        assert answer.z is not None, answer.status
        finer = form.refined(answer.z)
        if finer is None:
            break
        form = finer
    assert answer.z is not None
    return float(np.dot(form.c, answer.z) + form.offset)


def assign(
    energy_j: Callable[[int, int], float],
    ci: list[float],
    jobs: int,
    allowed: Callable[[tuple[int, ...]], bool] = lambda _: True,
) -> float:
    """Fewest grams of putting each job on one site, over all ways."""
    return min(
        sum(energy_j(j, s) * ci[s] / KWH for j, s in enumerate(plan))
        for plan in itertools.product(range(len(ci)), repeat=jobs)
        if allowed(plan)
    )


W = [300, 450, 200, 800, 500, 650]
F = [1.0, 2.5, 4.0]
SLOTS = [400, 380, 300, 250, 120, 100, 180, 350]
ENERGIES = [[2.0, 1.0], [3.0, 2.5], [1.0, 0.2]]
NIGHT = [310, 280, 190, 160, 150, 175, 240, 330]


def chores() -> float:
    def grams(start: int, hours: int, watt: float) -> float:
        return sum(NIGHT[start : start + hours]) * watt / 1000

    return min(
        grams(a, 2, 120) + grams(b, 3, 260) for a in range(7) for b in range(6) if a + 2 <= b or b + 3 <= a
    )


PRACTICE: list[tuple[str, str, str, Callable[[], float]]] = [
    (
        "assignment in terms of art, cycles and kappa",
        "family.assignment",
        (
            "Six inference jobs of 300, 450, 200, 800, 500 and 650 Mcycles each run on exactly one of "
            "three sites: device, edge and cloud. The processors are clocked at 1, 2.5 and 4 GHz and "
            "kappa is 1e-27 J*s^2/cycle^3 at every site. The carbon intensities are 450, 300 and 60 "
            "gCO2e/kWh. Each job must finish within 0.4 s. Minimise the carbon emissions."
        ),
        lambda: assign(
            lambda j, s: 1e-27 * W[j] * 1e6 * (F[s] * 1e9) ** 2,
            [450, 300, 60],
            6,
            lambda p: all(W[j] * 1e6 / (F[s] * 1e9) <= 0.4 for j, s in enumerate(p)),
        ),
    ),
    (
        "assignment with a table of sites and energies in order",
        "family.assignment",
        (
            "Place three jobs on two sites with least carbon.\n"
            "\n"
            "| site | intensity (g/kWh) | slots |\n"
            "|---|---|---|\n"
            "| north | 100 | 2 |\n"
            "| south | 400 | 3 |\n"
            "\n"
            "Each job uses 2 kWh, the second 3 kWh and the third 1 kWh."
        ),
        lambda: assign(lambda j, _: [2, 3, 1][j] * KWH, [100, 400], 3, lambda p: p.count(0) <= 2),
    ),
    (
        "assignment with a table of energies by job and site",
        "family.assignment",
        (
            "Three jobs and two sites. \n"
            "\n"
            "| job | north (kWh) | south (kWh) |\n"
            "|---|---|---|\n"
            "| a | 2 | 1 |\n"
            "| b | 3 | 2.5 |\n"
            "| c | 1 | 0.2 |\n"
            "\n"
            "The grid in the north emits 100 g/kWh and in the south 400 g/kWh. North can take at most two"
            " jobs. Lowest emissions please."
        ),
        lambda: assign(lambda j, s: ENERGIES[j][s] * KWH, [100, 400], 3, lambda p: p.count(0) <= 2),
    ),
    (
        "start hour of one job, business words",
        "family.shift_time",
        (
            "A training run needs 3 hours and draws 2 kW. The grid forecast for the next eight hours is "
            "400, 380, 300, 250, 120, 100, 180 and 350 g/kWh. It must be finished within 8 hours. When "
            "should it start to cause the least carbon?"
        ),
        lambda: min(sum(SLOTS[h : h + 3]) * 2 for h in range(6)),
    ),
    (
        "two chores one after the other, everyday words and times of day",
        "family.shift_time",
        (
            "Tonight I want my computer to do two chores while everyone sleeps: copying the family films,"
            " which keeps it busy for\n"
            "2 hours without a break at 120 watts, and teaching itself to sort our photographs, 3 hours "
            "without a\n"
            "break at 260 watts. It can only do one chore at a time. Each\n"
            "hour of the night has its own dirtiness of electricity, in grams of CO2 per kWh: 22:00 310,\n"
            "23:00 280, 0:00 190, 1:00 160, 2:00 150, 3:00 175, 4:00 240, 5:00 330. Chores begin\n"
            "on the hour, not before 22:00, and all must be done by 6:00. When should each begin so that "
            "the night makes the least CO2?"
        ),
        chores,
    ),
    (
        "a divisible load under a power limit",
        "family.shift_time",
        (
            "A data backup of 12 kWh may be interrupted and spread over the hours. The server can draw at"
            " most 4 kW. The hourly carbon intensity for the next six hours is 300, 200, 100, 150, 400 "
            "and 500 gCO2/kWh. Minimise the emissions."
        ),
        lambda: 4.0 * sum(sorted([300, 200, 100, 150, 400, 500])[:3]),
    ),
    (
        "shares of a load, limits stated for some regions only",
        "family.shift_space",
        (
            "A load of 100 kWh can be shared among Sweden, Ireland and Poland, whose grids emit 30, 300 "
            "and 700 g/kWh. Sweden can take at most 40 % of it and Ireland at most 50 %. What shares emit"
            " least?"
        ),
        lambda: 40 * 30 + 50 * 300 + 10 * 700.0,
    ),
    (
        "model variant in an everyday story",
        "family.variant",
        (
            "My shop's chatbot answers 10000 questions a day. The small model is right 82 % of the time "
            "and costs 0.3 Wh per answer, the medium one 90 % and 0.9 Wh, the large one 95 % and 3 Wh. It"
            " has to be right at least 88 % of the time. Our grid emits 300 g per kWh. Which model keeps "
            "the planet happiest?"
        ),
        lambda: 10000 * 0.9 / 1000 * 300,
    ),
    (
        "batch size under a waiting limit",
        "family.batch",
        (
            "A GPU server batches images. Each batch costs 20 J whatever its size, plus 2 J for each "
            "image. Images arrive at 50 per second and no image may wait longer than 0.5 s. The largest "
            "batch is 32. 100000 images are to be processed. The grid emits 300 g/kWh. Choose the batch "
            "size with the least carbon."
        ),
        lambda: min(1e5 * (20 / b + 2) * 300 / KWH for b in range(1, 33) if (b - 1) / 50 <= 0.5),
    ),
    (
        "clock levels listed with their powers in mixed units",
        "family.clock",
        (
            "Two machine-vision steps run in parallel on separate cores, each with its own time limit. "
            'Step "align" is\n'
            '900 Mcycles and must be done in 0.9 s; step "grade" is 2.4 Gcycles and must be done in\n'
            "1500 ms. For each step we choose one of three clock settings: 1000 MHz drawing 650 mW, 1.5\n"
            "GHz drawing 1.6 W, or 1.8 GHz drawing 2600 mW. A step takes its cycles divided by the clock."
            " Our\n"
            "electricity: 0.0002 t CO2e per kWh. Find the settings with the smallest footprint."
        ),
        lambda: sum(
            min(
                p * w / f * 200 / KWH
                for f, p in ((1.0, 0.65), (1.5, 1.6), (1.8, 2.6))
                if w / f <= limit + 1e-12
            )
            for w, limit in ((0.9, 0.9), (2.4, 1.5))
        ),
    ),
]


@lru_cache(maxsize=64)
def draft_of(text: str) -> Draft:
    return OfflineFormulator().formulate(text)


@pytest.mark.parametrize(
    ("family", "text", "expected"), [p[1:] for p in PRACTICE], ids=[p[0] for p in PRACTICE]
)
def test_the_optimum_of_the_formulated_problem_is_that_of_brute_force(
    family: str, text: str, expected: Callable[[], float]
) -> None:
    draft = draft_of(text)
    assert (draft.status, draft.family) == ("formulated", family), draft.reason
    assert draft.problem is not None
    assert least_grams(draft.problem) == pytest.approx(expected(), rel=1e-6)


@pytest.mark.parametrize("text", [p[2] for p in PRACTICE], ids=[p[0] for p in PRACTICE])
def test_no_number_is_invented(text: str) -> None:
    draft = draft_of(text)
    assert draft.problem is not None
    invented = [str(f) for f in draft.findings if f.code == "E401" and f.where.startswith("param")]
    assert not invented
    for param in draft.problem.params:
        sources = {param.source} if isinstance(param.source, str) else set(param.source)
        assert all(s.startswith(("text:", "kb:", "structure")) for s in sources), param
        if "structure" in sources:
            assert param.values is not None
            assert set(flat(param.values)) <= {0.0, 1.0}


def test_the_same_words_give_the_same_problem() -> None:
    text = PRACTICE[0][2]
    first, second = draft_of(text).problem, OfflineFormulator().formulate(text).problem
    assert first is not None
    assert second is not None
    assert first.digest() == second.digest()
