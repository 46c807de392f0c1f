"""Step functions of time, and percentiles."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gramwise.core.errors import DataGap
from gramwise.core.series import Series, percentile


def series(*values: float, step_s: float = 10.0, source: str = "a test") -> Series:
    return Series(
        times_s=tuple(step_s * i for i in range(len(values))),
        values=values,
        end_s=step_s * len(values),
        unit="g/kWh",
        signal="average",
        basis="lifecycle",
        source=source,
    )


def test_steps_are_right_open() -> None:
    steps = series(100.0, 200.0, 300.0)
    assert [steps.at(t) for t in (0.0, 9.999, 10.0, 29.999)] == [100.0, 100.0, 200.0, 300.0]


@pytest.mark.parametrize("time_s", [-0.001, 30.0, 1e9, math.nan])
def test_outside_the_span_there_is_no_value(time_s: float) -> None:
    with pytest.raises(DataGap, match="a test: no value"):
        series(100.0, 200.0, 300.0).at(time_s)


def test_a_missing_step_is_a_gap_and_not_zero() -> None:
    holed = series(100.0, math.nan, 300.0)
    assert holed.at(25.0) == 300.0
    with pytest.raises(DataGap, match="missing"):
        holed.at(10.0)
    with pytest.raises(DataGap, match="missing"):
        holed.mean(5.0, 25.0)
    assert holed.mean(20.0, 30.0) == 300.0


def test_mean_weighs_by_time() -> None:
    assert series(100.0, 200.0).mean(5.0, 20.0) == pytest.approx((5 * 100 + 10 * 200) / 15)
    assert series(100.0, 200.0).mean(12.0, 12.0) == 200.0


@pytest.mark.parametrize(("start_s", "end_s"), [(-1.0, 5.0), (5.0, 20.001), (-1.0, -1.0), (20.0, 20.0)])
def test_mean_does_not_reach_outside(start_s: float, end_s: float) -> None:
    with pytest.raises(DataGap):
        series(100.0, 200.0).mean(start_s, end_s)


def test_a_constant_holds_for_all_time() -> None:
    constant = Series.constant(530.0, unit="g/kWh", source="a test")
    assert (constant.at(-1e12), constant.at(1e12), constant.mean(-5.0, 1e9)) == pytest.approx(
        (530.0, 530.0, 530.0)
    )


@pytest.mark.parametrize(
    ("times_s", "values", "end_s"),
    [
        ((), (), 1.0),
        ((0.0, 1.0), (5.0,), 2.0),
        ((0.0, 0.0), (5.0, 6.0), 2.0),
        ((1.0, 0.0), (5.0, 6.0), 2.0),
        ((0.0, math.nan), (5.0, 6.0), 2.0),
        ((0.0, 1.0), (5.0, 6.0), 1.0),
        ((0.0, 1.0), (5.0, 6.0), math.nan),
    ],
)
def test_a_series_that_makes_no_sense_is_refused(
    times_s: tuple[float, ...], values: tuple[float, ...], end_s: float
) -> None:
    with pytest.raises(ValueError):
        Series(
            times_s=times_s,
            values=values,
            end_s=end_s,
            unit="g",
            signal="average",
            basis="direct",
            source="a test",
        )


def test_no_source_no_series() -> None:
    with pytest.raises(ValueError, match="without a source"):
        series(1.0, source=" ")


@given(
    st.lists(st.floats(0.0, 1e3), min_size=1, max_size=8),
    st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0)),
)
def test_means_add_over_adjacent_intervals(values: list[float], marks: tuple[float, float, float]) -> None:
    steps = series(*values)
    a, b, c = sorted(mark * steps.end_s for mark in marks)
    if not a < b < c:
        return
    parts = steps.mean(a, b) * (b - a) + steps.mean(b, c) * (c - b)
    assert parts == pytest.approx(steps.mean(a, c) * (c - a), abs=1e-6)


def test_percentile_is_the_nearest_rank() -> None:
    hundred = [float(i) for i in range(1, 101)]
    assert [percentile(hundred, f) for f in (0.0, 0.5, 0.95, 0.99, 1.0)] == [1.0, 50.0, 95.0, 99.0, 100.0]
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([7.0], 0.01) == 7.0
    assert percentile([], 0.5) is None


@pytest.mark.parametrize("whole", range(1, 101))
def test_a_whole_rank_is_not_pushed_up_by_rounding(whole: int) -> None:
    # 100 x 0.07 is 7.000000000000001 in binary; the rank is 7 all the same.
    assert percentile([float(i) for i in range(1, 101)], whole / 100) == whole


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0.0, 1.0))
def test_a_percentile_is_one_of_the_values(values: list[float], frac: float) -> None:
    found = percentile(values, frac)
    assert found in values
    assert sum(v <= found for v in values) >= frac * len(values) - 1e-6
