"""The line between a machine's power and its load: what it gives back, and when it says that it does not know."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from gramwise.power.attribution import LEAST_WINDOWS, Marginal, Window, marginal

IDLE_W, OURS, THEIRS = 4.0, 6.0, 9.0
"""Of a machine that obeys the line: watts at rest, joules of a CPU second of this process and of others."""


def window(own: float, other: float = 0.0, wall_s: float = 1.0, noise_w: float = 0.0) -> Window:
    """A stretch in which so many CPUs were busy for this process and for others."""
    power_w = IDLE_W + OURS * own + THEIRS * other + noise_w
    return Window(wall_s, power_w * wall_s, (own + other) * wall_s, own * wall_s)


def known(windows: list[Window], *, meter_frac: float = 0.0, other_frac: float = 0.0) -> Marginal:
    found = marginal(windows, meter_frac=meter_frac, other_frac=other_frac)
    assert found is not None
    return found


def test_alone_and_without_noise_the_line_is_found_exactly() -> None:
    found = known([window(0.1 * i) for i in range(LEAST_WINDOWS)])
    assert (found.j_per_cpu_s, found.low, found.high) == pytest.approx((OURS,) * 3)
    assert found.idle_w == pytest.approx((IDLE_W,) * 3)
    assert found.own_frac == pytest.approx(1.0)
    assert found.windows == LEAST_WINDOWS


def test_idle_and_shares_add_up_to_what_the_meter_counted() -> None:
    draw = random.Random(1)
    windows = [
        window(draw.random(), draw.random(), wall_s=draw.uniform(0.5, 3.0), noise_w=draw.gauss(0.0, 0.1))
        for _ in range(100)
    ]
    found = known(windows)
    assert found.idle_w is not None
    idle_j = found.idle_w[0] * sum(w.wall_s for w in windows)
    shared_j = found.j_per_cpu_s * sum(w.busy_s for w in windows)
    assert idle_j + shared_j == pytest.approx(sum(w.energy_j for w in windows))


def test_a_line_that_falls_below_zero_before_rest_says_nothing_of_rest() -> None:
    steep = [Window(1.0, 9.0 * load * load, load, load) for load in (0.5 + 0.05 * i for i in range(20))]
    found = known(steep)
    assert found.j_per_cpu_s > 9.0, "the slope is that of the loads seen, and still known"
    assert found.idle_w is None, "unknown: a machine at rest does not take 0 W"


def test_a_constant_neighbour_is_part_of_what_is_there_at_rest() -> None:
    found = known([window(0.1 * i, other=0.5) for i in range(20)], other_frac=0.2)
    assert found.j_per_cpu_s == pytest.approx(OURS)
    assert found.own_frac == pytest.approx(1.0)
    assert (found.low, found.high) == pytest.approx((OURS, OURS)), "its joules do not move with ours"
    assert found.idle_w == pytest.approx((IDLE_W + 0.5 * (THEIRS - OURS),) * 3)


def test_a_neighbour_that_works_as_we_do_widens_the_interval_to_both_sides() -> None:
    draw = random.Random(2)
    windows = [window(draw.random(), draw.random()) for _ in range(300)]
    found = known(windows, other_frac=0.5)
    f = found.own_frac
    assert f == pytest.approx(0.5, abs=0.1)
    assert found.j_per_cpu_s == pytest.approx(f * OURS + (1 - f) * THEIRS), "the sum of both, by their part"
    # Theirs is 1.5 times ours here, so what is true of us is the end of the interval that says so.
    assert found.low < OURS == pytest.approx(found.j_per_cpu_s / (f + (1 - f) * 1.5), rel=1e-6)
    assert found.high > found.j_per_cpu_s


def test_noise_widens_and_the_truth_stays_inside() -> None:
    draw, hits = random.Random(3), 0
    for _ in range(200):
        windows = [window(draw.random(), noise_w=draw.gauss(0.0, 0.5)) for _ in range(60)]
        found = known(windows)
        hits += found.low <= OURS <= found.high
    assert 0.90 * 200 <= hits < 200, "two standard errors hold some 95 of 100 truths, not all"


def test_the_meters_own_interval_is_in_it() -> None:
    found = known([window(0.1 * i) for i in range(20)], meter_frac=0.1)
    assert (found.low, found.high) == pytest.approx((0.9 * OURS, 1.1 * OURS))
    assert found.idle_w == pytest.approx((IDLE_W, 0.9 * IDLE_W, 1.1 * IDLE_W))


@pytest.mark.parametrize(
    "windows",
    [
        [],
        [window(0.1 * i) for i in range(LEAST_WINDOWS - 1)],
        [window(0.5)] * 50,
        [Window(1.0, 5.0 - 0.1 * i, 0.1 * i, 0.1 * i) for i in range(20)],
        [Window(1.0, 5.0, 0.1 * i, 0.1 * i) for i in range(20)],
    ],
    ids=["none", "few", "one load", "power that falls with load", "power that knows no load"],
)
def test_what_the_windows_do_not_tell_is_not_known(windows: list[Window]) -> None:
    assert marginal(windows, meter_frac=0.1, other_frac=0.2) is None


@pytest.mark.parametrize(("noise_w", "told"), [(0.01, True), (3.0, False)])
def test_a_slope_that_drowns_in_noise_is_not_known(noise_w: float, told: bool) -> None:
    draw = random.Random(4)
    gauss: Callable[[], float] = lambda: draw.gauss(0.0, noise_w)  # noqa: E731
    windows = [window(0.1 * draw.random(), noise_w=gauss()) for _ in range(60)]
    assert (marginal(windows, meter_frac=0.1, other_frac=0.2) is not None) is told
