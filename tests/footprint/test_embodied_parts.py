"""Parts: prices and their units, boards between layers, transport, truncation, and the rows behind them."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor
from gramwise.footprint.embodied.parts import Priced, board, part_factor, priced, shipped, truncated
from gramwise.footprint.factors import table

TABLES = ("embodied_fab", "embodied_parts", "embodied_hsl")


def grams(item: Priced) -> float:
    return float(item.line.carbon_g({f.key: f.value for f in item.factors}))


@pytest.mark.parametrize("name", TABLES)
def test_every_row_has_a_source_an_interval_and_a_licence(name: str) -> None:
    rows = list(csv.DictReader((files("gramwise") / "data" / f"{name}.csv").read_text("utf-8").splitlines()))
    assert len(rows) == len(table(name))
    for row in rows:
        assert len(row["source"]) > 15, row["key"]
        assert row["licence"], row["key"]
        if row["low"] != row["high"]:
            assert row["note"], row["key"]
        else:
            assert row["spread"] == "exact" or float(row["value"]) == 0.0, row["key"]


@pytest.mark.parametrize("name", TABLES)
def test_no_row_derived_from_ecoinvent_or_ademe_is_shipped(name: str) -> None:
    kept_out = (
        "passive.",
        "resistor.",
        "inductor.",
        "diode.",
        "connector.",
        "switch.",
        "pcb.volume",
        "device_generic",
    )
    assert not [key for key in table(name) if key.startswith(kept_out)]
    assert not [f.key for f in table(name).values() if "ecoinvent" in f.source.lower() or "ADEME" in f.source]
    assert not {"material.tin", "material.bronze", "material.sac_solder"} & set(table(name))


def test_boards_are_linear_between_four_and_eight_layers() -> None:
    assert grams(board("b", 10.0, 2)) == pytest.approx(93.0)
    assert grams(board("b", 10.0, 4)) == pytest.approx(93.0)
    assert grams(board("b", 10.0, 6)) == pytest.approx(108.0)
    assert grams(board("b", 10.0, 8)) == pytest.approx(123.0)
    with pytest.raises(ConfigError, match=r"b\.layers"):
        board("b", 10.0, 0)
    with pytest.raises(ConfigError, match=r"b\.area"):
        board("b", -1.0, 4)


def test_shares_of_ten_layers_stay_positive_in_every_draw() -> None:
    made = board("b", 1.0, 10)
    assert made.line.carbon_g({"pcb.4_layers": 9.3, "pcb.8_layers": 12.3}) == pytest.approx(13.8)


def test_prices_in_grams_and_kilograms() -> None:
    assert grams(priced("steel", 0.5, part_factor("material.steel"))) == pytest.approx(945.0)
    own = {"resistor.0402": _own("kg/piece")}
    assert grams(priced("r", 3, part_factor("resistor.0402", own))) == pytest.approx(6.0)
    with pytest.raises(ConfigError, match=r"resistor\.0402"):
        part_factor("resistor.0402")
    with pytest.raises(ConfigError, match="in kg or g"):
        priced("grid", 1, part_factor("capacitor.mlcc"))
    with pytest.raises(ConfigError, match=r"r\.quantity"):
        priced("r", -1, own["resistor.0402"])


def test_transport_by_hand() -> None:
    legs = shipped("box", 2.0, {"truck": 1000.0, "boat": 19000.0})
    assert [grams(leg) for leg in legs] == pytest.approx([2 * 1000 * 5.04e-2, 2 * 19000 * 1.33e-2])
    assert {leg.line.phase for leg in legs} == {"transport"}
    with pytest.raises(ConfigError, match=r"transport\.rail"):
        shipped("box", 1.0, {"rail": 1.0})


def test_truncation_doubles_and_is_shared() -> None:
    plain = [board("b", 10.0, 4), priced("p", 1, part_factor("package.ic"))]
    upper = truncated(plain)
    assert [grams(u) for u in upper] == pytest.approx([2 * grams(p) for p in plain])
    assert all("truncation" in u.line.factors for u in upper)


def _own(unit: str) -> Factor:
    return Factor(
        key="resistor.0402",
        value=0.002,
        low=0.001,
        high=0.003,
        unit=unit,
        method="assumed",
        source="this test",
    )
