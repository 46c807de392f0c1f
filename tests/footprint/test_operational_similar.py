"""Energies from like devices."""

from __future__ import annotations

import numpy as np
import pytest

from gramwise.core.errors import ConfigError, DataError
from gramwise.footprint.operational.similar import Reference, similar

WORK = {"a": 1.0, "b": 6.0, "c": 20.0, "d": 12.0}


def _pool(noise: float = 0.0, seed: int = 0, count: int = 10) -> list[Reference]:
    stream = np.random.default_rng(seed)
    return [
        Reference(
            energy_j={w: 1e-4 * (i + 1) * x * float(np.exp(noise * stream.normal())) for w, x in WORK.items()}
        )
        for i in range(count)
    ]


def _device(base: float, without: str = "") -> Reference:
    return Reference(energy_j={w: base * x for w, x in WORK.items() if w != without})


@pytest.mark.parametrize("workload", sorted(WORK))
def test_a_device_like_all_others_is_found(workload: str) -> None:
    found = similar(_device(3.3e-4, workload), _pool(), workload)
    assert found.energy_j == pytest.approx(3.3e-4 * WORK[workload], rel=0.03)
    assert found.devices == 10
    assert found.log_sd is not None
    assert found.log_sd < 0.2


def test_two_kinds_of_device_are_told_apart() -> None:
    kinds = [{"a": 1.0, "b": 5.0, "c": 20.0, "d": 10.0}, {"a": 1.0, "b": 2.0, "c": 40.0, "d": 4.0}]
    pool = [
        Reference(energy_j={w: s * x for w, x in kind.items()})
        for kind in kinds
        for s in (1e-4, 2e-4, 3e-4, 5e-4)
    ]
    for kind in kinds:
        known = Reference(energy_j={w: 4e-4 * x for w, x in kind.items() if w != "d"})
        assert similar(known, pool, "d").energy_j == pytest.approx(4e-4 * kind["d"], rel=0.1)


def test_what_is_asked_is_not_looked_at() -> None:
    pool, honest = _pool(0.1), _device(2e-4, "c")
    cheat = Reference(energy_j={**honest.energy_j, "c": 7.0})
    assert similar(cheat, pool, "c") == similar(honest, pool, "c")


def test_repeats_order_and_unit_change_nothing() -> None:
    pool, known = _pool(0.2), _device(2e-4, "b")
    plain = similar(known, pool, "b")
    assert similar(known, [*pool, *pool], "b") == plain
    assert similar(known, pool[::-1], "b").energy_j == pytest.approx(plain.energy_j, rel=1e-9)
    scaled = [Reference(energy_j={w: 1e3 * e for w, e in r.energy_j.items()}) for r in (*pool, known)]
    assert similar(scaled[-1], scaled[:-1], "b").energy_j == pytest.approx(1e3 * plain.energy_j, rel=1e-9)


def test_a_runtime_in_common_draws_the_estimate_to_its_kin() -> None:
    ours, theirs = ("ours", "v1"), ("theirs", "v1")
    pool = [
        Reference(energy_j={**r.energy_j, "d": r.energy_j["d"] * f}, runtime=runtime)
        for f, runtime in ((0.6, ours), (1.4, theirs))
        for r in _pool(0.15, seed=1 if f < 1 else 2, count=8)
    ]
    known = _device(4.5e-4, "d").energy_j
    low, high = (similar(Reference(energy_j=known, runtime=r), pool, "d").energy_j for r in (ours, theirs))
    assert low < 0.9 * high


def test_devices_with_other_gaps_still_help() -> None:
    pool = [Reference(energy_j={w: e for w, e in r.energy_j.items() if w != "a"}) for r in _pool()]
    assert similar(_device(2e-4, "c"), pool, "c").energy_j == pytest.approx(2e-4 * 20.0, rel=0.05)
    unknown_to_all = Reference(energy_j={**_device(2e-4, "c").energy_j, "z": 1.0})
    assert similar(unknown_to_all, pool, "c").energy_j == pytest.approx(2e-4 * 20.0, rel=0.05)


def test_few_devices_give_no_spread() -> None:
    found = similar(_device(2e-4, "c"), _pool(count=2), "c")
    assert (found.devices, found.log_sd) == (2, None)
    assert found.energy_j == pytest.approx(2e-4 * 20.0, rel=0.01)


def test_one_workload_in_common_is_enough() -> None:
    known = Reference(energy_j={"a": 2e-4})
    assert similar(known, _pool(), "c").energy_j == pytest.approx(2e-4 * 20.0, rel=0.05)


def test_refusals() -> None:
    with pytest.raises(DataError, match="'z'"):
        similar(_device(1.0), _pool(), "z")
    with pytest.raises(DataError):
        similar(Reference(energy_j={"c": 1.0}), _pool(), "c")
    with pytest.raises(ConfigError, match=r"^a: must be positive"):
        similar(Reference(energy_j={"a": 0.0, "b": 1.0}), _pool(), "c")
