"""Our forecasts for live use: from any source, as issued, with nothing known later."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gramwise.core import plugins
from gramwise.core.errors import ConfigError, DataGap, SourceUnavailable
from gramwise.core.series import Series
from gramwise.grid.forecasts import Method, OwnForecast, Record, create, hourly, rolling_forecast
from gramwise.grid.forecasts.past import Past
from gramwise.grid.sources.annual import Annual
from gramwise.grid.sources.trace import Trace

BEGIN_S = 1640995200.0
NOW_S = BEGIN_S + 70 * 86400 + 9 * 3600 + 700
TRACES = Path(os.environ.get("GRAMWISE_TRACES", Path(__file__).parents[3] / "../shared/data/traces"))
Known = Callable[[float], float]


def daily(time_s: float) -> float:
    """A smooth day with a slow beat."""
    hours = (time_s - BEGIN_S) / 3600
    return 300 + 80 * math.sin(2 * math.pi * hours / 24) + 30 * math.sin(hours / 50)


class Steps:
    """An `IntensitySource` with steps of any length, of which it knows what lies in a span."""

    def __init__(
        self, known: Known = daily, step_s: float = 3600.0, begin_s: float = BEGIN_S, end_s: float = NOW_S
    ) -> None:
        self.known, self.step_s, self.begin_s, self.end_s = known, step_s, begin_s, end_s
        self.asked_s: list[tuple[float, float]] = []

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        """Refuses what begins before it began; ends where its knowledge ends."""
        self.asked_s.append((start_s, end_s))
        if start_s < self.begin_s:
            raise DataGap("steps: begins later")
        times = np.arange(start_s, min(end_s, self.end_s), self.step_s)
        return Series(
            times_s=tuple(times.tolist()),
            values=tuple(self.known(t) for t in times),
            end_s=float(times[-1] + self.step_s),
            unit="g/kWh",
            signal="marginal",
            basis="direct",
            source="steps",
        )


def test_it_is_the_newest_row_of_the_rolling_forecast() -> None:
    source = Steps()
    made = create("regression", source).forecast("X", NOW_S, NOW_S + 86400, NOW_S)
    begin_s = NOW_S // 3600 * 3600
    hours = [begin_s - 60 * 86400 + 3600 * i for i in range(60 * 24)]
    rolling = rolling_forecast(np.array([daily(t) for t in hours] + [math.nan]), hours[0])
    assert made.series.values == pytest.approx(rolling.mean[-1].tolist())
    assert made.low is not None
    assert made.low == pytest.approx(rolling.low[-1].tolist())
    assert made.series.times_s[0] == begin_s
    assert made.series.end_s == begin_s + 86400
    assert (made.issued_s, made.zone, made.coverage_frac) == (NOW_S, "X", 0.8)
    assert (made.series.signal, made.series.basis, made.series.unit) == ("marginal", "direct", "g/kWh")
    assert made.series.source == "own forecast (regression) from steps"
    assert max(end_s for _, end_s in source.asked_s) <= begin_s


def test_what_comes_later_changes_nothing() -> None:
    def turned(time_s: float) -> float:
        return daily(time_s) if time_s < NOW_S // 3600 * 3600 else 9999.0

    made = [OwnForecast(Steps(known, end_s=NOW_S + 1e6)) for known in (daily, turned)]
    first, second = (one.forecast("X", NOW_S, NOW_S + 86400, NOW_S) for one in made)
    assert first == second


def test_a_span_cuts_the_forecast_and_one_too_far_is_refused() -> None:
    own = create("persistence", Steps())
    begin_s = NOW_S // 3600 * 3600
    made = own.forecast("X", begin_s + 7200, begin_s + 4 * 3600 + 1, NOW_S)
    assert made.series.times_s == (begin_s + 7200, begin_s + 10800, begin_s + 14400)
    assert made.series.values == pytest.approx([daily(begin_s - 3600)] * 3)
    with pytest.raises(SourceUnavailable, match="reaches 24 hours"):
        own.forecast("X", begin_s + 86400, begin_s + 90000, NOW_S)
    longer = create("persistence", Steps(), horizon_h=48).forecast("X", NOW_S, NOW_S + 1e6, NOW_S)
    assert len(longer.series.values) == 48


def test_a_source_with_little_history_is_asked_for_less() -> None:
    source = Steps(begin_s=NOW_S - 5 * 86400)
    made = create("regression", source).forecast("X", NOW_S, NOW_S + 86400, NOW_S)
    assert len(source.asked_s) == 5  # 60, 28, 14, 8 and 2 days
    begin_s = NOW_S // 3600 * 3600
    # Too young: seasonal naive, moved by its error in the newest hour.
    missed = daily(begin_s - 3600) - daily(begin_s - 3600 - 86400)
    assert made.series.values[3] == pytest.approx(daily(begin_s + 3 * 3600 - 86400) + missed * 0.85**4)
    assert made.low is None
    assert made.coverage_frac is None


def test_steps_of_other_lengths_become_hours() -> None:
    series = Steps(lambda t: (t - BEGIN_S) / 1800, step_s=1800.0).history("X", BEGIN_S, BEGIN_S + 4 * 3600)
    np.testing.assert_allclose(hourly(series, BEGIN_S, 4), [0.5, 2.5, 4.5, 6.5])
    long = Steps(lambda t: (t - BEGIN_S) / 3600, step_s=10800.0).history("X", BEGIN_S, BEGIN_S + 6 * 3600)
    np.testing.assert_allclose(hourly(long, BEGIN_S, 6), [0, 0, 0, 3, 3, 3])
    holed = Steps(lambda t: math.nan if t == BEGIN_S + 1800 else 5.0, step_s=1800.0)
    got = hourly(holed.history("X", BEGIN_S, BEGIN_S + 7200), BEGIN_S, 3)
    np.testing.assert_array_equal(got, [math.nan, 5.0, math.nan])  # half an hour is no hour


def test_data_that_end_too_early_are_no_ground_for_a_forecast() -> None:
    begin_s = NOW_S // 3600 * 3600
    late = create("seasonal-naive", Steps(end_s=begin_s - 20 * 3600))
    made = late.forecast("X", NOW_S, NOW_S + 86400, NOW_S)
    assert made.series.values[0] == pytest.approx(daily(begin_s - 86400))
    assert made.series.values[10] == daily(
        begin_s + 10 * 3600 - 2 * 86400
    )  # the newest such hour that is known
    with pytest.raises(DataGap, match="nothing to foresee from"):
        create("persistence", Steps(end_s=NOW_S - 30 * 3600)).forecast("X", NOW_S, NOW_S + 86400, NOW_S)
    with pytest.raises(DataGap, match="begins later"):
        create("persistence", Steps(begin_s=NOW_S - 86400)).forecast("X", NOW_S, NOW_S + 86400, NOW_S)


def test_faults_of_the_source_come_through() -> None:
    with pytest.raises(ConfigError, match="Atlantis"):
        create("regression", Annual()).forecast("Atlantis", NOW_S, NOW_S + 86400, NOW_S)
    with pytest.raises(ConfigError, match="seasonal-naive"):
        create("seasonal-naiv", Steps())


def test_methods_are_found_by_name_and_one_may_be_ones_own() -> None:
    assert {"persistence", "seasonal-naive", "regression"} <= set(plugins.names("forecaster"))

    class Zero:
        name = "zero"

        def means(self, past: Past, horizon: int) -> npt.NDArray[np.float64]:
            return np.zeros((len(past), horizon))

    assert isinstance(Zero(), Method)
    made = OwnForecast(Steps(), Zero()).forecast("X", NOW_S, NOW_S + 3600, NOW_S)
    assert set(made.series.values) == {0.0}
    assert made.high is not None
    assert made.high[0] > 300


def test_a_record_ends_before_the_running_hour() -> None:
    record = Record.until(Steps(), "X", NOW_S, (30, 2))
    assert record.end_s == NOW_S // 3600 * 3600
    assert len(record.values) == 30 * 24
    assert record.age_h == 1
    assert record.with_next().tolist()[:-1] == record.values.tolist()
    assert math.isnan(record.with_next()[-1])


def test_a_trace_whose_year_has_just_begun() -> None:
    if not (TRACES / "DE_2022.csv").exists():
        pytest.skip("no trace DE_2022.csv (set GRAMWISE_TRACES to a directory of traces)")
    now_s = BEGIN_S + 20 * 86400
    made = create("regression", Trace(TRACES)).forecast("DE", now_s, now_s + 86400, now_s)
    assert len(made.series.values) == 24
    with pytest.raises(ConfigError, match="no trace of zone"):
        create("regression", Trace(TRACES)).forecast("DEE", now_s, now_s + 86400, now_s)
