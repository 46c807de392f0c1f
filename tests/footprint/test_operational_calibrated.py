"""Rates, residuals and energies recovered from kernels whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gramwise.core.errors import ConfigError, DataError
from gramwise.footprint.operational.calibrated import Sample, fit_device
from gramwise.footprint.operational.kernels import Kernel
from gramwise.footprint.operational.roofs import fit_roof

RATE = {"fp32": 1e10, "int8": 4e10}
BANDWIDTH, LAUNCH_S = 5e9, 2e-5
STATIC_W, J_PER_BYTE = 1.5, 8e-11
J_PER_FLOP = {"fp32": 2e-11, "int8": 4e-12}

Truth = Callable[[Kernel], float]


def _roof_s(k: Kernel) -> float:
    return max(k.ops_flop / RATE[k.precision], k.moved_bytes / BANDWIDTH) + LAUNCH_S


def _curved_s(k: Kernel) -> float:
    """A device that gets better with size, as many do, beyond what a roofline says."""
    return _roof_s(k) * float(np.exp(0.35 * (17.0 - np.log(k.ops_flop)) / 4.0))


def _joules(k: Kernel, time_s: float) -> float:
    return STATIC_W * time_s + J_PER_FLOP[k.precision] * k.ops_flop + J_PER_BYTE * k.moved_bytes


def _samples(
    truth: Truth, models: int = 6, each: int = 12, seed: int = 0, noise: float = 0.0
) -> list[Sample]:
    stream, rows = np.random.default_rng(seed), []
    for m in range(models):
        for i in range(each):
            k = Kernel(
                family="conv" if i % 3 else "dense",
                precision="fp32" if i % 2 else "int8",
                ops_flop=float(10 ** stream.uniform(5.5, 9.0)),
                moved_bytes=float(10 ** stream.uniform(4.0, 7.5)),
            )
            time_s = truth(k) * float(np.exp(noise * stream.normal()))
            rows.append(Sample(kernel=k, time_s=time_s, energy_j=_joules(k, time_s), model=f"m{m}"))
    return rows


def test_roofline_is_recovered() -> None:
    stream = np.random.default_rng(1)
    ops, moved = 10 ** stream.uniform(5, 9, 60), 10 ** stream.uniform(4, 8, 60)
    roof = fit_roof(ops, moved, np.maximum(ops / 1e10, moved / BANDWIDTH) + LAUNCH_S)
    assert roof.s_per_flop == pytest.approx(1e-10, rel=1e-3)
    assert roof.s_per_byte == pytest.approx(1 / BANDWIDTH, rel=1e-3)
    assert roof.launch_s == pytest.approx(LAUNCH_S, rel=1e-3)


def test_unseen_models_are_predicted_where_the_device_is_a_roofline() -> None:
    fit = fit_device(_samples(_roof_s))
    fresh = _samples(_roof_s, models=1, seed=9)
    kernels = [s.kernel for s in fresh]
    assert fit.time_s(kernels) == pytest.approx([s.time_s for s in fresh], rel=0.02)
    assert fit.energy_j(kernels) == pytest.approx([s.energy_j for s in fresh], rel=0.02)
    assert fit.energy is not None
    assert fit.energy.static_w == pytest.approx(STATIC_W, rel=0.01)
    assert fit.energy.j_per_flop == pytest.approx(J_PER_FLOP, rel=0.01)
    assert fit.unseen
    assert fit.time_error_frac is not None
    assert fit.time_error_frac < 0.05


def test_the_residual_wins_on_models_it_did_not_see() -> None:
    rows = _samples(_curved_s, models=8, each=18, noise=0.02)
    fit = fit_device(rows)
    fresh = _samples(_curved_s, models=4, each=18, seed=5)
    kernels, truth = [s.kernel for s in fresh], np.array([s.time_s for s in fresh])
    bare = np.array(
        [
            float(fit.roofs[k.family, k.precision].time_s(np.array(k.ops_flop), np.array(k.moved_bytes)))
            for k in kernels
        ]
    )
    assert set(fit.residuals) == {"conv", "dense"}
    with_residual = np.abs(fit.time_s(kernels) / truth - 1.0).mean()
    assert with_residual < 0.7 * np.abs(bare / truth - 1.0).mean()


def test_beyond_what_was_seen_the_physical_base_extrapolates() -> None:
    fit = fit_device(_samples(_curved_s, noise=0.02))
    huge = Kernel(family="conv", precision="fp32", ops_flop=1e13, moved_bytes=1e8)
    double = Kernel(family="conv", precision="fp32", ops_flop=2e13, moved_bytes=2e8)
    assert float((fit.time_s([double]) / fit.time_s([huge]))[0]) == pytest.approx(2.0, rel=0.01)


def test_what_was_not_measured_is_refused_by_name() -> None:
    fit = fit_device([s for s in _samples(_roof_s) if s.kernel.family == "conv"])
    with pytest.raises(DataError, match="no dense kernel was measured at fp32"):
        fit.time_s([Kernel(family="dense", precision="fp32", ops_flop=1.0, moved_bytes=1.0)])
    with pytest.raises(DataError, match="at int4"):
        fit.time_s([Kernel(family="conv", precision="int4", ops_flop=1.0, moved_bytes=1.0)])


def test_without_energies_there_is_time_only() -> None:
    rows = [Sample(kernel=s.kernel, time_s=s.time_s, model=s.model) for s in _samples(_roof_s)]
    fit = fit_device(rows)
    assert fit.energy is None
    assert fit.energy_error_frac is None
    with pytest.raises(DataError, match="no energy was measured"):
        fit.energy_j([rows[0].kernel])


def test_kernels_by_themselves_are_not_called_unseen_models() -> None:
    rows = [Sample(kernel=s.kernel, time_s=s.time_s, energy_j=s.energy_j) for s in _samples(_roof_s)]
    assert not fit_device(rows).unseen


def test_refusals() -> None:
    rows = _samples(_roof_s)
    with pytest.raises(ConfigError, match="too few"):
        fit_device(rows[:2])
    with pytest.raises(ConfigError, match=r"^time_s"):
        Sample(kernel=rows[0].kernel, time_s=0.0)
    with pytest.raises(ConfigError, match=r"^energy_j"):
        Sample(kernel=rows[0].kernel, time_s=1.0, energy_j=-1.0)
