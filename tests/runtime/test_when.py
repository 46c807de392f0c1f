"""The advice: now against the best start, tested on stored days, and saying no when it is not worth it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gramwise.core.ahead import Forecast
from gramwise.core.errors import ConfigError, DataGap, MixedKinds, SourceUnavailable
from gramwise.core.quantity import Basis, Signal
from gramwise.core.series import Series
from gramwise.grid.forecasts import OwnForecast
from gramwise.grid.sources.annual import Annual
from gramwise.grid.sources.trace import Trace
from gramwise.runtime.when import when_document

BEGIN_S = 1640995200.0  # 2022-01-01T00:00Z
TRACES = Path(os.environ.get("GRAMWISE_TRACES", Path(__file__).parents[2] / "../shared/data/traces"))


def utc_s(text: str) -> float:
    """Unix seconds of a time in UTC."""
    return datetime.fromisoformat(text + "+00:00").timestamp()


class Kept:
    """An `IntensitySource` over hourly values, which notes the latest hour that anybody asked for."""

    def __init__(
        self, values: npt.NDArray[np.float64], signal: Signal = "average", basis: Basis = "lifecycle"
    ) -> None:
        self.values, self.signal, self.basis = values, signal, basis
        self.asked_until_s = 0.0

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        """The hours that touch the interval; a gap where it begins too early."""
        if zone != "X":
            raise ConfigError(f"there is no zone {zone!r}.", fix="Did you mean 'X'?")
        first, last = int((start_s - BEGIN_S) // 3600), int(-(-(end_s - BEGIN_S) // 3600))
        if first < 0 or last > len(self.values):
            raise DataGap("kept: not that far")
        self.asked_until_s = max(self.asked_until_s, end_s)
        return Series(
            times_s=tuple(BEGIN_S + 3600.0 * hour for hour in range(first, last)),
            values=tuple(self.values[first:last].tolist()),
            end_s=BEGIN_S + 3600.0 * last,
            unit="g/kWh",
            signal=self.signal,
            basis=self.basis,
            source="kept",
        )


def sunny(days: int = 150, noise: float = 8.0, depth: float = 150.0) -> npt.NDArray[np.float64]:
    """Clean at noon, dirty at midnight, every day."""
    rng = np.random.default_rng(5)
    hours = np.arange(days * 24)
    values: npt.NDArray[np.float64] = (
        400 - depth * np.sin(2 * np.pi * (hours - 6) / 24) + rng.normal(0, noise, len(hours))
    )
    return values


NOW_S = BEGIN_S + 140 * 86400 + 20 * 3600 + 1200  # at 20:20


def ask(source: Any, **over: Any) -> dict[str, Any]:
    """The advice with usual arguments; always a document that JSON can hold."""
    asked: dict[str, Any] = {"hours": 3, "within": 24, "source": source, "now_s": NOW_S} | over
    document = when_document(asked.pop("zone", "X"), **asked)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    return document


def test_a_daily_dip_is_worth_waiting_for() -> None:
    document = ask(Kept(sunny()), energy_j=7.2e6)
    assert document["verdict"] == "wait until 2022-05-22T11:00Z"
    assert document["wait_s"] == utc_s(document["best"]["start"][:-1]) - NOW_S
    saving = document["saving"]
    assert saving["low_frac"] < saving["frac"] < saving["high_frac"]
    assert saving["g_per_kwh"] == pytest.approx(document["now"]["g_per_kwh"] - document["best"]["g_per_kwh"])
    assert saving["g"] == pytest.approx(2 * saving["g_per_kwh"])  # 7.2 MJ are 2 kWh
    assert saving["energy_kwh"] == 2.0
    # From 20:20 to 23:20 against three hours about noon, by the formula the record was made of.
    weights = np.array([2 / 3, 1, 1, 1 / 3]) / 3
    now = float(weights @ (400 - 150 * np.sin(2 * np.pi * (np.arange(20, 24) - 6) / 24)))
    assert document["now"]["g_per_kwh"] == pytest.approx(now, rel=0.03)
    assert document["held_frac"] == 1.0
    assert document["held_days"] == document["past"]["waited_days"] == document["past"]["days"] == 55


def test_nothing_known_later_is_asked_for_or_used() -> None:
    values = sunny()
    source = Kept(values)
    document = ask(source)
    assert source.asked_until_s <= NOW_S
    known = int((NOW_S - BEGIN_S) // 3600)
    changed = values.copy()
    changed[known:] = 9999.0
    assert ask(Kept(changed)) == document


def test_a_noisy_grid_is_not_worth_waiting_for() -> None:
    values = np.random.default_rng(3).normal(400, 60, 150 * 24)
    document = ask(Kept(values), least_frac=0.0)
    assert document["verdict"] == "not worth it"
    assert document["wait_s"] == 0.0


def test_the_cleanest_moment_is_now() -> None:
    document = ask(Kept(sunny(noise=1.0)), now_s=BEGIN_S + 140 * 86400 + 11 * 3600, within=12)
    assert document["verdict"] == "not worth it"
    assert document["saving"]["frac"] == 0.0
    assert document["best"] == document["now"]
    assert "No later start" in document["reason"]


def test_a_small_saving_is_not_worth_it_unless_asked_for() -> None:
    source = Kept(sunny(noise=0.2, depth=6.0))
    assert ask(source)["wait_s"] > 0
    refused = ask(source, least_frac=0.2)
    assert refused["verdict"] == "not worth it"
    assert "less than the 20%" in refused["reason"]


def test_too_few_days_to_test_say_so() -> None:
    document = ask(Kept(sunny()), past_days=5)
    assert document["past"]["days"] == 4  # yesterday's window is not over yet
    assert document["verdict"] == "not worth it"
    assert document["saving"]["low_frac"] is None
    assert "4 past days only" in document["reason"]


def test_a_wait_that_did_not_hold_is_refused() -> None:
    values = sunny(noise=0.0)
    # For seven weeks the dip was promised by forecasts and never came.
    flat = values.copy()
    flat[(140 - 50) * 24 : 140 * 24 + 20] = 400 + np.random.default_rng(1).normal(0, 5, 50 * 24 + 20)

    class Promised:
        """Forecasts of a dip, issued whenever asked."""

        def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
            series = Kept(values).history(zone, start_s, end_s)
            return Forecast(zone=zone, issued_s=issued_s, series=series)

    document = ask(Kept(flat), forecast=Promised(), past_days=40)
    assert document["forecast"] == document["past"]["forecast"] == "kept"
    assert document["past"]["waited_days"] == 39
    assert document["held_frac"] < 2 / 3
    assert document["verdict"] == "not worth it"
    assert f"cleaner on {document['held_frac']:.0%} only" in document["reason"]


@pytest.mark.parametrize(("sign", "turn"), [("saves", lambda v: v), ("costs", lambda v: 900 - v)])
def test_the_sign_under_the_other_signal(
    sign: str, turn: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
) -> None:
    values = sunny()
    document = ask(Kept(values), other=Kept(turn(values), signal="marginal", basis="direct"))
    assert document["other"]["sign"] == sign
    assert (document["other"]["saving_frac"] > 0) == (sign == "saves")
    assert (document["wait_s"] > 0) == (sign == "saves")
    if sign == "costs":
        assert "sign turns" in document["reason"]


def test_the_sign_on_the_other_basis() -> None:
    turned = ask(Kept(sunny()), other_basis=Kept(600.0 - sunny(), basis="direct"))
    assert turned["other_basis"]["sign"] == "costs"
    assert turned["verdict"] == "not worth it"
    assert "turns with the basis" in turned["reason"]
    same = ask(Kept(sunny()), other_basis=Kept(0.8 * sunny(), basis="direct"))
    assert same["other_basis"]["sign"] == "saves"
    assert same["verdict"] != "not worth it"
    with pytest.raises(MixedKinds, match="lifecycle like the first"):
        ask(Kept(sunny()), other_basis=Kept(sunny()))


def test_no_other_signal_is_unknown_and_not_a_refusal() -> None:
    document = ask(Kept(sunny()))
    assert document["other"]["note"] == "unknown: no marginal source configured"
    assert document["other"]["sign"] is None
    assert document["wait_s"] > 0
    marginal = ask(Kept(sunny(), signal="marginal"))
    assert marginal["other"]["note"] == "unknown: no average source configured"
    empty = ask(Kept(sunny()), other=Kept(np.full(150 * 24, np.nan), signal="marginal"))
    assert empty["other"]["note"].startswith("unknown: kept")
    with pytest.raises(MixedKinds, match="average like the first"):
        ask(Kept(sunny()), other=Kept(sunny()))


def test_an_annual_figure_knows_no_hours() -> None:
    document = ask(Annual(), zone="DE")
    assert document["verdict"] == "not worth it"
    assert document["held_frac"] is None
    assert document["saving"] is None
    assert "nothing is known hour by hour" in document["reason"]
    assert document["now"]["g_per_kwh"] == Annual().intensity("DE").quantity.value


def test_a_provider_without_stored_forecasts_is_tested_by_ours() -> None:
    class Live:
        """Answers for now only, and begins with the next hour."""

        def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
            if issued_s < NOW_S:
                raise SourceUnavailable("only now")
            series = Kept(sunny()).history(zone, start_s + 3600, end_s)
            return Forecast(zone=zone, issued_s=issued_s, series=series)

    document = ask(Kept(sunny()), forecast=Live())
    assert document["forecast"] == "kept"
    assert document["past"]["forecast"].startswith("own forecast (regression)")
    assert document["wait_s"] > 0


def test_a_forecast_that_is_short_late_or_of_another_kind_is_refused() -> None:
    class Bad:
        """One fault at a time."""

        def __init__(self, hours: float = 25, late_s: float = 0.0, signal: Signal = "average") -> None:
            self.hours, self.late_s, self.signal = hours, late_s, signal

        def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
            series = Kept(sunny(), signal=self.signal).history(zone, start_s, start_s + 3600 * self.hours)
            return Forecast(zone=zone, issued_s=issued_s + self.late_s, series=series)

    assert ask(Kept(sunny()), forecast=Bad())["wait_s"] > 0
    with pytest.raises(DataGap, match="smaller --within"):
        ask(Kept(sunny()), forecast=Bad(hours=12))
    with pytest.raises(MixedKinds, match="marginal and lifecycle"):
        ask(Kept(sunny()), forecast=Bad(signal="marginal"))
    with pytest.raises(Exception, match="issued after"):
        ask(Kept(sunny()), forecast=Bad(late_s=60))


def test_power_and_energy_mean_the_same() -> None:
    by_power = ask(Kept(sunny()), power_w=200.0)["saving"]
    by_energy = ask(Kept(sunny()), energy_j=200.0 * 3 * 3600)["saving"]
    assert by_power == by_energy
    assert ask(Kept(sunny()))["saving"]["g"] is None
    with pytest.raises(ConfigError, match="both"):
        ask(Kept(sunny()), power_w=1.0, energy_j=1.0)
    with pytest.raises(ConfigError, match="no energy"):
        ask(Kept(sunny()), energy_j=-1.0)


@pytest.mark.parametrize(
    ("over", "match"),
    [
        ({"hours": 5, "within": 4}, "do not fit"),
        ({"hours": 0}, "cannot run"),
        ({"hours": float("nan")}, "cannot run"),
        ({"within": 500}, "nobody foresees"),
        ({"past_days": -1}, "past_days"),
        ({"zone": "Y"}, "Did you mean 'X'"),
    ],
)
def test_wrong_asks_say_what_to_write(over: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        ask(Kept(sunny()), **over)


def test_a_gap_before_now_is_an_error_and_an_old_one_is_a_day_less() -> None:
    values = sunny()
    now = int((NOW_S - BEGIN_S) // 3600)
    values[now - 30 : now] = np.nan
    with pytest.raises(DataGap, match="last 24 hours"):
        ask(Kept(values))
    values = sunny()
    values[now - 24 * 10 + 5] = np.nan
    document = ask(Kept(values))
    assert document["past"]["days"] == 54
    assert document["wait_s"] > 0


def test_our_own_forecast_as_a_source_gives_the_same_advice() -> None:
    source = Kept(sunny())
    document = ask(source, forecast=OwnForecast(source, horizon_h=25), past_days=15)
    assert document["best"]["start"] == ask(source)["best"]["start"]
    assert document["past"]["waited_days"] == 14
    assert document["wait_s"] > 0


def test_on_a_real_trace_waiting_holds_as_often_as_it_says() -> None:
    if not (TRACES / "DE_2022.csv").exists():
        pytest.skip("no trace DE_2022.csv (set GRAMWISE_TRACES to a directory of traces)")
    source = Trace(TRACES)
    held, foreseen, realised = [], [], []
    for day in range(60, 330, 9):
        now_s = BEGIN_S + day * 86400 + 18 * 3600
        document = ask(source, zone="DE", now_s=now_s)
        if not document["wait_s"]:
            continue
        truth = source.history("DE", now_s, now_s + 86400)
        start_s = now_s + document["wait_s"]
        frac = 1 - truth.mean(start_s, start_s + 10800) / truth.mean(now_s, now_s + 10800)
        held.append(frac > 0)
        foreseen.append(document["saving"]["frac"])
        realised.append(frac)
    assert len(held) >= 10
    assert np.mean(held) >= 0.85
    assert np.mean(realised) > np.mean(foreseen) - 0.05  # what is promised comes true on average
