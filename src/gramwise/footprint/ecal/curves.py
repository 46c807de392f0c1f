"""What changes with the number of inferences, the country and the hour: break-even, marginal cost, curves.

The first half are formulas of eCAL as its authors define it (method: project page and tools of sensorlab/eCAL, metric
``eCAL = (1 + g_v)(E_D + g E_I) / (f IS (N_S + g N_IP))``), on scalars or arrays. The second half evaluates a
`PhysicalCase` along one of its axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.quantity import Quantity, weakest
from gramwise.core.series import Series
from gramwise.core.units import J_PER_KWH, FloatOrArray
from gramwise.footprint.bill import DRAWS, HIGH_PERCENTILE, LOW_PERCENTILE, draw

from .case import PhysicalCase
from .parts import Part, Physical, When
from .rates import intensity_key, pue_key

Floats = npt.NDArray[np.float64]


def ecal_j_per_bit(
    development_j: float,
    inference_j: float,
    sample_bits: float,
    samples: float,
    inferences: FloatOrArray,
    *,
    samples_per_inference: float = 1.0,
    overhead_frac: float = 0.0,
) -> FloatOrArray:
    """Joules per payload bit over a life of so many inferences.

    ``(1 + g_v) (E_D + g E_I) / (f IS (N_S + g N_IP))``

    Args:
        development_j: E_D, paid once.
        inference_j: E_I, of one inference.
        sample_bits: ``f IS``, payload of one sample.
        samples: N_S, used for development.
        inferences: g, scalar or array (N,).
        samples_per_inference: N_IP.
        overhead_frac: g_v, of virtualisation.
    """
    spent = (1.0 + overhead_frac) * (development_j + inferences * inference_j)
    return spent / (sample_bits * (samples + inferences * samples_per_inference))


def limit_j_per_bit(
    inference_j: float, sample_bits: float, *, samples_per_inference: float = 1.0, overhead_frac: float = 0.0
) -> float:
    """What `ecal_j_per_bit` tends to as inferences grow without end: ``(1 + g_v) E_I / (f IS N_IP)``."""
    return (1.0 + overhead_frac) * inference_j / (sample_bits * samples_per_inference)


def ratio(samples: float, rho: float, a: float, b: float) -> float:
    """``eCAL(a) / eCAL(b) = (N_S rho + a)(N_S + b) / ((N_S + a)(N_S rho + b))``, whatever overhead, width and units.

    Args:
        samples: N_S.
        rho: development joules per development sample over joules of one inference.
        a, b: numbers of inferences, of one sample each.
    """
    return (samples * rho + a) * (samples + b) / ((samples + a) * (samples * rho + b))


def ratio_ceiling(samples: float, a: float, b: float) -> float:
    """What `ratio` cannot exceed, however costly development is: ``(N_S + b) / (N_S + a)``."""
    return (samples + b) / (samples + a)


def break_even_inferences(development: float, inference: float) -> float | None:
    """Inferences that cost as much as development: ``E_D / E_I``, in joules or grams; None where one costs nothing."""
    return development / inference if inference > 0.0 else None


class Window(NamedTuple):
    """Numbers of inferences, open interval; ``high`` infinite where it never ends."""

    low: float
    high: float


def better_window(
    development_a: float, inference_a: float, development_b: float, inference_b: float
) -> Window | None:
    """Where design b costs less than design a; None where nowhere.

    The lines ``D + g I`` meet at ``g = (D_b - D_a) / (I_a - I_b)``.

    Args:
        development_a, development_b: D, paid once, joules or grams.
        inference_a, inference_b: I, each inference, in the same unit.
    """
    more, saved = development_b - development_a, inference_a - inference_b
    if saved == 0.0:
        return Window(0.0, math.inf) if more < 0.0 else None
    crossing = more / saved
    if saved > 0.0:
        return Window(max(0.0, crossing), math.inf)
    return Window(0.0, crossing) if crossing > 0.0 else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """A case over the number of inferences, columns of shape (N,); joules at machines and radios, grams with PUE.

    Attributes:
        inferences: g.
        energy_j, carbon_g: of the whole life.
        j_per_bit: of payload.
        j_per_inference, g_per_inference: amortised; NaN at no inference.
        marginal_j, marginal_g: of one more inference, whatever g.
        development_frac: share of the joules that development takes.
    """

    inferences: Floats
    energy_j: Floats
    carbon_g: Floats
    j_per_bit: Floats
    j_per_inference: Floats
    g_per_inference: Floats
    marginal_j: float
    marginal_g: float
    development_frac: Floats


def curve(
    case: PhysicalCase, inferences: Sequence[float] | Floats, folder: str | Path | None = None
) -> Curve:
    """A case at many numbers of inferences at once.

    Idle power over the reserved time is paid at every number, also at none; a number for which the reserved time is too
    short is refused.

    Raises:
        ConfigError: a negative number, or more than the reserved machine can serve.
    """
    account = Physical(case, folder)
    g = np.asarray(inferences, dtype=float)
    if g.size == 0 or not bool(np.all(np.isfinite(g) & (g >= 0.0))):
        raise ConfigError("numbers of inferences are zero or more, at least one of them.", key="inferences")
    account.check_reserved(float(g.max()))
    once_j, each_j = _two(account, account.energy_j)
    once_g, each_g = _two(account, account.carbon_g)
    joules, grams = once_j + g * each_j, once_g + g * each_g
    data, use = account.case.data, account.case.inference
    bits = data.payload_bits * (data.samples + g * use.samples)
    served = np.where(g > 0.0, g, np.nan)
    return Curve(
        inferences=g,
        energy_j=joules,
        carbon_g=grams,
        j_per_bit=joules / bits,
        j_per_inference=joules / served,
        g_per_inference=grams / served,
        marginal_j=each_j,
        marginal_g=each_g,
        development_frac=account.total(account.energy_j, "development") / joules,
    )


def _two(account: Physical, amount: Callable[[Part], float]) -> tuple[float, float]:
    once = account.total(amount, "development") + account.total(amount, "span")
    return once, account.total(amount, "inference")


def break_even(
    case: PhysicalCase,
    of: Literal["energy", "carbon"] = "carbon",
    *,
    folder: str | Path | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Quantity | None:
    """Inferences at which serving has cost as much as development, with its interval; None where serving is free.

    Both sides are drawn from the same factors, so what they share (a PUE, an intensity) moves both.

    Args:
        case: the life cycle; its own number of inferences does not matter.
        of: compare joules (before PUE) or grams.
        folder: of relative model files.
        draws, seed: of the interval, 5th to 95th percentile.
    """
    account = Physical(case, folder)
    amount = account.energy_j if of == "energy" else account.carbon_g
    value = break_even_inferences(account.total(amount, "development"), account.total(amount, "inference"))
    if value is None:
        return None
    drawn = draw(account.factors, draws, seed)
    low, high = np.percentile(
        _drawn(account, "development", of, drawn) / _drawn(account, "inference", of, drawn),
        (LOW_PERCENTILE, HIGH_PERCENTILE),
    )
    used = [f for f in account.factors if any(f.key in p.factors for p in account.parts)]
    return Quantity(
        value=value,
        low=min(float(low), value),
        high=max(float(high), value),
        unit="inference",
        method=weakest(*(f.method for f in used)),
        boundary="site",
        source="eCAL break-even E_D / E_I; " + "; ".join(dict.fromkeys(f.source for f in used)),
    )


def _drawn(account: Physical, when: When, of: str, drawn: Mapping[str, Floats]) -> Floats:
    total = np.zeros(len(next(iter(drawn.values()))))
    for part in account.parts:
        if part.when == when:
            joules = part.energy_j({k: drawn[k] for k in part.factors})
            grid = drawn[pue_key(part.location)] * drawn[intensity_key(part.location)] / J_PER_KWH
            total = total + joules * (1.0 if of == "energy" else grid)
    return total


def _site_j_by_location(account: Physical, when: When | None = None) -> dict[str, float]:
    """Joules of buildings, by location: over the life, or of those parts once."""
    out: dict[str, float] = {}
    for name in account.case.locations:
        parts = [p for p in account.parts if p.location == name and when in (None, p.when)]
        times = account.times if when is None else (lambda part: 1.0)
        out[name] = math.fsum(times(p) * account.energy_j(p, site=True) for p in parts)
    return out


class Elsewhere(NamedTuple):
    """A case with its electricity from another place: grams of the life, and of one more inference."""

    name: str
    carbon_g: float
    marginal_g: float


def countries(
    case: PhysicalCase,
    intensities_g_per_kwh: Mapping[str, float],
    *,
    move: Sequence[str] | None = None,
    folder: str | Path | None = None,
) -> list[Elsewhere]:
    """The same life cycle on other grids, cleanest first.

    Where every location moves, two countries differ by the ratio of their intensities and by nothing else.

    Args:
        case: the life cycle.
        intensities_g_per_kwh: by name of the place, of the case's own kind (average or marginal, life-cycle or direct).
        move: locations that move; None for all of them. The others keep their own intensity.

    Raises:
        ConfigError: a location that is not there, a negative intensity.
    """
    account = Physical(case, folder)
    moved = _moved(account, move)
    life, each = _site_j_by_location(account), _site_j_by_location(account, "inference")

    def grams(joules: Mapping[str, float], intensity: float) -> float:
        own = account.values
        return math.fsum(
            j / J_PER_KWH * (intensity if name in moved else own[intensity_key(name)])
            for name, j in joules.items()
        )

    for name, intensity in intensities_g_per_kwh.items():
        if not (intensity >= 0.0 and math.isfinite(intensity)):
            raise ConfigError(f"an intensity is zero or more, not {intensity}.", key=name)
    rows = [Elsewhere(n, grams(life, i), grams(each, i)) for n, i in intensities_g_per_kwh.items()]
    return sorted(rows, key=lambda row: (row.carbon_g, row.name))


def _moved(account: Physical, move: Sequence[str] | None) -> frozenset[str]:
    for name in move or ():
        if name not in account.case.locations:
            raise ConfigError(
                f"there is no location {name!r}.",
                key="move",
                fix=did_you_mean(name, account.case.locations),
            )
    return frozenset(account.case.locations if move is None else move)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Grams of one inference at each step of a series.

    Attributes:
        times_s: starts of the steps, Unix seconds.
        marginal_g: of one inference in that step; None where the series has no value.
        mean_g: time-weighted mean over the steps that have a value.
        best_s, worst_s: starts of the steps with the least and the most grams.
        saved_frac: what the best step saves against the mean.
    """

    times_s: tuple[float, ...]
    marginal_g: tuple[float | None, ...]
    mean_g: float
    best_s: float
    worst_s: float
    saved_frac: float


