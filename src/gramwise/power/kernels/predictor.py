"""Seconds of kernels and of whole networks, from measured kernels of the same families.

    t_network = sum of its kernels + run_s + input_s x inputs

What the runtime spends between two kernels is in the kernels' own figures, since those of a rack are made to sum to its
whole run (`gramwise.power.kernels.tolls`). docs/method/kernels.md
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from .fit import Process, fit_base, scaled
from .kernel import Described, Kernel, describe
from .tolls import Sample, Toll

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

FEWEST = 8
"""A family with fewer samples lends nothing but its base."""

MOST = 300
"""A family's samples beyond these are left out: the process costs their cube."""

_LEAST_SPREAD = 0.3
"""Relative: where too few samples are at hand for a process, their own spread may be small by chance."""

_DOUBT_S = 1e-6
"""What is not known of any kernel's time: the profiler counts whole microseconds."""


class Part(msgspec.Struct, frozen=True):
    """One kernel of a prediction.

    Attributes:
        kernel: the kernel.
        family: whose samples answered.
        seconds: CPU seconds of one call.
        deviation_frac: standard deviation of the residual, relative.
        known: False where no kernel of the family was measured, so that others of the same operator answered, or
            those that only move bytes.
    """

    kernel: Kernel
    family: str
    seconds: float
    deviation_frac: float
    known: bool


class Prediction(msgspec.Struct, frozen=True):
    """CPU seconds of a network, with its kernels; ``overhead_s`` is what lies between them."""

    cpu_s: float
    overhead_s: float
    parts: tuple[Part, ...]

    @property
    def unknown(self) -> tuple[str, ...]:
        """Families that were not measured, sorted."""
        return tuple(sorted({describe(part.kernel).family for part in self.parts if not part.known}))


class Family:
    """Base and residual of the kernels of one family.

    Args:
        samples: at least one, all with the same names of features.
        hyper: of the process, as an earlier fit found them.

    Attributes:
        used: positions of the samples that were fitted: all, or `MOST` of them, the longer more often.
        left_out: logarithm of measured over predicted for each of those, predicted from the others.
        seen_frac: median relative error on those themselves.
    """

    def __init__(
        self, samples: Sequence[tuple[Described, float, float]], hyper: Floats | None = None
    ) -> None:
        self.used: list[int] = list(range(len(samples)))
        if len(samples) > MOST:
            self.used = _weighty(np.array([s for _, s, _ in samples]))
        some = [samples[i] for i in self.used]
        self._names = list(some[0][0].features)
        seconds = np.array([s for _, s, _ in some])
        work = _work([d for d, _, _ in some])
        self._base = fit_base(work, seconds, _DOUBT_S)
        residuals = np.log(seconds / np.maximum(work @ self._base, 1e-12))
        self._middle_residual, self._spread = float(np.median(residuals)), float(residuals.std())
        self._process: Process | None = None
        self.left_out: Floats = residuals - self._middle_residual
        self.seen_frac = float(np.median(np.abs(np.expm1(self.left_out))))
        if len(some) >= FEWEST:
            points, self._middle, self._width = scaled([self._row(d) for d, _, _ in some])
            noise = np.array([math.hypot(e, _DOUBT_S / s) for _, s, e in some])
            self._process = Process(points, residuals, noise, hyper)
            self.left_out = self._process.left_out
            rest = residuals - self._process.at(points)
            self.seen_frac = float(np.median(np.abs(np.expm1(rest))))

    @property
    def hyper(self) -> Floats | None:
        """Of the process; None where there are too few samples for one."""
        return self._process.hyper if self._process else None

    def __call__(self, kernels: Sequence[Described]) -> tuple[Floats, Floats]:
        """(n,) seconds of n kernels, and (n,) relative standard deviations."""
        base_s = _work(kernels) @ self._base
        if self._process is None:
            return base_s * math.exp(self._middle_residual), np.full(
                len(kernels), max(self._spread, _LEAST_SPREAD)
            )
        points = (np.array([self._row(d) for d in kernels]) - self._middle) / self._width
        return base_s * np.exp(self._process.at(points)), self._process.deviation(points)

    def _row(self, kernel: Described) -> list[float]:
        return [kernel.features[name] for name in self._names]


def _weighty(seconds: Floats) -> list[int]:
    """Positions of `MOST` samples, drawn by the root of their time: networks spend it in the large."""
    share = np.sqrt(seconds)
    chosen = np.random.default_rng(0).choice(len(seconds), MOST, replace=False, p=share / share.sum())
    return sorted(int(i) for i in chosen)


