"""Electricity Maps: average intensity of about 350 zones, life-cycle or direct, imports traced; history and forecast.

Speaks version 3 and 4 of its interface: rows under ``data``, ``history`` or ``forecast``, or one flat object. Every
question carries ``shouldUseFallbackCallerLookup=false``, since otherwise a zone that it does not know is replaced by
the place of whoever asks; and the zone of each answer is compared with the one asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from gramwise.core.ahead import Forecast
from gramwise.core.clock import Clock, SystemClock
from gramwise.core.errors import BadReply, ConfigError, MixedKinds, SourceUnavailable
from gramwise.core.quantity import Basis
from gramwise.core.series import Series
from gramwise.core.units import S_PER_DAY, S_PER_HOUR
from gramwise.grid.http import TIMEOUT_S, HttpClient, Quota
from gramwise.grid.replies import Point, amount, instant_s, iso, merge, rows, steps, windows

BASE_URL = "https://api.electricitymaps.com/v3"
TOKEN = "ELECTRICITY_MAPS_TOKEN"
GRANULARITIES = {"hourly": S_PER_HOUR, "15_minutes": 900.0, "5_minutes": 300.0}
"""Period in seconds by ``temporalGranularity``."""

_NAME = "Electricity Maps"
_PAGE_S = 10 * S_PER_DAY
_RECENT_S = 23 * S_PER_HOUR
"""``/history`` holds 24 steps that end with the newest known hour; one hour of them may still be to come."""
_HORIZONS_HOURS = (6, 24, 48, 72)


class ElectricityMaps:
    """`IntensitySource` and `ForecastSource` of Electricity Maps.

    Args:
        base_url: with the version, ``.../v3`` or ``.../v4``.
        token: left out, the variable ELECTRICITY_MAPS_TOKEN when it is needed.
        basis: ``"lifecycle"`` or ``"direct"``, what the service calls the emission factor type.
        granularity: ``"hourly"``, ``"15_minutes"`` or ``"5_minutes"``; what a key may ask for depends on its plan.
        timeout_s: of one answer.
        clock: tells what is recent.

    Raises:
        ConfigError: another basis or granularity.
    """

    name = "electricity-maps"

    def __init__(
        self,
        *,
        base_url: str = BASE_URL,
        token: str | None = None,
        basis: Basis = "lifecycle",
        granularity: str = "hourly",
        timeout_s: float = TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        if basis not in ("lifecycle", "direct"):
            raise ConfigError(f"{_NAME} has no basis {basis!r}.", fix="Write 'lifecycle' or 'direct'.")
        if granularity not in GRANULARITIES:
            known = ", ".join(GRANULARITIES)
            raise ConfigError(f"{_NAME} has no granularity {granularity!r}.", fix=f"Write one of: {known}.")
        self._clock = clock or SystemClock()
        self._token, self._basis, self._granularity = token, basis, granularity
        self._http = HttpClient(_NAME, base_url, (TOKEN,), timeout_s, clock=self._clock)

    @property
    def quota(self) -> Quota | None:
        """What the newest answer said of limits."""
        return self._http.quota

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        """Intensity over ``[start_s, end_s)``. What it does not have is a gap; the source counts the estimated steps.

        Args:
            zone: as Electricity Maps writes it, ``"FR"``, ``"US-CAL-CISO"``.
            start_s, end_s: Unix seconds. The last day costs one call, anything older one call for each 10 days.

        Raises:
            ConfigError: no such zone.
            BadReply: an answer that makes no sense, or for another zone.
            MixedKinds: an answer of the other basis.
            DataGap: nothing known in the interval.
            SourceUnavailable: no key, key or quota refused, not reached.
        """
        period_s = GRANULARITIES[self._granularity]
        if start_s >= self._clock.now_s() - _RECENT_S:
            pages = [self._ask("/carbon-intensity/history", zone)]
        else:
            pages = [
                self._ask("/carbon-intensity/past-range", zone, start=iso(first), end=iso(last))
                for first, last in windows(start_s // period_s * period_s, end_s, _PAGE_S)
            ]
        found = [row for page in pages for row in self._rows(page, zone)]
        estimated = sum(bool(row.get("isEstimated")) for row in found)
        return self._series(
            found, zone, start_s, end_s, whole=True, note=f", {estimated} of {len(found)} steps estimated"
        )

    def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
        """The newest forecast, if it was issued by ``issued_s``: older ones cannot be had from the service.

        Args:
            zone: as for `history`.
            start_s, end_s: Unix seconds; the service looks 72 hours ahead at most.
            issued_s: Unix seconds; the issue time is ``updatedAt`` of the answer.

        Raises:
            BadReply: also for a forecast without issue time.
            SourceUnavailable: also when the newest forecast was issued after ``issued_s``.
            ConfigError, DataGap, MixedKinds: as for `history`.
        """
        ahead_hours = (end_s - self._clock.now_s()) / S_PER_HOUR
        horizon = next((h for h in _HORIZONS_HOURS if h >= ahead_hours), _HORIZONS_HOURS[-1])
        page = self._ask("/carbon-intensity/forecast", zone, horizonHours=str(horizon))
        if not page.get("updatedAt"):
            raise BadReply(f"{_NAME}, {zone}: a forecast without issue time (updatedAt).")
        made_s = instant_s(page["updatedAt"], f"{_NAME}, updatedAt")
        if made_s > issued_s:
            raise SourceUnavailable(
                f"{_NAME}, {zone}: its newest forecast is of {iso(made_s)}, and those issued by {iso(issued_s)} "
                "can no longer be had. Ask the archive."
            )
        found = self._rows(page, zone)
        series = self._series(found, zone, start_s, end_s, whole=False, note=", forecast")
        return Forecast(zone=zone, issued_s=made_s, series=series)

    def _ask(self, path: str, zone: str, **more: str) -> dict[str, Any]:
        token = self._token or os.environ.get(TOKEN)
        if not token:
            raise SourceUnavailable(f"{_NAME} needs a key: set the variable {TOKEN}.")
        params = {
            "zone": zone,
            "emissionFactorType": self._basis,
            "temporalGranularity": self._granularity,
            "shouldUseFallbackCallerLookup": "false",
        }
        return self._http.get_json(path, params | more, headers={"auth-token": token}, zone=zone)

    def _rows(self, page: Mapping[str, Any], zone: str) -> list[Mapping[str, Any]]:
        """The rows of an answer in any of its shapes, after a look at whose and of what kind they are."""
        key = next((key for key in ("data", "history", "forecast") if key in page), "data")
        found = [page] if "carbonIntensity" in page else rows(page, key, f"{_NAME}, {zone}")
        answered = {str(part["zone"]) for part in (page, *found) if part.get("zone")}
        if answered != {zone}:
            whom = " and ".join(sorted(answered)) or "no zone that it names"
            raise BadReply(f"{_NAME}: was asked for {zone} and answered for {whom}.")
        for part in (page, *found):
            kind = part.get("emissionFactorType", self._basis)
            if kind != self._basis:
                raise MixedKinds(
                    f"{_NAME}, {zone}: was asked for {self._basis} values and answered {kind} ones."
                )
        return found

    def _series(
        self,
        found: list[Mapping[str, Any]],
        zone: str,
        start_s: float,
        end_s: float,
        *,
        whole: bool,
        note: str,
    ) -> Series:
        where = f"{_NAME}, {zone}"
        return steps(
            merge(_points(found, where), where),
            period_s=GRANULARITIES[self._granularity],
            start_s=start_s,
            end_s=end_s,
            signal="average",
            basis=self._basis,
            source=f"{where}, {self._basis}{note}",
            whole=whole,
        )


def _points(found: list[Mapping[str, Any]], where: str) -> Iterator[Point]:
    for row in found:
        if "carbonIntensity" not in row:
            raise BadReply(f"{where}: a row without carbonIntensity; it has {', '.join(sorted(row))}.")
        yield instant_s(row.get("datetime"), where), amount(row["carbonIntensity"], where)


PLUGIN = ElectricityMaps
