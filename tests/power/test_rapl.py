"""RAPL on trees laid out as the kernel does: which zones count, wrap-around, and what a person is told."""

from __future__ import annotations

import platform
import shutil

import pytest

from gramwise.core.clock import ManualClock
from gramwise.core.errors import MeterAbsent, MeterError
from gramwise.core.plugins import create
from gramwise.core.protocols import Meter
from gramwise.power.meters.rapl import Rapl

x86_only = pytest.mark.skipif(platform.machine() != "x86_64", reason="elsewhere the reason is the processor")


def test_laptop_counts_package_and_memory_and_neither_parts_nor_the_whole(powercap):
    counters = {
        "package": powercap.zone("intel-rapl:0", "package-0", 10_000_000),
        "core": powercap.zone("intel-rapl:0:0", "core", 3_000_000),
        "uncore": powercap.zone("intel-rapl:0:1", "uncore", 1_000_000),
        "dram": powercap.zone("intel-rapl:0:2", "dram", 2_000_000),
        "psys": powercap.zone("intel-rapl:1", "psys", 50_000_000),
        "mmio": powercap.zone("intel-rapl-mmio:0", "package-0", 10_000_000),
    }
    meter = Rapl(powercap.root, clock=ManualClock(77.0))
    for counter in counters.values():
        counter.write_text(str(int(counter.read_text()) + 4_000_000))
    counters["dram"].write_text("2500000")

    reading = meter.read()

    assert reading.at_s == 77.0
    assert reading.joules == pytest.approx({"package-0": 4.0, "package-0/dram": 0.5})
    assert reading.total_j == pytest.approx(4.5)


def test_server_with_two_packages_keeps_their_memory_apart(powercap):
    for package in (0, 1):
        powercap.zone(f"intel-rapl:{package}", f"package-{package}")
        powercap.zone(f"intel-rapl:{package}:0", "dram")

    assert set(Rapl(powercap.root).read().joules) == {
        "package-0",
        "package-0/dram",
        "package-1",
        "package-1/dram",
    }


def test_two_zones_of_one_name_are_both_counted(powercap):
    first = powercap.zone("intel-rapl:0", "package-0")
    second = powercap.zone("intel-rapl:1", "package-0")
    meter = Rapl(powercap.root)
    first.write_text("1000000")
    second.write_text("2000000")

    assert meter.read().total_j == pytest.approx(3.0)


def test_wrap_around_is_undone_each_time_it_happens(powercap):
    counter = powercap.zone("intel-rapl:0", "package-0", energy_uj=9_000_000, range_uj=10_000_000)
    meter = Rapl(powercap.root)
    seen = []
    for energy_uj in (9_500_000, 500_000, 9_999_999, 3_000_000):
        counter.write_text(str(energy_uj))
        seen.append(meter.read().total_j)

    assert seen == pytest.approx([0.5, 1.5, 10.999999, 14.0])
    assert seen == sorted(seen)


def test_longest_interval_is_that_of_the_smallest_range(powercap):
    powercap.zone("intel-rapl:0", "package-0", range_uj=262_143_328_850)
    powercap.zone("intel-rapl:0:0", "dram", range_uj=65_712_999_613)

    assert Rapl(powercap.root).longest_interval_s(400.0) == pytest.approx(164.28, abs=0.01)


def test_is_a_meter_found_by_name(powercap):
    powercap.zone("intel-rapl:0", "package-0")
    meter = create("meter", "rapl", powercap.root)

    assert isinstance(meter, Meter)
    assert (meter.name, meter.method, meter.boundary) == ("rapl", "measured", "chip")


@x86_only
def test_absent_in_a_virtual_machine_offers_no_command(tmp_path, cpuinfo):
    with pytest.raises(MeterAbsent, match="virtual") as caught:
        Rapl(tmp_path / "powercap", cpuinfo("hypervisor"))
    assert "Run:" not in str(caught.value)


@x86_only
def test_absent_on_bare_metal_names_the_module(tmp_path, cpuinfo):
    with pytest.raises(MeterAbsent, match="Run: sudo modprobe intel_rapl_msr"):
        Rapl(tmp_path / "powercap", cpuinfo("constant_tsc"))


@x86_only
def test_absent_where_only_the_platform_is_counted(powercap, cpuinfo):
    powercap.zone("intel-rapl:0", "psys")
    with pytest.raises(MeterAbsent, match="no RAPL package zone, only"):
        Rapl(powercap.root, cpuinfo("constant_tsc"))


def test_hidden_by_a_container(powercap, cpuinfo):
    powercap.zone("intel-rapl:0", "package-0")
    shutil.rmtree(powercap.root.parents[1] / "devices/virtual/powercap")
    with pytest.raises(MeterAbsent, match="systempaths=unconfined"):
        Rapl(powercap.root, cpuinfo("constant_tsc"))


def test_nonsense_in_a_counter_names_the_file(powercap):
    powercap.zone("intel-rapl:0", "package-0").write_text("\n")
    with pytest.raises(MeterError, match=r"intel-rapl:0/energy_uj reads ''"):
        Rapl(powercap.root)


def test_zone_that_vanishes_is_an_error_and_not_zero(powercap):
    counter = powercap.zone("intel-rapl:0", "package-0")
    meter = Rapl(powercap.root)
    counter.unlink()
    with pytest.raises(MeterError, match="cannot be read"):
        meter.read()


def test_denied_names_the_file_and_the_command(locked, as_nobody):
    said = as_nobody("try: Rapl(sys.argv[1])\nexcept MeterDenied as fault: print(fault)", locked.root)

    assert f"{locked.root}/intel-rapl:0/energy_uj may not be read" in said
    assert f"Run: sudo chmod o+r {locked.root}/intel-rapl:*/energy_uj && echo" in said
    assert 'KERNEL=="intel-rapl:*"' in said
    assert "sudo tee /etc/udev/rules.d/" in said
