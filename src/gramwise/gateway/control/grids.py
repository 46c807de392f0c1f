"""The gateway's own intensities for the routes of the Carbon Aware SDK: archive and feed, then the annual table.

A zone without hourly values is answered from the shipped annual mean where its kind is the feed's, and said to be
estimated, by the provider ``annual``: as the gateway's own decisions take it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from gramwise.core.clock import Clock
from gramwise.core.errors import ConfigError, DataError, DataGap, SourceUnavailable
from gramwise.core.protocols import ForecastSource, IntensitySource
from gramwise.core.quantity import Basis, Signal
from gramwise.core.series import Series
from gramwise.grid.sources.annual import Annual

from .faults import Fault
from .views import Foreseen, Observed


class Named(NamedTuple):
    """Who foresees, by name."""

    name: str
    source: ForecastSource


class SourcesGrid:
    """A `GridView` over any sources of `gramwise.grid`.

    Args:
        zones: that may be asked about now.
        provider: name of who observes.
        history: observed intensities; None where only the annual table is there.
        forecasts: who foresees, the best first; empty where nobody does.
        signal, basis: kind of the fleet's intensities; the annual table stands in for no other kind.
        clock: for now: the annual mean stands in for the recent past, and not for the future.
    """

    def __init__(
        self,
        zones: Callable[[], Sequence[str]],
        *,
        provider: str,
        history: IntensitySource | None,
        forecasts: Sequence[Named],
        clock: Clock,
        signal: Signal = "average",
        basis: Basis = "lifecycle",
    ) -> None:
        self._zones, self._provider, self._clock = zones, provider, clock
        self._history, self._forecasts = history, tuple(forecasts)
        self._signal, self._basis = signal, basis
        self._annual = Annual()

    def locations(self) -> Sequence[str]:
        """See `GridView`."""
        return self._zones()

    def history(self, zone: str, start_s: float, end_s: float) -> Observed:
        """See `GridView`; from the annual table where the source has nothing of the span."""
        if self._history is not None:
            try:
                series = self._history.history(zone, start_s, end_s)
                if any(value == value for value in series.values):
                    return Observed(series=series, provider=self._provider, estimated=None)
            except (DataError, ConfigError, SourceUnavailable):
                pass  # nothing hourly of this zone: the table is asked, and says so
        return Observed(series=self._yearly(zone, start_s, end_s), provider="annual", estimated=True)

    def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Foreseen:
        """See `GridView`."""
        if not self._forecasts:
            raise Fault(501, "nobody foresees intensities for this gateway.")
        for who in self._forecasts:
            try:
                found = who.source.forecast(zone, start_s, end_s, issued_s)
            except (ConfigError, DataError, SourceUnavailable):
                continue  # the next one may
            return Foreseen(forecast=found, provider=who.name)
        raise DataGap(f"nobody foresees {zone} for that time.")

    def _yearly(self, zone: str, start_s: float, end_s: float) -> Series:
        try:
            known = self._annual.intensity(zone)
        except ConfigError as fault:
            raise DataGap(f"{zone}: no intensity is known.") from fault
        if (known.signal, known.basis) != (self._signal, self._basis) or start_s > self._clock.now_s():
            raise DataGap(f"{zone}: no {self._signal} {self._basis} intensity is known for that time.")
        if _year(start_s) <= known.year:
            return self._annual.history(zone, start_s, end_s)
        first = datetime(_year(start_s), 1, 1, tzinfo=UTC)
        return Series(
            times_s=(first.timestamp(),),
            values=(known.quantity.value,),
            end_s=datetime(_year(end_s) + 1, 1, 1, tzinfo=UTC).timestamp(),
            unit="g/kWh",
            signal=known.signal,
            basis=known.basis,
            source=known.quantity.source,
        )


def _year(time_s: float) -> int:
    return datetime.fromtimestamp(time_s, UTC).year
