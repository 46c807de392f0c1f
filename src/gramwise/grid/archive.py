"""Every intensity and every forecast that was ever seen, in one SQLite file.

Forecasts are kept as issued: nobody sells yesterday's forecasts, and without them no advice can be tested on the past.
Nothing is overwritten. A value that its provider corrects is a new row with the time at which we saw it, so that a
question about the past may be answered with what was known then. Missing values are NULL, and NaN when read.

Several processes may use one file: SQLite in WAL mode lets readers go on while one writer writes, and a writer waits
for the other. One `Archive` may be shared by threads.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gramwise.core.ahead import Forecast
from gramwise.core.errors import ConfigError, DataGap, MixedKinds, SourceUnavailable, did_you_mean
from gramwise.core.quantity import Basis, Signal
from gramwise.core.series import Series
from gramwise.grid.archivefile import ArchiveFile
from gramwise.grid.steps import clip, nan, null, to_series, to_steps

_ISSUED = (
    "SELECT i.id, i.issued_s, i.coverage, l.label FROM issues i JOIN sources l ON l.id = i.source "
    "WHERE i.stream = :stream "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The newest known value of a zone: the step that it holds for, whose it is, and from where."""

    provider: str
    start_s: float
    end_s: float
    value: float
    source: str


class Archive:
    """A file of observations and forecasts, which answers as a provider does.

    It is an `IntensitySource` and a `ForecastSource` for average, life-cycle intensities; `only` makes one for another
    kind, for one provider, or for what was known at some moment.

    Args:
        path: of the file; made when it does not exist. ``":memory:"`` keeps it in memory.

    Raises:
        DataError: the file cannot be opened, is damaged, or belongs to another program or to a newer gramwise.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = ArchiveFile(path)
        self.path = self._file.path
        self._transaction = self._file.transaction

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- writing ----------------------------------------------------------------------------------------------------

    def put_history(self, provider: str, zone: str, series: Series, seen_s: float) -> int:
        """Keep what a provider says of the past; what is held already is not stored again.

        Args:
            provider: its name.
            zone: as gramwise calls it.
            series: g/kWh; a missing value never takes the place of a known one.
            seen_s: when it was seen, Unix seconds.

        Returns:
            Rows that are new.

        Raises:
            MixedKinds: not in g/kWh.
            DataError: a series without begin or end; the file cannot be written.
        """
        steps = to_steps(series)
        with self._transaction("BEGIN IMMEDIATE") as db:
            stream, source = _stream(db, provider, zone, series), _source(db, series)
            held = {
                start_s: (end_s, value)
                for start_s, end_s, value, _ in db.execute(
                    "SELECT start_s, end_s, value, MAX(seen_s) FROM observations WHERE stream = ? "
                    "AND start_s >= ? AND start_s < ? GROUP BY start_s",
                    (stream, steps[0][0], steps[-1][1]),
                )
            }
            new = [
                (stream, start_s, end_s, value, seen_s, source)
                for start_s, end_s, value in steps
                if start_s not in held or (value is not None and held[start_s] != (end_s, value))
            ]
            db.executemany("INSERT OR IGNORE INTO observations VALUES (?, ?, ?, ?, ?, ?)", new)
        return len(new)

    def put_forecast(self, provider: str, forecast: Forecast, seen_s: float) -> int:
        """Keep a forecast as issued. The same issue again adds only steps that were not seen before.

        Args:
            provider: its name.
            forecast: for a zone as gramwise calls it.
            seen_s: when it was seen, Unix seconds.

        Returns:
            Rows that are new.

        Raises:
            MixedKinds, DataError: as for `put_history`.
        """
        low, high = (
            ends or (math.nan,) * len(forecast.series.values) for ends in (forecast.low, forecast.high)
        )
        with self._transaction("BEGIN IMMEDIATE") as db:
            steps = to_steps(forecast.series)
            stream = _stream(db, provider, forecast.zone, forecast.series)
            db.execute(
                "INSERT OR IGNORE INTO issues (stream, issued_s, coverage, source) VALUES (?, ?, ?, ?)",
                (stream, forecast.issued_s, forecast.coverage_frac, _source(db, forecast.series)),
            )
            (issue,) = db.execute(
                "SELECT id FROM issues WHERE stream = ? AND issued_s = ?", (stream, forecast.issued_s)
            ).fetchone()
            before = db.total_changes
            db.executemany(
                "INSERT OR IGNORE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (issue, *step, null(below), null(above), seen_s)
                    for step, below, above in zip(steps, low, high, strict=True)
                ],
            )
            return db.total_changes - before

    def prune(self, *, observed_before_s: float, issued_before_s: float) -> int:
        """Forget observations that end, and forecasts that were issued, before these moments (Unix seconds).

        Returns:
            Rows that are gone: observations, and issues with all their steps.
        """
        with self._transaction("BEGIN IMMEDIATE") as db:
            gone = db.execute("DELETE FROM observations WHERE end_s <= ?", (observed_before_s,)).rowcount
            return gone + db.execute("DELETE FROM issues WHERE issued_s < ?", (issued_before_s,)).rowcount

    # --- reading ----------------------------------------------------------------------------------------------------

    def history(
        self,
        zone: str,
        start_s: float,
        end_s: float,
        *,
        provider: str | None = None,
        signal: Signal = "average",
        basis: Basis = "lifecycle",
        known_s: float = math.inf,
    ) -> Series:
        """What was observed over ``[start_s, end_s)``, from one provider; what is not held is NaN.

        Args:
            zone: as gramwise calls it.
            start_s, end_s: Unix seconds.
            provider: whose; None takes the one who knows most of the interval.
            signal, basis: the kind.
            known_s: as it was known at that moment: later corrections are left out.

        Raises:
            ConfigError: nothing is held of such a zone; names the nearest.
            MixedKinds: the zone is held in other kinds only.
            DataGap: nothing of the interval is known.
        """
        best: list[Any] = []
        with self._transaction() as db:
            for stream in _streams(db, zone, signal, basis, provider):
                rows = db.execute(
                    "SELECT o.start_s, o.end_s, o.value, o.source, o.seen_s FROM observations o "
                    "WHERE o.stream = ? AND o.start_s < ? AND o.end_s > ? AND o.seen_s <= ? AND o.value IS NOT NULL "
                    "ORDER BY o.start_s, o.seen_s",
                    (stream, end_s, start_s, known_s),
                )
                newest = list({row[0]: row for row in rows}.values())  # of each step, what was seen last
                best = max(best, newest, key=_known_s)
            if not best:
                raise self._nothing(db, zone, signal, basis, f"of [{start_s:.0f}, {end_s:.0f})")
            label = _label(db, best)
        return to_series([row[:3] for row in best], start_s, end_s, signal, basis, label)

    def newest(
        self, provider: str, zone: str, by_s: float, signal: Signal = "average", basis: Basis = "lifecycle"
    ) -> Seen | None:
        """The last known value of ``zone`` whose step began, and that was seen, at or before ``by_s``."""
        with self._transaction() as db:
            for stream in _streams(db, zone, signal, basis, provider):
                row = db.execute(
                    "SELECT o.start_s, o.end_s, o.value, l.label FROM observations o "
                    "JOIN sources l ON l.id = o.source WHERE o.stream = ? AND o.start_s <= ? AND o.seen_s <= ? "
                    "AND o.value IS NOT NULL ORDER BY o.start_s DESC, o.seen_s DESC LIMIT 1",
                    (stream, by_s, by_s),
                ).fetchone()
                if row is not None:
                    return Seen(provider=provider, start_s=row[0], end_s=row[1], value=row[2], source=row[3])
        return None

    def gaps(
        self,
        provider: str,
        zone: str,
        start_s: float,
        end_s: float,
        signal: Signal = "average",
        basis: Basis = "lifecycle",
    ) -> list[tuple[float, float]]:
        """The parts of ``[start_s, end_s)`` of which no value of ``provider`` is held, in order."""
        try:
            held = self.history(zone, start_s, end_s, provider=provider, signal=signal, basis=basis)
        except (ConfigError, MixedKinds, DataGap):
            return [(start_s, end_s)]
        found: list[tuple[float, float]] = []
        ends = (*held.times_s[1:], held.end_s)
        for begin, end, value in zip(held.times_s, ends, held.values, strict=True):
            if value == value:
                continue
            if found and found[-1][1] == begin:
                begin = found.pop()[0]
            found.append((begin, end))
        return found

    def newest_forecast(
        self,
        zone: str,
        issued_s: float,
        signal: Signal = "average",
        basis: Basis = "lifecycle",
        provider: str | None = None,
        *,
        covering_s: float | None = None,
        since_s: float = -math.inf,
    ) -> Forecast | None:
        """The newest forecast that was issued, and seen by us, at or before ``issued_s``; None without one.

        Args:
            zone: as gramwise calls it.
            issued_s: Unix seconds; what was seen later is not told (no look-ahead).
            signal, basis: the kind.
            provider: whose; None takes the newest of all.
            covering_s: a moment for which it must have a value; older issues may reach further.
            since_s: issues before this moment are too old.
        """
        given = {"by_s": issued_s, "at_s": covering_s, "since_s": since_s}
        with self._transaction() as db:
            newest = [
                row
                for stream in _streams(db, zone, signal, basis, provider)
                for row in db.execute(
                    f"{_ISSUED} AND i.issued_s <= :by_s AND i.issued_s >= :since_s AND EXISTS ("
                    "SELECT 1 FROM steps f WHERE f.issue = i.id AND f.seen_s <= :by_s AND (:at_s IS NULL OR "
                    "(f.start_s <= :at_s AND f.end_s > :at_s AND f.value IS NOT NULL))) "
                    "ORDER BY i.issued_s DESC LIMIT 1",
                    {**given, "stream": stream},
                )
            ]
            if not newest:
                return None
            return _issue(db, zone, signal, basis, max(newest, key=lambda row: row[1]), issued_s)

    def forecasts(
        self,
        zone: str,
        from_s: float,
        to_s: float,
        signal: Signal = "average",
        basis: Basis = "lifecycle",
        provider: str | None = None,
    ) -> Iterator[Forecast]:
        """Every forecast that was issued in ``[from_s, to_s)``, as issued, in the order of issue."""
        with self._transaction() as db:
            rows = [
                row
                for stream in _streams(db, zone, signal, basis, provider)
                for row in db.execute(
                    f"{_ISSUED} AND i.issued_s >= :from_s AND i.issued_s < :to_s",
                    {"stream": stream, "from_s": from_s, "to_s": to_s},
                )
            ]
        rows.sort(key=lambda row: row[1])
        for row in rows:
            with self._transaction() as db:
                found = _issue(db, zone, signal, basis, row, math.inf)
            yield found

    def last_seen_s(
        self, provider: str, zone: str, signal: Signal = "average", basis: Basis = "lifecycle"
    ) -> float | None:
        """When the newest forecast of ``provider`` was seen, Unix seconds; None without one."""
        with self._transaction() as db:
            for stream in _streams(db, zone, signal, basis, provider):
                (seen_s,) = db.execute(
                    "SELECT MAX(f.seen_s) FROM steps f WHERE f.issue = "
                    "(SELECT id FROM issues WHERE stream = ? ORDER BY issued_s DESC LIMIT 1)",
                    (stream,),
                ).fetchone()
                return None if seen_s is None else float(seen_s)
        return None

    def forecast(
        self,
        zone: str,
        start_s: float,
        end_s: float,
        issued_s: float,
        *,
        provider: str | None = None,
        signal: Signal = "average",
        basis: Basis = "lifecycle",
    ) -> Forecast:
        """The stored forecast that was the newest at ``issued_s``, over ``[start_s, end_s)`` as far as it goes.

        Raises:
            ConfigError: nothing is held of such a zone; names the nearest.
            MixedKinds: the zone is held in other kinds only.
            SourceUnavailable: none had been seen by then.
            DataGap: it does not reach into the interval.
        """
        found = self.newest_forecast(zone, issued_s, signal, basis, provider)
        if found is None:
            with self._transaction() as db:
                fault = self._nothing(db, zone, signal, basis, "")
            if not isinstance(fault, DataGap):
                raise fault
            raise SourceUnavailable(f"{self.path}: no forecast of {zone} had been seen by {issued_s:.0f}.")
        return clip(found, start_s, end_s)

    def only(
        self,
        *,
        provider: str | None = None,
        signal: Signal = "average",
        basis: Basis = "lifecycle",
        known_s: float = math.inf,
    ) -> Shelf:
        """This archive as a source of one kind, and perhaps of one provider or of what was known at a moment."""
        return Shelf(archive=self, provider=provider, signal=signal, basis=basis, known_s=known_s)

    def zones(self) -> list[str]:
        """Every zone of which something is held."""
        with self._transaction() as db:
            return [row[0] for row in db.execute("SELECT DISTINCT zone FROM streams ORDER BY zone")]

    def providers(self, zone: str, signal: Signal = "average", basis: Basis = "lifecycle") -> list[str]:
        """Everybody of whom something of this kind is held for ``zone``."""
        with self._transaction() as db:
            found = db.execute(
                "SELECT provider FROM streams WHERE zone = ? AND signal = ? AND basis = ? ORDER BY provider",
                (zone, signal, basis),
            )
            return [row[0] for row in found]

    def _nothing(
        self, db: sqlite3.Connection, zone: str, signal: Signal, basis: Basis, what: str
    ) -> Exception:
        """Why there is nothing: no such zone, other kinds only, or not then."""
        kinds = db.execute("SELECT DISTINCT zone, signal, basis FROM streams").fetchall()
        mine = sorted({f"{kind[1]} {kind[2]}" for kind in kinds if kind[0] == zone})
        asked = f"{signal} {basis}"
        if not mine:
            zones = {row[0] for row in kinds}
            fix = did_you_mean(zone, zones) if zones else "It is empty: let a feed fill it first."
            return ConfigError(f"nothing is held of zone {zone!r}.", file=self.path, fix=fix)
        if asked not in mine:
            return MixedKinds(f"{self.path}: {zone} is held as {', '.join(mine)}, not as {asked}.")
        return DataGap(f"{self.path}: nothing is held of {zone} ({asked}) {what}".rstrip() + ".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """One kind of an archive as `IntensitySource` and `ForecastSource`; made by `Archive.only`."""

    archive: Archive
    provider: str | None
    signal: Signal
    basis: Basis
    known_s: float

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        """See `Archive.history`."""
        return self.archive.history(
            zone,
            start_s,
            end_s,
            provider=self.provider,
            signal=self.signal,
            basis=self.basis,
            known_s=self.known_s,
        )

    def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
        """See `Archive.forecast`."""
        by_s = min(issued_s, self.known_s)
        return self.archive.forecast(
            zone, start_s, end_s, by_s, provider=self.provider, signal=self.signal, basis=self.basis
        )


def _streams(
    db: sqlite3.Connection, zone: str, signal: Signal, basis: Basis, provider: str | None
) -> list[int]:
    """Streams of a zone and kind, one a provider, by name of the provider."""
    found = db.execute(
        "SELECT id FROM streams WHERE zone = ? AND signal = ? AND basis = ? AND (? IS NULL OR provider = ?) "
        "ORDER BY provider",
        (zone, signal, basis, provider, provider),
    )
    return [row[0] for row in found]


def _stream(db: sqlite3.Connection, provider: str, zone: str, series: Series) -> int:
    key = (zone, series.signal, series.basis, provider)
    db.execute("INSERT OR IGNORE INTO streams (zone, signal, basis, provider) VALUES (?, ?, ?, ?)", key)
    found = db.execute(
        "SELECT id FROM streams WHERE zone = ? AND signal = ? AND basis = ? AND provider = ?", key
    )
    return int(found.fetchone()[0])


def _source(db: sqlite3.Connection, series: Series) -> int:
    db.execute("INSERT OR IGNORE INTO sources (label) VALUES (?)", (series.source,))
    return int(db.execute("SELECT id FROM sources WHERE label = ?", (series.source,)).fetchone()[0])


def _label(db: sqlite3.Connection, rows: Sequence[Any]) -> str:
    """The words of the newest answer; a provider may say something else each time."""
    newest = max(rows, key=lambda row: row[4])[3]
    label = str(db.execute("SELECT label FROM sources WHERE id = ?", (newest,)).fetchone()[0])
    others = len({row[3] for row in rows}) - 1
    return f"{label}, and {others} earlier answers" if others else label


def _known_s(rows: Sequence[Any]) -> float:
    return float(sum(row[1] - row[0] for row in rows))


def _issue(
    db: sqlite3.Connection, zone: str, signal: Signal, basis: Basis, row: Sequence[Any], by_s: float
) -> Forecast:
    """One issue as it was seen by ``by_s``."""
    issue, issued_s, coverage, source = row
    steps = db.execute(
        "SELECT start_s, end_s, value, low, high FROM steps WHERE issue = ? AND seen_s <= ? ORDER BY start_s",
        (issue, by_s),
    ).fetchall()
    series = to_series(
        [step[:3] for step in steps], steps[0][0], max(s[1] for s in steps), signal, basis, source
    )
    low, high = ({step[0]: nan(step[k]) for step in steps} for k in (3, 4))
    banded = any(step[3] is not None for step in steps)
    return Forecast(
        zone=zone,
        issued_s=issued_s,
        series=series,
        low=tuple(low.get(t, math.nan) for t in series.times_s) if banded else None,
        high=tuple(high.get(t, math.nan) for t in series.times_s) if banded else None,
        coverage_frac=coverage if banded else None,
    )
