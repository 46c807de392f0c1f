"""ENTSO-E Transparency Platform: generation by type of European zones, times the sourced factors of each fuel.

The platform gives no intensity; this makes one, production based: imports and exports are not in it, and the label says
so. Reading its XML is the work of entsoe-py, imported here and nowhere else. The platform wants the key inside the
address; so nothing of entsoe-py or requests reaches an error or a log before the key is taken out.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gramwise.core.errors import BadReply, ConfigError, DataGap, SourceUnavailable
from gramwise.core.quantity import Basis
from gramwise.core.series import Series
from gramwise.core.units import S_PER_HOUR
from gramwise.grid.http import TIMEOUT_S, KeyRefused, QuotaExceeded
from gramwise.grid.sources.generation_mix import UNATTRIBUTED, Factor, Mix, factors, series_of, weigh

if TYPE_CHECKING:
    from types import ModuleType

BASE_URL = "https://web-api.tp.entsoe.eu/api"
TOKEN = "ENTSOE_TOKEN"

FUELS: dict[str, str] = {
    "Biomass": "biomass",
    "Fossil Brown coal/Lignite": "lignite",
    "Fossil Gas": "gas",
    "Fossil Hard coal": "coal",
    "Fossil Oil": "oil",
    "Geothermal": "geothermal",
    "Hydro Run-of-river and pondage": "hydro",
    "Hydro Water Reservoir": "hydro",
    "Marine": "ocean",
    "Nuclear": "nuclear",
    "Solar": "solar",
    "Wind Offshore": "wind-offshore",
    "Wind Onshore": "wind",
}
"""Our fuel by production type of the platform. Types that are not here have no factor: they count as unattributed."""

STORAGE = frozenset({"Hydro Pumped Storage", "Energy storage"})
"""Left out of the mix: what storage gives back was generated, and counted, before."""

_NAME = "ENTSO-E"
_GENERATED = "Actual Aggregated"
_LABEL = "ENTSO-E generation by type x IPCC factors, production based, no imports"
_LOGGERS = ("entsoe.entsoe", "entsoe.decorators", "urllib3.connectionpool", "urllib3.util.retry")


class Entsoe:
    """The `IntensitySource` of the ENTSO-E platform, hour by hour.

    Args:
        base_url: of the platform's interface.
        token: left out, the variable ENTSOE_TOKEN when it is needed.
        basis: ``"lifecycle"`` or ``"direct"``. Biomass, oil and lignite have no direct factor, so in many zones
            every direct hour is unknown.
        unattributed_max_frac: hours with a larger share of power without a factor (waste, peat, "other") are gaps.
        timeout_s: of one answer.

    Raises:
        ConfigError: no such basis.
    """

    name = "entsoe"

    def __init__(
        self,
        *,
        base_url: str = BASE_URL,
        token: str | None = None,
        basis: Basis = "lifecycle",
        unattributed_max_frac: float = 0.05,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._known: Mapping[str, Factor] = factors(basis)
        self._base_url, self._token, self._basis = base_url, token, basis
        self._unattributed_max_frac, self._timeout_s = unattributed_max_frac, timeout_s

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        """Intensity over ``[start_s, end_s)`` in hours; an hour that lacks any of the zone's fuels is a gap.

        Args:
            zone: as entsoe-py writes it, ``"FR"``, ``"DE_LU"``, ``"NO_2"``.
            start_s, end_s: Unix seconds.

        Raises:
            ConfigError: no such zone.
            DataGap: nothing known in the interval.
            BadReply: an answer that makes no sense.
            SourceUnavailable: no key, key or quota refused, not reached, or entsoe-py is missing.
        """
        mix = self.generation(zone, start_s, end_s)
        weighed = weigh(mix.mw, self._known, unattributed_max_frac=self._unattributed_max_frac)
        return series_of(mix, weighed.value, zone, start_s, end_s, basis=self._basis, source=_LABEL)

    def interval(self, zone: str, start_s: float, end_s: float) -> tuple[Series, Series]:
        """Both ends: every factor, and what has none, at the lowest of the literature, then at the highest.

        Args and raises: as `history`.
        """
        mix = self.generation(zone, start_s, end_s)
        weighed = weigh(mix.mw, self._known, unattributed_max_frac=self._unattributed_max_frac)
        low, high = (
            series_of(mix, end, zone, start_s, end_s, basis=self._basis, source=f"{_LABEL}, {name}")
            for name, end in (("lowest factors", weighed.low), ("highest factors", weighed.high))
        )
        return low, high

    def generation(self, zone: str, start_s: float, end_s: float) -> Mix:
        """What the zone generated, by our names of fuels, in hours.

        Args and raises: as `history`.
        """
        token = self._token or os.environ.get(TOKEN)
        if not token:
            raise SourceUnavailable(f"{_NAME} needs a key: set the variable {TOKEN}.")
        first_s = start_s // S_PER_HOUR * S_PER_HOUR
        last_s = -(-end_s // S_PER_HOUR) * S_PER_HOUR
        frame = self._frame(zone, first_s, last_s, token)
        columns: dict[str, dict[float, float]] = {}
        for label, column in frame.items():
            if isinstance(label, tuple) and label[-1] != _GENERATED:
                continue  # what storage and plants drew
            kind = str(label[0] if isinstance(label, tuple) else label)
            points = {stamp.timestamp(): float(value) for stamp, value in column.items()}
            columns[kind] = points
        return by_fuel(columns, first_s, last_s, self._known, f"{_NAME}, {zone}")

    def _frame(self, zone: str, start_s: float, end_s: float, token: str) -> Any:
        """The table of entsoe-py, with its errors and those of requests told in ours."""
        entsoe, pandas, requests = _libraries()
        where = f"{_NAME}, {zone}"
        try:
            area = entsoe.mappings.lookup_area(zone)
        except ValueError:
            raise ConfigError(
                f"{_NAME} knows no zone {zone!r}.", fix="Write it as entsoe-py does: 'FR', 'DE_LU', 'NO_2'."
            ) from None
        client = entsoe.EntsoePandasClient(
            api_key=token,
            session=_session(requests, self._base_url, token),
            retry_count=2,
            retry_delay=1,
            timeout=self._timeout_s,
        )
        start, end = (pandas.Timestamp(at_s, unit="s", tz="UTC") for at_s in (start_s, end_s))
        try:
            with _discreet(token):
                return client.query_generation(area, start=start, end=end)
        except entsoe.exceptions.NoMatchingDataError:
            raise DataGap(f"{where}: no generation is known in the interval asked for.") from None
        except requests.HTTPError as refused:
            raise _refusal(refused.response, where) from None
        except requests.Timeout:
            raise SourceUnavailable(f"{where}: no whole answer within {self._timeout_s:g} s.") from None
        except requests.RequestException as error:
            raise SourceUnavailable(f"{where}: it cannot be reached ({type(error).__name__}).") from None
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, NotImplementedError) as error:
            raise BadReply(
                f"{where}: the answer makes no sense to entsoe-py ({type(error).__name__})."
            ) from None


def by_fuel(
    columns: Mapping[str, Mapping[float, float]],
    start_s: float,
    end_s: float,
    known: Mapping[str, Factor],
    where: str,
) -> Mix:
    """Hourly power by our fuels from the platform's columns.

    Args:
        columns: power in MW by start of step (Unix seconds), for each production type. Steps may be of 15, 30 or 60
            minutes, and unlike from type to type; an hour that lacks one of its steps is NaN.
        start_s, end_s: full hours, Unix seconds.
        known: fuels with a factor; other types are summed as unattributed. Storage is left out.
        where: for the error.

    Raises:
        DataGap: no column with a value.
        BadReply: steps that fill no hour evenly.
    """
    hours = [start_s + S_PER_HOUR * i for i in range(int((end_s - start_s) / S_PER_HOUR))]
    mw: dict[str, list[float]] = {}
    for kind, points in columns.items():
        values = {at_s: value for at_s, value in points.items() if not math.isnan(value)}
        if kind in STORAGE or not values:
            continue
        fuel = FUELS.get(kind, UNATTRIBUTED)
        column = _hourly(values, hours, f"{where}, {kind}")
        name = fuel if fuel in known else UNATTRIBUTED
        mw[name] = [a + b for a, b in zip(mw.get(name, [0.0] * len(hours)), column, strict=True)]
    if not mw.keys() - {UNATTRIBUTED}:
        raise DataGap(f"{where}: no generation of a known fuel in the interval asked for.")
    return Mix(times_s=hours, period_s=S_PER_HOUR, mw=mw)


def _hourly(values: Mapping[float, float], hours: Sequence[float], where: str) -> list[float]:
    times = sorted(values)
    period_s = min((S_PER_HOUR, *(after_s - before_s for before_s, after_s in pairwise(times))))
    if S_PER_HOUR % period_s:
        raise BadReply(f"{where}: steps of {period_s:g} s do not fill an hour.")
    steps = int(S_PER_HOUR / period_s)
    return [sum(values.get(hour + period_s * i, math.nan) for i in range(steps)) / steps for hour in hours]


def _libraries() -> tuple[ModuleType, ModuleType, ModuleType]:
    try:
        entsoe, pandas, requests = map(import_module, ("entsoe", "pandas", "requests"))
    except ImportError:
        raise SourceUnavailable(f"asking {_NAME} needs entsoe-py: pip install 'gramwise[entsoe]'") from None
    return entsoe, pandas, requests


def _session(requests: ModuleType, base_url: str, token: str) -> Any:
    """A session that asks ``base_url`` whatever address it is given.

    It follows no redirect, since the key is in the address, and lets no page pass for a document: entsoe-py would find
    no series in it and call that an empty answer.
    """

    class Session(requests.Session):  # type: ignore[name-defined, misc]
        def get(self, url: str, **options: Any) -> Any:
            reply = super().get(base_url, **options, allow_redirects=False)
            if reply.is_redirect:
                raise BadReply(f"{_NAME}: answered a redirect ({reply.status_code}), which is not followed.")
            if reply.ok and "MarketDocument" not in reply.text:
                shown = reply.text.strip().replace(token, "***")[:60]
                said = f"a page where a document is due: {shown!r}" if shown else "nothing"
                raise BadReply(f"{_NAME}: answered {said}.")
            return reply

    return Session()


def _refusal(reply: Any, where: str) -> Exception:
    status = reply.status_code
    if status in (401, 403):
        return KeyRefused(f"{where}: refused the key in {TOKEN} ({status}).", status=status)
    if status == 429:
        text = reply.headers.get("Retry-After", "")
        wait_s = float(text) if text.isascii() and text.isdigit() else None
        return QuotaExceeded(f"{where}: the quota is spent (429).", retry_after_s=wait_s)
    if status >= 500:
        return SourceUnavailable(f"{where}: it answered {status}.")
    return BadReply(f"{where}: refused the question ({status}).")


@contextlib.contextmanager
def _discreet(token: str) -> Iterator[None]:
    """While inside, the libraries' own log lines come without the key."""

    def hide(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if token in text:
            record.msg, record.args = text.replace(token, "***"), ()
        return True

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(hide)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(hide)


PLUGIN = Entsoe
