"""What a snapshot knew of the past days and of the hours to come, as the flight recorder keeps it, and back again.

Without it a decision that followed a solver's guidance, or prices of the last days, could not be explained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from gramwise.core.ahead import ClassKey, Guidance
from gramwise.core.decision import Snapshot, columns
from gramwise.core.quantity import Basis, Signal
from gramwise.core.series import Series


def recorded(snapshot: Snapshot) -> dict[str, Any]:
    """Guidance and remembered intensities as JSON has them; empty where there are none."""
    kept: dict[str, Any] = {}
    if snapshot.guidance is not None:
        kept["guidance"] = _guidance(snapshot.guidance)
    if snapshot.recent:
        kept["recent"] = {zone: _series(series) for zone, series in snapshot.recent.items()}
    return kept


def restored(upper: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for `Snapshot` from what `recorded` made."""
    found: dict[str, Any] = {}
    if "guidance" in upper:
        found["guidance"] = _read_guidance(upper["guidance"])
    if "recent" in upper:
        found["recent"] = {zone: _read_series(row) for zone, row in upper["recent"].items()}
    return found


def _guidance(g: Guidance) -> dict[str, Any]:
    keys = list(dict.fromkeys([*g.fractions, *g.fresh_frac, *g.release_before_s]))
    return {
        "start_s": g.start_s,
        "end_s": g.end_s,
        "price_g_per_s": g.price_g_per_s.tolist(),
        "bound_g": g.bound_g,
        "classes": [
            {
                "model": key[0],
                "accuracy_floor_frac": key[1],
                "allowed_zones": None if key[2] is None else sorted(key[2]),
                "fractions": g.fractions[key].tolist() if key in g.fractions else None,
                "fresh_frac": g.fresh_frac.get(key),
                "release_before_s": _finite(g.release_before_s.get(key)),
            }
            for key in keys
        ],
    }


def _read_guidance(row: Mapping[str, Any]) -> Guidance:
    classes = [(_key(each), each) for each in row["classes"]]
    return Guidance(
        start_s=row["start_s"],
        end_s=row["end_s"],
        price_g_per_s=columns(row["price_g_per_s"]),
        bound_g=row["bound_g"],
        fractions={k: columns(each["fractions"]) for k, each in classes if each["fractions"] is not None},
        fresh_frac={k: each["fresh_frac"] for k, each in classes if each["fresh_frac"] is not None},
        release_before_s={
            k: float(each["release_before_s"]) for k, each in classes if each["release_before_s"] is not None
        },
    )


def _key(row: Mapping[str, Any]) -> ClassKey:
    zones = row["allowed_zones"]
    return row["model"], row["accuracy_floor_frac"], None if zones is None else frozenset(zones)


def _series(s: Series) -> dict[str, Any]:
    return {
        "times_s": [_finite(t) for t in s.times_s],
        "values": [None if math.isnan(v) else v for v in s.values],
        "end_s": _finite(s.end_s),
        "unit": s.unit,
        "signal": s.signal,
        "basis": s.basis,
        "source": s.source,
    }


def _read_series(row: Mapping[str, Any]) -> Series:
    return Series(
        times_s=tuple(float(t) for t in row["times_s"]),
        values=tuple(math.nan if v is None else v for v in row["values"]),
        end_s=float(row["end_s"]),
        unit=row["unit"],
        signal=cast(Signal, row["signal"]),
        basis=cast(Basis, row["basis"]),
        source=row["source"],
    )


def _finite(value: float | None) -> float | str | None:
    """An infinity is text that ``float`` reads: JSON has none."""
    return str(value) if value is not None and math.isinf(value) else value
