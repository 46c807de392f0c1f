"""Learned power, fixed energy, and the small non-negative fit under both."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from gramwise.core.errors import ConfigError, DataError
from gramwise.footprint.operational.measured import (
    FixedTime,
    PowerFit,
    active_power_w,
    fit_power,
    fixed_time,
    workload_effects,
)
from gramwise.footprint.operational.nonneg import nonnegative, nonnegative_relative


@pytest.mark.parametrize("seed", range(20))
def test_nonnegative_agrees_with_a_solver(seed: int) -> None:
    stream = np.random.default_rng(seed)
    matrix, wanted = stream.normal(size=(12, 4)), stream.normal(size=12)
    theirs, miss = nnls(matrix, wanted)
    ours = nonnegative(matrix, wanted)
    assert np.linalg.norm(matrix @ ours - wanted) == pytest.approx(miss, rel=1e-9)
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_nonnegative_bears_columns_of_unlike_size() -> None:
    x = np.linspace(1.0, 9.0, 9)
    matrix = np.column_stack([x * 1e12, x**2 * 1e-9, np.ones(9)])
    assert nonnegative(matrix, matrix @ [3e-12, 5e9, 2.0]) == pytest.approx([3e-12, 5e9, 2.0], rel=1e-6)


def test_relative_fit_does_not_forget_the_small_ones() -> None:
    t, wanted = np.array([1.0, 10.0, 1000.0]), np.array([2.0, 11.0, 1200.0])
    matrix = np.column_stack([t, np.ones(3)])
    relative = np.abs(matrix @ nonnegative_relative(matrix, wanted) / wanted - 1.0)
    absolute = np.abs(matrix @ nonnegative(matrix, wanted) / wanted - 1.0)
    assert relative[0] < absolute[0]


@pytest.mark.parametrize(
    ("matrix", "wanted"),
    [(np.zeros((0, 2)), np.zeros(0)), (np.ones((3, 2)), np.ones(2)), (np.ones((2, 11)), np.ones(2))],
)
def test_nonnegative_refuses(matrix: np.ndarray, wanted: np.ndarray) -> None:
    with pytest.raises(ConfigError):
        nonnegative(matrix, wanted)


def test_nonnegative_refuses_what_is_not_finite_or_not_positive() -> None:
    with pytest.raises(ConfigError, match="finite"):
        nonnegative([[1.0], [np.nan]], [1.0, 2.0])
    with pytest.raises(ConfigError, match="positive"):
        nonnegative_relative([[1.0], [1.0]], [1.0, 0.0])


def test_power_follows_what_a_workload_does_on_other_systems() -> None:
    effect = {"a": 0.8, "b": 1.0, "c": 1.0, "d": 1.25}
    others = [{w: base * f for w, f in effect.items()} for base in (0.01, 0.02, 0.05, 0.1) * 25]
    known = {w: 0.03 * f for w, f in effect.items() if w != "a"}
    assert active_power_w(known, others, "a") == pytest.approx(0.03 * 0.8, rel=0.01)
    assert active_power_w(known, [], "a") == pytest.approx(0.03)


def test_one_bad_log_does_not_tilt_the_power() -> None:
    known = {"a": 0.030, "b": 0.031, "c": 0.300}
    assert active_power_w(known, [], "d") == pytest.approx(0.031)


def test_the_asked_workload_is_not_looked_at() -> None:
    known = {"a": 0.03, "b": 0.03, "d": 99.0}
    assert active_power_w(known, [], "d") == pytest.approx(0.03)


def test_few_systems_are_believed_in_part() -> None:
    system = {"a": 0.5, "b": 1.0, "c": 1.0}
    one, many = workload_effects([system])["a"], workload_effects([system] * 96)["a"]
    assert one == pytest.approx(np.log(0.5) / 5.0)
    assert many == pytest.approx(np.log(0.5) * 0.96)


def test_power_refuses() -> None:
    with pytest.raises(DataError, match="'a'"):
        active_power_w({"a": 1.0}, [], "a")
    with pytest.raises(ConfigError, match=r"^b: must be positive"):
        active_power_w({"b": 0.0}, [], "a")


def test_fit_finds_power_and_fixed_energy() -> None:
    t = np.array([0.01, 0.1, 0.5])
    fit = fit_power(t, 0.2 * t + 0.004)
    assert [fit.active_w, fit.fixed_j, fit.runs] == pytest.approx([0.2, 0.004, 3])
    assert fit.energy_j([0.0, 1.0]) == pytest.approx([0.004, 0.204])


def test_one_run_gives_power_only() -> None:
    fit = fit_power([0.5], [0.1])
    assert [fit.active_w, fit.fixed_j] == pytest.approx([0.2, 0.0])


def test_prior_speaks_where_runs_cannot_and_yields_where_they_can() -> None:
    prior = FixedTime(time_s=0.06, spread_s=0.015)
    long = np.array([5.0, 5.1, 5.2])  # the fixed part is lost in the noise of these
    noisy = 0.1 * long * np.array([1.01, 0.99, 1.0])
    assert fit_power(long, noisy, prior).fixed_j == pytest.approx(0.006, rel=0.2)
    short = np.array([0.001, 0.1, 0.5])
    told = fit_power(short, 0.1 * short + 0.05, prior)
    assert told.fixed_j > 0.03


def test_prior_needs_two_boards() -> None:
    board = PowerFit(active_w=0.2, fixed_j=0.01, runs=4)
    assert fixed_time([board]) is None
    assert fixed_time([board, PowerFit(active_w=0.0, fixed_j=0.01, runs=4)]) is None
    found = fixed_time([board, board])
    assert found is not None
    assert found.time_s == pytest.approx(0.05)
    assert found.spread_s == pytest.approx(0.25 * 0.05)


@pytest.mark.parametrize(
    ("latency", "energy", "key"),
    [
        ([], [], "latency_s"),
        ([1.0], [1.0, 2.0], "latency_s"),
        ([0.0], [1.0], "latency_s"),
        ([1.0], [-1.0], "energy_j"),
    ],
)
def test_fit_refuses(latency: list[float], energy: list[float], key: str) -> None:
    with pytest.raises(ConfigError, match=f"^{key}"):
        fit_power(latency, energy)
