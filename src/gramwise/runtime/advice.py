"""``gramwise when``: from what the user typed to the sources that `gramwise.runtime.when` asks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gramwise.core import plugins
from gramwise.core.clock import SystemClock
from gramwise.core.errors import ConfigError
from gramwise.core.units import J_PER_KWH
from gramwise.grid.archive import Archive
from gramwise.grid.sources.annual import Annual
from gramwise.grid.sources.trace import Trace
from gramwise.runtime.intensity import parse_time
from gramwise.runtime.when import when_document

if TYPE_CHECKING:
    from gramwise.core.quantity import Basis, Signal


def advise(
    zone: str,
    *,
    hours: float,
    within: float,
    traces: Path | None = None,
    at: str | None = None,
    provider: str | None = None,
    other: str | None = None,
    archive: Path | None = None,
    energy_kwh: float | None = None,
    signal: Signal = "average",
    basis: Basis = "lifecycle",
) -> dict[str, Any]:
    """The ``gramwise.when/1`` document.

    Args:
        zone: of the grid.
        hours, within: how long the job takes, and hours from now by which it must be done.
        traces: folder of recorded hours; with it ``at`` says when now is.
        at: moment instead of now, ISO 8601 with its offset.
        provider: who is asked; None for the archive alone where one is given, else the annual means.
        other: provider of the other kind of signal, for the sign under it.
        archive: file with what was read before.
        energy_kwh: of the job.
        signal, basis: kind that is taken from an archive or a trace.

    Raises:
        ConfigError: what was typed makes no sense; no such zone.
        DataError, SourceUnavailable: nobody can answer.
    """
    now_s = parse_time(at, "--at") if at else SystemClock().now_s()
    against = plugins.create("intensity", other) if other else None
    energy_j = None if energy_kwh is None else energy_kwh * J_PER_KWH

    def document(source: Any, forecast: Any = None, other_basis: Any = None) -> dict[str, Any]:
        return when_document(
            zone,
            hours=hours,
            within=within,
            source=source,
            now_s=now_s,
            forecast=forecast,
            other=against,
            other_basis=other_basis,
            energy_j=energy_j,
        )

    if traces is not None:
        if provider is not None:
            raise ConfigError("there are two sources.", key="--traces", fix="Pass --traces or --provider.")
        if at is None:
            raise ConfigError(
                "recorded traces say nothing about the present.",
                key="--at",
                fix="Pass the moment that is now in them, for instance --at 2022-06-01T08:00Z.",
            )
        trace = Trace(traces, basis=basis)
        second: Basis = "direct" if basis == "lifecycle" else "lifecycle"
        return document(trace, other_basis=Trace(traces, second) if second in trace.bases(zone) else None)
    if provider is not None:
        source = plugins.create("intensity", provider)
        return document(source, source if hasattr(source, "forecast") else None)
    if archive is not None:
        with Archive(archive) as kept:
            shelf = kept.only(signal=signal, basis=basis)
            return document(shelf, shelf)
    return document(Annual())
