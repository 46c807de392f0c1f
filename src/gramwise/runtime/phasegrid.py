"""The intensity of a zone over a measured run: the hours of a provider or of recorded traces, else the annual mean.

What was asked for first is checked before the run starts. What fails at its end (a network, hours that nobody has
published yet) must not lose the run: the annual mean stands in, of the same kind and with a note, or nothing does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gramwise.core.errors import ConfigError, DataGap, GramwiseError, did_you_mean
from gramwise.core.plugins import create, names
from gramwise.core.quantity import Basis, Quantity, Signal
from gramwise.grid.sources.annual import Annual
from gramwise.runtime.intensity import ANNUAL, TRACE, intensity_document


@dataclass(frozen=True, slots=True)
class Known:
    """An intensity with its kind, or nothing, and why."""

    intensity: Quantity | None
    signal: Signal | None = None
    basis: Basis | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseGrid:
    """Who is asked how dirty a zone is.

    Attributes:
        zone: None asks nobody.
        provider: name of a source; None for ``trace`` where ``traces`` is given, else ``annual``.
        traces: directory of recorded hours.
        archive: file that keeps a provider's answers; None keeps none.
        signal, basis: the kind that is wanted; None takes what the source gives.
    """

    zone: str | None = None
    provider: str | None = None
    traces: Path | None = None
    archive: Path | None = None
    signal: Signal | None = None
    basis: Basis | None = None

    @property
    def source(self) -> str:
        """Name of who is asked."""
        return self.provider or (TRACE if self.traces is not None else ANNUAL)

    def check(self) -> None:
        """Refuse before the run what could not be answered after it.

        Raises:
            ConfigError: no such zone or provider, or no zone for a provider.
        """
        if self.zone is None:
            if self.provider is not None or self.traces is not None:
                raise ConfigError(
                    "nobody can be asked without a zone.", key="zone", fix="Write for instance 'DE'."
                )
            return
        if self.source not in names("intensity"):
            raise ConfigError(
                f"there is no intensity source {self.source!r}.",
                key="provider",
                fix=did_you_mean(self.source, names("intensity")),
            )
        if self.source == ANNUAL:
            Annual().check(self.zone)
        elif self.source == TRACE:
            if self.traces is None:
                raise ConfigError("recorded hours lie in a directory.", key="traces", fix="Name it.")
            create("intensity", TRACE, self.traces).years(self.zone)

    def over(self, start_s: float, end_s: float, *, ask: bool = True) -> Known:
        """Mean intensity over ``[start_s, end_s)``, weighted by time.

        Args:
            start_s, end_s: Unix seconds.
            ask: False asks nobody over a network.
        """
        if self.zone is None:
            return Known(None, note="no zone was named, so its carbon is unknown.")
        if self.source == ANNUAL:
            return self._annual("")
        if not ask and self.source != TRACE:
            return self._annual(f"{self.source} was not asked yet")
        try:
            return self._asked(self.zone, start_s, end_s)
        except GramwiseError as fault:
            return self._annual(f"{self.source} has no answer ({fault})")

    def _asked(self, zone: str, start_s: float, end_s: float) -> Known:
        found = intensity_document(
            zone,
            from_s=start_s,
            to_s=max(end_s, start_s + 1.0),  # times are told in whole seconds
            provider=self.provider,
            traces=self.traces,
            archive_path=self.archive,
            signal=self.signal,
            basis=self.basis,
        )
        value = _mean(found["rows"], zone)
        quantity = Quantity(
            value=value,
            low=value,
            high=value,
            unit="g/kWh",
            method="modelled",
            boundary="site",
            source=f"{found['source']}, mean over the run, without a stated interval",
        )
        return Known(quantity, found["signal"], found["basis"])

    def _annual(self, why: str) -> Known:
        assert self.zone is not None
        told = f"{why}; " if why else ""
        try:
            annual = Annual().intensity(self.zone)
        except GramwiseError as fault:
            return Known(None, note=f"{told}its carbon is unknown: {fault}")
        if self.signal not in (None, annual.signal) or self.basis not in (None, annual.basis):
            return Known(
                None,
                note=f"{told}the annual mean is {annual.signal} {annual.basis}, so its carbon is unknown.",
            )
        note = f"{told}its intensity is the annual mean of {annual.year}."
        return Known(annual.quantity, annual.signal, annual.basis, note)


def _mean(rows: Sequence[Mapping[str, Any]], zone: str) -> float:
    total, passed_s = 0.0, 0.0
    for row in rows:
        if row["g_per_kwh"] is None:
            raise DataGap(f"{zone}: an hour of the run is not known.")
        begin, end = (datetime.fromisoformat(row[key]).timestamp() for key in ("start", "end"))
        total, passed_s = total + row["g_per_kwh"] * (end - begin), passed_s + (end - begin)
    if passed_s <= 0.0:
        raise DataGap(f"{zone}: no hour of the run is known.")
    return total / passed_s
