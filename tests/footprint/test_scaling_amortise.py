"""Shares of hardware and of sites: the formulas, defaults with their sources, and what is refused or left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Footprint
from gramwise.footprint.bill import bill
from gramwise.footprint.factors import table as factors_of
from gramwise.footprint.scaling.account import Account
from gramwise.footprint.scaling.amortise import Hardware, end_of_life_g, hardware_lines, owed_frac
from gramwise.footprint.scaling.site import OMITTED, Site, construction_g, site_lines

HARDWARE: dict[str, Any] = {
    "name": "gpu", "serves": "training", "devices": 8, "hours": 1000, "lifetime_years": 4, "utilisation_frac": 0.5,
    "manufacture_g": 1_000_000, "transport_g": 20_000, "end_of_life_g": 10_000,
}  # fmt: skip
SITE: dict[str, Any] = {
    "name": "hall", "serves": "training", "construction_g": 5e10, "lifetime_years": 20, "it_capacity_w": 1e7,
    "it_power_w": 5600, "hours": 1000,
}  # fmt: skip
HOURS_PER_YEAR = 8766.0


def changed(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {k: v for k, v in {**base, **changes}.items() if v is not None}


def billed(account: Account) -> Footprint:
    return bill(account.lines, account.factors, functional_unit="x", units=1, boundary="b", draws=500)


def owed(**changes: Any) -> dict[str, float]:
    """Grams by phase of one table."""
    account = hardware_lines([Hardware.from_mapping(changed(HARDWARE, **changes))])
    return {str(k): v for k, v in billed(account).by_phase().items()}


def test_the_formula_by_hand() -> None:
    share = 8 * 1000 / (4 * HOURS_PER_YEAR * 0.5)
    assert owed() == pytest.approx(
        {"manufacture": 1e6 * share, "transport": 2e4 * share, "end-of-life": 1e4 * share}, rel=1e-12
    )


def test_a_job_that_fills_the_life_owes_the_machine() -> None:
    assert float(owed_frac(4 * HOURS_PER_YEAR * 0.5, 4 * HOURS_PER_YEAR, 0.5)) == pytest.approx(1.0)
    whole = owed(devices=1, hours=4 * HOURS_PER_YEAR * 0.5)
    assert whole["manufacture"] == pytest.approx(1e6)


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=6))
def test_shares_add_over_jobs(hours: list[float]) -> None:
    parts = owed_frac(np.array(hours), 35064.0, 0.4)
    assert float(np.sum(parts)) == pytest.approx(float(owed_frac(sum(hours), 35064.0, 0.4)), rel=1e-12)


def test_a_second_life_only_lengthens_the_first() -> None:
    once, twice = owed(), owed(second_life_years=4)
    assert all(twice[phase] == pytest.approx(once[phase] / 2) for phase in once)


def test_a_kind_brings_lifetime_and_end_of_life_with_sources() -> None:
    spec = Hardware.from_mapping(changed(HARDWARE, kind="server", lifetime_years=None, end_of_life_g=None))
    assert 4.0 <= spec.lifetime_years.low <= spec.lifetime_years.value <= spec.lifetime_years.high <= 5.0
    share = spec.end_of_life_share_frac
    assert share is not None
    found = billed(hardware_lines([spec]))
    end = found.by_phase()["end-of-life"]
    assert end / found.total.value == pytest.approx(share.value, rel=1e-12), (
        "the share is of the embodied whole"
    )


@pytest.mark.parametrize(("kind", "low", "high"), [("server", 4, 5), ("phone", 3, 4), ("sensor", 5, 10)])
def test_default_lifetimes(kind: str, low: float, high: float) -> None:
    row = factors_of("scaling_factors")[f"lifetime.{kind}_years"]
    assert (row.low, row.high, row.unit) == (low, high, "year")


def test_every_row_of_the_table_names_its_source() -> None:
    for row in factors_of("scaling_factors").values():
        assert len(row.source) > 20
        assert row.low < row.value < row.high


def test_end_of_life_by_mass() -> None:
    rate = factors_of("scaling_factors")["end_of_life.card_g_per_kg"].value
    found = owed(end_of_life_g=None, mass_kg=2.0)["end-of-life"]
    assert found == pytest.approx(2.0 * rate * 8 * 1000 / (4 * HOURS_PER_YEAR * 0.5))


def test_a_share_of_nothing_is_nothing_and_never_below() -> None:
    assert float(end_of_life_g(100.0, 0.0)) == 0.0
    assert float(end_of_life_g(99.0, 0.01)) == pytest.approx(1.0)


def test_what_is_not_known_is_named_and_not_zero() -> None:
    account = hardware_lines([Hardware.from_mapping(changed(HARDWARE, transport_g=None, end_of_life_g=None))])
    assert [line.phase for line in account.lines] == ["manufacture"]
    assert "transport" in account.not_included[0]
    assert "end of life" in account.not_included[1]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"utilisation_frac": None}, "utilisation_frac"),
        ({"utilisation_frac": 0}, "utilisation_frac"),
        ({"utilisation_frac": 1.1}, "utilisation_frac"),
        ({"lifetime_years": None}, "lifetime_years"),
        ({"lifetime_years": 0}, "lifetime_years"),
        ({"second_life_years": -1}, "second_life_years"),
        ({"kind": "servers"}, "kind"),
        ({"manufacture_g": None}, "manufacture_g"),
        ({"manufacture_g": -5}, "manufacture_g"),
        ({"transport_g": -5}, "transport_g"),
        ({"end_of_life_g": -5}, "end_of_life_g"),
        ({"mass_kg": 3}, "mass_kg"),
        ({"end_of_life_g": None, "end_of_life_share_frac": 1.0}, "end_of_life_share_frac"),
        ({"serves": "manufacture"}, "serves"),
        ({"hours": 20_000}, "hours"),
        ({"credit_g": 5}, "credit_g"),
    ],
)
def test_bad_hardware_is_refused_with_its_key(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as fault:
        Hardware.from_mapping(changed(HARDWARE, **changes), "footprint.hardware[1]")
    assert fault.value.key == f"footprint.hardware[1].{key}"


def test_a_site_by_hand() -> None:
    by_hand = 5e10 / (20 * HOURS_PER_YEAR * 1e7) * 5600 * 1000
    found = billed(site_lines([Site.from_mapping(SITE)]))
    assert found.by_phase() == pytest.approx({"datacentre": by_hand}, rel=1e-12)
    assert found.embodied.value == found.total.value


def test_the_whole_site_for_its_whole_life_is_its_construction() -> None:
    life_h = 20 * HOURS_PER_YEAR
    assert float(construction_g(5e10, life_h, 1e7, 1e7, life_h)) == pytest.approx(5e10)


def test_without_a_site_the_account_says_so() -> None:
    assert site_lines([]).not_included == [OMITTED]
    assert site_lines([Site.from_mapping(SITE)]).not_included == []


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        *(({key: None}, key) for key in SITE),
        ({"construction_g": 0}, "construction_g"),
        ({"it_power_w": 2e7}, "it_power_w"),
        ({"hours": 200_000}, "hours"),
        ({"lifetime": 3}, "lifetime"),
    ],
)
def test_bad_sites_are_refused_with_their_key(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as fault:
        Site.from_mapping(changed(SITE, **changes))
    assert fault.value.key == f"footprint.sites.{key}"
