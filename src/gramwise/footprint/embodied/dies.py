"""Logic dies: carbon per area from energy, gases, materials, yield and the fab's grid (Gupta et al., ACT, ISCA 2022).

::

    CPA = (CI_fab x EPA + GPA + MPA) / Y        C_die = A x CPA

EPA is the electricity and GPA the direct gases that a cm2 of wafer takes at a process node, MPA the materials, Y the
share of good dies. Nodes between the published ones are interpolated linearly in log(node). Every term is a factor of
the bill, so two dies of one device share the draw of the fab's grid, of the yield and of the account (see
`ACCOUNTS`): what is common to them stays common.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.footprint import Factor
from gramwise.footprint.bill import Line, Value, Values
from gramwise.footprint.embodied.parts import Priced, checked
from gramwise.footprint.factors import table

TABLE = "embodied_fab"
ACCOUNTS = "die.accounts"
"""Key of the factor between accounts: 1 for ACT (the value), up to 3.5 for Pirson and Bol (the high end)."""
Yield = Literal["fixed", "murphy", "poisson", "seeds"]


def node_nm(process: str | float, key: str = "process") -> float:
    """A process node in nanometres from ``"7nm"``, ``"7 nm"`` or a number.

    Raises:
        ConfigError: not a node, or outside the published ones; names ``key``.
    """
    text = str(process).strip()
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:nm)?", text)
    nodes = _nodes()
    if found is None or not nodes[-1] <= float(found[1]) <= nodes[0]:
        raise ConfigError(
            f"{text!r} is not a process node with published figures.",
            key=key,
            fix=f"Write one from {nodes[-1]:g}nm to {nodes[0]:g}nm.",
        )
    return float(found[1])


@cache
def _nodes() -> tuple[float, ...]:
    found = (re.fullmatch(r"die\.(\d+)nm\.epa", key) for key in table(TABLE))
    return tuple(sorted((float(m[1]) for m in found if m), reverse=True))


def per_area(process: str | float, term: Literal["epa", "gpa95", "gpa99"], key: str = "process") -> Factor:
    """One term of the carbon per area at a node, interpolated in log(node) between the published ones.

    Returns:
        kWh/cm2 for ``epa``, g/cm2 for the gases at 95 or 99 % abatement.

    Raises:
        ConfigError: as `node_nm`.
    """
    node = node_nm(process, key)
    upper = min(n for n in _nodes() if n >= node)
    lower = max(n for n in _nodes() if n <= node)
    above, below = (table(TABLE)[f"die.{n:g}nm.{term}"] for n in (upper, lower))
    if upper == lower:
        return above
    share = (math.log(upper) - math.log(node)) / (math.log(upper) - math.log(lower))

    def mix(a: float, b: float) -> float:
        return a + share * (b - a)

    return Factor(
        key=f"die.{node:g}nm.{term}",
        value=mix(above.value, below.value),
        low=mix(above.low, below.low),
        high=mix(above.high, below.high),
        unit=above.unit,
        method="modelled",
        source=f"interpolated in log(node) between {upper:g} and {lower:g} nm: {above.source}",
    )


def fab_grid(name: str, year: str = "2022", key: str = "fab_ci") -> Factor:
    """Intensity of a fab's electricity by place (``"taiwan"``) or energy source (``"coal"``), g/kWh.

    Args:
        name: as in ACT's tables, in any case.
        year: of the places' table, ``"2022"`` or ``"2023"``.
        key: to name in an error.

    Raises:
        ConfigError: no such place or source; names the nearest.
    """
    wanted = name.strip().lower()
    for candidate in (f"grid.{year}.{wanted}", f"grid.source.{wanted}"):
        if candidate in table(TABLE):
            return table(TABLE)[candidate]
    known = {k.rsplit(".", 1)[1] for k in table(TABLE) if k.startswith((f"grid.{year}.", "grid.source."))}
    raise ConfigError(
        f"no grid or energy source {name!r} is known.", key=key, fix=did_you_mean(wanted, known, 30)
    )


def abatement(value: str | float, key: str = "gpa") -> int:
    """95, 97 or 99 (per cent of the gases that are abated) from what was written.

    Raises:
        ConfigError: another figure.
    """
    text = str(value).strip().rstrip("%").strip()
    if text not in {"95", "97", "99"}:
        raise ConfigError(f"no gas figures at {text!r} % abatement.", key=key, fix="Write 95, 97 or 99.")
    return int(text)


def cpa_g_per_cm2(
    epa_kwh_per_cm2: Value,
    gpa_g_per_cm2: Value,
    mpa_g_per_cm2: Value,
    intensity_g_per_kwh: Value,
    yield_frac: Value,
) -> Value:
    """Carbon per area of good dies, g/cm2; arguments scalars or arrays of one shape (equation of the module)."""
    return (intensity_g_per_kwh * epa_kwh_per_cm2 + gpa_g_per_cm2 + mpa_g_per_cm2) / yield_frac


def murphy(area_cm2: Value, defects_per_cm2: Value) -> Value:
    """Yield after Murphy (1964): ``((1 - exp(-AD)) / AD)^2``, for scalars or arrays of one shape."""
    expected = np.asarray(area_cm2 * defects_per_cm2, dtype=float)
    safe = np.where(expected > 0.0, expected, 1.0)
    share = np.where(expected > 0.0, (-np.expm1(-safe) / safe) ** 2, 1.0)
    return share if share.ndim else float(share)


def poisson(area_cm2: Value, defects_per_cm2: Value) -> Value:
    """Yield where defects fall independently: ``exp(-AD)``."""
    share = np.exp(-np.asarray(area_cm2 * defects_per_cm2, dtype=float))
    return share if share.ndim else float(share)


def seeds(area_cm2: Value, defects_per_cm2: Value) -> Value:
    """Yield after Seeds: ``1 / (1 + AD)``, the most hopeful of the three for large dies."""
    return 1.0 / (1.0 + area_cm2 * defects_per_cm2)


_YIELDS: dict[str, Callable[[Value, Value], Value]] = {"murphy": murphy, "poisson": poisson, "seeds": seeds}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fab:
    """Where and how a die is made.

    Attributes:
        grid: place or energy source of the fab's electricity, see `fab_grid`.
        abatement_pct: of the gases: 95, 97 (the mean of the two published rows) or 99.
        yield_model: fixed, or from area and defect density.
        yield_frac: of the fixed model; None for the table's default with its interval.
    """

    grid: str = "taiwan"
    abatement_pct: int = 97
    yield_model: Yield = "fixed"
    yield_frac: float | None = None


def die(name: str, area_cm2: float | Factor, process: str | float, fab: Fab | None = None) -> Priced:
    """The line of one logic die: area times carbon per area times the factor between accounts.

    Args:
        name: of the line.
        area_cm2: of the die, more than zero; a factor (unit cm2) where it is only known within an interval.
        process: node, see `node_nm`.
        fab: where it is made; default Taiwan, 97 % abatement, yield 0.875.

    Raises:
        ConfigError: unknown node, grid, abatement or yield, naming ``<name>.<key>``.
    """
    fab = fab or Fab()
    terms = _Terms.of(name, process, fab)
    area = None if isinstance(area_cm2, Factor) else checked(area_cm2, f"{name}.area", zero=False)
    area_factor = area_cm2 if isinstance(area_cm2, Factor) else None
    keys = (*(f.key for f in terms.factors), *((area_factor.key,) if area_factor else ()))

    def carbon_g(f: Values) -> Value:
        cm2: Value = f[area_factor.key] if area_factor else area or 0.0
        return cm2 * terms.cpa(f, cm2) * f[ACCOUNTS]

    return Priced(
        line=Line(name=name, phase="manufacture", factors=keys, carbon_g=carbon_g),
        factors=(*terms.factors, *((area_factor,) if area_factor else ())),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """The factors of one die's carbon per area and how they combine."""

    factors: tuple[Factor, ...]
    cpa: Callable[[Values, Value], Value]

    @staticmethod
    def of(name: str, process: str | float, fab: Fab) -> _Terms:
        epa = per_area(process, "epa", f"{name}.process")
        wanted = abatement(fab.abatement_pct, f"{name}.gpa")
        ends = [95, 99] if wanted == 97 else [wanted]
        gases = [per_area(process, "gpa95" if end == 95 else "gpa99", f"{name}.process") for end in ends]
        grid = fab_grid(fab.grid, key=f"{name}.fab_ci")
        mpa, accounts = table(TABLE)["die.mpa"], table(TABLE)[ACCOUNTS]
        good = yield_factor(name, fab)
        model = _YIELDS.get(fab.yield_model)

        def cpa(f: Values, area_cm2: Value) -> Value:
            gas: Value = sum(f[g.key] for g in gases) / len(gases)
            share = model(area_cm2, f[good.key]) if model else f[good.key]
            return cpa_g_per_cm2(f[epa.key], gas, f[mpa.key], f[grid.key], share)

        return _Terms(factors=(epa, *gases, mpa, grid, good, accounts), cpa=cpa)


def yield_factor(name: str, fab: Fab) -> Factor:
    """The factor that a fab's yield rests on: the share itself if fixed, the defect density (1/cm2) of a model.

    Raises:
        ConfigError: no such model, or a share that is no yield.
    """
    if fab.yield_model != "fixed":
        if fab.yield_model not in _YIELDS:
            raise ConfigError(
                f"{fab.yield_model!r} is not a yield model.",
                key=f"{name}.yield_model",
                fix=did_you_mean(fab.yield_model, ["fixed", *_YIELDS]),
            )
        return table(TABLE)["die.defects"]
    if fab.yield_frac is None:
        return table(TABLE)["die.yield"]
    share = yield_of(fab.yield_frac, f"{name}.fab_yield")
    return Factor(
        key=f"die.yield.{share:g}",
        value=share,
        low=share,
        high=share,
        unit="1",
        method="assumed",
        source="given with the die",
        spread="exact",
    )


def yield_of(value: float, key: str) -> float:
    """A yield that can be one: more than 0, at most 1.

    Raises:
        ConfigError: it cannot; names ``key``.
    """
    if not 0.0 < value <= 1.0:
        raise ConfigError(f"{value} is not a yield.", key=key, fix="Write more than 0 and at most 1.")
    return value
