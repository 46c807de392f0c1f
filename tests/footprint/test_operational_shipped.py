"""The measurements that come with the package: whole, sourced, in the right units."""

from __future__ import annotations

import math

import pytest

from gramwise.footprint.operational.shipped import measurements, references, same_name
from gramwise.footprint.operational.similar import similar

LICENCES = {"mlperf_tiny": "Apache-2.0", "microgreen": "MIT"}


def test_every_measurement_says_where_it_is_from() -> None:
    assert {m.set for m in measurements()} == set(LICENCES)
    for m in measurements():
        assert m.licence == LICENCES[m.set]
        assert " @ " in m.source
        assert m.file
        assert m.system
        assert math.isfinite(m.energy_j)
        assert m.energy_j > 0.0
        if m.set == "mlperf_tiny":
            assert m.division == "closed"
            assert m.round
            assert m.round in m.source
            assert m.submitter.lower() in m.file.lower()
            assert m.file.startswith("closed/")
        else:
            assert m.latency_s is not None
            assert m.v_min_v is not None
            assert m.v_max_v is not None
            assert m.v_min_v < m.v_max_v


def test_no_measurement_stands_twice() -> None:
    keys = [(m.set, m.round, m.submitter, m.system, m.workload) for m in measurements()]
    assert len(keys) == len(set(keys))


def test_units_by_hand() -> None:
    tiny = next(m for m in measurements() if (m.round, m.system) == ("v0.7", "NUCLEO-U575ZI-Q"))
    assert tiny.workload == "ad"
    assert [tiny.energy_j, tiny.latency_s] == pytest.approx([152.56e-6, 1.0 / 175.529])
    green = next(m for m in measurements() if m.set == "microgreen")
    assert (green.system, green.workload) == ("esp32", "kws-s")
    assert [green.energy_j, green.latency_s] == pytest.approx([15.605e-3, 17.485e-3])
    assert (green.v_min_v, green.v_max_v) == (2.2, 3.6)


def test_an_unpublished_throughput_is_missing_and_not_zero() -> None:
    untimed = [m for m in measurements() if m.latency_s is None]
    assert untimed
    assert {m.round for m in untimed} == {"v1.3"}


def test_power_of_a_microcontroller_is_that_of_one() -> None:
    for m in measurements():
        if m.latency_s is not None:
            assert 1e-3 < m.energy_j / m.latency_s < 4.0, m.system


def test_references_are_systems_of_a_round() -> None:
    found = references()
    assert sum(len(r.energy_j) for r in found) == len(measurements())
    assert len(found) == len({(m.set, m.round, m.submitter, m.system) for m in measurements()})
    assert {len(r.runtime) for r in found} == {0, 2}


def test_a_shipped_system_is_guessed_from_the_others() -> None:
    asked = next(
        r for r in references() if r.runtime == ("stmicroelectronics", "v1.0") and "ic" in r.energy_j
    )
    found = similar(asked, [r for r in references() if r is not asked], "ic")
    assert found.energy_j == pytest.approx(asked.energy_j["ic"], rel=0.1)


@pytest.mark.parametrize("other", ["nucleo_h7a3zi_q", "NUCLEO H7A3ZI-Q", "NucleoH7A3ZIQ"])
def test_spelling_makes_no_other_system(other: str) -> None:
    assert same_name(other) == same_name("NUCLEO-H7A3ZI-Q")
    assert same_name(other) != same_name("NUCLEO-L4R5ZI")
