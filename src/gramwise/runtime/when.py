"""Advice: start a job now, or wait for cleaner electricity, and how often waiting has paid.

The forecast gives the mean intensity over the job for each start in the window. The same advice, issued at the same
time of day on each stored day before, is held against what then came true; from those days come the interval of the
saving and the share of days on which waiting was right. What the rule is, and why, stands in docs/how-to/when.md.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gramwise.core.errors import ConfigError, DataGap, MixedKinds, SourceUnavailable
from gramwise.core.units import J_PER_KWH, S_PER_DAY, S_PER_HOUR, carbon_g
from gramwise.grid.forecasts import Record
from gramwise.grid.sources.annual import Annual

from .outlook import LEARNING_DAYS, Job, Ours, Tested, job_of, look

if TYPE_CHECKING:
    from gramwise.core.decision import Floats
    from gramwise.core.protocols import ForecastSource, IntensitySource
    from gramwise.core.series import Series

SCHEMA = "gramwise.when/1"
COVERAGE_FRAC = 0.8
LEAST_TESTS = 10
"""Fewer past days on which the advice was to wait give no interval."""
LEAST_HELD_FRAC = 2 / 3
_OTHER = {"average": "marginal", "marginal": "average", "lifecycle": "direct", "direct": "lifecycle"}
_OLDEST_H = 24


def when_document(
    zone: str,
    *,
    hours: float,
    within: float,
    source: IntensitySource,
    now_s: float,
    forecast: ForecastSource | None = None,
    other: IntensitySource | None = None,
    other_basis: IntensitySource | None = None,
    power_w: float | None = None,
    energy_j: float | None = None,
    past_days: int = 56,
    least_frac: float = 0.02,
    tz_offset_hours: float = 0.0,
) -> dict[str, Any]:
    """Now against the best start within a window, as a document that can be written as JSON.

    Args:
        zone: of the grid, by the source's name for it.
        hours: how long the job runs.
        within: hours from now by which it must be done.
        source: of past intensities: what a forecast of our own learns from, and what past advice is tested against.
        now_s: Unix seconds; nothing that was known later is used.
        forecast: of somebody else; None for our own regression. Where it gives no forecasts as issued on past days,
            our own are tested instead, and the document says so.
        other: a source of the other kind (marginal for average), for the sign of the saving under it.
        other_basis: a source of the same signal on the other basis (direct for lifecycle), likewise.
        power_w, energy_j: of the job, either one, for the saving in grams; None where it is not known.
        past_days: days before now on which the same advice is tested.
        least_frac: a smaller saving is not worth waiting for.
        tz_offset_hours: of local time against UTC, for the weekend.

    Raises:
        ConfigError: no time to run in, both power and energy, no such zone.
        DataGap: nothing known to foresee from, or the forecast does not reach as far as the window.
        MixedKinds: the forecast is of another kind than the source, or ``other`` is of the same kind.
        SourceUnavailable: the source or the forecast cannot be asked.
    """
    if past_days < 0:
        raise ConfigError("past_days cannot be below 0.", key="past_days", fix="Write 0 for no test.")
    job = job_of(hours, within, now_s)
    energy_j = _energy_j(power_w, energy_j, hours)
    head = {"schema": SCHEMA, "zone": zone, "at": _utc(now_s), "hours": hours, "within_hours": within}
    if isinstance(source, Annual):  # its newest year is over: it has no history for now, and nothing to test
        known = source.intensity(zone)
        kind = {"signal": known.signal, "basis": known.basis, "source": known.quantity.source}
        return {**head, **_nothing_known(known.quantity.value, kind)}
    outlook = look(zone, job, source, forecast, now_s, past_days, tz_offset_hours)
    if _flat(outlook.series):
        return {**head, **_nothing_known(outlook.series.values[-1], _kind(outlook.series))}
    means = job.means(outlook.ahead)
    best = int(np.argmin(means))  # the earliest of equals
    saving = _saving(means, best, outlook.tested, energy_j)
    waited = [day for day in outlook.tested if day.start > 0]
    held = sum(day.realised_frac > 0 for day in waited)
    sign = _sign(zone, job, best, other, "signal", outlook.series, now_s, tz_offset_hours)
    basis_sign = _sign(zone, job, best, other_basis, "basis", outlook.series, now_s, tz_offset_hours)
    begins_s = now_s + (job.starts() - job.into_h) * S_PER_HOUR
    record = {
        "saving": saving,
        "past": {
            "days": len(outlook.tested),
            "waited_days": len(waited),
            "mean_saving_frac": _mean([day.realised_frac for day in waited]),
            "mean_saving_all_days_frac": _mean([day.realised_frac for day in outlook.tested]),
            "forecast": outlook.tested_by,
        },
        "held_days": held,
        "held_frac": held / len(waited) if waited else None,
        "other": sign,
        "other_basis": basis_sign,
    }
    why_not = _why_not(best, record, least_frac)
    wait = why_not is None
    return {
        **head,
        **_kind(outlook.series),
        "forecast": outlook.foreseen_by,
        "now": _window(now_s, hours, float(means[0])),
        "best": _window(float(begins_s[best]), hours, float(means[best])),
        **record,
        "verdict": f"wait until {_utc(float(begins_s[best]))}" if wait else "not worth it",
        "wait_s": float(begins_s[best]) - now_s if wait else 0.0,
        "reason": why_not or _why(record),
    }


def _energy_j(power_w: float | None, energy_j: float | None, hours: float) -> float | None:
    if power_w is not None and energy_j is not None:
        raise ConfigError("power and energy of the job were both given.", fix="Give one; the other follows.")
    if power_w is not None:
        energy_j = power_w * hours * S_PER_HOUR
    if energy_j is not None and not 0 <= energy_j < math.inf:
        raise ConfigError(f"{energy_j:g} J is no energy of a job.", fix="Write 0 or more.")
    return energy_j


def _flat(series: Series) -> bool:
    """Whether a source knows nothing within a day."""
    ends_s = np.array([*series.times_s[1:], series.end_s])
    return bool((ends_s - np.array(series.times_s)).min() >= S_PER_DAY)


def _nothing_known(value: float, kind: dict[str, str]) -> dict[str, Any]:
    return {
        **kind,
        "forecast": None,
        "now": {"g_per_kwh": value},
        "best": None,
        "saving": None,
        "past": None,
        "held_days": None,
        "held_frac": None,
        "other": None,
        "other_basis": None,
        "verdict": "not worth it",
        "wait_s": 0.0,
        "reason": f"{kind['source']} gives one value for a day or longer: nothing is known hour by hour. "
        "Name a provider with hourly values, or a directory of traces.",
    }


def _saving(
    means: Floats, best: int, tested: tuple[Tested, ...], energy_j: float | None
) -> dict[str, float | None]:
    """What waiting is expected to save, with the interval that the errors of past savings give."""
    now = float(means[0])
    frac = float(1 - means[best] / now) if now > 0 else 0.0
    errors = [day.realised_frac - day.foreseen_frac for day in tested if day.start > 0]
    low: float | None = None
    high: float | None = None
    if best > 0 and len(errors) >= LEAST_TESTS:
        tail = (1 - COVERAGE_FRAC) / 2
        low, high = (frac + float(error) for error in np.quantile(errors, [tail, 1 - tail]))
        low, high = min(low, frac), min(max(high, frac), 1.0)

    def grams(share: float | None) -> float | None:
        return None if share is None or energy_j is None else carbon_g(energy_j, share * now)

    return {
        "g_per_kwh": frac * now,
        "low_g_per_kwh": None if low is None else low * now,
        "high_g_per_kwh": None if high is None else high * now,
        "frac": frac,
        "low_frac": low,
        "high_frac": high,
        "coverage_frac": COVERAGE_FRAC if low is not None else None,
        "energy_kwh": None if energy_j is None else energy_j / J_PER_KWH,
        "g": grams(frac),
        "low_g": grams(low),
        "high_g": grams(high),
    }


def _sign(
    zone: str,
    job: Job,
    best: int,
    other: IntensitySource | None,
    which: Literal["signal", "basis"],
    series: Series,
    now_s: float,
    tz_offset_hours: float,
) -> dict[str, Any]:
    """Whether the same wait saves under the other signal, or on the other basis, as far as that can be foreseen."""
    kind = _OTHER[getattr(series, which)]
    unknown = {which: kind, "sign": None, "saving_frac": None}
    if other is None:
        return {**unknown, "note": f"unknown: no {kind} source configured"}
    try:
        record = Record.until(other, zone, now_s, (LEARNING_DAYS, 28, 14, 8, 2))
        has = getattr(record.series, which)
        if has != kind:
            raise MixedKinds(f"the second source is {has} like the first; the sign wants a {kind} one.")
        if record.age_h > _OLDEST_H:
            raise DataGap(f"{record.series.source}: nothing known in the last {_OLDEST_H} hours")
    except (DataGap, SourceUnavailable) as fault:
        return {**unknown, "note": f"unknown: {fault}"}
    means = job.means(Ours(record, job, tz_offset_hours).row(len(record.values)))
    if not means[0] > 0:
        return {**unknown, "note": f"unknown: {record.series.source} foresees nothing above 0 for now"}
    frac = float(1 - means[best] / means[0])
    sign = "saves" if frac > 0 else "costs" if frac < 0 else "none"
    note = f"{record.series.source}: the same wait {sign if frac else 'changes nothing'}"
    return {which: kind, "sign": sign, "saving_frac": frac, "note": note}


def _why_not(best: int, record: dict[str, Any], least_frac: float) -> str | None:
    """The first rule that speaks against waiting, as a sentence; None where none does."""
    saving, past, held_frac = record["saving"], record["past"], record["held_frac"]
    if best == 0:
        return "No later start in the window is expected to be cleaner than now."
    if saving["frac"] < least_frac:
        return f"Waiting is expected to save {saving['frac']:.1%}, less than the {least_frac:.0%} asked for."
    if saving["low_frac"] is None:
        return (
            f"The advice to wait could be tested on {past['waited_days']} past days only; "
            f"below {LEAST_TESTS} nothing is known of how often it holds."
        )
    if held_frac < LEAST_HELD_FRAC:
        return f"On {past['waited_days']} past days with the same advice, waiting was cleaner on {held_frac:.0%} only."
    if saving["low_frac"] <= 0:
        return (
            f"The saving of {saving['frac']:.1%} is not sure: "
            f"{saving['low_frac']:.1%} to {saving['high_frac']:.1%} by past errors."
        )
    for other, kind in (("other", "signal"), ("other_basis", "basis")):
        if record[other]["sign"] == "costs":
            return f"The sign turns with the {kind}: {record[other]['note']}."
    return None


def _why(record: dict[str, Any]) -> str:
    saving = record["saving"]
    return (
        f"Waiting is expected to save {saving['frac']:.1%} ({saving['low_frac']:.1%} to {saving['high_frac']:.1%}); "
        f"it was cleaner on {record['held_days']} of {record['past']['waited_days']} past days with the same advice."
    )


def _kind(series: Series) -> dict[str, str]:
    return {"signal": series.signal, "basis": series.basis, "source": series.source}


def _window(start_s: float, hours: float, g_per_kwh: float) -> dict[str, Any]:
    return {"start": _utc(start_s), "end": _utc(start_s + hours * S_PER_HOUR), "g_per_kwh": g_per_kwh}


def _utc(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
