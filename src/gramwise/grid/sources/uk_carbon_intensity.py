"""Carbon Intensity API of Great Britain: half-hours, no key, CC BY 4.0; history of the whole, forecasts also by region.

Its figures are operational emissions of generation, so the series are average and direct. Two traps are dealt with
here: an estimate of the past (``actual``) may be null while a forecast stands beside it, and is then a gap; and an
interval asked for comes back with the half-hour before it, which is cut off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from gramwise.core.ahead import Forecast
from gramwise.core.clock import Clock, SystemClock
from gramwise.core.errors import BadReply, ConfigError, DataGap, SourceUnavailable
from gramwise.core.series import Series
from gramwise.core.units import S_PER_DAY
from gramwise.grid.http import TIMEOUT_S, HttpClient, Quota
from gramwise.grid.replies import Point, amount, instant_s, iso, merge, rows, steps, windows

BASE_URL = "https://api.carbonintensity.org.uk"
NATION = "GB"
REGIONS = 17
"""Fourteen distribution areas, then England, Scotland and Wales."""

_NAME = "UK Carbon Intensity"
_HALF_HOUR_S = 1800.0
_PAGE_S = 14 * S_PER_DAY
_ASKED_NOW_S = 60.0
"""A forecast asked for "as of" longer ago than this is one of the past, which the service does not keep."""


class UkCarbonIntensity:
    """`IntensitySource` and `ForecastSource` of Great Britain.

    Zones are ``"GB"`` and, for forecasts only, ``"GB-1"`` to ``"GB-17"`` by the service's region number.

    Args:
        base_url: of the service.
        timeout_s: of one answer.
        clock: gives the issue time of forecasts, which the answer does not have.
    """

    name = "uk-carbon-intensity"

    def __init__(
        self, *, base_url: str = BASE_URL, timeout_s: float = TIMEOUT_S, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._http = HttpClient(_NAME, base_url, timeout_s=timeout_s, clock=self._clock)

    @property
    def quota(self) -> Quota | None:
        """What the newest answer said of limits."""
        return self._http.quota

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        """Intensity over ``[start_s, end_s)``, one call for each 14 days. A null ``actual`` is a gap.

        Args:
            zone: ``"GB"``.
            start_s, end_s: Unix seconds.

        Raises:
            ConfigError: no such zone.
            DataGap: a region (there are only forecasts for it), or nothing known in the interval.
            BadReply: an answer that makes no sense.
            SourceUnavailable: not reached, or quota spent.
        """
        if _region(zone) is not None:
            raise DataGap(f"{_NAME}: regions such as {zone} have forecasts only; a history has 'GB'.")
        points: list[Point] = []
        for first, last in windows(_floor(start_s), end_s, _PAGE_S):
            page = self._http.get_json(f"/intensity/{_stamp(first)}/{_stamp(_ceil(last))}", zone=zone)
            points += _points(rows(page, "data", _NAME), "actual", f"{_NAME}, {zone}")
        return _series(points, zone, start_s, end_s, whole=True, note="")

    def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
        """The forecast of now, at most 48 hours from ``start_s`` on.

        The answer has no issue time. The time of asking stands for it, not rounded: ``issued_s`` as given, or the
        clock's now where that is earlier. The service makes a new forecast every half-hour, so the true issue is
        mostly earlier; it is later by the minute that ``issued_s`` may be old, at worst.

        Args:
            zone: ``"GB"`` or a region.
            start_s, end_s: Unix seconds.
            issued_s: now, to within a minute; the service keeps no forecast of the past.

        Raises:
            SourceUnavailable: also for an ``issued_s`` in the past.
            ConfigError, DataGap, BadReply: as for `history`.
        """
        region = _region(zone)
        now_s = self._clock.now_s()
        if issued_s < now_s - _ASKED_NOW_S:
            raise SourceUnavailable(
                f"{_NAME} answers for now only; what it foresaw by {iso(issued_s)} has the archive, if it was stored."
            )
        path = f"/intensity/{_stamp(_floor(start_s))}/fw48h"
        if region is None:
            found = rows(self._http.get_json(path, zone=zone), "data", _NAME)
        else:
            page = self._http.get_json(f"/regional{path}/regionid/{region}", zone=zone)
            found = _regional(page, region)
        points = _points(found, "forecast", f"{_NAME}, {zone}")
        series = _series(list(points), zone, start_s, end_s, whole=False, note=", forecast")
        return Forecast(zone=zone, issued_s=min(issued_s, now_s), series=series)


def _region(zone: str) -> int | None:
    """Number of a region, None for the whole.

    Raises:
        ConfigError: neither.
    """
    if zone == NATION:
        return None
    number = zone.removeprefix(f"{NATION}-")
    if number != zone and number.isascii() and number.isdigit() and 1 <= int(number) <= REGIONS:
        return int(number)
    raise ConfigError(f"{_NAME} knows no zone {zone!r}.", fix=f"Write 'GB', or 'GB-1' to 'GB-{REGIONS}'.")


def _regional(page: Mapping[str, Any], region: int) -> list[Mapping[str, Any]]:
    """Rows of one region; the service puts it into a list on some paths and not on others."""
    holder = page.get("data")
    if isinstance(holder, list) and len(holder) == 1:
        (holder,) = holder
    if not isinstance(holder, dict):
        raise BadReply(f"{_NAME}: no region in the answer.")
    if str(holder.get("regionid")) != str(region):
        raise BadReply(f"{_NAME}: was asked for region {region} and answered for {holder.get('regionid')!r}.")
    return rows(holder, "data", _NAME)


def _points(found: list[Mapping[str, Any]], column: str, where: str) -> Iterator[Point]:
    for row in found:
        first_s, last_s = instant_s(row.get("from"), where), instant_s(row.get("to"), where)
        intensity = row.get("intensity")
        if last_s - first_s != _HALF_HOUR_S or not isinstance(intensity, dict):
            raise BadReply(
                f"{where}: {row.get('from')!r} to {row.get('to')!r} is no half-hour with an intensity."
            )
        yield first_s, amount(intensity.get(column), where)


def _series(
    points: list[Point], zone: str, start_s: float, end_s: float, *, whole: bool, note: str
) -> Series:
    return steps(
        merge(points, f"{_NAME}, {zone}"),
        period_s=_HALF_HOUR_S,
        start_s=start_s,
        end_s=end_s,
        signal="average",
        basis="direct",
        source=f"{_NAME}, {zone}{note} [CC BY 4.0]",
        whole=whole,
    )


def _floor(time_s: float) -> float:
    return time_s // _HALF_HOUR_S * _HALF_HOUR_S


def _ceil(time_s: float) -> float:
    return -(-time_s // _HALF_HOUR_S) * _HALF_HOUR_S


def _stamp(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%MZ")


PLUGIN = UkCarbonIntensity
