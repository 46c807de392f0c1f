"""The ladder: the joules of one inference from the best that is known, with the error band of the rung it stands on.

| rung | needs |
| --- | --- |
| latency | a measured latency and a power learned on the device (`measured`) |
| calibrated | kernels of the network and a device with some kernels measured (`calibrated`) |
| similar | other workloads measured on the device; other devices, or the shipped ones (`similar`, `shipped`) |
| catalogue | a catalogue device, and a latency or the kernels |
| table | kernels, a process node: order of magnitude (`energytable`) |

A band is a factor: the interval is value over it to value times it. Bands are rows of ``data/operational.csv``, what
validation showed (docs/method/operational.md); a fit that was tried on networks it never saw brings its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from gramwise.core.errors import ConfigError, DataError
from gramwise.core.machines import Device, Link
from gramwise.core.quantity import Boundary, Quantity
from gramwise.footprint.bill import Z95
from gramwise.footprint.factors import factor
from gramwise.power.roofline import roofline_s

from .calibrated import DeviceFit
from .energytable import table_energy_j
from .kernels import Kernel, bits, place
from .measured import TABLE, PowerFit
from .shipped import references
from .similar import Reference, similar

Rung = Literal["latency", "calibrated", "similar", "catalogue", "table"]
RUNGS: tuple[Rung, ...] = get_args(Rung)

_WIDER = {
    "int4": ("int4", "int8", "fp16", "fp32"),
    "int8": ("int8", "fp16", "fp32"),
    "fp16": ("fp16", "fp32"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What happens to kernels that a unit does not support: the host's fit, and the way there.

    Attributes:
        supported: families that the unit runs.
        host: fit of the unit that takes the rest, usually the CPU.
        link: between the two; both its speed and its joules a byte have to be known.
    """

    supported: frozenset[str]
    host: DeviceFit
    link: Link

    def __post_init__(self) -> None:
        for key in ("bytes_per_s", "energy_j_per_byte"):
            if getattr(self.link, key) is None:
                raise ConfigError("must be known, crossing is not free.", key=f"link.{key}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All that is known about an inference; whatever is left out shortens the ladder.

    Attributes:
        workload: its name among the measured ones, for the similar rung; one name is one network, in the pools too.
        kernels: what it is made of.
        latency_s: measured on the device.
        power: learned on the device from other runs.
        fit: of the device's unit, from measured kernels.
        fallback: for kernels that unit cannot run.
        reference: other workloads measured on the device.
        pool: other devices.
        shipped: whether the measured microcontrollers of the package join the pool.
        device: its row of the catalogue.
        node_nm: process node of its chip.
        on_chip_bytes: memory that holds the network on the chip; None means DRAM.
        cpu: whether instructions are fetched for the arithmetic; a spatial unit otherwise.
        fixed_j: energy per inference beside its kernels (wake-up, sensor read), for the rungs that do not have it
            in what they learned from; None leaves it out, and the source says so.
        boundary: of what was measured on the device.
    """

    workload: str = ""
    kernels: tuple[Kernel, ...] = ()
    latency_s: float | None = None
    power: PowerFit | None = None
    fit: DeviceFit | None = None
    fallback: Fallback | None = None
    reference: Reference | None = None
    pool: tuple[Reference, ...] = ()
    shipped: bool = True
    device: Device | None = None
    node_nm: float | None = None
    on_chip_bytes: float | None = None
    cpu: bool = True
    fixed_j: float | None = None
    boundary: Boundary = "board"

    def __post_init__(self) -> None:
        if self.latency_s is not None and not (0.0 < self.latency_s < math.inf):
            raise ConfigError(f"must be positive, not {self.latency_s}.", key="latency_s")
        if self.fixed_j is not None and not (0.0 <= self.fixed_j < math.inf):
            raise ConfigError(f"must be zero or more, not {self.fixed_j}.", key="fixed_j")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rung tried: its energy in joules, or why there is none."""

    rung: Rung
    energy: Quantity | None
    why_not: str = ""


def predict(known: Known) -> Quantity:
    """Joules of one inference from the highest rung that can be reached; the rung is named in ``source``.

    Raises:
        ConfigError: no rung can be reached; says what each one lacks.
    """
    missing = []
    for step in _climb(known):
        if step.energy is not None:
            return step.energy
        missing.append(f"{step.rung}: {step.why_not}")
    raise ConfigError(f"nothing to predict an energy from. {' '.join(missing)}", key="known")


def ladder(known: Known) -> tuple[Step, ...]:
    """Every rung, highest first, each with its answer or the reason why it has none."""
    return tuple(_climb(known))


def _climb(known: Known) -> Iterator[Step]:
    for rung in RUNGS:
        try:
            yield Step(rung=rung, energy=_RUNG_OF[rung](known))
        except DataError as fault:
            yield Step(rung=rung, energy=None, why_not=str(fault))


def _latency(known: Known) -> Quantity:
    if known.latency_s is None or known.power is None:
        raise DataError("needs a measured latency and a power learned on the device.")
    joules = float(known.power.energy_j(known.latency_s))
    told = f"measured latency times learned power ({known.power.runs} runs) plus fixed energy"
    return _quantity("latency", joules, told, known, fixed=True)


def _calibrated(known: Known) -> Quantity:
    if known.fit is None or not known.kernels:
        raise DataError("needs kernels and a device with measured ones.")
    joules, errors = _kernels_j(known, known.fit)
    band = factor(TABLE, "band.calibrated").value
    if errors:
        held_out = 1.0 + max(errors)
        band = held_out if known.fit.unseen else max(band, held_out)
    return _quantity("calibrated", joules, "kernels on a calibrated device", known, band=band)


def _kernels_j(known: Known, fit: DeviceFit) -> tuple[float, list[float]]:
    """Joules of the kernels where they run, crossings included, and the fits' own errors on what they had not seen."""
    error = [e for e in (fit.energy_error_frac,) if e is not None]
    if known.fallback is None:
        return float(fit.energy_j(known.kernels).sum()), error
    host, link = known.fallback.host, known.fallback.link
    placed = place(known.kernels, known.fallback.supported, unit="unit", host="host")
    on_unit = [p.kernel for p in placed if p.unit == "unit"]
    on_host = [p.kernel for p in placed if p.unit == "host"]
    crossing = sum(p.crossing_bytes for p in placed)
    joules = crossing * (link.energy_j_per_byte or 0.0)
    if on_unit:
        joules += float(fit.energy_j(on_unit).sum())
        if fit.energy is not None:  # the unit waits, powered, while data crosses
            joules += fit.energy.static_w * crossing / (link.bytes_per_s or math.inf)
    if on_host:
        joules += float(host.energy_j(on_host).sum())
    return joules, error + [e for e in (host.energy_error_frac,) if e is not None]


def _similar(known: Known) -> Quantity:
    here = known.reference
    if here is None or not known.workload:
        raise DataError("needs other workloads measured on the device, and the workload's name.")
    shipped = [
        r
        for r in (references() if known.shipped else ())
        if known.workload in r.energy_j and (r.energy_j.keys() & here.energy_j.keys()) - {known.workload}
    ]
    found = similar(here, [*known.pool, *shipped], known.workload)
    band = factor(TABLE, "band.similar").value
    if found.log_sd is not None:
        band = max(band, math.exp(Z95 * found.log_sd))
    told = f"{found.devices} devices like it" + (", shipped measurements among them" if shipped else "")
    return _quantity("similar", found.energy_j, told, known, band=band, fixed=True)


def _catalogue(known: Known) -> Quantity:
    device = known.device
    if device is None or device.busy_w is None:
        raise DataError("needs a catalogue device whose full-load power is known.")
    busy = device.facts.get("busy_w")
    named = f"{device.name}: full-load power {device.busy_w:g} W ({busy.source if busy else 'declared'})"
    boundary = busy.boundary if busy else known.boundary
    if known.latency_s is not None:
        joules, told = device.busy_w * known.latency_s, f"{named} times measured latency"
        return _quantity("catalogue", joules, told, known, band_key="catalogue_latency", boundary=boundary)
    joules = device.busy_w * sum(catalogue_time_s(k, device) for k in known.kernels)
    if not known.kernels:
        raise DataError("needs a latency or kernels.")
    return _quantity("catalogue", joules, f"{named} times roofline time", known, boundary=boundary)


def catalogue_time_s(kernel: Kernel, device: Device) -> float:
    """Seconds of a kernel on a device of the catalogue: a roofline with a usual share of the nominal peak.

    A precision without a published peak runs at that of the next wider one, which is a bound for it.

    Raises:
        DataError: no peak at this precision or a wider one.
    """
    asked = "fp16" if kernel.precision == "bf16" else kernel.precision
    bits(asked)
    peak = next(
        (device.peak_flop_per_s[p] for p in _WIDER.get(asked, (asked,)) if p in device.peak_flop_per_s), None
    )
    if peak is None:
        raise DataError(f"no peak of {device.name} at {kernel.precision} or wider is known.")
    rate = factor(TABLE, "roofline.utilisation").value * peak
    bandwidth = device.memory_bytes_per_s or math.inf
    return float(roofline_s(kernel.ops_flop, kernel.moved_bytes, rate, bandwidth))


def _table(known: Known) -> Quantity:
    if known.node_nm is None or not known.kernels:
        raise DataError("needs kernels and the chip's process node.")
    joules = table_energy_j(known.kernels, known.node_nm, known.on_chip_bytes, known.cpu)
    return _quantity("table", joules, f"45 nm energy table scaled to {known.node_nm:g} nm", known)


def _quantity(
    rung: Rung,
    joules: float,
    told: str,
    known: Known,
    *,
    band: float | None = None,
    band_key: str = "",
    boundary: Boundary | None = None,
    fixed: bool = False,
) -> Quantity:
    """The answer of a rung; ``fixed`` says that what it learned from holds the fixed energy already."""
    if band is None:
        band = factor(TABLE, f"band.{band_key or rung}").value
    extra = ""
    if not fixed:
        joules += known.fixed_j or 0.0
        extra = ", fixed energy not included" if known.fixed_j is None else ", fixed energy as given"
    return Quantity(
        value=joules,
        low=joules / band,
        high=joules * band,
        unit="J",
        method="modelled",
        boundary=boundary or known.boundary,
        source=f"rung {RUNGS.index(rung) + 1} of {len(RUNGS)}, {rung}: {told}{extra}; band x{band:.3g}",
    )


_RUNG_OF: Mapping[Rung, Callable[[Known], Quantity]] = {
    "latency": _latency,
    "calibrated": _calibrated,
    "similar": _similar,
    "catalogue": _catalogue,
    "table": _table,
}
