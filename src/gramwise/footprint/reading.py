"""Reading a table that a user wrote: every key is known, every number in its range, every estimate has an interval.

An estimate is a plain number or a table ``{value, low, high, method, source}``, which for a factor may also say its
``spread`` and its ``key``: tables that name the same key share its draw. A plain number gets the interval of a rule of
``data/interval_rules.csv``: ``declared``, unless the caller knows how it was come by. A count or a duration is exact.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast, get_args

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.footprint import Factor, Spread, factor_of
from gramwise.core.quantity import Boundary, Method, Quantity
from gramwise.fleet.catalogue import half_width_frac

_QUANTITY = ("value", "low", "high", "method", "source")
_FACTOR = (*_QUANTITY, "spread", "key")


class Table:
    """One table that a user wrote, read key by key.

    Args:
        raw: what was written.
        where: dotted path of the table, for errors: ``"footprint.phases[0]"``; empty for a whole file.
        known: keys that may stand in it.
        file: that it stands in, if any.

    Raises:
        ConfigError: not a table; a key that is not known, with the nearest that is.
    """

    def __init__(
        self, raw: Mapping[str, Any], where: str, known: Collection[str], file: str | Path | None = None
    ) -> None:
        self.where, self.file = where, file
        if not isinstance(raw, Mapping):
            raise self.fault("", "this must be a table.", "Write keys and values.")
        for key in raw:
            if key not in known:
                raise self.fault(key, "there is no such key.", did_you_mean(str(key), known, limit=30))
        self.raw = raw

    def fault(self, key: str, message: str, fix: str) -> ConfigError:
        """An error at one of the keys."""
        return ConfigError(message, file=self.file, key=self.path(key), fix=fix)

    def path(self, key: str) -> str:
        """The dotted path of a key."""
        return ".".join(part for part in (self.where, key) if part)

    def has(self, key: str) -> bool:
        """Whether the key was written."""
        return key in self.raw

    def need(self, key: str, fix: str) -> None:
        """Refuse a table that lacks ``key``."""
        if key not in self.raw:
            raise self.fault(key, "this is required.", fix)

    def text(self, key: str) -> str:
        """A required text that is not empty."""
        self.need(key, "Write it as text.")
        value = self.raw[key]
        if not isinstance(value, str) or not value.strip():
            raise self.fault(key, f"this must be text, not {value!r}.", "Write a few letters in quotes.")
        return value.strip()

    def choice(self, key: str, options: Collection[str]) -> str:
        """A required text out of ``options``."""
        value = self.text(key)
        if value not in options:
            raise self.fault(key, f"{value!r} is not one of them.", did_you_mean(value, options, limit=20))
        return value

    def exact(self, key: str, *, most: float = math.inf, zero: bool = False) -> float:
        """A required number above zero, or from zero where ``zero``, that has no interval: a count, a duration."""
        self.need(key, f"Write a number {'from' if zero else 'above'} 0.")
        return self._number(key, self.raw[key], least=0.0, most=most, zero=zero)

    def moment_s(self, key: str) -> float | None:
        """Unix seconds of a moment, written as such or as ISO 8601 with its offset; None where it was not."""
        if key not in self.raw:
            return None
        value = self.raw[key]
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError as error:
                raise self.fault(
                    key, f"{value!r} is not a time.", 'Write "2026-01-31T06:00+00:00".'
                ) from error
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise self.fault(key, "the time lacks its offset.", 'Write "2026-01-31T06:00+00:00".')
            return value.timestamp()
        return self._number(key, value, least=-math.inf, most=math.inf, zero=True)

    def quantity(
        self,
        key: str,
        unit: str,
        *,
        least: float = 0.0,
        most: float = math.inf,
        zero: bool = False,
        rule: str = "declared",
        sourced: bool = True,
        boundary: Boundary = "site",
    ) -> Quantity:
        """A required number with its interval.

        Args:
            key: in the table.
            unit: of the number.
            least, most: bounds of value and interval. ``least`` itself is refused where ``zero`` is false and it is 0.
            zero: whether 0 may stand there.
            rule: of the interval of a plain number.
            sourced: whether a number that is written as a table must name its source.
            boundary: what the number includes.

        Raises:
            ConfigError: it is missing, no number, out of range or out of order; names the key.
        """
        self._need_figure(key, unit)
        if isinstance(self.raw[key], Mapping):
            return self._told(self._inner(key, _QUANTITY), unit, least, most, zero, sourced, boundary)
        value = self._number(key, self.raw[key], least=least, most=most, zero=zero)
        return self._plain(value, unit, least, most, rule, boundary)

    def factor(
        self,
        key: str,
        name: str,
        unit: str,
        *,
        least: float = 0.0,
        most: float = math.inf,
        zero: bool = False,
        rule: str = "declared",
        sourced: bool = True,
    ) -> Factor:
        """A required number as a factor: a `quantity` that may also say its spread and its key.

        Args:
            key, unit, least, most, zero, rule, sourced: as for `quantity`.
            name: of the factor, unless the user names it.

        Raises:
            ConfigError: as `quantity`; a spread that is unknown or does not go with the interval.
        """
        self._need_figure(key, unit)
        if not isinstance(self.raw[key], Mapping):
            plain = self.quantity(key, unit, least=least, most=most, zero=zero, rule=rule)
            return factor_of(name, plain)
        inner = self._inner(key, _FACTOR)
        told = self._told(inner, unit, least, most, zero, sourced, "site")
        spread = inner.choice("spread", get_args(Spread)) if inner.has("spread") else "triangular"
        if spread == "lognormal" and told.low <= 0.0:
            raise inner.fault("low", "a lognormal spread needs ends above 0.", "Choose another spread.")
        return factor_of(inner.text("key") if inner.has("key") else name, told, cast(Spread, spread))

    def _need_figure(self, key: str, unit: str) -> None:
        self.need(key, f"Write a number ({unit}), or a table with value, low, high and source.")

    def _inner(self, key: str, known: Collection[str]) -> Table:
        return Table(self.raw[key], self.path(key), known, self.file)

    @property
    def _said(self) -> str:
        return f"declared in {Path(self.file).name if self.file else 'the scenario'}"

    def _told(
        self,
        inner: Table,
        unit: str,
        least: float,
        most: float,
        zero: bool,
        sourced: bool,
        boundary: Boundary,
    ) -> Quantity:
        ends = ("value", "low", "high")
        for part in (*ends, "source") if sourced else ends:
            inner.need(part, f"A number that is written as a table has {', '.join(ends)} and source.")
        value, low, high = (
            inner._number(part, inner.raw[part], least=least, most=most, zero=zero) for part in ends
        )
        if not low <= value <= high:
            raise inner.fault(
                "value", f"{low} <= {value} <= {high} does not hold.", "Put the three in order."
            )
        method = inner.choice("method", get_args(Method)) if inner.has("method") else "assumed"
        return Quantity(
            value=value,
            low=low,
            high=high,
            unit=unit,
            method=cast(Method, method),
            boundary=boundary,
            source=inner.text("source") if inner.has("source") else self._said,
        )

    def _plain(
        self, value: float, unit: str, least: float, most: float, rule: str, boundary: Boundary
    ) -> Quantity:
        half, origin = half_width_frac(rule)
        # What can only lie above a floor (a PUE above 1) is uncertain in what it has above that floor.
        floor = least if math.isfinite(least) else 0.0
        width = half * (value - floor)
        return Quantity(
            value=value,
            low=value - width,
            high=min(most, value + width),
            unit=unit,
            method=cast(Method, rule if rule in get_args(Method) else "assumed"),
            boundary=boundary,
            source=f"{self._said}; interval by rule {rule}, {origin}",
        )

    def _number(self, key: str, value: object, *, least: float, most: float, zero: bool) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.fault(key, f"this must be a finite number, not {value!r}.", "Write digits, unquoted.")
        if value < least or value > most or (value == 0.0 and not zero and least == 0.0):
            bound = f"from {least:g}" if zero or least != 0.0 else "above 0"
            upto = f" to {most:g}" if math.isfinite(most) else ""
            raise self.fault(key, f"{value:g} is out of range.", f"Write a number {bound}{upto}.")
        return float(value)
