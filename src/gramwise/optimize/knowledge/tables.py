"""Parameter cards made from the tables that ship: a grid zone's annual intensity, a device's power, memory, speed.

The tables are read through their own readers, so that interval, year and source come along. ``kb:zone.FR`` and
``kb:device.pi4`` are then sources like any card's. A zone or device without a figure gets no fact for it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib import resources

from gramwise.core.errors import DataGap
from gramwise.core.machines import Device
from gramwise.fleet.catalogue import devices
from gramwise.grid.sources.annual import Annual

from .entry import Entry, Fact

_INTENSITIES = ("CI", "CI_0", "CI_dev", "CI_rem", "CI_user")
# field of a device: symbols that the figure can stand for, what it is, unit of the field
_FIELDS = (
    ("busy_w", ("P", "P_dev", "P_rem", "P_job", "P_o", "P_0", "P_busy"), "power at full load", "W"),
    ("idle_w", ("P_idle", "P_stat"), "idle power", "W"),
    ("memory_bytes", ("mem", "mem_0"), "memory", "byte"),
    ("sustained_flop_per_s", ("speed",), "measured operations per second, double precision", "flop/s"),
    ("embodied_g", (), "emissions of making it", "gCO2e"),
    ("lifetime_s", (), "service life", "s"),
)


def parameter_entries() -> tuple[Entry, ...]:
    """A card for every zone and every device of the shipped tables that has at least one figure."""
    return (*_zones(), *_devices())


def _zones() -> Iterator[Entry]:
    annual = Annual()
    names = _aliases()
    for zone in annual.zones():
        try:
            known = annual.intensity(zone)
        except DataGap:
            continue
        q = known.quantity
        fact = Fact(
            about=_INTENSITIES,
            text=f"annual mean carbon intensity of {known.name}, {known.year}, {known.signal}, {known.basis}",
            value=q.value,
            low=q.low,
            high=q.high,
            unit="gCO2e/kWh",
            source=q.source,
        )
        yield Entry(
            id=f"zone.{zone}",
            kind="parameter",
            title=f"Grid of {known.name}",
            text=f"Electricity in {known.name} emitted {q.value:g} gCO2e/kWh in {known.year} "
            f"({known.accounting}, {known.basis}, {known.signal}).",
            aliases=tuple(dict.fromkeys((known.name, *names.get(zone, ()), zone))),
            symbols=_INTENSITIES,
            facts=(fact,),
            source=q.source,
        )


def _devices() -> Iterator[Entry]:
    for device in devices():
        facts = tuple(_facts(device))
        if facts:
            yield Entry(
                id=f"device.{device.id}",
                kind="parameter",
                title=device.name,
                text=f"{device.name} ({device.device_class}): "
                + "; ".join(f"{f.text} {f.value:g} {f.unit}" for f in facts)
                + ".",
                aliases=(device.name, device.id),
                symbols=tuple(dict.fromkeys(s for f in facts for s in f.about)),
                facts=facts,
                source="; ".join(dict.fromkeys(f.source for f in facts)),
            )


def _facts(device: Device) -> Iterator[Fact]:
    for field, about, text, unit in _FIELDS:
        q = device.facts.get(field)
        if q is not None:
            yield Fact(
                about=about,
                text=f"{text} ({q.method}, {q.boundary})",
                value=q.value,
                low=q.low,
                high=q.high,
                unit=unit,
                source=q.source,
            )


def _aliases() -> dict[str, tuple[str, ...]]:
    """Other spellings of each zone, as its table has them."""
    text = (resources.files("gramwise.data") / "annual_intensity.csv").read_text(encoding="utf-8")
    return {
        row["zone"]: tuple(a for a in (row["iso3"], *row["aliases"].split(";")) if a)
        for row in csv.DictReader(text.splitlines())
    }
