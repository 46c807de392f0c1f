"""NVIDIA counters: what is said without driver or library; with a GPU, that it counts."""

from __future__ import annotations

import importlib.util
import sys
import time

import pytest

from gramwise.core.errors import MeterAbsent, MeterError, SourceUnavailable
from gramwise.power.meters.nvml import Nvml


@pytest.fixture
def driver(tmp_path):
    """A tree with the trace that a loaded driver leaves."""
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    return tmp_path


def test_without_a_driver_no_library_is_asked_for(tmp_path):
    with pytest.raises(MeterAbsent, match="no NVIDIA driver"):
        Nvml(tmp_path)


def test_without_the_library_the_command_is_told(driver, monkeypatch):
    monkeypatch.setitem(
        sys.modules, "pynvml", None
    )  # what Python itself keeps for a module that may not load
    with pytest.raises(SourceUnavailable, match=r"Run: pip install 'gramwise\[nvidia\]'"):
        Nvml(driver)


@pytest.mark.skipif(importlib.util.find_spec("pynvml") is None, reason="nvidia-ml-py is not installed")
def test_library_without_a_working_driver_is_absent(driver):
    try:
        Nvml()
    except MeterError:
        with pytest.raises(MeterAbsent, match="does not start"):
            Nvml(driver)
    else:
        pytest.skip("this machine has a working driver")


@pytest.mark.gpu
def test_gpu_counts_joules_and_never_backwards():
    try:
        meter = Nvml()
    except (MeterError, SourceUnavailable) as fault:
        pytest.skip(str(fault))
    readings = []
    for _ in range(5):
        time.sleep(0.2)
        readings.append(meter.read().total_j)
    assert readings == sorted(readings)
    # An idle card draws watts, a busy one at most about a kilowatt.
    assert 0.1 < readings[-1] - readings[0] < 10_000 * len(meter.read().joules)
