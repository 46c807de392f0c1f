"""From factors to a bill: every line is a pure function of factors, evaluated once at the values and once on the draws.

Intervals are never added up: the total's come from summing the lines draw by draw, so a factor that two lines share
(a zone's intensity, a PUE) moves both. What a factor contributes to the total's uncertainty is the variance of the
total when that factor alone is drawn, over the sum of all such variances (a first-order, one-at-a-time share: Saltelli
et al., "Global Sensitivity Analysis: The Primer", 2008, section 1.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import EMBODIED, Factor, Footprint, Item, Phase, Share
from gramwise.core.quantity import Boundary, Quantity, weakest

Value = float | npt.NDArray[np.float64]
Values = Mapping[str, Value]
Formula = Callable[[Values], Value]

DRAWS = 10_000
LOW_PERCENTILE, HIGH_PERCENTILE = 5.0, 95.0
Z95 = 1.6448536269514722
"""95th percentile of the standard normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a bill before it is evaluated.

    Attributes:
        name, phase: as in `Item`.
        factors: keys that ``carbon_g`` and ``energy_j`` read; nothing else may be read.
        carbon_g: pure; factors by key, scalars or arrays of one shape (D,), to grams of that shape.
        energy_j: likewise to joules; None where no electricity stands behind the line, or it is not known.
        boundary: of the result.
    """

    name: str
    phase: Phase
    factors: tuple[str, ...]
    carbon_g: Formula
    energy_j: Formula | None = None
    boundary: Boundary = "site"


def draw(factors: Iterable[Factor], draws: int = DRAWS, seed: int = 0) -> dict[str, npt.NDArray[np.float64]]:
    """Draw every factor by itself, each from a stream of its own.

    A factor's draws depend on ``seed`` and its key only: adding another factor changes none.

    Args:
        factors: whose keys differ.
        draws: how many, D.
        seed: any integer of at least zero.

    Returns:
        By key, shape (D,).
    """
    return {f.key: _draw(f, draws, seed) for f in factors}


def _draw(factor: Factor, draws: int, seed: int) -> npt.NDArray[np.float64]:
    if factor.spread == "exact" or factor.low == factor.high:
        return np.full(draws, factor.value)
    stream = np.random.default_rng([seed, *factor.key.encode()])
    if factor.spread == "uniform":
        return stream.uniform(factor.low, factor.high, draws)
    if factor.spread == "triangular":
        return stream.triangular(factor.low, factor.value, factor.high, draws)
    middle = 0.5 * (math.log(factor.low) + math.log(factor.high))
    width = (math.log(factor.high) - math.log(factor.low)) / (2.0 * Z95)
    return stream.lognormal(middle, width, draws)


def bill(
    lines: Sequence[Line],
    factors: Iterable[Factor],
    *,
    functional_unit: str,
    units: float,
    boundary: str,
    not_included: Sequence[str] = (),
    draws: int = DRAWS,
    seed: int = 0,
) -> Footprint:
    """Evaluate lines into a footprint.

    Args:
        lines: of the bill.
        factors: all that lines name; those that none names are left out of the result.
        functional_unit, units, boundary, not_included: as in `Footprint`.
        draws: D, of the intervals; at least 100.
        seed: same seed, same intervals.

    Returns:
        The bill. Each item's value is the formula at the factors' values, not the mean of the draws.

    Raises:
        ConfigError: two factors under one key that differ, a line that names a factor which is not there, too few
            draws, a negative seed, negative units, a line that is not finite.
    """
    known = _known(lines, factors)
    if draws < 100:
        raise ConfigError(f"{draws} draws are too few for percentiles.", fix="Draw at least 100.")
    if seed < 0:
        raise ConfigError(f"a seed is never below 0, and {seed} is.", fix="Write 0 or more.")
    if not (units >= 0.0 and math.isfinite(units)):
        raise ConfigError(
            f"units must be zero or more, not {units}.", fix="Write how many the account covers."
        )
    middle: Values = {k: f.value for k, f in known.items()}
    drawn = draw(known.values(), draws, seed)
    evaluated = [(line, *_evaluate(line, line.carbon_g, middle, drawn, draws)) for line in lines]
    items = tuple(
        Item(
            name=line.name,
            phase=line.phase,
            carbon=_quantity(value, spread, "g", line.boundary, [known[key] for key in line.factors]),
            energy_j=_energy(line, middle, drawn, draws, known),
            factors=line.factors,
        )
        for line, value, spread in evaluated
    )

    def part(keep: Callable[[Line], bool]) -> Quantity:
        chosen = [row for row in evaluated if keep(row[0])]
        value = math.fsum(row[1] for row in chosen)
        spread = np.sum([row[2] for row in chosen], axis=0) if chosen else np.zeros(draws)
        part_of = [row[0] for row in chosen]
        used = dict.fromkeys(key for line in part_of for key in line.factors)
        return _quantity(value, spread, "g", _boundary(part_of), [known[key] for key in used])

    total = part(lambda line: True)
    return Footprint(
        functional_unit=functional_unit,
        units=units,
        items=items,
        total=total,
        per_unit=_scaled(total, 1.0 / units, f"g/{functional_unit}") if units else None,
        operational=part(lambda line: line.phase not in EMBODIED),
        embodied=part(lambda line: line.phase in EMBODIED),
        contributors=_contributors(lines, known, middle, drawn, draws),
        not_included=tuple(not_included),
        draws=draws,
        seed=seed,
        boundary=boundary,
        factors=known,
    )


def _known(lines: Sequence[Line], factors: Iterable[Factor]) -> dict[str, Factor]:
    by_key: dict[str, Factor] = {}
    for factor in factors:
        if by_key.setdefault(factor.key, factor) != factor:
            raise ConfigError(
                f"the factor {factor.key!r} is given twice, with different values.", key=factor.key
            )
    wanted = dict.fromkeys(key for line in lines for key in line.factors)
    missing = [key for key in wanted if key not in by_key]
    if missing:
        raise ConfigError(f"no factor {missing[0]!r} is given.", key=missing[0])
    return {key: by_key[key] for key in wanted}


def _evaluate(
    line: Line, formula: Formula, middle: Values, drawn: Values, draws: int
) -> tuple[float, npt.NDArray[np.float64]]:
    value = float(formula({k: middle[k] for k in line.factors}))
    spread = np.broadcast_to(np.asarray(formula({k: drawn[k] for k in line.factors}), dtype=float), (draws,))
    if not (math.isfinite(value) and np.isfinite(spread).all()):
        raise ConfigError(
            f"{line.name!r} is not finite for every value of its factors ({', '.join(line.factors)}).",
            key=line.name,
            fix="Give what it divides by an interval above 0.",
        )
    return value, spread


class _Watched(dict[str, Value]):
    """Factors that remember which of them a formula read: provenance is that of what was used."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        super().__init__(values)
        self.read: dict[str, None] = {}

    def __getitem__(self, key: str) -> Value:
        self.read[key] = None
        return super().__getitem__(key)


