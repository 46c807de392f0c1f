"""The roofline: the slower of arithmetic and memory, on rates that were measured here."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gramwise.core.errors import MeterError
from gramwise.core.machines import Device
from gramwise.core.model import Work
from gramwise.core.quantity import Quantity
from gramwise.power.roofline import (
    Roof,
    host_bandwidth_bytes_per_s,
    host_roof,
    roofline_s,
    stand_ins,
    work_s,
)

positive = st.floats(min_value=1e-3, max_value=1e12)


def rate(value: float, unit: str) -> Quantity:
    return Quantity(
        value=value, low=value, high=value, unit=unit, method="measured", boundary="chip", source="made up"
    )


ROOF = Roof(
    flop_per_s={"fp32": rate(10e9, "FLOP/s"), "fp64": rate(5e9, "FLOP/s")}, bytes_per_s=rate(2e9, "byte/s")
)
PI5 = Device(id="x", name="x", device_class="sbc", peak_flop_per_s={"fp32": 150e9, "int8": 600e9})


def test_the_slower_of_arithmetic_and_memory_counts():
    # 10 FLOP a byte at 10 GFLOP/s and 2 GB/s: the ridge is at 5 FLOP a byte.
    assert roofline_s(1e9, 1e8, 10e9, 2e9) == pytest.approx(0.1)
    assert roofline_s(1e9, 1e9, 10e9, 2e9) == pytest.approx(0.5)
    assert roofline_s(0.0, 0.0, 10e9, 2e9) == 0.0


def test_arrays_go_through_in_one_piece_and_unknown_stays_unknown():
    seconds = roofline_s([1e9, 1e9, math.nan], [[0.0], [1e9]], 10e9, 2e9)
    assert seconds.shape == (2, 3)
    assert seconds[:, :2] == pytest.approx(np.array([[0.1, 0.1], [0.5, 0.5]]))
    assert np.isnan(seconds[:, 2]).all()


@given(flop=positive, moved=positive, flop_per_s=positive, bytes_per_s=positive, faster=st.floats(1, 100))
def test_faster_hardware_is_never_slower_and_the_time_is_a_bound(
    flop, moved, flop_per_s, bytes_per_s, faster
):
    seconds = roofline_s(flop, moved, flop_per_s, bytes_per_s)
    assert seconds >= flop / flop_per_s
    assert seconds >= moved / bytes_per_s
    assert roofline_s(flop, moved, faster * flop_per_s, bytes_per_s) <= seconds
    assert roofline_s(flop, moved, flop_per_s, faster * bytes_per_s) <= seconds


def test_each_precision_has_its_rate_and_reads_and_writes_both_count():
    works = [
        Work(flop=1e9, read_bytes=0, write_bytes=0),
        Work(flop=1e9, read_bytes=0, write_bytes=0),
        Work(flop=0, read_bytes=3e8, write_bytes=1e8),
    ]
    assert work_s(works, ["fp32", "fp64", "fp32"], ROOF) == pytest.approx([0.1, 0.2, 0.2])


def test_a_precision_that_was_not_measured_is_taken_as_fp32_or_by_the_peaks_of_the_device():
    work = [Work(flop=1e9)]
    assert work_s(work, ["int8"], ROOF) == pytest.approx([0.1])
    assert work_s(work, ["int8"], ROOF, PI5) == pytest.approx([0.025])
    assert work_s(work, ["fp16"], ROOF, PI5) == pytest.approx([0.1])
    assert stand_ins(["fp32", "int8", "fp16", "int8"], ROOF, PI5) == (
        "fp16 taken as fp32",
        "int8 taken 4 x fp32, by the peaks of its device",
    )
    assert stand_ins(["fp32", "fp64"], ROOF) == ()


def test_the_rates_of_this_host_are_measured_and_plausible():
    roof = host_roof(seconds=0.02)
    assert {q.method for q in (*roof.flop_per_s.values(), roof.bytes_per_s)} == {"measured"}
    # Single precision packs twice the numbers into a register, so it is not slower than double by any wide margin.
    assert roof.flop_per_s["fp32"].value > roof.flop_per_s["fp64"].value
    assert 1e8 < roof.flop_per_s["fp32"].value < 1e12
    assert "GFLOP/s" in roof.source


def test_the_bandwidth_of_this_host_is_that_of_memory_and_not_of_a_slip_of_units():
    moved = host_bandwidth_bytes_per_s(seconds=0.02)
    assert (moved.unit, moved.method, moved.boundary) == ("byte/s", "measured", "chip")
    assert 0 < moved.low <= moved.value <= moved.high
    assert 1e8 < moved.value < 1e12


def test_it_says_why_a_rate_could_not_be_measured(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise ImportError('numpy is broken here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MeterError, match="numpy is broken here"):
        host_bandwidth_bytes_per_s(seconds=0.01)
