"""A day's carbon budget: as accurate as it allows, within it where that is possible, and through midnight."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from fluid_kit import case_from

from gramwise.core.errors import ConfigError
from gramwise.sim.budget import within_budget
from gramwise.sim.case import Case
from gramwise.sim.fluid import Flow, account

HOURS = 48
EACH = 100.0
"""Requests an hour."""


def two_variants(budget_g: float | None, **more: Any) -> Case:
    """One node on a flat grid: 1 g at 90 %, or 3 g at 98 %."""
    known = more.pop("known", None)
    return case_from(
        [[1.0, 3.0]], [[1.0, 2.0]], [[1.0] * HOURS], 3600.0, [[EACH] * HOURS], node=[0, 0], known=known,
        accuracy_frac=np.array([0.90, 0.98]), budget_g_per_day=budget_g, **more,
    )  # fmt: skip


def daily_g(case: Case, done: Flow) -> list[float]:
    booked: list[float] = account(case, done).booked_g.reshape(-1, 24).sum(axis=1).tolist()
    return booked


def test_all_the_accuracy_where_the_budget_is_large() -> None:
    case = two_variants(1e6)
    assert account(case, within_budget(case)).accuracy_frac == pytest.approx(0.98)


def test_the_least_grams_where_even_they_are_too_many() -> None:
    case = two_variants(10.0)
    done = within_budget(case)
    assert account(case, done).accuracy_frac == pytest.approx(0.90)
    assert not done.unserved.any(), "nobody is refused to keep a budget"
    assert daily_g(case, done) == pytest.approx([2400.0, 2400.0])


@pytest.mark.parametrize("budget_g", [2500.0, 4000.0, 7000.0])
def test_between_them_the_budget_is_used_up_and_kept(budget_g: float) -> None:
    case = two_variants(budget_g)
    done = within_budget(case)
    assert daily_g(case, done) == pytest.approx([budget_g] * 2, rel=1e-3)
    dear = (budget_g - 2400.0) / 2.0 / 2400.0
    assert account(case, done).accuracy_frac == pytest.approx(0.90 + 0.08 * dear, abs=1e-4)


def test_more_budget_is_never_less_accurate() -> None:
    found = [
        account(case, within_budget(case)).accuracy_frac
        for case in map(two_variants, (2000.0, 2400.0, 3000.0, 4500.0, 7199.0, 7200.0, 9000.0))
    ]
    assert found == sorted(found, key=lambda frac: frac or 0.0)
    assert found[0] == pytest.approx(0.90)
    assert found[-1] == pytest.approx(0.98)


def test_accuracy_is_bought_in_clean_hours() -> None:
    g = np.where(np.arange(HOURS) % 24 < 12, 1.0, 4.0)[None]
    case = dataclasses.replace(
        two_variants(None), g_per_j=g, known_g_per_j=np.repeat(g[:, :, None], 24, axis=2)
    )
    at = np.minimum(np.arange(HOURS)[:, None] + np.arange(24)[None], HOURS - 1)
    case = dataclasses.replace(case, known_g_per_j=g[:, at], budget_g_per_day=1200.0 + 4 * 1200.0 + 1200.0)
    done = within_budget(case)
    # 1200 g more: 600 of the 1200 requests of the clean half may have the better variant, none of the dirty half.
    assert done.served[0, 1, :12].sum() == pytest.approx(600.0, rel=1e-2)
    assert done.served[0, 1, 12:24].sum() == pytest.approx(0.0, abs=6.0)


@pytest.mark.parametrize("ahead", [1, 3, 12])
def test_a_short_horizon_does_not_spend_the_day_at_once(ahead: int) -> None:
    case = two_variants(4000.0, known=np.ones((1, HOURS, ahead)))
    done = within_budget(case)
    assert daily_g(case, done) == pytest.approx([4000.0] * 2, rel=1e-3)
    assert done.served[0, 1, :6].sum() == pytest.approx(done.served[0, 1, 6:12].sum(), rel=0.05)


def test_days_begin_at_midnight_in_utc() -> None:
    case = dataclasses.replace(two_variants(4000.0), start_s=18 * 3600.0)
    booked = account(case, within_budget(case)).booked_g
    # Six hours are left of the first day: all of it may be spent in them.
    assert booked[:6].sum() == pytest.approx(6 * EACH * 3.0)
    assert booked[6:30].sum() == pytest.approx(4000.0, rel=1e-3)


def test_more_requests_than_foreseen_are_made_up_for_later_in_the_day() -> None:
    case = two_variants(4000.0)
    lively = np.where(np.arange(HOURS) < 6, 1.5, 1.0) * case.fixed
    done = within_budget(dataclasses.replace(case, fixed=lively))
    assert daily_g(case, done)[0] == pytest.approx(4000.0, rel=1e-3)


def test_before_anything_is_known_work_is_served() -> None:
    known = np.ones((1, HOURS, 24))
    known[:, 0] = math.nan
    case = two_variants(4000.0, known=known)
    done = within_budget(case)
    assert done.served.sum() == pytest.approx(case.requests)


def test_hours_left_out() -> None:
    case = two_variants(4000.0)
    missing = np.isin(np.arange(HOURS), (3, 4, 23, 24))
    case = dataclasses.replace(
        case, missing=missing, capacity_s=case.capacity_s * ~missing, fixed=case.fixed * ~missing,
        g_per_j=np.where(missing, np.nan, case.g_per_j),
    )  # fmt: skip
    done = within_budget(case)
    assert not done.served[:, :, missing].any()
    assert daily_g(case, done) == pytest.approx([4000.0] * 2, rel=1e-3)


def test_what_is_lacking_is_said() -> None:
    with pytest.raises(ConfigError, match="carbon_budget_g_per_day"):
        within_budget(two_variants(None))
    with pytest.raises(ConfigError, match="accuracy of some variant"):
        within_budget(dataclasses.replace(two_variants(4000.0), accuracy_frac=np.array([0.9, math.nan])))


def test_one_variant_of_unknown_accuracy_is_no_choice() -> None:
    case = case_from(
        [[1.0, 2.0]], [[1.0, 1.0]], [[1.0] * 24] * 2, 3600.0, [[EACH] * 24], budget_g_per_day=1.0
    )
    assert within_budget(case).served[0, 0].sum() == pytest.approx(24 * EACH)
