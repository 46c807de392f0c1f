"""Dies and memories: the published carbon per area, interpolation, yield, shared draws, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor
from gramwise.footprint.bill import bill
from gramwise.footprint.embodied import dies
from gramwise.footprint.embodied.memory import memory, packages, technology
from gramwise.footprint.embodied.parts import Priced


def grams(item: Priced) -> float:
    return float(item.line.carbon_g({f.key: f.value for f in item.factors}))


@pytest.mark.parametrize(
    ("node", "g_per_cm2"),
    [("28nm", 1328.2), ("14nm", 1556.7), ("10 nm", 1777.1), (7, 2318.2), ("5nm", 2778.0), ("3nm", 3162.6)],
)
def test_default_carbon_per_area_is_the_published_one(node: str | float, g_per_cm2: float) -> None:
    assert grams(dies.die("soc", 1.0, node)) == pytest.approx(g_per_cm2, rel=1e-4)


def test_a_die_scales_with_its_area() -> None:
    assert grams(dies.die("soc", 0.5, "7nm")) == pytest.approx(0.5 * grams(dies.die("soc", 1.0, "7nm")))


def test_nodes_between_are_interpolated_in_the_logarithm() -> None:
    between = math.sqrt(10.0 * 14.0)
    fourteen, ten = (dies.per_area(n, "epa").value for n in ("14nm", "10nm"))
    assert dies.per_area(between, "epa").value == pytest.approx(0.5 * (fourteen + ten))
    assert "interpolated" in dies.per_area(16, "gpa95").source
    assert dies.per_area("16nm", "gpa99").low < dies.per_area("16nm", "gpa99").high


@pytest.mark.parametrize("written", ["2nm", "250nm", "seven", "", "7um", -7])
def test_an_unknown_node_is_refused_by_its_key(written: str | float) -> None:
    with pytest.raises(ConfigError, match=r"soc\.process"):
        dies.die("soc", 1.0, written)


def test_other_words_are_refused_by_their_keys() -> None:
    with pytest.raises(ConfigError, match=r"soc\.fab_ci.*taiwan"):
        dies.die("soc", 1.0, "7nm", dies.Fab(grid="taiwann"))
    with pytest.raises(ConfigError, match=r"soc\.gpa"):
        dies.die("soc", 1.0, "7nm", dies.Fab(abatement_pct=96))
    with pytest.raises(ConfigError, match=r"soc\.fab_yield"):
        dies.die("soc", 1.0, "7nm", dies.Fab(yield_frac=0.0))
    with pytest.raises(ConfigError, match=r"soc\.area"):
        dies.die("soc", 0.0, "7nm")
    with pytest.raises(ConfigError, match=r"soc\.yield_model"):
        dies.die("soc", 1.0, "7nm", dies.Fab(yield_model="murfy"))  # type: ignore[arg-type]


def test_yield_models_by_hand_and_in_order() -> None:
    assert dies.murphy(1.0, 0.15) == pytest.approx(((1 - math.exp(-0.15)) / 0.15) ** 2)
    assert dies.murphy(0.0, 0.15) == 1.0
    assert dies.poisson(2.0, 0.15) == pytest.approx(math.exp(-0.3))
    area = np.array([0.1, 1.0, 8.0])
    assert np.all(dies.poisson(area, 0.15) < dies.murphy(area, 0.15))
    assert np.all(dies.murphy(area, 0.15) < dies.seeds(area, 0.15))


def test_murphy_makes_large_dies_cost_more_per_area() -> None:
    fab = dies.Fab(yield_model="murphy")
    small, large = grams(dies.die("a", 1.0, "7nm", fab)), grams(dies.die("b", 8.0, "7nm", fab))
    assert large > 8.0 * small
    assert small == pytest.approx(2318.2286 * 0.875 / dies.murphy(1.0, 0.15), rel=1e-5)


def test_cleaner_power_and_more_abatement_cost_less() -> None:
    solar = grams(dies.die("a", 1.0, "14nm", dies.Fab(grid="solar", abatement_pct=99, yield_frac=0.95)))
    coal = grams(dies.die("a", 1.0, "14nm", dies.Fab(grid="coal", abatement_pct=95, yield_frac=0.7)))
    assert (solar, coal) == pytest.approx((709.684, 2405.7), rel=1e-4)


def test_two_dies_share_the_draw_of_what_is_common() -> None:
    one = bill(
        [dies.die("a", 2.0, "7nm").line],
        dies.die("a", 2.0, "7nm").factors,
        functional_unit="d",
        units=1,
        boundary="b",
    )
    halves = [dies.die(name, 1.0, "7nm") for name in ("a", "b")]
    two = bill(
        [h.line for h in halves],
        {f.key: f for h in halves for f in h.factors}.values(),
        functional_unit="d",
        units=1,
        boundary="b",
    )
    assert two.total.value == pytest.approx(one.total.value)
    assert (two.total.low, two.total.high) == pytest.approx((one.total.low, one.total.high))
    assert one.contributors[0].key == dies.ACCOUNTS
    assert one.total.high > 1.5 * one.total.value


def test_an_area_may_be_an_interval() -> None:
    area = Factor(
        key="soc.area",
        value=1.0,
        low=0.5,
        high=1.5,
        unit="cm2",
        method="assumed",
        source="a guess of this test",
    )
    made = dies.die("soc", area, "28nm")
    assert grams(made) == pytest.approx(1328.2, rel=1e-4)
    assert "soc.area" in made.line.factors


def test_memory_divides_by_the_yield_of_bare_dies_only() -> None:
    assert grams(memory("m", "dram", "lpddr4", 4.0)) == pytest.approx(4 * 48 / 0.875)
    assert grams(memory("m", "flash", "nand_tlc_v3", 64.0, 0.9)) == pytest.approx(64 * 6.3 / 0.9)
    assert grams(memory("m", "hdd", "BarraCuda", 1000.0)) == pytest.approx(4570.0)
    assert grams(memory("m", "ssd", "vendor", 100.0)) == pytest.approx(4000.0)
    assert grams(packages("m", 2)) == pytest.approx(300.0)


def test_technologies_are_found_however_they_are_spelt() -> None:
    assert technology("hdd", "barracuda pro") is technology("hdd", "BarraCuda_Pro")
    with pytest.raises(ConfigError, match=r"process.*lpddr4"):
        technology("dram", "lpddr5")
    with pytest.raises(ConfigError, match="is not a memory"):
        technology("tape", "lto")
    with pytest.raises(ConfigError, match=r"m\.capacity"):
        memory("m", "dram", "lpddr4", 0.0)
