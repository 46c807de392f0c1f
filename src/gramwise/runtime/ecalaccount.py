"""The eCAL account of a scenario: joules per bit over the model's life, its curve, and the same life on other grids.

It stands beside the bill and is not added to it: it tells the same phases once more, in the terms of eCAL.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gramwise.core.errors import ConfigError, DataGap, MixedKinds
from gramwise.core.footprint import Factor
from gramwise.core.series import Series
from gramwise.core.units import S_PER_HOUR
from gramwise.fleet.scenario import Scenario
from gramwise.footprint.bill import bill
from gramwise.footprint.document import as_document
from gramwise.footprint.ecal import curves
from gramwise.footprint.ecal.case import PhysicalCase
from gramwise.footprint.ecal.parts import Physical
from gramwise.footprint.ecal.physical import document, lines
from gramwise.footprint.scaling.intensity import Intensity
from gramwise.grid.sources.trace import Trace
from gramwise.runtime.models import resolve

HOURS = 24
DECADES = np.logspace(0, 9, 55)
"""Numbers of inferences of the curve: six to a decade."""


def ecal(
    scenario: Scenario, elsewhere: Mapping[str, Intensity], hours: Mapping[str, Series] | None = None
) -> dict[str, Any] | None:
    """The key ``ecal`` of a ``gramwise.footprint/1`` document; None where the scenario has no ``[footprint.ecal]``.

    Args:
        scenario: with the table.
        elsewhere: intensity by name of a place, one factor each: the whole life on that grid.
        hours: series by location of the case: one inference at every hour there.

    Raises:
        ConfigError: a key that cannot be; with file, key and what to write.
        MixedKinds: intensities of two kinds, in the case or beside it.
        ModelError: there is no file of the network.
    """
    table = scenario.footprint
    if table.ecal is None:
        return None
    try:
        return _account(scenario, table.ecal, elsewhere, hours or {})
    except ConfigError as fault:
        if fault.file is not None:
            raise
        raise fault.inside(scenario.path, "footprint.ecal") from fault


def _account(
    scenario: Scenario,
    raw: Mapping[str, Any],
    elsewhere: Mapping[str, Intensity],
    hours: Mapping[str, Series],
) -> dict[str, Any]:
    table, folder = scenario.footprint, scenario.path.parent
    case = PhysicalCase.from_mapping(_resolved(scenario, raw))
    own = [(f"footprint.ecal.locations.{name}", "/".join(at.kind)) for name, at in case.locations.items()]
    one_kind([*own[:1], *((f"the zone {name}", found.kind) for name, found in elsewhere.items())])
    rates = {name: found.rate.value for name, found in elsewhere.items() if isinstance(found.rate, Factor)}
    found = bill(
        *lines(case, folder),
        functional_unit=table.functional_unit,
        units=case.inference.count,
        boundary="eCAL, physical mode: collecting, preparing, training, evaluating, inference and its data",
        not_included=Physical(case, folder).not_included,
        draws=table.draws,
        seed=table.seed,
    )
    at = np.union1d(DECADES, [max(case.inference.count, 1.0)])
    curve = curves.curve(case, at, folder)
    even = curves.break_even(case, folder=folder, draws=table.draws, seed=table.seed)
    return {
        **document(case, folder),
        "bill": as_document(found),
        "inferences": case.inference.count,
        "break_even_inferences": even and asdict(even),
        "curve": {
            "inferences": curve.inferences.tolist(),
            "j_per_bit": curve.j_per_bit.tolist(),
            "j_per_inference": curve.j_per_inference.tolist(),
            "g_per_inference": curve.g_per_inference.tolist(),
        },
        "countries": [row._asdict() for row in curves.countries(case, rates, folder=folder)] if rates else [],
        "hours": {
            location: asdict(curves.hours(case, location, series, folder=folder))
            for location, series in hours.items()
        },
    }


def one_kind(used: Iterable[tuple[str, str]]) -> None:
    """Refuse figures of two kinds of intensity beside each other.

    Args:
        used: pairs of who uses an intensity and of which kind it is: ``"average/lifecycle"``.

    Raises:
        MixedKinds: names the first two that differ.
    """
    first: tuple[str, str] | None = None
    for name, kind in used:
        first = first or (name, kind)
        if kind != first[1]:
            raise MixedKinds(
                f"{first[0]!r} has intensities of kind {first[1]} and {name!r} of kind {kind}: grams of two kinds are "
                "not comparable. Give all the same kind."
            )


def _resolved(scenario: Scenario, raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table with the file of a shipped or built network in place of its name."""
    model = raw.get("model")
    if (
        not isinstance(model, Mapping)
        or model.get("kind") != "onnx"
        or not isinstance(model.get("file"), str)
    ):
        return raw
    home, key = scenario.path.parent, "footprint.ecal.model.file"
    return {
        **raw,
        "model": {**model, "file": str(resolve(model["file"], home, source=str(scenario.path), key=key))},
    }


def mean_day(traces: str | Path, zone: str, year: int | None = None) -> Series:
    """The mean of every hour of the day over a recorded year, UTC: 24 steps that start with the year.

    Args:
        traces: folder of ``ZONE_YEAR.csv``.
        zone: of the trace.
        year: of the trace; None for the newest.

    Raises:
        ConfigError: there is no such trace.
        DataError: it cannot be read, or an hour of the day is known on no day.
    """
    source = Trace(traces)
    chosen = year or max(source.years(zone))
    whole = source.hourly(zone, chosen)
    values = np.asarray([math.nan if value is None else value for value in whole.values], dtype=float)
    days = values[: len(values) // HOURS * HOURS].reshape(-1, HOURS)
    known = np.isfinite(days)
    if not len(days) or not known.any(axis=0).all():
        raise DataGap(f"{whole.source}: some hour of the day has no value in all of {chosen}.")
    start_s = whole.times_s[0]
    return Series(
        times_s=tuple(start_s + S_PER_HOUR * hour for hour in range(HOURS)),
        values=tuple(np.mean(days, axis=0, where=known).tolist()),
        end_s=start_s + S_PER_HOUR * HOURS,
        unit=whole.unit,
        signal=whole.signal,
        basis=whole.basis,
        source=f"{whole.source}, mean of each hour (UTC) over {chosen}",
    )
