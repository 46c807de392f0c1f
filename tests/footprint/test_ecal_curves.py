"""Break-even, limits, ratios, countries and hours: the facts of eCAL's definition, and a case along its axes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ecal_kit import case, physical

from gramwise.core.errors import ConfigError
from gramwise.core.quantity import Signal
from gramwise.core.series import Series
from gramwise.footprint.ecal.curves import (
    better_window,
    break_even,
    break_even_inferences,
    countries,
    curve,
    ecal_j_per_bit,
    hours,
    limit_j_per_bit,
    ratio,
    ratio_ceiling,
)
from gramwise.footprint.ecal.physical import document

HOUR_S = 3600.0

# the definition (facts of the method)


def test_without_inference_it_is_the_cost_of_development_per_bit() -> None:
    assert ecal_j_per_bit(64.0, 3.0, 640, 100, 0.0) == pytest.approx(64.0 / 64_000)


def test_with_many_inferences_it_tends_to_the_cost_of_one() -> None:
    limit = limit_j_per_bit(3.0, 640, overhead_frac=0.1)
    assert limit == pytest.approx(1.1 * 3.0 / 640)
    far = ecal_j_per_bit(64.0, 3.0, 640, 100, np.array([1e3, 1e6, 1e12]), overhead_frac=0.1)
    gaps = abs(far - limit)
    assert gaps[0] > gaps[1] > gaps[2]
    assert far[-1] == pytest.approx(limit, rel=1e-9)
    twice = limit_j_per_bit(3.0, 640, samples_per_inference=2.0)
    assert twice == pytest.approx(ecal_j_per_bit(64.0, 3.0, 640, 100, 1e15, samples_per_inference=2.0))


@pytest.mark.parametrize("overhead", [0.0, 0.3])
@pytest.mark.parametrize("bits", [8, 640])
def test_the_ratio_depends_on_neither_overhead_nor_width(overhead: float, bits: float) -> None:
    def ecal(g: float) -> float:
        return ecal_j_per_bit(50.0, 0.2, bits, 256, g, overhead_frac=overhead)

    rho = (50.0 / 256) / 0.2
    assert ratio(256, rho, 100, 1000) == pytest.approx(ecal(100.0) / ecal(1000.0), rel=1e-12)


def test_the_ratio_has_a_ceiling() -> None:
    ceiling = ratio_ceiling(256, 100, 10_000)
    assert ceiling == pytest.approx(10_256 / 356)
    assert ratio(256, 1e9, 100, 10_000) == pytest.approx(ceiling, rel=1e-6)
    assert all(ratio(256, rho, 100, 10_000) < ceiling for rho in (1.0, 10.0, 1e6))
    # the shipped defaults of the authors' tool cannot reach their own headline of 2.73
    assert ratio_ceiling(1000, 100, 1000) == pytest.approx(1.818, abs=5e-4)


def test_development_and_inference_meet_at_their_ratio() -> None:
    meet = break_even_inferences(50.0, 0.2)
    assert meet == pytest.approx(250.0)
    assert meet is not None
    assert meet * 0.2 == pytest.approx(50.0)
    assert break_even_inferences(50.0, 0.0) is None


@pytest.mark.parametrize(
    ("a", "b", "window"),
    [
        ((10.0, 2.0), (30.0, 1.0), (20.0, math.inf)),  # dearer to make, cheaper to use
        ((30.0, 1.0), (10.0, 2.0), (0.0, 20.0)),
        ((10.0, 2.0), (5.0, 1.0), (0.0, math.inf)),
        ((10.0, 2.0), (5.0, 2.0), (0.0, math.inf)),
        ((5.0, 1.0), (10.0, 2.0), None),
        ((5.0, 1.0), (5.0, 1.0), None),
    ],
)
def test_where_one_design_beats_another(
    a: tuple[float, float], b: tuple[float, float], window: tuple[float, float] | None
) -> None:
    found = better_window(*a, *b)
    assert (None if found is None else tuple(found)) == window
    for g in (0.5, 19.0, 21.0, 1e4):
        better = b[0] + g * b[1] < a[0] + g * a[1]
        assert better == (window is not None and window[0] < g < window[1])


# a case over the number of inferences


def test_a_curve_is_the_account_at_every_number() -> None:
    one = case(virtualisation_frac=0.1)
    line = curve(one, [0, 1, 100, 1e6])
    for i, g in enumerate((0.0, 1.0, 100.0, 1e6)):
        doc = document(case(virtualisation_frac=0.1, inference__count=g))
        assert line.energy_j[i] == pytest.approx(doc["energy_j"], rel=1e-12)
        assert line.carbon_g[i] == pytest.approx(doc["carbon_g"], rel=1e-12)
        assert line.j_per_bit[i] == pytest.approx(doc["j_per_bit"], rel=1e-12)
    assert math.isnan(line.j_per_inference[0])
    assert line.development_frac[0] == 1.0
    assert list(line.development_frac) == sorted(line.development_frac, reverse=True)
    # amortised cost falls to the marginal one
    assert line.j_per_inference[3] == pytest.approx(line.marginal_j, rel=0.1)
    step = curve(one, [7, 8])
    assert step.energy_j[1] - step.energy_j[0] == pytest.approx(line.marginal_j)


def test_a_curve_knows_how_much_a_reserved_machine_can_serve() -> None:
    reserved = case(inference__reserved_s=10.0)
    seconds = 670 / 2.5e9
    assert curve(reserved, [10.0 / seconds * 0.99]).energy_j[0] > 400.0
    with pytest.raises(ConfigError, match="reserved"):
        curve(reserved, [1.0, 10.0 / seconds * 1.01])


@pytest.mark.parametrize("bad", [[], [-1.0], [float("nan")]])
def test_numbers_of_inferences_that_are_none_are_refused(bad: list[float]) -> None:
    with pytest.raises(ConfigError, match="inferences"):
        curve(case(), bad)


def test_break_even_holds_in_the_account_and_has_an_interval() -> None:
    for of in ("energy", "carbon"):
        found = break_even(case(), of, draws=2000)
        assert found is not None
        at = curve(case(), [found.value])
        if of == "energy":
            assert at.development_frac[0] == pytest.approx(0.5)
        assert found.low < found.value < found.high
        assert found.unit == "inference"


# countries


def test_moved_whole_two_countries_differ_by_their_intensities_only() -> None:
    for change in ({}, {"inference__count": 1e6}, {"data__bits_per_value": 8}):
        rows = {r.name: r for r in countries(case(**change), {"DE": 380.95, "FI": 79.158})}
        assert rows["DE"].carbon_g / rows["FI"].carbon_g == pytest.approx(380.95 / 79.158, rel=1e-12)
        assert rows["DE"].marginal_g / rows["FI"].marginal_g == pytest.approx(4.8125, rel=1e-3)


def test_moving_the_site_alone_leaves_the_sensor_where_it_is() -> None:
    account = physical()
    rows = countries(case(), {"here": 100.0, "clean": 0.0}, move=["site"])
    assert [r.name for r in rows] == ["clean", "here"]
    assert rows[1].carbon_g == pytest.approx(account.total(account.carbon_g))
    field_g = math.fsum(
        account.times(p) * account.carbon_g(p) for p in account.parts if p.location == "field"
    )
    assert rows[0].carbon_g == pytest.approx(field_g)


def test_countries_refuse_what_is_not_there() -> None:
    with pytest.raises(ConfigError, match="site"):
        countries(case(), {"DE": 380.0}, move=["sites"])
    with pytest.raises(ConfigError, match="XX"):
        countries(case(), {"XX": -1.0})


# hours


def day(values: list[float], signal: Signal = "average") -> Series:
    return Series(
        times_s=tuple(i * HOUR_S for i in range(len(values))), values=tuple(values),
        end_s=len(values) * HOUR_S, unit="g/kWh", signal=signal, basis="lifecycle", source="a feed",
    )  # fmt: skip


def test_hours_of_a_day_find_the_cleanest() -> None:
    values = [300.0 - 200.0 * math.sin(math.pi * i / 24) for i in range(24)]
    found = hours(case(), "site", day(values))
    assert len(found.marginal_g) == 24
    assert found.best_s == 12 * HOUR_S
    assert found.worst_s == 0.0
    mean = document(case(locations__site={"intensity_g_per_kwh": sum(values) / 24, "pue": 1.5}))
    assert found.mean_g == pytest.approx(mean["marginal_g_per_inference"])
    at_noon = document(case(locations__site={"intensity_g_per_kwh": 100.0, "pue": 1.5}))
    assert found.marginal_g[12] == pytest.approx(at_noon["marginal_g_per_inference"])
    noon = found.marginal_g[12]
    assert noon is not None
    assert found.saved_frac == pytest.approx(1 - noon / found.mean_g)


def test_hours_refuse_another_kind() -> None:
    with pytest.raises(ConfigError, match="marginal"):
        hours(case(), "site", day([1.0, 2.0], signal="marginal"))
    with pytest.raises(ConfigError, match="site"):
        hours(case(), "sight", day([1.0, 2.0]))


def test_an_hour_without_a_value_is_unknown_and_not_the_best() -> None:
    found = hours(case(), "site", day([300.0, float("nan"), 100.0]))
    assert found.marginal_g[1] is None
    assert found.best_s == 2 * HOUR_S
    known = [g for g in found.marginal_g if g is not None]
    assert found.mean_g == pytest.approx(sum(known) / 2)
    with pytest.raises(ConfigError, match="no value"):
        hours(case(), "site", day([float("nan")]))
