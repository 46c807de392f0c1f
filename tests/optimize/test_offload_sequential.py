"""Arrivals and days that unfold: crashes are accounted for, bounds hold, nobody sees an hour before it comes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gramwise.optimize.offload import dispatch, rolling
from gramwise.optimize.offload.case import gap_frac
from gramwise.optimize.offload.deferral import Deferral


@pytest.fixture(scope="module")
def day() -> dispatch.Day:
    return dispatch.draw(np.random.default_rng(0), 4)


@pytest.mark.parametrize("variant", ["utility", "carbon"])
def test_policies_stand_in_the_known_order_below_the_bound(
    day: dispatch.Day, variant: dispatch.Variant
) -> None:
    most = dispatch.bound(day, variant)
    rng = np.random.default_rng(1)
    played = {name: dispatch.play(day, variant, policy, rng) for name, policy in dispatch.POLICIES.items()}
    totals = {name: p.total.mean() for name, p in played.items()}
    assert totals["random"] < totals["round robin"] < totals["most room"] < totals["best with room"]
    assert all((p.total <= most).all() for p in played.values())
    assert played["most room"].crashes.sum() == played["best with room"].crashes.sum() == 0
    assert played["random"].lost_frac.mean() > 0.1


def test_the_published_heuristics_score_near_what_was_published(day: dispatch.Day) -> None:
    """D2SAC prints 400 for the one that avoids crashes and 596 for its prophet, on one draw of providers."""
    rng = np.random.default_rng(1)
    avoid = dispatch.play(day, "utility", dispatch.most_room, rng).total
    prophet = dispatch.play(day, "utility", dispatch.best_fit, rng).total
    assert avoid.min() < 400 < avoid.max()
    assert 0.75 * 596 < prophet.mean() < 596


def _one_provider() -> dispatch.Day:
    """Three tasks of 250 steps and 1000 s at one provider of 400; the second comes half-way through the first."""
    steps = np.full((1, 3), 250.0)
    return dispatch.Day(
        arrival_s=np.array([[0.0, 500.0, 5000.0]]),
        steps=steps,
        run_s=np.full((1, 3), 1000.0),
        capacity_steps=np.array([[400.0]]),
        worth=np.full((1, 3, 1), 0.7),
        grams=np.full((1, 3, 1), 10.0),
        rented_g=np.full((1, 3), 40.0),
    )


def test_a_crash_costs_what_the_published_code_charges() -> None:
    episodes = dispatch.Episodes(_one_provider(), "utility")
    nowhere_else = np.zeros(1, dtype=np.int64)
    assert episodes.step(nowhere_else)[0] == pytest.approx(0.7)
    assert not episodes.fits()[0, 0]
    assert episodes.step(nowhere_else)[0] == pytest.approx(-(2 + 2 * 0.5))
    assert episodes.room()[0, 0] == 400.0
    assert episodes.step(nowhere_else)[0] == pytest.approx(0.7)
    assert episodes.done
    assert episodes.lost[0].tolist() == [True, True, False]


def test_in_grams_a_lost_task_has_emitted_its_share_and_is_made_again() -> None:
    one = _one_provider()
    played = dispatch.play(one, "carbon", dispatch.at_random, np.random.default_rng(0))
    # half of the first, both lost ones on rented capacity, the third as it was
    assert played.total[0] == pytest.approx(-(5.0 + 40.0 + 40.0 + 10.0))
    assert played.crashes[0] == 1
    assert played.lost_frac[0] == pytest.approx(2 / 3)


def test_what_is_observed_is_between_0_and_about_1(day: dispatch.Day) -> None:
    for variant, width in (("utility", 42), ("carbon", 62)):
        episodes = dispatch.Episodes(day, variant)  # type: ignore[arg-type]
        for _ in range(30):
            seen = episodes.observe()
            assert seen.shape == (4, width)
            assert seen.min() >= 0.0
            assert seen.max() <= 1.2
            episodes.step(episodes.room().argmax(axis=1))


@pytest.fixture(scope="module")
def case() -> Deferral:
    return Deferral(8, 4)


def test_waiting_saves_and_a_newer_forecast_loses_nothing(case: Deferral) -> None:
    rng = np.random.default_rng(3)
    jobs = case.sample(rng, 30)
    steps, reference = rolling.walk(rng, jobs, 0.3), case.reference(jobs)
    gaps = {}
    for how in ("at once", "day ahead", "rolling"):
        decisions = rolling.run(case, jobs, steps, how)  # type: ignore[arg-type]
        assert case.violations(decisions, jobs).max() == 0
        gaps[how] = gap_frac(case.cost(decisions, jobs)[:, 0], reference).mean()
    assert gaps["rolling"] < gaps["day ahead"] < gaps["at once"]
    assert gaps["rolling"] > 0.0


def test_a_perfect_forecast_and_an_exact_plan_have_no_regret(case: Deferral) -> None:
    rng = np.random.default_rng(4)
    jobs = case.sample(rng, 5)
    none = np.zeros_like(jobs.intensity_g_per_kwh)
    decisions = rolling.run(case, jobs, none, "day ahead", plan_s=10.0)
    np.testing.assert_allclose(case.cost(decisions, jobs)[:, 0], case.reference(jobs).grams, rtol=1e-6)


def test_no_hour_is_seen_before_it_comes(case: Deferral) -> None:
    """Two days that part at hour 8, with the same forecasts until then, have the same starts before hour 8."""
    rng = np.random.default_rng(5)
    jobs = case.sample(rng, 15)
    steps = rolling.walk(rng, jobs, 0.3)
    factor = np.where(np.arange(24) >= 8, rng.lognormal(0.0, 0.4, (15, 4, 24)), 1.0)
    other = replace(jobs, intensity_g_per_kwh=jobs.intensity_g_per_kwh * factor)
    # The walk of the other day is bent so that hours 0 to 7 issue the very same forecasts.
    bend = np.diff(np.log(factor), axis=-1, prepend=0.0)
    first, second = (rolling.run(case, j, s, "rolling") for j, s in ((jobs, steps), (other, steps - bend)))
    np.testing.assert_allclose(
        rolling.forecast(jobs, steps, 7).intensity_g_per_kwh,
        rolling.forecast(other, steps - bend, 7).intensity_g_per_kwh,
        rtol=1e-9,
    )
    early = (first[..., 1] < 8) | (second[..., 1] < 8)
    np.testing.assert_array_equal(first[early], second[early])
    assert early.any()
    assert (first != second).any()
