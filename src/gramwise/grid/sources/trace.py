"""Recorded hourly intensities from a directory of files ``ZONE_YEAR.csv``: for replays, sweeps and tests.

A file has a header with ``time_utc`` and ``lifecycle_g_per_kwh``, ``direct_g_per_kwh`` or both; one row an hour, in
order, in UTC. A row that is not there and a cell that is empty are the same thing: the hour is not known, and stays so.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from gramwise.core.errors import BadReply, ConfigError, DataGap, MixedKinds, did_you_mean
from gramwise.core.quantity import Basis
from gramwise.core.series import Series
from gramwise.core.units import S_PER_HOUR

Floats = npt.NDArray[np.float64]

COLUMNS: dict[Basis, str] = {"lifecycle": "lifecycle_g_per_kwh", "direct": "direct_g_per_kwh"}
_FILE = re.compile(r"(?P<zone>.+)_(?P<year>\d{4})\.csv")


class Trace:
    """The `IntensitySource` of a directory of hourly files; average intensities.

    Args:
        directory: where the files ``ZONE_YEAR.csv`` lie. Each is read once, when first asked for.
        basis: which column.

    Raises:
        ConfigError: no such directory or basis, or no such file in it.
    """

    name = "trace"

    def __init__(self, directory: str | Path, basis: Basis = "lifecycle") -> None:
        if basis not in COLUMNS:
            raise ConfigError(f"a trace has no basis {basis!r}.", fix=f"Write one of: {', '.join(COLUMNS)}.")
        self.directory, self._basis = Path(directory), basis
        if not self.directory.is_dir():
            raise ConfigError("there is no such directory of traces.", file=self.directory)
        self._years = _catalogue(self.directory)
        if not self._years:
            raise ConfigError("no file here is called ZONE_YEAR.csv, as DE_2022.csv is.", file=self.directory)
        self._read: dict[tuple[str, int], Floats] = {}

    def zones(self) -> list[str]:
        """Every zone of which there is a year, sorted."""
        return sorted(self._years)

    def years(self, zone: str) -> list[int]:
        """The years there are of ``zone``, in order.

        Raises:
            ConfigError: no such zone; names the nearest.
        """
        if zone not in self._years:
            raise ConfigError(
                f"there is no trace of zone {zone!r}.", fix=did_you_mean(zone, self._years, limit=30)
            )
        return self._years[zone]

    def bases(self, zone: str) -> set[str]:
        """The bases that every file of ``zone`` has.

        Raises:
            ConfigError: no such zone; names the nearest.
            BadReply: a file has neither column.
        """
        return set.intersection(*(_bases(self.directory / f"{zone}_{year}.csv") for year in self.years(zone)))

    def hourly_values(self, zone: str, year: int) -> Floats:
        """Every hour of a year, from its first in UTC; NaN where the hour is not known.

        Returns:
            g/kWh, (8760,) or (8784,), read-only.

        Raises:
            ConfigError: no such zone or year; names those there are.
            MixedKinds: the file has not the column of this basis; names the one it has.
            BadReply: a bad number or time, rows out of order, off the hour or outside the year; file and line.
        """
        if year not in self.years(zone):
            there = ", ".join(map(str, self._years[zone]))
            raise ConfigError(f"there is no trace of {zone} in {year}.", fix=f"Of {zone} there is {there}.")
        known = self._read.get((zone, year))
        if known is None:
            known = _read(self.directory / f"{zone}_{year}.csv", year, self._basis)
            self._read[zone, year] = known
        return known

    def hourly(self, zone: str, year: int) -> Series:
        """A whole year as a series, every hour a step, NaN where it is not known.

        Args and raises: as `hourly_values`.
        """
        values, start_s = self.hourly_values(zone, year), _year_start_s(year)
        return self._series(zone, start_s, values.tolist())

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        """The hours that touch ``[start_s, end_s)``, over as many years as it takes.

        Args:
            zone: one of `zones`.
            start_s, end_s: Unix seconds.

        Raises:
            ConfigError, MixedKinds, BadReply: as `hourly_values`; also for a year that is not there.
            DataGap: not one hour of it is known.
        """
        first_s = start_s // S_PER_HOUR * S_PER_HOUR
        last_s = max(first_s + S_PER_HOUR, -(-end_s // S_PER_HOUR) * S_PER_HOUR)
        years = range(_year(first_s), _year(last_s - 1.0) + 1)
        values = np.concatenate([self.hourly_values(zone, year) for year in years])
        skip = int((first_s - _year_start_s(years[0])) / S_PER_HOUR)
        asked = values[skip : skip + int((last_s - first_s) / S_PER_HOUR)]
        if np.isnan(asked).all():
            raise DataGap(f"{self._source(zone)}: not one hour is known in the interval asked for.")
        return self._series(zone, first_s, asked.tolist())

    def _series(self, zone: str, start_s: float, values: list[float]) -> Series:
        return Series(
            times_s=tuple(start_s + S_PER_HOUR * hour for hour in range(len(values))),
            values=tuple(values),
            end_s=start_s + S_PER_HOUR * len(values),
            unit="g/kWh",
            signal="average",
            basis=self._basis,
            source=self._source(zone),
        )

    def _source(self, zone: str) -> str:
        return f"trace {self.directory.name}, {zone}, {self._basis}"


def common_basis(directory: str | Path, zones: Iterable[str]) -> Basis:
    """The basis that every file of some zones has: lifecycle where it can be had, since it leaves less out.

    Raises:
        ConfigError: no such directory, or no such zone in it.
        MixedKinds: some files have only the one and some only the other.
        BadReply: a file has neither.
    """
    trace = Trace(directory)
    has: dict[str, set[str]] = {}
    for zone in dict.fromkeys(zones):
        for year in trace.years(zone):
            file = trace.directory / f"{zone}_{year}.csv"
            has[file.name] = _bases(file)
    for basis in COLUMNS:
        if all(basis in there for there in has.values()):
            return basis
    one = next(name for name, there in has.items() if "lifecycle" not in there)
    other = next(name for name, there in has.items() if "direct" not in there)
    raise MixedKinds(
        f"{trace.directory}: {one} has direct intensities only and {other} lifecycle ones only; "
        "the two are not comparable. Put files of one kind there."
    )


def _bases(file: Path) -> set[str]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            header = next(csv.reader(lines), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadReply(f"{file}: this is no CSV text ({error}).") from None
    there: set[str] = {basis for basis, column in COLUMNS.items() if column in header}
    if not there:
        raise BadReply(f"{file}, line 1: wants the columns time_utc and {' or '.join(COLUMNS.values())}.")
    return there


def _catalogue(directory: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for file in sorted(directory.iterdir()):
        if match := _FILE.fullmatch(file.name):
            found.setdefault(match["zone"], []).append(int(match["year"]))
    return found


def _read(file: Path, year: int, basis: Basis) -> Floats:
    hours = _hours(year)
    values = [math.nan] * len(hours)
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            _fill(values, lines, hours, basis, file)
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadReply(f"{file}: this is no CSV text ({error}).") from None
    array = np.array(values)
    array.setflags(write=False)
    return array


def _fill(values: list[float], lines: TextIO, hours: Mapping[str, int], basis: Basis, file: Path) -> None:
    """Put each row's value at its hour. The loop is plain on purpose: it reads a year in some milliseconds."""
    table = csv.reader(lines)
    time_at, value_at = _places(next(table, []), basis, file)
    last = -1
    for row in table:
        try:
            hour, cell = hours[row[time_at]], row[value_at]
            value = float(cell) if cell else math.nan
        except (KeyError, IndexError, ValueError):
            if not row:
                continue
            hour, value = _careful(row, time_at, value_at, hours, f"{file}, line {table.line_num}")
        if hour <= last:
            raise BadReply(
                f"{file}, line {table.line_num}: {row[time_at]!r} does not come after the row before."
            )
        if not 0.0 <= value < math.inf and row[value_at].strip():
            raise BadReply(f"{file}, line {table.line_num}: {row[value_at]!r} is no intensity in g/kWh.")
        values[hour] = value
        last = hour