def _work(kernels: Sequence[Described]) -> Floats:
    return np.array([[1.0, d.flop, d.read_bytes, d.stored_bytes, d.write_bytes] for d in kernels])


class Predictor:
    """Everything measured on one machine, ready to answer.

    Args:
        samples: kernels, of all families.
        toll: what a run costs beside.
        hypers: of earlier fits, by family; sought where absent.

    Attributes:
        families: by name.
    """

    def __init__(
        self,
        samples: Iterable[Sample],
        toll: Toll,
        hypers: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        grouped: dict[str, list[tuple[Described, float, float]]] = {}
        for sample in samples:
            described = describe(sample.kernel)
            grouped.setdefault(described.family, []).append((described, sample.seconds, sample.spread_frac))
        self.families = {
            name: Family(group, np.array(hypers[name]) if hypers and name in hypers else None)
            for name, group in grouped.items()
        }
        self._pooled = _pooled(grouped)
        self._pools: dict[str, Family] = {}  # made when first asked for
        self._toll = toll

    def predict(self, kernels: Sequence[Kernel], inputs: int = 1) -> Prediction:
        """CPU seconds of one run of a network.

        Args:
            kernels: of the network, as its runtime would run them.
            inputs: tensors that are passed in.
        """
        by_family: dict[str, list[int]] = {}
        described = [describe(kernel) for kernel in kernels]
        for i, each in enumerate(described):
            by_family.setdefault(each.family, []).append(i)
        parts: list[Part | None] = [None] * len(kernels)
        for name, places in by_family.items():
            family, of, asked = self._lookup(name, [described[i] for i in places])
            seconds, deviations = family(asked)
            for i, second, deviation in zip(places, seconds, deviations, strict=True):
                parts[i] = Part(kernels[i], of, float(second), float(deviation), of == name)
        whole = tuple(part for part in parts if part is not None)
        overhead_s = self._toll.run_s + self._toll.input_s * inputs
        return Prediction(math.fsum(p.seconds for p in whole) + overhead_s, overhead_s, whole)

    def left_out(self, samples: Sequence[Sample]) -> Floats:
        """How far off kernels are that were not fitted.

        Args:
            samples: those that the predictor was made of, in the same order.

        Returns:
            (n,) logarithms of measured over predicted, each sample predicted from the others of its family.
        """
        found = np.full(len(samples), math.nan)
        grouped: dict[str, list[tuple[int, Described]]] = {}
        for i, sample in enumerate(samples):
            described = describe(sample.kernel)
            grouped.setdefault(described.family, []).append((i, described))
        for name, members in grouped.items():
            family = self.families[name]
            seconds, _ = family([described for _, described in members])
            places = [i for i, _ in members]
            measured = np.array([samples[i].seconds for i in places])
            errors = np.log(measured / seconds)
            errors[family.used] = family.left_out
            found[places] = errors
        return found

    def _lookup(self, name: str, kernels: list[Described]) -> tuple[Family, str, list[Described]]:
        if name in self.families:
            return self.families[name], name, kernels
        op, _, precision = name.split("/")
        flat = [_plain((d, 0.0, 0.0))[0] for d in kernels]
        for key in (f"{op}/{precision}", f"*/{precision}", "*"):
            if key in self._pooled:
                if key not in self._pools:
                    self._pools[key] = Family([_plain(s) for group in self._pooled[key] for s in group])
                return self._pools[key], key, flat
        raise AssertionError("a predictor has at least one sample")


def _plain(sample: tuple[Described, float, float]) -> tuple[Described, float, float]:
    """Without features, for pools of families that have different ones."""
    described, seconds, spread = sample
    return msgspec.structs.replace(described, features={"moved": _log_moved(described)}), seconds, spread


def _log_moved(kernel: Described) -> float:
    return math.log(1.0 + kernel.read_bytes + kernel.stored_bytes + kernel.write_bytes)


def _pooled(
    grouped: Mapping[str, list[tuple[Described, float, float]]],
) -> dict[str, list[list[tuple[Described, float, float]]]]:
    """Families that answer for one that was not measured: of the same operator; else all that only move bytes."""
    pools: dict[str, list[list[tuple[Described, float, float]]]] = {}
    for name, group in grouped.items():
        op, kind, precision = name.split("/")
        pools.setdefault(f"{op}/{precision}", []).append(group)
        if kind == "any":
            pools.setdefault(f"*/{precision}", []).append(group)
        pools.setdefault("*", []).append(group)
    return pools
