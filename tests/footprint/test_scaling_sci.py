"""SCI: formulas, what a report states, and that the two scores of SCI for AI split one account without loss."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gramwise.core.errors import ConfigError
from gramwise.footprint.bill import bill
from gramwise.footprint.scaling.account import Account
from gramwise.footprint.scaling.scenario import Scaling
from gramwise.footprint.scaling.sci import BOUNDARIES, UNITS, embodied_g, for_ai, report, score_g

COMMON = {"intensity_g_per_kwh": 400, "signal": "average", "basis": "lifecycle", "pue": 1.1}
SERVER: dict[str, Any] = {
    "devices": 1, "hours": 500, "kind": "server", "utilisation_frac": 0.6, "manufacture_g": 1_300_000,
    "transport_g": 6000,
}  # fmt: skip
LIFE: dict[str, Any] = {
    "phases": [
        {"name": "search", "phase": "experimentation", "energy_kwh": 40, **COMMON},
        {"name": "train", "phase": "training", "energy_kwh": 100, **COMMON},
        {"name": "serve", "phase": "inference", "energy_kwh": 300, **COMMON},
        {"name": "phones", "phase": "client", "energy_kwh": 20, **COMMON},
    ],
    "hardware": [
        {"name": "trainer", "serves": "training", **SERVER},
        {"name": "server", "serves": "inference", **SERVER},
    ],
}


def life() -> Account:
    return Scaling.from_mapping(LIFE).account()


def test_the_specification_s_formula_by_hand() -> None:
    # A server of 1216 kg, reserved an hour of four years, 8 of 64 cores.
    m = float(embodied_g(1_216_000.0, 3600.0, 4 * 8766 * 3600.0, 8, 64))
    assert m == pytest.approx(1_216_000 / 35_064 / 8)
    assert float(score_g(0.12, 450.0, m, 10_000)) == pytest.approx((0.12 * 450 + m) / 10_000)


@given(st.floats(0.0, 1e7), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_shares_of_time_and_resources_add(te: float, time: float, part: float) -> None:
    whole = embodied_g(te, np.array([time, 1.0 - time]), 1.0, np.array([[part], [1.0 - part]]), 1.0)
    assert float(whole.sum()) == pytest.approx(te, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ((-1.0, 1.0, 2.0, 1.0, 2.0), "te_g"),
        ((1.0, 3.0, 2.0, 1.0, 2.0), "tir_s"),
        ((1.0, -1.0, 2.0, 1.0, 2.0), "tir_s"),
        ((1.0, 0.0, 0.0, 1.0, 2.0), "tir_s"),
        ((1.0, 1.0, 2.0, 3.0, 2.0), "rr"),
        ((1.0, 1.0, 2.0, 0.0, math.nan), "rr"),
    ],
)
def test_shares_that_are_none_are_refused(arguments: tuple[float, ...], key: str) -> None:
    with pytest.raises(ConfigError) as fault:
        embodied_g(*arguments)
    assert fault.value.key == key


@pytest.mark.parametrize("units", [0.0, -1.0, math.nan])
def test_no_units_no_score(units: float) -> None:
    with pytest.raises(ConfigError, match="units"):
        score_g(1.0, 1.0, 1.0, units)


def test_a_report_states_score_boundary_and_method_per_component() -> None:
    account = life()
    footprint = bill(
        account.lines, account.factors, functional_unit="request", units=1e6, boundary="a site", draws=500
    )
    found = report(footprint)
    assert found.score.value == pytest.approx(
        (found.operational.value + found.embodied.value) / 1e6, rel=1e-12
    )
    assert found.score.unit == "g/request"
    assert found.boundary == "a site"
    assert {c.method for c in found.components} <= {"measured", "modelled", "assumed"}
    assert math.fsum(c.operational_g for c in found.components) == pytest.approx(found.operational.value)
    assert math.fsum(c.embodied_g for c in found.components) == pytest.approx(found.embodied.value)
    energies = [c.energy_kwh for c in found.components if c.energy_kwh is not None]
    assert math.fsum(energies) == pytest.approx(460.0)


def test_a_report_is_a_document() -> None:
    document = for_ai(life(), "consumer", "request", 1e6, draws=500).document()
    assert json.loads(json.dumps(document, allow_nan=False))["side"] == "consumer"


def test_the_two_scores_split_the_account_without_loss() -> None:
    account = life()
    whole = bill(
        account.lines, account.factors, functional_unit="x", units=1, boundary="b", draws=500
    ).total.value
    provider = for_ai(account, "provider", "parameter", 7e9, draws=500)
    consumer = for_ai(account, "consumer", "token", 5e6, draws=500)
    parts = provider.score.value * 7e9 + consumer.score.value * 5e6
    assert parts == pytest.approx(whole, rel=1e-12)
    assert [c.name for c in provider.components if c.operational_g] == ["search", "train"]
    assert all(c.name.startswith("trainer") for c in provider.components if c.embodied_g)
    assert {c.name.split(",")[0] for c in consumer.components} == {"serve", "phones", "server"}
    assert (provider.boundary, consumer.boundary) == (BOUNDARIES["provider"], BOUNDARIES["consumer"])


def test_hardware_that_serves_nothing_is_on_no_side_and_named() -> None:
    account = life()
    serves = {k: v for k, v in account.serves.items() if not k.startswith("server")}
    found = for_ai(account._replace(serves=serves), "consumer", "request", 10, draws=500)
    assert {c.name for c in found.components} == {"serve", "phones"}
    assert any("server, made" in text for text in found.not_included)


@pytest.mark.parametrize("side", ["provider", "consumer"])
def test_every_unit_of_a_side_and_none_of_the_other(side: Any) -> None:
    other = "consumer" if side == "provider" else "provider"
    for unit in UNITS[side]:
        assert for_ai(life(), side, unit, 10.0, draws=100).score.unit == f"g/{unit}"
    for unit in UNITS[other]:  # type: ignore[index]
        with pytest.raises(ConfigError) as fault:
            for_ai(life(), side, unit, 10.0)
        assert fault.value.key == "functional_unit"


def test_a_side_without_lines_or_units_is_refused() -> None:
    only = Scaling.from_mapping({"phases": LIFE["phases"][2:]}).account()
    with pytest.raises(ConfigError, match="provider"):
        for_ai(only, "provider", "FLOP", 1e18)
    with pytest.raises(ConfigError, match="units"):
        for_ai(only, "consumer", "token", 0.0)
    with pytest.raises(ConfigError, match="provider or consumer"):
        for_ai(only, "vendor", "token", 1.0)  # type: ignore[arg-type]
