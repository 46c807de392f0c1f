"""Vendor sheets: the marginal model, its leave-one-out errors, series of other makers, the law of mass."""

from __future__ import annotations

import pytest

from gramwise.core.errors import ConfigError, DataError
from gramwise.fleet.catalogue import half_width_frac
from gramwise.footprint.embodied import vendor
from gramwise.footprint.embodied.parts import Priced


def grams(item: Priced) -> float:
    return float(item.line.carbon_g({f.key: f.value for f in item.factors}))


def sheet(family: str, gb: float, kg: float) -> vendor.Sheet:
    return vendor.Sheet(family=family, storage_gb=gb, manufacturing_kg=kg, source="this test")


def test_the_shipped_series_left_out_one_at_a_time() -> None:
    found = vendor.leave_one_out()
    assert len(found.predictions) == 17
    assert found.mape_frac <= 0.01
    assert found.worst_frac <= 0.0323
    assert found.mape_frac == pytest.approx(0.0086, abs=1e-4)
    assert found.worst_frac == pytest.approx(0.0225, abs=1e-4)


def test_a_straight_line_is_found_and_predicted_exactly() -> None:
    rows = [sheet("f", gb, 40.0 + 0.05 * gb) for gb in (64, 128, 256, 512)]
    rows += [sheet("g", gb, 30.0 + 0.02 * gb) for gb in (100, 200, 400)]
    lines = vendor.fit(rows)
    assert (lines["f"].base_kg, lines["f"].kg_per_gb, lines["f"].n) == pytest.approx((40.0, 0.05, 4))
    assert lines["g"].at(300.0) == pytest.approx(36.0)
    assert lines["f"].worst_kg == pytest.approx(0.0, abs=1e-9)
    assert vendor.leave_one_out(rows).worst_frac == pytest.approx(0.0, abs=1e-9)


def test_the_prediction_does_not_see_what_it_predicts() -> None:
    rows = [sheet("f", 64, 44.0), sheet("f", 128, 48.0), sheet("f", 256, 99.0)]
    left = vendor.leave_one_out(rows).predictions[2]
    assert left.predicted_kg == pytest.approx(56.0)
    assert left.error_frac == pytest.approx(56.0 / 99.0 - 1.0)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [sheet("f", 64, 44.0)],
        [sheet("f", 64, 44.0), sheet("f", 128, 48.0)],
        [sheet("f", 64, 44.0), sheet("f", 64, 45.0), sheet("f", 64, 46.0)],
    ],
)
def test_too_few_sheets_are_said_to_be_too_few(rows: list[vendor.Sheet]) -> None:
    with pytest.raises(DataError, match=r"sheets|two sizes|one sheet"):
        vendor.leave_one_out(rows)


def test_figures_that_make_no_sense_are_refused_by_family() -> None:
    with pytest.raises(DataError, match="f: "):
        vendor.fit([sheet("f", 64, 0.0), sheet("f", 128, 48.0)])


def test_a_variant_without_a_sheet_has_the_familys_band() -> None:
    made = vendor.variant("iPhone 13 Pro", 768)
    (figure,) = made.factors
    assert grams(made) == pytest.approx(1000 * (53.25 + 0.04 * 768), rel=0.01)
    assert figure.low < figure.value < figure.high
    assert "Apple" in figure.source
    with pytest.raises(ConfigError, match="iPhone 11"):
        vendor.variant("iPhone 3", 64)
    with pytest.raises(ConfigError, match="storage_gb"):
        vendor.variant("iPhone 11", 0)


def test_two_sheets_alone_get_the_band_of_second_hand_figures() -> None:
    (figure,) = vendor.variant("f", 256, [sheet("f", 64, 43.2), sheet("f", 128, 46.4)]).factors
    half = half_width_frac("secondary")[0]
    assert figure.value == pytest.approx(52.8)
    assert (figure.low, figure.high) == pytest.approx((52.8 * (1 - half), 52.8 * (1 + half)))


def test_the_law_of_mass_is_crude_and_says_so() -> None:
    made = vendor.by_mass("speaker", 0.18)
    assert grams(made) == pytest.approx(36050 * 0.18**0.547)
    (figure,) = made.factors
    assert (figure.low / figure.value, figure.high / figure.value) == pytest.approx((0.5, 2.0))
    with pytest.raises(ConfigError, match="mass_kg"):
        vendor.by_mass("speaker", 0.0)
