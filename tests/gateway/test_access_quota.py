"""Quotas on a clock that is moved by hand: rates, requests at a time, and budgets of a UTC day."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gramwise.core.clock import ManualClock
from gramwise.gateway.access.denied import Denied
from gramwise.gateway.access.keys import Limits
from gramwise.gateway.access.quota import Admission, Quotas

DAY_S = 86_400.0


class Case:
    """Quotas of one tenant; a day begins at 0."""

    def __init__(self, **limits: float) -> None:
        self.clock, self.limits = ManualClock(0.0), {"acme": Limits(**limits)}  # type: ignore[arg-type]
        self.quotas = Quotas(lambda tenant: self.limits.get(tenant, Limits()), self.clock)

    def admit(self) -> Admission:
        return self.quotas.admit("acme")

    def refused(self) -> Denied:
        with pytest.raises(Denied) as caught:
            self.admit()
        assert caught.value.status == 429
        return caught.value


def test_a_rate_lets_a_burst_through_and_then_says_when_the_next_may_come() -> None:
    case = Case(requests_per_s=2.0, burst=3)
    for _ in range(3):
        case.admit().done()
    fault = case.refused()
    assert "2 requests a second" in fault.sentence
    assert fault.retry_after_s == pytest.approx(0.5)
    case.clock.advance(0.5)
    case.admit().done()
    case.refused()
    case.clock.advance(1000.0)
    for _ in range(3):
        case.admit().done()
    case.refused()


@given(
    rate=st.floats(0.1, 50.0),
    burst=st.integers(1, 20),
    gaps_s=st.lists(st.floats(0.0, 2.0), min_size=1, max_size=80),
)
def test_no_stretch_of_time_sees_more_than_the_burst_and_the_rate(
    rate: float, burst: int, gaps_s: list[float]
) -> None:
    case = Case(requests_per_s=rate, burst=burst)
    let_in: list[float] = []
    for gap_s in gaps_s:
        case.clock.advance(gap_s)
        try:
            case.admit().done()
            let_in.append(case.clock.now_s())
        except Denied:
            pass
    for i, first_s in enumerate(let_in):
        for j in range(i, len(let_in)):
            assert j - i + 1 <= burst + rate * (let_in[j] - first_s) + 1e-6


def test_requests_at_a_time_are_counted_until_they_are_over_and_each_once() -> None:
    case = Case(concurrent=2)
    first, _ = case.admit(), case.admit()
    assert "2 requests under way" in case.refused().sentence
    first.done()
    first.done()
    case.admit()
    case.refused()
    assert case.quotas.usage("acme")["underway"] == 2


@pytest.mark.parametrize(
    ("limits", "spent", "said"),
    [
        ({"energy_j_per_day": 10.0}, (10.0, 0.0), "10 J"),
        ({"carbon_g_per_day": 0.5}, (0.0, 0.5), "0.5 g of CO2e"),
    ],
)
def test_a_budget_is_of_the_utc_day_and_comes_back_with_the_next(
    limits: dict[str, float], spent: tuple[float, float], said: str
) -> None:
    case = Case(**limits)
    case.clock.advance(1000.0)
    case.admit().done(*spent)
    fault = case.refused()
    assert said in fault.sentence
    assert fault.retry_after_s == DAY_S - 1000.0
    assert fault.headers() == [("Retry-After", "85400")]
    case.clock.advance(DAY_S - 1000.0)
    case.admit().done()


def test_what_is_not_known_counts_against_nothing_and_is_said() -> None:
    case = Case(energy_j_per_day=1.0, carbon_g_per_day=1.0)
    case.admit().done(None, math.nan)
    case.admit().done(0.25, None)
    case.admit().done(None, None, served=False)
    used = case.quotas.usage("acme")
    assert (used["energy_j"], used["carbon_g"]) == (0.25, 0.0)
    assert (used["unknown_energy"], used["unknown_carbon"]) == (1, 2)
    assert (used["energy_left_j"], used["carbon_left_g"]) == (0.75, 1.0)


def test_a_restart_forgives_nothing_and_other_tenants_pay_for_themselves() -> None:
    case = Case(carbon_g_per_day=1.0)
    case.quotas.seed("acme", 5.0, 1.0)
    case.refused()
    case.quotas.admit("other").done(1e9, 1e9)
    assert case.quotas.usage("other")["carbon_left_g"] is None


def test_limits_that_the_operator_changes_hold_for_the_next_request() -> None:
    case = Case(concurrent=1)
    case.admit()
    case.refused()
    case.limits["acme"] = Limits(concurrent=2)
    case.admit()


def test_where_no_keys_are_asked_for_the_nameless_tenant_is_counted_too() -> None:
    case = Case()
    admission = case.quotas.admit("")
    admission.done(2.0, 0.1)
    assert case.quotas.usage("")["energy_j"] == 2.0
    assert case.quotas.usage("")["underway"] == 0
