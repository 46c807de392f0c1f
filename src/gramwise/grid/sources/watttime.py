"""WattTime, version 3: marginal intensity every five minutes, history, forecast, and forecasts as they were issued.

It speaks pounds of CO2 per megawatt-hour. That is CO2 alone and not CO2e, at the stack and not over the life cycle: the
series are direct. ``co2_moer`` is marginal; ``co2_aoer`` is average and has a history only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from gramwise.core.ahead import Forecast
from gramwise.core.clock import Clock, SystemClock
from gramwise.core.errors import BadReply, ConfigError, MixedKinds, SourceUnavailable
from gramwise.core.quantity import Signal
from gramwise.core.series import Series
from gramwise.core.units import S_PER_DAY, S_PER_HOUR
from gramwise.grid.http import TIMEOUT_S, HttpClient, KeyRefused, Quota
from gramwise.grid.replies import Point, amount, instant_s, iso, merge, rows, steps, windows

BASE_URL = "https://api.watttime.org"
USER, PASSWORD = "WATTTIME_USER", "WATTTIME_PASSWORD"
SIGNALS: dict[str, Signal] = {"co2_moer": "marginal", "co2_aoer": "average"}

G_PER_KWH = {"lbs_co2_per_mwh": 0.45359237}
"""g/kWh in one of each unit: a pound is 453.59237 g by definition (1959), a MWh is 1000 kWh."""

_NAME = "WattTime"
_PAGE_S = 32 * S_PER_DAY
_TOKEN_LIFE_S = 1800.0
_LONGEST_HORIZON_HOURS = 72
_LOOK_BACK_S = S_PER_HOUR
"""Forecasts are issued every five minutes; the newest before a moment lies within the hour before it, or is missing."""


class WattTime:
    """`IntensitySource` and `ForecastSource` of WattTime.

    Args:
        base_url: without the version.
        user, password: left out, the variables WATTTIME_USER and WATTTIME_PASSWORD when they are needed.
        signal_type: ``"co2_moer"`` (marginal) or ``"co2_aoer"`` (average).
        timeout_s: of one answer.
        clock: tells when the token of half an hour is spent, and what lies in the past.

    Raises:
        ConfigError: another signal; ``health_damage`` is not carbon.
    """

    name = "watttime"

    def __init__(
        self,
        *,
        base_url: str = BASE_URL,
        user: str | None = None,
        password: str | None = None,
        signal_type: str = "co2_moer",
        timeout_s: float = TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        if signal_type not in SIGNALS:
            raise ConfigError(
                f"{_NAME} has no carbon signal {signal_type!r}.", fix=f"Write one of: {', '.join(SIGNALS)}."
            )
        self._clock = clock or SystemClock()
        self._user, self._password, self._signal_type = user, password, signal_type
        self._http = HttpClient(_NAME, base_url, (USER, PASSWORD), timeout_s, clock=self._clock)
        self._token: str | None = None
        self._token_end_s = 0.0

    @property
    def quota(self) -> Quota | None:
        """What the newest answer said of limits."""
        return self._http.quota

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        """Intensity over ``[start_s, end_s)``, one call for each 32 days; what it does not have is a gap.

        Args:
            zone: a region of WattTime, ``"CAISO_NORTH"``.
            start_s, end_s: Unix seconds.

        Raises:
            ConfigError: no such region.
            BadReply: an answer that makes no sense, in an unknown unit, or for another region.
            MixedKinds: an answer of another signal.
            DataGap: nothing known in the interval.
            SourceUnavailable: no key, key or quota refused, not reached.
        """
        points: list[Point] = []
        period_s = 0.0
        # From the full hour: the point that holds at start_s began before it.
        for first, last in windows(start_s // S_PER_HOUR * S_PER_HOUR, end_s, _PAGE_S):
            page = self._ask("/v3/historical", zone, start=iso(first), end=iso(last))
            period_s = self._period_s(page, zone)
            points += self._points(page, zone, rows(page, "data", self._where(zone)))
        return self._series(points, zone, period_s, start_s, end_s, whole=True, note="")

    def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
        """The newest forecast that was issued by ``issued_s``: today's, or a past one as it was.

        Args:
            zone: as for `history`.
            start_s, end_s: Unix seconds; it looks 72 hours ahead at most.
            issued_s: Unix seconds; the issue time is ``generated_at`` of the answer.

        Raises:
            BadReply: also for a forecast without issue time.
            SourceUnavailable: also for ``co2_aoer``, and when nothing was issued in the hour before ``issued_s``.
            ConfigError, DataGap, MixedKinds: as for `history`.
        """
        if SIGNALS[self._signal_type] != "marginal":
            raise SourceUnavailable(f"{_NAME} forecasts co2_moer only, not {self._signal_type}.")
        horizon = str(max(1, min(_LONGEST_HORIZON_HOURS, int(-(-(end_s - issued_s) // S_PER_HOUR)))))
        made_s, page, found = self._issued(zone, issued_s, horizon)
        points = self._points(page, zone, found)
        period_s = self._period_s(page, zone)
        series = self._series(points, zone, period_s, start_s, end_s, whole=False, note=", forecast")
        return Forecast(zone=zone, issued_s=made_s, series=series)

    def _issued(
        self, zone: str, issued_s: float, horizon: str
    ) -> tuple[float, dict[str, Any], list[Mapping[str, Any]]]:
        """Issue time, answer and rows of the newest forecast by ``issued_s``."""
        where = self._where(zone)
        if issued_s > self._clock.now_s() - _LOOK_BACK_S:
            page = self._ask("/v3/forecast", zone, horizon_hours=horizon)
            made_s = _made_s(self._meta(page, zone), where)
            if made_s <= issued_s:
                return made_s, page, rows(page, "data", where)
        first = iso(issued_s - _LOOK_BACK_S)
        page = self._ask(
            "/v3/forecast/historical", zone, start=first, end=iso(issued_s), horizon_hours=horizon
        )
        runs = [(_made_s(run, where), run) for run in rows(page, "data", where)]
        past = [(made_s, run) for made_s, run in runs if made_s <= issued_s]
        if not past:
            raise SourceUnavailable(f"{where}: it issued no forecast between {first} and {iso(issued_s)}.")
        made_s, run = max(past, key=lambda pair: pair[0])
        return made_s, page, rows(run, "forecast", where)

    def _ask(self, path: str, zone: str, **more: str) -> dict[str, Any]:
        params = {"region": zone, "signal_type": self._signal_type} | more
        fresh = self._token is None or self._clock.now_s() >= self._token_end_s
        token = self._login() if fresh else str(self._token)
        try:
            return self._http.get_json(path, params, headers=_bearer(token), zone=zone)
        except KeyRefused as refused:
            if fresh or refused.status != 401:
                raise
        return self._http.get_json(path, params, headers=_bearer(self._login()), zone=zone)

    def _login(self) -> str:
        user, password = self._user or os.environ.get(USER), self._password or os.environ.get(PASSWORD)
        if not user or not password:
            raise SourceUnavailable(f"{_NAME} needs an account: set the variables {USER} and {PASSWORD}.")
        asked_s = self._clock.now_s()
        token = self._http.get_json("/login", auth=(user, password)).get("token")
        if not isinstance(token, str) or not token:
            raise BadReply(f"{_NAME}: the login gave no token.")
        self._token, self._token_end_s = token, asked_s + _TOKEN_LIFE_S
        return token

    def _meta(self, page: Mapping[str, Any], zone: str) -> Mapping[str, Any]:
        """What the answer says of itself, once region and signal are those asked for."""
        meta = page.get("meta")
        if not isinstance(meta, dict):
            raise BadReply(f"{self._where(zone)}: the answer does not describe itself (meta).")
        if meta.get("region") != zone:
            raise BadReply(f"{_NAME}: was asked for {zone} and answered for {meta.get('region')!r}.")
        if meta.get("signal_type") != self._signal_type:
            raise MixedKinds(
                f"{_NAME}, {zone}: was asked for {self._signal_type} and answered {meta.get('signal_type')!r}."
            )
        return meta

    def _points(self, page: Mapping[str, Any], zone: str, found: list[Mapping[str, Any]]) -> list[Point]:
        where, unit = self._where(zone), self._meta(page, zone).get("units")
        if unit not in G_PER_KWH:
            raise BadReply(f"{where}: unit {unit!r} is not known, only {', '.join(G_PER_KWH)}.")
        factor = G_PER_KWH[str(unit)]
        return [
            (instant_s(row.get("point_time"), where), factor * amount(row.get("value"), where))
            for row in found
        ]

    def _period_s(self, page: Mapping[str, Any], zone: str) -> float:
        period_s = amount(
            self._meta(page, zone).get("data_point_period_seconds"), f"{self._where(zone)}, period"
        )
        if not period_s > 0.0:
            raise BadReply(f"{self._where(zone)}: the answer does not say how long a point holds.")
        return period_s

    def _series(
        self,
        points: list[Point],
        zone: str,
        period_s: float,
        start_s: float,
        end_s: float,
        *,
        whole: bool,
        note: str,
    ) -> Series:
        return steps(
            merge(points, self._where(zone)),
            period_s=period_s,
            start_s=start_s,
            end_s=end_s,
            signal=SIGNALS[self._signal_type],
            basis="direct",
            source=f"{self._where(zone)}, CO2 only{note}",
            whole=whole,
        )

    def _where(self, zone: str) -> str:
        return f"{_NAME}, {zone}, {self._signal_type}"


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _made_s(described: Mapping[str, Any], where: str) -> float:
    if not described.get("generated_at"):
        raise BadReply(f"{where}: a forecast without issue time (generated_at).")
    return instant_s(described["generated_at"], where)


PLUGIN = WattTime
