"""The intensity of now and of the hours to come, from whoever still answers, with the archive between.

``refresh`` asks providers and fills the archive, off the request path; ``now``, ``forecast`` and ``recent`` read the
archive and never wait for a network. What is too old, or of another kind, is passed over and said so.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from gramwise.core.ahead import Forecast
from gramwise.core.clock import Clock
from gramwise.core.errors import ConfigError, DataGap, GramwiseError, MixedKinds
from gramwise.core.protocols import ForecastSource
from gramwise.core.quantity import Basis, Method, Quantity, Signal
from gramwise.core.series import Series
from gramwise.core.units import S_PER_DAY, S_PER_HOUR
from gramwise.grid.archive import Archive
from gramwise.grid.asking import Asker, Failure, Refreshed, Supplier, check_kind
from gramwise.grid.climatology import Climatology
from gramwise.grid.sources.annual import Annual

Step: TypeAlias = Literal["provider", "last forecast", "climatology", "annual", "unknown"]
"""Where a value came from, in the order in which they are tried."""

_log = logging.getLogger("gramwise.grid.feed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a zone now.

    Attributes:
        value: g/kWh; None when nothing is known.
        age_s: since the observed step ended, the forecast was issued, the newest value behind the usual was observed,
            or the year of the annual mean ended; NaN when nothing is known.
        step: which of the four it came from.
        signal, basis: the kind.
        provider: whose; empty when nothing is known.
        note: why the steps before it were passed over; empty for a fresh observation of the first provider.
    """

    value: Quantity | None
    age_s: float
    step: Step
    signal: Signal
    basis: Basis
    provider: str = ""
    note: str = ""


