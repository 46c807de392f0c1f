"""The bill: parts sum, intervals come from shared draws, the largest contributor is named, bad input is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gramwise.core.errors import ConfigError, DataError
from gramwise.core.footprint import Factor, Footprint
from gramwise.footprint.bill import Line, bill, draw
from gramwise.footprint.document import as_document, read_document


def factor(key: str, value: float, low: float, high: float, **how: str) -> Factor:
    rest = {"unit": "1", "method": "modelled", "source": f"made up for tests: {key}"} | how
    return Factor(key=key, value=value, low=low, high=high, **rest)  # type: ignore[arg-type]


GRID = factor("grid", 400.0, 300.0, 500.0)
LINES = (
    Line(
        name="training",
        phase="training",
        factors=("train_kwh", "grid"),
        carbon_g=lambda f: f["train_kwh"] * f["grid"],
        energy_j=lambda f: f["train_kwh"] * 3.6e6,
    ),
    Line(
        name="serving",
        phase="inference",
        factors=("serve_kwh", "grid"),
        carbon_g=lambda f: f["serve_kwh"] * f["grid"],
    ),
    Line(name="board", phase="manufacture", factors=("board_g",), carbon_g=lambda f: f["board_g"]),
)
FACTORS = (
    GRID,
    factor("train_kwh", 10.0, 9.0, 11.0),
    factor("serve_kwh", 50.0, 40.0, 60.0, method="measured"),
    factor("board_g", 20_000.0, 2_000.0, 80_000.0, spread="lognormal", method="assumed"),
    factor("unused", 1.0, 0.0, 2.0),
)


def made(**how: object) -> Footprint:
    given = {"functional_unit": "inference", "units": 1e6, "boundary": "cradle to grave", "draws": 4000} | how
    return bill(LINES, FACTORS, **given)  # type: ignore[arg-type]


def test_parts_sum_to_the_total_in_machine_formats() -> None:
    account = made()
    assert account.total.value == math.fsum(item.carbon.value for item in account.items)
    assert account.total.value == math.fsum(account.by_phase().values())
    halves = account.operational.value + account.embodied.value
    assert halves == pytest.approx(account.total.value, rel=1e-15)
    assert account.per_unit is not None
    assert account.per_unit.value * account.units == pytest.approx(account.total.value, rel=1e-15)


def test_the_total_is_narrower_than_added_ends_and_wider_where_a_factor_is_shared() -> None:
    account = made()
    added = sum(item.carbon.high - item.carbon.low for item in account.items)
    assert account.total.high - account.total.low < added
    # Training and serving share the grid: drawn apart, their sum would be narrower than it is.
    apart = bill(
        [
            Line(name="a", phase="training", factors=("g1",), carbon_g=lambda f: 50.0 * f["g1"]),
            Line(name="b", phase="inference", factors=("g2",), carbon_g=lambda f: 50.0 * f["g2"]),
        ],
        [factor("g1", 400.0, 300.0, 500.0), factor("g2", 400.0, 300.0, 500.0)],
        functional_unit="inference",
        units=1.0,
        boundary="x",
    )
    together = bill(
        [
            Line(name="a", phase="training", factors=("grid",), carbon_g=lambda f: 50.0 * f["grid"]),
            Line(name="b", phase="inference", factors=("grid",), carbon_g=lambda f: 50.0 * f["grid"]),
        ],
        [GRID],
        functional_unit="inference",
        units=1.0,
        boundary="x",
    )
    width = [x.total.high - x.total.low for x in (apart, together)]
    assert width[1] / width[0] == pytest.approx(math.sqrt(2.0), rel=0.05)


def test_intervals_are_the_percentiles_of_the_draws() -> None:
    account = made(draws=20_000)
    drawn = draw(FACTORS, 20_000, 0)
    total = drawn["train_kwh"] * drawn["grid"] + drawn["serve_kwh"] * drawn["grid"] + drawn["board_g"]
    assert (account.total.low, account.total.high) == pytest.approx(tuple(np.percentile(total, (5, 95))))


def test_the_largest_contributor_is_named_and_shares_sum_to_one() -> None:
    account = made()
    assert account.contributors[0].key == "board_g"
    assert math.fsum(share.share_frac for share in account.contributors) == pytest.approx(1.0)
    assert "unused" not in account.factors


def test_a_lognormal_factor_has_its_ends_at_the_percentiles() -> None:
    drawn = draw([FACTORS[3]], 200_000, 1)["board_g"]
    assert tuple(np.percentile(drawn, (5, 95))) == pytest.approx((2_000.0, 80_000.0), rel=0.03)


def test_provenance_is_that_of_the_least_sure_factor() -> None:
    account = made()
    assert [item.carbon.method for item in account.items] == ["modelled", "modelled", "assumed"]
    assert account.total.method == "assumed"
    assert "made up for tests: grid" in account.items[0].carbon.source


def test_same_seed_same_bytes_and_another_factor_moves_no_other() -> None:
    assert as_document(made()) == as_document(made())
    assert as_document(made(seed=1)) != as_document(made())
    few, many = draw(FACTORS[:1], 500, 3), draw(FACTORS, 500, 3)
    assert (few["grid"] == many["grid"]).all()


def test_a_document_goes_there_and_back() -> None:
    account = made(not_included=["client devices"])
    text = json.dumps(as_document(account), allow_nan=False)
    assert read_document(json.loads(text)) == account


@pytest.mark.parametrize("key", ["total", "items", "factors", "seed"])
def test_a_document_without_a_key_is_refused_by_name(key: str) -> None:
    document = as_document(made())
    del document[key]
    with pytest.raises(DataError, match=key):
        read_document(document)


def test_bad_bills_are_refused() -> None:
    with pytest.raises(ConfigError, match="no factor 'grid'"):
        bill(LINES, FACTORS[1:], functional_unit="x", units=1.0, boundary="x")
    other = factor("grid", 1.0, 0.0, 2.0)
    with pytest.raises(ConfigError, match="given twice"):
        bill(LINES, [*FACTORS, other], functional_unit="x", units=1.0, boundary="x")
    with pytest.raises(ConfigError, match="units"):
        made(units=-1.0)
    with pytest.raises(ConfigError, match="too few"):
        made(draws=10)
    with pytest.raises(ValueError, match="lognormal"):
        factor("x", 1.0, 0.0, 2.0, spread="lognormal")


def test_nothing_has_no_price_per_unit() -> None:
    assert made(units=0.0).per_unit is None


@given(scale=st.floats(0.01, 100.0))
def test_grams_scale_with_the_grid(scale: float) -> None:
    def of(times: float) -> float:
        grid = factor("grid", 400.0 * times, 300.0 * times, 500.0 * times)
        lines = LINES[:2]
        return bill(
            lines, [grid, *FACTORS[1:3]], functional_unit="x", units=1.0, boundary="x", draws=100
        ).total.value

    assert of(scale) == pytest.approx(scale * of(1.0))


def test_joules_are_as_sure_as_what_they_were_worked_out_from() -> None:
    line = Line(
        name="metered",
        phase="training",
        factors=("kwh", "grid", "pue"),
        carbon_g=lambda f: f["kwh"] * f["grid"] * f["pue"],
        energy_j=lambda f: 3.6e6 * f["kwh"],
    )
    factors = [
        factor("kwh", 10.0, 9.0, 11.0, method="measured"),
        factor("grid", 400.0, 300.0, 500.0, method="modelled"),
        factor("pue", 1.2, 1.2, 1.2, method="assumed", spread="exact"),
    ]
    item = bill([line], factors, functional_unit="x", units=1.0, boundary="x").items[0]
    assert item.energy_j is not None
    assert (item.energy_j.method, item.carbon.method) == ("measured", "modelled")
    assert "grid" not in item.energy_j.source


def test_a_seed_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed"):
        made(seed=-1)


def test_no_lines_make_an_empty_bill_and_not_a_fault() -> None:
    empty = bill([], FACTORS, functional_unit="x", units=2.0, boundary="x")
    assert (empty.total.value, empty.total.high, empty.items, empty.contributors) == (0.0, 0.0, (), ())
    assert read_document(as_document(empty)) == empty


def test_a_factor_that_is_exact_is_never_drawn_and_contributes_nothing() -> None:
    exact = factor("pue", 1.5, 1.0, 2.0, spread="exact")
    line = Line(name="x", phase="idle", factors=("grid", "pue"), carbon_g=lambda f: f["grid"] * f["pue"])
    found = bill([line], [GRID, exact], functional_unit="x", units=1.0, boundary="x")
    assert (draw([exact], 300, 7)["pue"] == 1.5).all()
    assert [share.key for share in found.contributors] == ["grid"]


def test_a_skewed_spread_keeps_its_value_inside_its_ends() -> None:
    skewed = factor("s", 1.0, 1.0, 100.0)
    line = Line(name="x", phase="idle", factors=("s",), carbon_g=lambda f: f["s"])
    carbon = bill([line], [skewed], functional_unit="x", units=1.0, boundary="x").items[0].carbon
    assert carbon.low == carbon.value == 1.0
    assert carbon.high > 50.0


def test_what_a_line_does_not_name_it_cannot_read() -> None:
    line = Line(name="x", phase="idle", factors=("grid",), carbon_g=lambda f: f["grid"] * f["pue"])
    with pytest.raises(KeyError, match="pue"):
        bill([line], [GRID, factor("pue", 1.0, 1.0, 1.0)], functional_unit="x", units=1.0, boundary="x")


def test_a_line_that_is_not_finite_is_refused_by_name() -> None:
    line = Line(
        name="x", phase="idle", factors=("s",), carbon_g=lambda f: 1.0 / np.maximum(f["s"] - 1.0, 0.0)
    )
    with np.errstate(divide="ignore"), pytest.raises(ConfigError, match=r"x: 'x' is not finite .*\(s\)"):
        bill([line], [factor("s", 2.0, 0.5, 3.0)], functional_unit="x", units=1.0, boundary="x")
