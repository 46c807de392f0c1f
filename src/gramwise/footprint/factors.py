"""Sourced factors: rows of the tables in ``data/`` as `Factor` records.

A table has the columns ``key, value, low, high, unit, method, year, source, licence`` and may have ``spread`` and
``note``. Empty ``low`` and ``high`` are refused: who does not know an interval has to say how wide it could be.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import cast

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.footprint import Factor, Spread
from gramwise.core.quantity import Method


@cache
def table(name: str) -> Mapping[str, Factor]:
    """The factors of ``data/<name>.csv`` by key, in the file's order.

    Args:
        name: of the table, without its ending: ``"embodied_factors"``.
    """
    text = (files("gramwise") / "data" / f"{name}.csv").read_text("utf-8")
    return {row["key"]: _factor(row) for row in csv.DictReader(text.splitlines())}


def factor(name: str, key: str) -> Factor:
    """One row of a table.

    Raises:
        ConfigError: no such key; names the nearest.
    """
    found = table(name).get(key)
    if found is None:
        raise ConfigError(
            f"the table {name} has no row {key!r}.", fix=did_you_mean(key, table(name), limit=20)
        )
    return found


def _factor(row: Mapping[str, str]) -> Factor:
    return Factor(
        key=row["key"],
        value=float(row["value"]),
        low=float(row["low"]),
        high=float(row["high"]),
        unit=row["unit"],
        method=cast(Method, row["method"]),
        source=row["source"],
        spread=cast(Spread, row.get("spread") or "triangular"),
    )
