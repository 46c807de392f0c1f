"""Laws of the bill on pure functions: it adds, PUE counts once, waiting for cleaner power never costs more."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gramwise.core.decision import Cost, plan_of
from gramwise.core.quantity import Quantity, evaluate
from gramwise.core.series import Series
from gramwise.core.units import carbon_g
from gramwise.testing import example_request, example_snapshot

joules = st.floats(1e-6, 1e9)
intensity = st.floats(0.0, 2000.0)
pue = st.floats(1.0, 3.0)


@given(st.lists(joules, min_size=1, max_size=20), intensity, pue)
def test_carbon_adds_over_requests(energies_j: list[float], grid: float, site: float) -> None:
    parts = sum(carbon_g(energy_j, grid, site) for energy_j in energies_j)
    assert parts == pytest.approx(carbon_g(sum(energies_j), grid, site), rel=1e-9)


@given(joules, intensity, pue)
def test_pue_counts_once(energy_j: float, grid: float, site: float) -> None:
    assert carbon_g(energy_j, grid, site) == pytest.approx(site * carbon_g(energy_j, grid))


@given(joules, st.floats(1.0, 100.0), st.floats(1.0, 100.0))
def test_carbon_is_in_proportion_to_energy_and_to_intensity(energy_j: float, a: float, b: float) -> None:
    assert carbon_g(a * energy_j, b * 100.0) == pytest.approx(a * b * carbon_g(energy_j, 100.0))


@given(st.lists(st.tuples(joules, joules, joules), min_size=1, max_size=10))
def test_costs_add_in_any_order(parts: list[tuple[float, float, float]]) -> None:
    costs = [Cost(latency_s=a, energy_j=b, carbon_g=c) for a, b, c in parts]
    there, back = costs[0], costs[-1]
    for cost in costs[1:]:
        there = there + cost
    for cost in costs[-2::-1]:
        back = back + cost
    assert dataclasses.astuple(there) == pytest.approx(dataclasses.astuple(back))
    assert there.energy_j == pytest.approx(sum(cost.energy_j for cost in costs))


def test_a_batch_costs_what_its_inferences_cost() -> None:
    snapshot, one = example_snapshot(4, 1), dataclasses.replace(example_request(), count=1)
    ten = dataclasses.replace(one, count=10)
    for row in range(4):
        single, batch = plan_of(one, snapshot, row).cost, plan_of(ten, snapshot, row).cost
        assert batch.energy_j == pytest.approx(10 * single.energy_j)
        assert batch.carbon_g == pytest.approx(10 * single.carbon_g)
        assert single.latency_s < batch.latency_s < 10 * single.latency_s


def test_a_plan_costs_the_same_whoever_else_waits() -> None:
    # Predicted grams are marginal: a queue delays a request, it does not make it dearer.
    snapshot, request = example_snapshot(4, 1), example_request()
    crowded = dataclasses.replace(snapshot, backlog_s=snapshot.backlog_s + 5.0, queued=snapshot.queued + 9)
    for row in range(4):
        before, after = plan_of(request, snapshot, row).cost, plan_of(request, crowded, row).cost
        assert (after.energy_j, after.carbon_g) == (before.energy_j, before.carbon_g)
        assert after.latency_s == pytest.approx(before.latency_s + 5.0)


steps = st.lists(st.floats(0.0, 1000.0), min_size=2, max_size=24)


def hourly(values: list[float]) -> Series:
    return Series(
        times_s=tuple(3600.0 * i for i in range(len(values))),
        values=tuple(values),
        end_s=3600.0 * len(values),
        unit="g/kWh",
        signal="average",
        basis="lifecycle",
        source="a test",
    )


def job_g(series: Series, start_s: float, runs_s: float) -> float:
    """Grams of 100 W from a start for a while."""
    return carbon_g(100.0 * runs_s, series.mean(start_s, start_s + runs_s))


@given(steps, st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.001, 1.0))
def test_delay_inside_a_falling_series_never_raises_carbon(
    values: list[float], first: float, second: float, length: float
) -> None:
    falling = hourly(sorted(values, reverse=True))
    runs_s = length * falling.end_s
    room_s = falling.end_s - runs_s
    early_s, late_s = sorted((first * room_s, second * room_s))
    if late_s + runs_s > falling.end_s:  # one rounding too far
        return
    assert job_g(falling, late_s, runs_s) <= job_g(falling, early_s, runs_s) * (1 + 1e-9) + 1e-9


def test_delay_inside_a_rising_series_does_raise_it() -> None:
    rising = hourly([100.0, 200.0, 300.0])
    assert job_g(rising, 3600.0, 3600.0) == pytest.approx(2 * job_g(rising, 0.0, 3600.0))


@given(
    st.floats(1.0, 1e6),
    st.floats(1.0, 1000.0),
    st.tuples(st.floats(0.0, 0.9), st.floats(0.0, 9.0)),
    st.tuples(st.floats(0.0, 0.9), st.floats(0.0, 9.0)),
)
def test_a_product_lies_between_those_of_the_lows_and_of_the_highs(
    energy_j: float, grid: float, spread: tuple[float, float], other: tuple[float, float]
) -> None:
    def quantity(value: float, around: tuple[float, float], unit: str) -> Quantity:
        return Quantity(
            value=value,
            low=value * (1 - around[0]),
            high=value * (1 + around[1]),
            unit=unit,
            method="modelled",
            boundary="board",
            source="a test",
        )

    energy, clean = quantity(energy_j, spread, "J"), quantity(grid, other, "g/kWh")
    grams = evaluate(
        lambda energy_j, grid: carbon_g(energy_j, grid),
        unit="g",
        boundary="board",
        source="a test",
        energy_j=energy,
        grid=clean,
    )
    for e in (energy.low, energy.value, energy.high):
        for i in (clean.low, clean.value, clean.high):
            assert grams.low <= carbon_g(e, i) <= grams.high