class Feed:
    """Values of one kind for a set of zones.

    Args:
        suppliers: best first.
        archive: where answers are kept and read.
        clock: for now.
        zones: that `refresh` asks about.
        signal, basis: the kind; nothing of another kind is ever told.
        max_age_s: an observation whose step ended longer ago is passed over.
        max_forecast_age_s: likewise for the issue of a forecast.
        every_s: the same question is not asked more often.
        forecast_every_s: nor is a forecast, once one is held.
        history_s: how far back the archive is filled.
        horizon_s: how far forecasts should reach.
        own: foresees where no provider does.
        seed: of the jitter that keeps many feeds from asking at the same moment.
    """

    def __init__(
        self,
        suppliers: Sequence[Supplier],
        archive: Archive,
        clock: Clock,
        *,
        zones: Sequence[str] = (),
        signal: Signal = "average",
        basis: Basis = "lifecycle",
        max_age_s: float = 2 * S_PER_HOUR,
        max_forecast_age_s: float = 2 * S_PER_DAY,
        every_s: float = 300.0,
        forecast_every_s: float = S_PER_HOUR,
        history_s: float = 28 * S_PER_DAY,
        horizon_s: float = 2 * S_PER_DAY,
        own: ForecastSource | None = None,
        seed: int = 0,
    ) -> None:
        self.signal, self.basis, self.zones = signal, basis, tuple(zones)
        self._suppliers, self._archive, self._clock, self._own = tuple(suppliers), archive, clock, own
        self.max_age_s, self._max_forecast_age_s, self._horizon_s = max_age_s, max_forecast_age_s, horizon_s
        self._asker = Asker(
            suppliers,
            archive,
            clock,
            zones=self.zones,
            signal=signal,
            basis=basis,
            every_s=every_s,
            forecast_every_s=forecast_every_s,
            history_s=history_s,
            horizon_s=horizon_s,
            seed=seed,
        )
        self._annual = Annual()

    # --- reading ----------------------------------------------------------------------------------------------------

    def now(self, zone: str) -> Known:
        """The intensity of ``zone`` now, from the first step that has one which is fresh and of this feed's kind.

        Raises:
            DataError: the archive cannot be read.
        """
        now_s = self._clock.now_s()
        notes: list[str] = []
        for step in (self._observed, self._foreseen, self._usually, self._yearly):
            found = step(zone, now_s)
            if isinstance(found, Known):
                return replace(found, note="; ".join([*notes, found.note] if found.note else notes))
            notes.append(found)
        return self._known(None, math.nan, "unknown", "", "; ".join(notes))

    def forecast(self, zone: str) -> Forecast | None:
        """What is foreseen for ``zone`` from now on; None when nobody can say. See `foreseen`."""
        found = self.foreseen(zone)
        return None if found is None else found[1]

    def foreseen(self, zone: str) -> tuple[str, Forecast] | None:
        """Who foresees, and what: the first provider who does, else ours, else the usual.

        Returns:
            The provider's name, ``"ours"`` or ``"climatology"``, and the forecast; None when nobody can say.

        Raises:
            DataError: the archive cannot be read.
        """
        now_s = self._clock.now_s()
        bought = self._stored(zone, now_s)
        if bought is not None:
            return bought
        for who, source in (("ours", self._own), ("climatology", self._usual(now_s))):
            if source is None:
                continue
            try:
                found = source.forecast(zone, now_s, now_s + self._horizon_s, now_s)
                check_kind(found.series, self.signal, self.basis)
            except GramwiseError as fault:
                _log.info("%s: %s foresees nothing: %s", zone, who, fault)
                continue
            return who, found
        return None

    def recent(self, zone: str, hours: float) -> Series | None:
        """What was observed of ``zone`` in the last hours, NaN where nothing was; None without any value."""
        now_s = self._clock.now_s()
        try:
            return self._archive.history(
                zone, now_s - hours * S_PER_HOUR, now_s, signal=self.signal, basis=self.basis, known_s=now_s
            )
        except (ConfigError, MixedKinds, DataGap):
            return None

    def _observed(self, zone: str, now_s: float) -> Known | str:
        """The newest observation of the first provider whose is fresh."""
        notes = []
        for supplier in self._suppliers:
            seen = self._archive.newest(supplier.name, zone, now_s, self.signal, self.basis)
            if seen is None:
                notes.append(f"{supplier.name} has no value")
                continue
            age_s = max(0.0, now_s - seen.end_s)
            if age_s > self.max_age_s:
                notes.append(f"the last value of {supplier.name} is {_span(age_s)} old")
                continue
            value = _quantity(seen.value, seen.value, seen.value, f"{seen.source}, without an interval")
            return self._known(value, age_s, "provider", supplier.name, "; ".join(notes))
        return "; ".join(notes) or "no provider"

    def _stored(self, zone: str, now_s: float) -> tuple[str, Forecast] | None:
        """The newest stored forecast that covers now and is not too old, of the first provider who has one."""
        for supplier in self._suppliers:
            found = self._archive.newest_forecast(
                zone,
                now_s,
                self.signal,
                self.basis,
                supplier.name,
                covering_s=now_s,
                since_s=now_s - self._max_forecast_age_s,
            )
            if found is not None:
                return supplier.name, found
        return None

    def _foreseen(self, zone: str, now_s: float) -> Known | str:
        stored = self._stored(zone, now_s)
        if stored is None:
            return f"no forecast of the last {_span(self._max_forecast_age_s)} covers now"
        provider, forecast = stored
        value = _foretold(forecast, now_s)
        return self._known(value, now_s - forecast.issued_s, "last forecast", provider)

    def _usually(self, zone: str, now_s: float) -> Known | str:
        try:
            usual = self._usual(now_s).forecast(zone, now_s, now_s + 1.0, now_s)
            value = _foretold(usual, now_s)
            newest_s = max(
                seen.end_s
                for name in self._archive.providers(zone, self.signal, self.basis)
                if (seen := self._archive.newest(name, zone, now_s, self.signal, self.basis)) is not None
            )
        except (ConfigError, MixedKinds, DataGap):
            return "too little is stored to know what is usual"
        return self._known(value, max(0.0, now_s - newest_s), "climatology", "gramwise")

    def _usual(self, now_s: float) -> Climatology:
        """From what was known by now, so that a feed in the past sees nothing of its future."""
        return Climatology(self._archive.only(signal=self.signal, basis=self.basis, known_s=now_s))

    def _yearly(self, zone: str, now_s: float) -> Known | str:
        try:
            annual = self._annual.intensity(zone)
        except (ConfigError, DataGap) as fault:
            return f"the annual table has none: {fault}"
        if (annual.signal, annual.basis) != (self.signal, self.basis):
            return (
                f"the annual table has {annual.signal} {annual.basis} for {zone}, "
                f"which is not taken for {self.signal} {self.basis}"
            )
        return self._known(annual.quantity, annual.age_s(now_s), "annual", "annual")

    def _known(
        self, value: Quantity | None, age_s: float, step: Step, provider: str, note: str = ""
    ) -> Known:
        return Known(
            value=value,
            age_s=age_s,
            step=step,
            signal=self.signal,
            basis=self.basis,
            provider=provider,
            note=note,
        )

    def refresh(self) -> Refreshed:
        """Ask each provider for what the archive lacks, as far as its budget goes. Blocks: run it in a thread.

        A fault of a provider is logged, with what serves instead, and never raised.

        Raises:
            DataError: the archive cannot be read or written.
        """
        done = self._asker.ask()
        for failure in done.failed:
            self._report(failure)
        return done

    def _report(self, failure: Failure) -> None:
        serving = self.now(failure.zone)
        age = f", {_span(serving.age_s)} old" if serving.value is not None else ""
        instead = (
            f"{serving.step} ({serving.provider}{age})"
            if serving.value is not None
            else "nothing: it is unknown"
        )
        _log.warning(
            "%s: %s gave no %s: %s; asked again in %s; now served by %s",
            failure.zone,
            failure.provider,
            "older history" if failure.what == "older" else failure.what,
            failure.reason.rstrip("."),
            _span(failure.again_s - self._clock.now_s()),
            instead,
        )


def _foretold(forecast: Forecast, at_s: float) -> Quantity:
    value = forecast.at(at_s)
    low, high = forecast.interval(at_s) or (value, value)
    if not (low <= value <= high):  # an interval that is missing, or not around its own value, says nothing
        low, high = value, value
    told = "" if low < high else ", without an interval"
    return _quantity(value, low, high, f"{forecast.series.source}{told}")


def _quantity(value: float, low: float, high: float, source: str) -> Quantity:
    method: Method = "modelled"  # every intensity is: nobody meters grams
    return Quantity(
        value=value, low=low, high=high, unit="g/kWh", method=method, boundary="site", source=source
    )


def _span(seconds: float) -> str:
    """A length of time for people."""
    for size, name in ((S_PER_DAY, "d"), (S_PER_HOUR, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


__all__ = ["Failure", "Feed", "Known", "Refreshed", "Step", "Supplier"]
