"""The rungs in their order, their bands, and the 45 nm table under them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from gramwise.core.errors import ConfigError, DataError
from gramwise.core.machines import Device, Link
from gramwise.fleet.catalogue import device, devices
from gramwise.footprint.factors import factor, table
from gramwise.footprint.operational.calibrated import DeviceFit, EnergyFit
from gramwise.footprint.operational.energytable import byte_j, mac_j, node_factor, table_energy_j
from gramwise.footprint.operational.kernels import Kernel, kernel
from gramwise.footprint.operational.ladder import RUNGS, Fallback, Known, catalogue_time_s, ladder, predict
from gramwise.footprint.operational.measured import PowerFit
from gramwise.footprint.operational.roofs import Roof
from gramwise.footprint.operational.similar import Reference


def _fit(
    families: tuple[str, ...], joules_per_flop: float, error: float | None = None, unseen: bool = False
) -> DeviceFit:
    return DeviceFit(
        roofs={(f, "int8"): Roof(s_per_flop=1e-9, s_per_byte=1e-9, launch_s=0.0) for f in families},
        residuals={},
        energy=EnergyFit(static_w=0.5, j_per_flop={"int8": joules_per_flop}, j_per_byte=0.0),
        energy_error_frac=error,
        unseen=unseen,
    )


KERNELS = tuple(kernel("conv", "int8", mac=1e6, weights=1e4, inputs=1e4, outputs=1e4) for _ in range(3))
WORK = {"a": 1.0, "b": 4.0, "c": 20.0, "d": 10.0}
POOL = tuple(Reference(energy_j={w: 1e-4 * i * x for w, x in WORK.items()}) for i in range(1, 8))
EVERYTHING = Known(
    workload="d",
    kernels=KERNELS,
    latency_s=0.2,
    power=PowerFit(active_w=0.03, fixed_j=0.001, runs=3),
    fit=_fit(("conv",), 1e-10),
    reference=Reference(energy_j={"a": 3e-4, "b": 12e-4, "c": 60e-4}),
    pool=POOL,
    device=device("stm32u575"),
    node_nm=28.0,
    on_chip_bytes=640e3,
)


def test_every_rung_answers_and_names_itself() -> None:
    steps = ladder(EVERYTHING)
    assert [s.rung for s in steps] == list(RUNGS)
    for number, step in enumerate(steps, 1):
        assert step.energy is not None
        assert step.energy.source.startswith(f"rung {number} of 5, {step.rung}: ")
        assert step.energy.unit == "J"
        assert step.energy.method == "modelled"
        assert step.energy.low < step.energy.value < step.energy.high


def test_the_highest_rung_wins_and_each_loss_lowers_it() -> None:
    lower = [
        EVERYTHING,
        replace(EVERYTHING, power=None),
        replace(EVERYTHING, power=None, fit=None),
        replace(EVERYTHING, power=None, fit=None, reference=None),
        replace(EVERYTHING, power=None, fit=None, reference=None, device=None),
    ]
    for known, rung in zip(lower, RUNGS, strict=True):
        assert f", {rung}: " in predict(known).source
        assert predict(known) == next(s.energy for s in ladder(known) if s.energy is not None)


def test_nothing_known_says_what_each_rung_lacks() -> None:
    with pytest.raises(ConfigError) as refused:
        predict(Known())
    for rung in RUNGS:
        assert f"{rung}: needs" in str(refused.value)


def test_latency_times_power_plus_fixed() -> None:
    energy = predict(EVERYTHING)
    assert energy.value == pytest.approx(0.2 * 0.03 + 0.001)
    assert energy.high / energy.value == pytest.approx(factor("operational", "band.latency").value)
    assert energy.value / energy.low == pytest.approx(energy.high / energy.value)


def test_a_fits_own_error_is_its_band_and_never_hides() -> None:
    def band(error: float, unseen: bool) -> float:
        known = Known(kernels=KERNELS, fit=_fit(("conv",), 1e-10, error, unseen))
        energy = predict(known)
        return energy.high / energy.value

    start = factor("operational", "band.calibrated").value
    assert band(0.3, True) == pytest.approx(1.3)
    assert band(0.03, True) == pytest.approx(1.03)
    assert band(0.03, False) == pytest.approx(start)
    assert band(0.3, False) == pytest.approx(1.3)


def test_a_lonely_device_gets_a_wider_band() -> None:
    odd = Reference(energy_j={"a": 3e-4, "b": 120e-4, "c": 1e-4})
    near, far = (predict(Known(workload="d", reference=r, pool=POOL)) for r in (EVERYTHING.reference, odd))
    assert far.high / far.value > 1.2 * near.high / near.value


def test_shipped_measurements_stand_in_for_a_pool() -> None:
    here = Reference(energy_j={"ad": 150e-6, "kws": 1500e-6, "vww": 4000e-6})
    alone = Known(workload="ic", reference=here)
    energy = predict(alone)
    assert "shipped measurements among them" in energy.source
    assert energy.low < 4200e-6 < energy.high  # a Cortex-M33 board of that profile takes 4.15 mJ
    with pytest.raises(ConfigError, match="similar: no device"):
        predict(replace(alone, shipped=False))
    with pytest.raises(ConfigError, match="similar: no device"):
        predict(replace(alone, workload="unheard of"))


def test_shipped_measurements_keep_out_of_other_workloads() -> None:
    with_them, without = (
        predict(replace(EVERYTHING, power=None, fit=None, shipped=s)) for s in (True, False)
    )
    assert with_them == without
    assert "shipped" not in without.source


def test_what_a_caller_measured_joins_the_shipped_ones() -> None:
    here = Reference(energy_j={"ad": 150e-6, "kws": 1500e-6, "vww": 4000e-6})
    twin = Reference(energy_j={**here.energy_j, "ic": 9000e-6})
    alone, joined = (predict(Known(workload="ic", reference=here, pool=p)) for p in ((), (twin,)))
    assert joined.value > 1.1 * alone.value
    assert "shipped measurements among them" in joined.source


def test_fixed_energy_is_added_once_and_said() -> None:
    known = replace(EVERYTHING, fixed_j=0.5)
    for step, without in zip(ladder(known), ladder(EVERYTHING), strict=True):
        assert step.energy is not None
        assert without.energy is not None
        learned = step.rung in ("latency", "similar")
        assert step.energy.value - without.energy.value == pytest.approx(0.0 if learned else 0.5, abs=1e-12)
        assert ("fixed energy not included" in without.energy.source) == (not learned)


def test_falling_back_adds_the_host_and_the_crossing() -> None:
    net = (*KERNELS, replace(KERNELS[0], family="attention"), *KERNELS)
    npu, cpu = _fit(("conv",), 1e-12), _fit(("attention", "conv"), 1e-10)
    link = Link(bytes_per_s=1e6, energy_j_per_byte=1e-9)
    known = Known(kernels=net, fit=npu, fallback=Fallback(supported=frozenset({"conv"}), host=cpu, link=link))
    crossing = 4 * 1e4  # in, out to the host, back, and out at the end
    expected = (
        6 * (1e-12 * 2e6 + 0.5 * 2e-3) + (1e-10 * 2e6 + 0.5 * 2e-3) + crossing * 1e-9 + 0.5 * crossing / 1e6
    )
    assert predict(known).value == pytest.approx(expected, rel=1e-9)
    with pytest.raises(ConfigError, match="attention"):
        predict(Known(kernels=net, fit=npu))


def test_crossing_is_never_free_by_omission() -> None:
    with pytest.raises(ConfigError, match=r"^link.energy_j_per_byte"):
        Fallback(supported=frozenset(), host=_fit(("conv",), 1.0), link=Link(bytes_per_s=1.0))


def test_catalogue_prefers_a_measured_latency() -> None:
    chip = device("stm32u575")
    assert chip.busy_w is not None
    timed, guessed = (predict(Known(device=chip, latency_s=t, kernels=KERNELS)) for t in (0.1, None))
    assert timed.value == pytest.approx(0.1 * chip.busy_w)
    assert timed.high / timed.value < guessed.high / guessed.value
    used = factor("operational", "roofline.utilisation").value
    assert guessed.value == pytest.approx(chip.busy_w * 3 * 2e6 / (used * chip.peak_flop_per_s["int8"]))


def test_catalogue_takes_the_next_wider_peak_or_refuses() -> None:
    made = Device(
        id="x",
        name="x",
        device_class="sbc",
        peak_flop_per_s={"fp32": 1e9},
        busy_w=1.0,
        memory_bytes_per_s=1e6,
    )
    fast, slow = (Kernel(family="conv", precision=p, ops_flop=1e9, moved_bytes=1.0) for p in ("int8", "bf16"))
    used = factor("operational", "roofline.utilisation").value
    assert catalogue_time_s(fast, made) == pytest.approx(1.0 / used)
    assert catalogue_time_s(slow, made) == pytest.approx(1.0 / used)
    bound = Kernel(family="conv", precision="fp32", ops_flop=1.0, moved_bytes=3e6)
    assert catalogue_time_s(bound, made) == pytest.approx(3.0)
    with pytest.raises(DataError, match="no peak of x at fp32"):
        catalogue_time_s(bound, replace(made, peak_flop_per_s={"int8": 1e9}))


def test_every_catalogue_device_answers_or_says_why_not() -> None:
    answered = 0
    for chip in devices():
        step = next(s for s in ladder(Known(device=chip, kernels=KERNELS)) if s.rung == "catalogue")
        assert (step.energy is None) == bool(step.why_not)
        answered += step.energy is not None
    assert answered >= 20


def test_arithmetic_falls_faster_than_traffic() -> None:
    fp32, fp16, int8, int4 = (mac_j(p) for p in ("fp32", "fp16", "int8", "int4"))
    assert fp32 / int8 == pytest.approx(20.0)
    assert fp16 / int8 == pytest.approx(6.5, rel=0.01)
    assert int4 < int8
    assert mac_j("bf16") == fp16
    wide, narrow = (
        table_energy_j([kernel("conv", p, mac=1e6, weights=1e5, inputs=1e4, outputs=1e4)], 7.0, cpu=False)
        for p in ("fp32", "int8")
    )
    assert 4.0 <= wide / narrow <= 20.0


def test_nodes_between_the_rows_lie_between_them() -> None:
    assert node_factor(45) == 1.0
    assert node_factor(16) == node_factor(14) == pytest.approx(0.35)
    assert 0.35 < node_factor(22) < 0.6
    assert node_factor(12) < 0.35


@pytest.mark.parametrize("node", [90.0, 3.0, -1.0, math.nan])
def test_unknown_nodes_are_refused(node: float) -> None:
    with pytest.raises(ConfigError, match=r"^node_nm"):
        predict(Known(kernels=KERNELS, node_nm=node))


def test_memory_costs_more_the_larger_it_is() -> None:
    sizes: list[float | None] = [1e3, 8192.0, 1e5, 1048576.0, None]
    costs = [byte_j(size) for size in sizes]
    assert costs == sorted(costs)
    assert costs[1] == pytest.approx(10e-12 / 8)
    assert costs[-1] == pytest.approx(160e-12)
    with pytest.raises(ConfigError, match=r"^memory_bytes"):
        byte_j(0.0)


def test_table_by_hand() -> None:
    k = Kernel(family="conv", precision="int8", ops_flop=2e6, moved_bytes=1e4)
    arithmetic_j, fetched_j = 1e6 * 0.23e-12, 1e6 * 1.6 * 70e-12
    assert table_energy_j([k], 28.0) == pytest.approx(8 * 0.6 * (arithmetic_j + fetched_j) + 1e4 * 160e-12)
    sram_j = 1e4 * 100e-12 / 8
    assert table_energy_j([k], 45.0, 2e6, cpu=False) == pytest.approx(10 * (arithmetic_j + sram_j))


def test_instructions_bury_the_arithmetic() -> None:
    cpu, spatial = (table_energy_j(KERNELS, 45.0, 640e3, cpu=c) for c in (True, False))
    assert cpu > 20 * spatial


@pytest.mark.parametrize("name", ["operational", "energy_per_operation"])
def test_every_row_has_a_source_and_an_interval(name: str) -> None:
    assert len(table(name)) >= 10
    for row in table(name).values():
        assert len(row.source) > 20
        assert row.low <= row.value <= row.high


@pytest.mark.parametrize(("key", "bad"), [("latency_s", 0.0), ("latency_s", math.nan), ("fixed_j", -1.0)])
def test_known_refuses(key: str, bad: float) -> None:
    with pytest.raises(ConfigError, match=f"^{key}"):
        Known(**{key: bad})  # type: ignore[arg-type]