def _energy(
    line: Line, middle: Values, drawn: Values, draws: int, known: Mapping[str, Factor]
) -> Quantity | None:
    if line.energy_j is None:
        return None
    value, spread = _evaluate(line, line.energy_j, middle, drawn, draws)
    watched = _Watched({k: middle[k] for k in line.factors})
    line.energy_j(watched)
    return _quantity(value, spread, "J", line.boundary, [known[key] for key in watched.read])


def _quantity(
    value: float, spread: npt.NDArray[np.float64], unit: str, boundary: Boundary, used: Sequence[Factor]
) -> Quantity:
    low, high = np.percentile(spread, (LOW_PERCENTILE, HIGH_PERCENTILE))
    # A count or a definition makes nothing less sure, so it does not speak where anything else does.
    telling = [f for f in used if f.spread != "exact"] or used
    return Quantity(
        value=value,
        low=min(float(low), value),  # a skewed spread may leave the central value outside its percentiles
        high=max(float(high), value),
        unit=unit,
        method=weakest(*(f.method for f in telling)) if telling else "assumed",
        boundary=boundary,
        source="; ".join(dict.fromkeys(f.source for f in used)) or "exact by definition",
    )


def _boundary(lines: Sequence[Line]) -> Boundary:
    """That of all lines, or the site's where they differ."""
    return lines[0].boundary if len({line.boundary for line in lines}) == 1 else "site"


def _scaled(quantity: Quantity, by: float, unit: str) -> Quantity:
    return Quantity(
        value=quantity.value * by,
        low=quantity.low * by,
        high=quantity.high * by,
        unit=unit,
        method=quantity.method,
        boundary=quantity.boundary,
        source=quantity.source,
    )


def _contributors(
    lines: Sequence[Line], known: Mapping[str, Factor], middle: Values, drawn: Values, draws: int
) -> tuple[Share, ...]:
    variances: dict[str, float] = {}
    for key in known:
        moved = np.zeros(draws)
        for line in lines:
            if key in line.factors:
                moved = moved + line.carbon_g({k: drawn[k] if k == key else middle[k] for k in line.factors})
        variances[key] = float(np.var(moved))
    whole = math.fsum(variances.values())
    if whole <= 0.0:
        return ()
    shares = [Share(key=key, share_frac=v / whole) for key, v in variances.items() if v > 0.0]
    return tuple(sorted(shares, key=lambda s: (-s.share_frac, s.key)))