def _places(header: list[str], basis: Basis, file: Path) -> tuple[int, int]:
    """Where time and value stand in a row."""
    there: list[str] = [known for known, column in COLUMNS.items() if column in header]
    if "time_utc" not in header or not there:
        raise BadReply(f"{file}, line 1: wants the columns time_utc and {' or '.join(COLUMNS.values())}.")
    if basis not in there:
        raise MixedKinds(
            f"{file}: it has {there[0]} intensities only, and {basis} ones were asked for. "
            f"Ask with basis={there[0]!r}; the two are not comparable."
        )
    return header.index("time_utc"), header.index(COLUMNS[basis])


def _careful(
    row: list[str], time_at: int, value_at: int, hours: Mapping[str, int], where: str
) -> tuple[int, float]:
    """A row the fast way could not read: another spelling of the time, or something wrong, which is said."""
    if len(row) <= max(time_at, value_at):
        raise BadReply(f"{where}: the row has {len(row)} cells, fewer than the header asks for.")
    text = row[time_at]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadReply(f"{where}: {text!r} is no time.") from None
    # The column is called time_utc: a time without offset is one in UTC.
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    hour = hours.get(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    if hour is None or moment.microsecond:
        raise BadReply(f"{where}: {text!r} is no full hour of the file's year in UTC.")
    cell = row[value_at].strip()
    try:
        return hour, float(cell) if cell else math.nan
    except ValueError:
        raise BadReply(f"{where}: {row[value_at]!r} is no intensity in g/kWh.") from None


@lru_cache(maxsize=4)
def _hours(year: int) -> Mapping[str, int]:
    """Hour of the year by its text: one look-up instead of parsing 8760 times."""
    return {text: hour for hour, text in enumerate(_texts(year))}


def _texts(year: int) -> Iterator[str]:
    for day in np.arange(f"{year:04d}", f"{year + 1:04d}", dtype="datetime64[D]").astype(str).tolist():
        for hour in range(24):
            yield f"{day}T{hour:02d}:00:00Z"


def _year(time_s: float) -> int:
    return datetime.fromtimestamp(time_s, UTC).year


def _year_start_s(year: int) -> float:
    return datetime(year, 1, 1, tzinfo=UTC).timestamp()


PLUGIN = Trace
