"""Per inference, break-even and dates: closed forms against sums, and what never happens."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gramwise.core.errors import ConfigError
from gramwise.core.units import S_PER_YEAR
from gramwise.footprint.scaling.account import Account
from gramwise.footprint.scaling.operating import phase_lines
from gramwise.footprint.scaling.phases import PhaseSpec
from gramwise.footprint.scaling.serving import (
    break_even_inferences,
    crossing,
    overtaking_inferences,
    per_inference_g,
    time_until_s,
)

GRAMS = st.floats(1e-6, 1e12)


def account() -> Account:
    """1 kWh of training and 0.002 kWh of serving at 500 g/kWh."""
    common = {"intensity_g_per_kwh": 500, "signal": "average", "basis": "lifecycle", "pue": 1}
    return phase_lines(
        [
            PhaseSpec.from_mapping({"name": "make", "phase": "training", "energy_kwh": 1.0, **common}),
            PhaseSpec.from_mapping({"name": "serve", "phase": "inference", "energy_kwh": 0.002, **common}),
        ]
    )


def test_per_inference_by_hand() -> None:
    found = per_inference_g(200.0, 800.0, np.array([1.0, 1000.0, 1e6]), 0.3, 0.2)
    assert found.tolist() == pytest.approx([1000.5, 1.5, 0.501])


@given(GRAMS, GRAMS)
def test_at_break_even_half_of_all_grams_are_development(development_g: float, running_g: float) -> None:
    n = float(break_even_inferences(development_g, running_g))
    assert n * running_g == pytest.approx(development_g, rel=1e-12)
    both = float(per_inference_g(0.0, development_g, n, running_g, 0.0))
    assert both == pytest.approx(2.0 * running_g, rel=1e-12)


def test_what_runs_for_nothing_never_overtakes() -> None:
    assert break_even_inferences(np.array([5.0, 0.0, 5.0]), np.array([0.0, 0.0, 2.0])).tolist() == [
        math.inf,
        0.0,
        2.5,
    ]


@given(GRAMS, GRAMS, st.floats(1.001, 1e3), st.floats(1.001, 1e3))
def test_two_designs_meet_where_they_cross(made: float, run: float, dearer: float, cheaper: float) -> None:
    n = float(overtaking_inferences(made, run, made * dearer, run / cheaper))
    assert made + n * run == pytest.approx(made * dearer + n * run / cheaper, rel=1e-9)


def test_designs_that_do_not_cross() -> None:
    made, run = np.array([10.0, 10.0, 5.0, 10.0]), np.array([1.0, 2.0, 3.0, 1.0])
    assert overtaking_inferences(10.0, 2.0, made, run).tolist() == [0.0, 0.0, math.inf, 0.0]
    assert float(overtaking_inferences(10.0, 2.0, 20.0, 2.0)) == math.inf


@pytest.mark.parametrize("growth", [-0.5, 0.0, 0.5, 3.0])
def test_time_under_growth_against_a_sum_over_seconds(growth: float) -> None:
    n, rate = 2e5, 0.01
    until_s = float(time_until_s(n, rate, growth))
    steps = np.linspace(0.0, until_s, 200_001)
    middle = 0.5 * (steps[1:] + steps[:-1])
    answered = float(np.sum(rate * (1.0 + growth) ** (middle / S_PER_YEAR) * np.diff(steps)))
    assert answered == pytest.approx(n, rel=1e-6)


def test_a_shrinking_stream_may_never_get_there() -> None:
    # Halving each year, a rate r answers r x year / ln 2 in all.
    whole = 0.01 * S_PER_YEAR / math.log(2.0)
    found = time_until_s(np.array([0.999 * whole, 1.001 * whole, math.inf]), 0.01, -0.5)
    assert np.isfinite(found).tolist() == [True, False, False]
    assert float(time_until_s(math.inf, 1.0)) == math.inf
    assert float(time_until_s(0.0, 1.0, 0.2)) == 0.0


def test_the_crossing_of_an_account_with_its_date() -> None:
    # 500 g once, 1 g for 100 inferences: 50,000 inferences, at one a second 50,000 s.
    found = crossing(account(), 100.0, start_s=0.0, rate_per_s=1.0)
    assert [found.development_g, found.running_g] == pytest.approx([500.0, 0.01])
    assert found.inferences == pytest.approx(50_000.0)
    assert found.at == "1970-01-01T13:53:20+00:00"
    assert found.low is not None
    assert found.high is not None
    assert found.low < 50_000.0 < found.high
    assert found.low_at is not None
    assert found.high_at is not None
    assert found.low_at < found.at < found.high_at


def test_a_crossing_that_never_comes_is_none() -> None:
    whole = account()
    dev_only = Account(whole.lines[:1], whole.factors, [], {"make": "training"})
    found = crossing(dev_only, 100.0, start_s=0.0, rate_per_s=1.0)
    assert (found.inferences, found.at, found.high_at) == (None, None, None)
    slow = crossing(whole, 100.0, start_s=0.0, rate_per_s=1e-12)
    assert slow.inferences == pytest.approx(50_000.0)
    assert slow.at is None, "beyond the calendar"


@pytest.mark.parametrize(
    ("inferences", "rate", "growth", "key"),
    [(0.0, 1.0, 0.0, "inferences"), (1.0, 0.0, 0.0, "rate_per_s"), (1.0, math.inf, 0.0, "rate_per_s"),
     (1.0, 1.0, -1.0, "growth_frac_per_year")],
)  # fmt: skip
def test_bad_numbers_are_refused(inferences: float, rate: float, growth: float, key: str) -> None:
    with pytest.raises(ConfigError) as fault:
        crossing(account(), inferences, start_s=0.0, rate_per_s=rate, growth_frac_per_year=growth)
    assert fault.value.key == key
