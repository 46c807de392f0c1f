"""The checks for forecasts: our own pass them, and each kind of offender is caught."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from gramwise.core import plugins
from gramwise.core.ahead import Forecast
from gramwise.core.errors import ConfigError
from gramwise.core.series import Series
from gramwise.testing import check_forecast, check_forecaster

NOW_S = 1_654_041_600.0


@pytest.mark.parametrize("name", plugins.names("forecaster"))
def test_our_ways_to_forecast_keep_the_contract(name: str) -> None:
    check_forecaster(plugins.create("forecaster", name))


class Offender:
    name = "offender"

    def __init__(self, how: str) -> None:
        self.how = how

    def means(self, past: Any, horizon: int) -> Any:
        values = np.nan_to_num(past.lag(1), nan=0.0)
        if self.how == "looks ahead":
            values = past.lag(0)
        if self.how == "drifts":
            values = values + 1.0
        if self.how == "falls silent":
            values = np.where(past.filled[np.maximum(np.arange(len(past)) - 1, 0)], np.nan, values)
        rows = np.repeat(values[:, None], horizon, axis=1)
        return rows[:, :1] if self.how == "wrong shape" else rows


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("looks ahead", "knows what came"),
        ("drifts", "flat"),
        ("falls silent", "silence"),
        ("wrong shape", "column"),
    ],
)
def test_an_offending_way_is_caught(how: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_forecaster(Offender(how))


class Source:
    def __init__(self, **changes: Any) -> None:
        self.changes, self.asked = changes, 0

    def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
        self.asked += 1
        if zone != "X" and "any_zone" not in self.changes:
            raise ConfigError(f"there is no zone {zone!r}.")
        series = Series(
            times_s=(NOW_S, NOW_S + 3600.0), values=(100.0, 200.0), end_s=NOW_S + 7200.0, unit="g/kWh",
            signal="average", basis="lifecycle", source="made up",
        )  # fmt: skip
        if "unsteady" in self.changes:
            series = dataclasses.replace(series, values=(100.0, 160.0 + self.asked))
        made = Forecast(
            zone=zone,
            issued_s=issued_s,
            series=series,
            low=(90.0, 150.0),
            high=(110.0, 260.0),
            coverage_frac=0.8,
        )
        allowed = {f.name for f in dataclasses.fields(Forecast)}
        return dataclasses.replace(made, **{k: v for k, v in self.changes.items() if k in allowed})


def test_a_source_that_keeps_the_contract_passes() -> None:
    check_forecast(Source(), "X", issued_s=NOW_S, start_s=NOW_S, end_s=NOW_S + 7200.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"issued_s": NOW_S + 1.0}, "look ahead"),
        ({"zone": "Y"}, "names its zone"),
        ({"coverage_frac": None}, "share of outcomes"),
        ({"low": (101.0, 150.0)}, "lies in its interval"),
        ({"unsteady": True}, "two forecasts"),
        ({"any_zone": True}, "unknown zone"),
    ],
)
def test_an_offending_source_is_caught(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_forecast(Source(**changes), "X", issued_s=NOW_S, start_s=NOW_S, end_s=NOW_S + 7200.0)