def hours(case: PhysicalCase, location: str, series: Series, *, folder: str | Path | None = None) -> Hours:
    """One inference at every hour of a day (or step of any series) at one location; the others keep their mean.

    Raises:
        ConfigError: no such location, a series of another kind than the case's, without an end, or without any value.
    """
    account = Physical(case, folder)
    _moved(account, [location])
    kind = account.case.locations[location].kind
    if (series.signal, series.basis) != kind or series.unit != "g/kWh":
        raise ConfigError(
            f"the series is {series.signal}, {series.basis}, in {series.unit}; the case is {kind[0]}, {kind[1]}.",
            key=location,
            fix="Use a series of the same kind in g/kWh.",
        )
    each = _site_j_by_location(account, "inference")
    rest = math.fsum(
        j / J_PER_KWH * account.values[intensity_key(n)] for n, j in each.items() if n != location
    )
    grams = [None if v != v else rest + each[location] / J_PER_KWH * v for v in series.values]
    known = [(g, t) for g, t in zip(grams, series.times_s, strict=True) if g is not None]
    if not known or not math.isfinite(series.end_s - series.times_s[0]):
        raise ConfigError("the series has no value, or no beginning and end.", key=location)
    ends = (*series.times_s[1:], series.end_s)
    spans = [
        (end - start, g) for start, end, g in zip(series.times_s, ends, grams, strict=True) if g is not None
    ]
    mean = math.fsum(span * g for span, g in spans) / math.fsum(span for span, _ in spans)
    best, worst = min(known), max(known, key=lambda gt: (gt[0], -gt[1]))
    return Hours(
        times_s=series.times_s,
        marginal_g=tuple(grams),
        mean_g=mean,
        best_s=best[1],
        worst_s=worst[1],
        saved_frac=1.0 - best[0] / mean if mean > 0.0 else 0.0,
    )
